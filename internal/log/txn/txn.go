// Package txn is the memory of one transaction: what it has read, which must be unchanged when it commits, and what
// it has written, which its own reads must see before anybody else does.
//
//	Reads    keys that were looked up, present or absent, and spans that were scanned
//	Writes   the newest state of every key written, in order, with savepoints; what does not fit into memory is spilled
//	Overlay  an iterator over a snapshot with the writes laid over it
//
// The package knows nothing of databases: the check of the commit asks Reads, and the root package joins the pieces.
// Nothing here is safe for concurrent use.
package txn
