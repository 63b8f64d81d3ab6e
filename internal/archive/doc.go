// Package archive keeps what a database commits somewhere else, a moment later, and restores the state after any of
// these commits. It owns the pieces, and the order in which they come to a Store; what a Store is, and backups, are
// others' business. The bytes of a piece are in docs/format.md.
//
// # Branches
//
// A branch is a base, which names a backup, and the commits that follow it without a gap, in pieces. The name of a
// piece is the first sequence number in it, and a Store takes a name only once. Each piece has the digest of the one
// before it. So a branch has one order, nothing is missing in it unnoticed, and nothing can be mixed in.
//
// A piece says at which place of the log it ends, with the checksum there, which is chained to everything before it in
// the segment. Who goes on with a branch, also after a restart or a power cut, reads its own log up to that place first
// (wal.Tail.Resume). If the log is another one there, because it belongs to a copy of the database that was written
// apart, the branch is not its own.
//
// A new branch begins whenever the log does not lead on from the last one:
//
//	begin        the database has none yet
//	gap          the log that follows was given up, because the store was gone for longer than the retention holds
//	transaction  a transaction larger than memory, or a streamed value, is in tables and not in the log
//	fork         the branch goes on with other commits: those of a copy of the database
//
// Its base says so, and after which branch. What lies between the two cannot be restored, and is refused by name.
//
// # What is archived
//
// Only what survives a power cut of the database, so an archive is never ahead of it. A base is put when the database
// has synced everything in it.
//
// # An answer that is lost
//
// A Put whose answer is lost, or that has its effect late, is made again. If something has the name by then, it is
// read: the same bytes are success; another piece of this very log (an earlier process has put it, at last) is taken
// over, and the branch goes on behind it; anything else is a fork.
//
// # Goroutines
//
// Two, until Stop, which tries to put what is left for a few seconds: one archives, the other notes moments meanwhile,
// because a store may take minutes for an answer. A commit never waits for them. Metrics may be called at any time.
package archive
