// Package salvage gets what is whole out of a damaged database and writes it as a new one. It reads files, pages and
// records, each by itself, and believes nothing that has no checksum. It never writes to the database that it reads.
//
// A run is for one goroutine and starts none.
//
// # How it works
//
//	survey   what is each file; which tables and segments are live; what of each is whole; what may be missing (losses)
//	gather   the commits of the log, sorted, in temporary tables of the new directory
//	merge    all sources in the order of keys, and of each key what counts (choose)
//	finish   a manifest and CURRENT
//
// # What counts
//
// Sequence numbers decide, whatever file an entry is in. If a manifest is whole, the tables and segments that it needs
// are live, and of others an entry is used only where a loss covers it. Without one everything is live, and a loss
// covers everything, and deletes of ranges may be missing: obsolete tables and the leaves of value files hold what was
// deleted since, with tombstones that were compacted away, and perhaps operands that were folded into others.
//
// A delete of a range that any whole edit or commit tells of hides what is older, in every file and under every loss:
// what was deleted is never invented again.
//
// # Losses
//
// A loss is a span of keys and one of sequence numbers, in which entries may be missing. What is chosen for a key is
// certain if no loss covers the key and a newer sequence number. Operands count only if no loss lies between them and
// what they stand upon. One that stands in for what is lost counts only directly upon that: flushes and compactions
// fold operands into the newest of them, and a lost one may have had any that are older.
package salvage
