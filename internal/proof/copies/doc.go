// Package copies interrupts checkpoints, backups and restores of databases that are in use, damages what they have
// written, and judges what is there then: a copy is the state after one commit, whole, or it is refused with an error
// that says what to do; what is copied stays as it was, whatever becomes of the copy; and the next one goes through.
//
// A Trial is of one database, which a seed draws. Directories are in memory and remember what is durable
// (internal/system/vfs/memfs), so is the store of the repository, which does what its contract says. What is restored
// from that is in a real directory, because package backup knows no other. The package is for tests and for
// cmd/lightning-proof.
package copies
