// Package txn is the memory of one transaction: what it has read, which a commit must find unchanged, and what it
// has written, which its own reads must see before anybody else does.
//
//	Reads    keys that were looked up, present or absent, and spans that were scanned
//	Writes   the newest state of every key written, in order, with savepoints
//	Overlay  an iterator over a snapshot with the writes laid over it
//
// It knows nothing of databases: the commit's check asks Reads, the root package joins the pieces. Nothing here is safe
// for concurrent use.
package txn
