// Package engine is the database without its public face: it recovers a directory, commits batches, reads at a
// sequence number, schedules flushes and compactions, deletes what became obsolete, and closes.
//
// # One store
//
// Everything known is (user key, sequence number, kind, value) in one LSM tree. A view is the tree at one moment:
// the active memtable, the frozen ones, and the version (the set of tables). Views are immutable but for the active
// memtable growing; a change of the tree installs a new view.
//
// # Readers
//
// A point read enters the epoch, loads the current view, then the visible sequence number, probes the runs from the
// newest to the oldest and copies the first version it may see. It takes no lock and writes no shared memory. The
// order matters: the view first, then the sequence number. A version that a compaction dropped from a newer view is
// still in this one.
//
// An iterator registers its sequence number first, so that no compaction started later drops what it needs, and holds
// a reference on its view until it is closed.
//
// A context ends what it was given to at a border of pages: a job of its own, such as a compaction or verification, reads its
// files through untilFile; an iterator has an Interrupt, of which its tables ask before each page and the walk over them at
// each entry that nobody sees.
//
// # Large commits
//
// What is too large for a batch goes to tables first (RunWriter), which Ingest makes part of the tree under one sequence
// number, with one edit of the manifest and past the log. Before that edit everything older is in tables; with it the log
// begins anew.
//
// # Memory
//
// Memtables and cached pages live outside the garbage-collected heap and are used again. They are given back only
// after every reader that could know them has left: point readers by the epoch, iterators by references.
//
// # Goroutines
//
//	name          owner    stops when            does
//	flusher       Engine   ctx is done           writes frozen memtables to tables, oldest first
//	compactor     Engine   ctx is done           one compaction at a time; Compact borrows its turn (compactTurn)
//	housekeeper   Engine   ctx is done           syncs the log for Process commits; looks what is too old to be kept and how
//	                                             old readers are;
//	                                             makes a retired log segment the next one; deletes obsolete files;
//	                                             frees and shares out memory; freezes a memtable that hides much
//
// Each runs a step (FlushStep, CompactStep, SyncStep, RetainStep, CleanStep, MemoryStep, SpaceStep) until there is
// nothing to do, then waits to be woken. WaitDurable and Compact with a context that can be done, and a large group that is
// synced, start a goroutine that ends with the sync or flush.
//
// With Options.Manual there are none of them: the caller runs the steps, and a commit that must wait for one runs it
// itself, so that the whole engine is deterministic.
//
// # Close
//
// Whatever uses files or tree on behalf of a caller is a call: it Enters, and Leaves at its end (calls). Close goes
//
//	refuse calls -> end ctx -> wait for calls and goroutines -> flush -> close the files -> free the memory
//
// so that after the third step it is alone, and nothing else in the package has to reckon with an engine that is gone.
// A call that Close finds in progress ends by itself: what it waits for (a lock, a flush, its turn) ends with ctx or is
// refused by writable, a compaction or verification ends with ctx, and a commit that has reached the log is finished. The
// result is that of the call, or ErrClosed; the context that ended it does not show (untilClosed). Point reads and
// iterators are no calls: see there.
//
// # Lock order
//
// commit pipeline > compactTurn or flushMu > manifestMu > filesMu > mu > the epoch's > deadMu;
// openTables.mu > the epoch's > deadMu; the one in gaps > snapshots.mu, which stand alone. houseMu comes before all of
// them; under it the pipeline is only tried. Point reads take openTables.mu where a table has to be opened, and no other.
// No I/O happens under mu; filesMu is held while files change, manifestMu while an edit is
// appended and synced, the pipeline while the log is written, openTables.mu while a table is opened. What the epoch frees
// runs wherever somebody retires or collects, so it only queues work for CleanStep.
//
// # Failure
//
// The first failed write, sync, rename or close on the way to durability stops all writes of this handle (fail):
// later commits get ErrReadOnly wrapping the cause; reads go on. From then on the files stay as they are: a flush or
// compaction that was in progress installs nothing, and nothing is renamed or removed, also not by Close (changeFiles). So does a read that fails in a flush or compaction,
// because level 0 would grow without end. What passes by itself is different (passes: a full disk, no file
// descriptors): the commit or the background step that met it failed cleanly, and is tried again.
package engine
