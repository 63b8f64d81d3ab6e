// Package tree holds what is there at a sequence number: it answers reads, keeps what readers need, and installs
// what the engine has committed, flushed and compacted. It decides neither when that happens nor what is durable.
//
// Everything known is (user key, sequence number, kind, value) in one LSM tree. A View is the tree at one moment:
// the active memtable, the frozen ones, and the version (the set of tables). Views are immutable, except that the
// active memtable grows; a change of the tree installs a new view.
//
// # Readers
//
// A point read enters the epoch, loads the current view, then the visible sequence number, probes the runs from the
// newest to the oldest and copies the first version it may see. It takes no lock and writes no shared memory. The
// order matters: the view first, then the sequence number. A version that a compaction dropped from a newer view is
// still in this one.
//
// An iterator registers its sequence number first (package readers), so that no compaction started later drops what it
// needs, and holds a reference on its view until it is closed.
//
// # What must not be deleted
//
// A table file is discarded, and a memtable used again, when no view names it; a view lives while somebody holds a
// reference (Acquire, an iterator). Versions are kept while a reader is registered below them. So a hold on the tree
// is a view, and a hold on the past is a snapshot; there is no other list.
//
// # Memory
//
// Memtables, cached pages and rows live outside the garbage-collected heap and are used again. They are given back
// only after every reader that could know them has left: point readers by the epoch, iterators by references.
//
// # Lock order
//
// sharing > mu > the epoch's > deadMu; the one in gaps > the one in readers. Point reads take that of package tables
// when a table has to be opened, and no other. No I/O happens under mu. What the epoch frees runs in any goroutine
// that retires or collects, so it only queues work for Reclaim.
//
// # Read debt
//
// A scan pays for each sorted run: a seek in each, and switches from one to another. Having several costs less for a
// database that is written to, having one for a database that is scanned. So scans count their switches as read
// debt. When the debt comes to one switch for each entry, about what it costs to merge them, they are merged, unless
// something is more urgent or there is a burst of writes: level 0 into one run, and after that everything into one.
// RocksDB and Pebble call it read-triggered compaction.
package tree
