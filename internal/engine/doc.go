// Package engine is one open database: it recovers a directory, commits batches, decides when to flush and to
// compact, holds writers back, stops after a failure, and closes. What is there at a sequence number, what was logged
// and what the manifest says are others' business.
//
// # Owners
//
//	owner                what it holds                                         its mutexes
//	directory.Directory  file numbers, obsolete files, lock and mark, failure  changing, mu
//	manifest.Store       edits and the version that they lead to               mu, while an edit becomes durable
//	wal.Log              segments: active, sealed, spare; what is durable      mu
//	tree.Tree            views, memtables, tables, caches, readers             mu and those of its parts
//	Engine               commit queue, locks, goroutines, back-pressure        house, flushing, the room's
//
// None touches the fields of another. What must not be deleted yet is asked of the owner alone: a table file or a
// memtable while a view names it (tree), a log segment from the one on that the newest version needs (log), a
// manifest while CURRENT may name it (store). Whoever wants a file gone tells the directory, which removes it later
// and nothing after a failure.
//
// # Calls
//
// Whatever uses files or tree on behalf of a caller is a call: it Enters, and Leaves at its end (calls.Gate). A context
// ends what it was given to at a border of pages: a job of its own, such as a compaction or verification, reads no page
// after it; an iterator has an Interrupt, of which its tables ask before each page.
//
// # Large commits
//
// What is too large for a batch goes to tables first (SpillWriter), which Ingest makes part of the tree under one
// sequence number, with one edit of the manifest and past the log. Before that edit everything older is in tables;
// with it the log begins anew.
//
// # Goroutines
//
//	name          owner    stops when        does
//	flusher       Engine   the gate closes   writes frozen memtables to tables, oldest first
//	compactor     Engine   the gate closes   one compaction at a time; Compact borrows its turn
//	housekeeper   Engine   the gate closes   syncs the log for Process commits; ends what is too old, and notes how
//	                                         old readers are; makes a retired log segment the next one; removes
//	                                         obsolete files; frees and shares out memory; freezes a memtable that
//	                                         hides much; makes a spent reserve again
//	scrub         Engine   the gate closes   reads all tables, slowly, to find damage; with Options.ScrubRate
//
// Each but the scrub runs a step (FlushStep, CompactStep, SyncStep, RetainStep, CleanStep, MemoryStep, SpaceStep,
// ReserveStep) until there is nothing to do, then waits to be woken. WaitDurable and Compact with a context that can be
// done, and a large group that is synced, start a goroutine that ends with the sync or flush. Options.Merge in commits,
// flushes and compactions, and the Logger, are called in a goroutine of their own, for which the caller waits: they may
// end it (runtime.Goexit).
//
// With Options.Manual there are none of them: the caller runs the steps, and a commit that must wait for one runs it
// itself, so that the whole engine is deterministic.
//
// # Close
//
// Close goes
//
//	close the gate -> wait for calls and goroutines -> flush -> close the files -> free the memory
//
// so that after the second step it is alone, and nothing else in the package has to reckon with an engine that is
// gone. A call that Close finds in progress ends by itself: what it waits for (a lock, a flush, its turn) ends with
// the gate's context or is refused by Writable, a compaction or verification ends with the context, and a commit that
// has reached the log is finished. The result is that of the call, or ErrClosed; the context that ended it does not
// show. Point reads and iterators are no calls: see package tree.
//
// # Lock order
//
// commit pipeline > the compactor's turn or flushing > the store's > Directory.Change > the room's, the disk's > the
// tree's and the log's > the directory's. house comes before all of them; under it the pipeline is only tried. The
// tree's own order stands there. No I/O happens under any of them but the pipeline, the store's, Change, and the one
// under which a table is opened.
//
// # Failure
//
// The first failed write, sync, rename or close on the way to durability ends all writes of this handle
// (Directory.Fail): later commits get ErrReadOnly wrapping the cause; reads go on. From then on the files stay as
// they are: a flush or compaction that was in progress installs nothing, and nothing is renamed or removed, also not
// by Close. So does a read that fails in a flush or compaction, because level 0 would grow without end. What passes
// by itself (directory.Transient) is tried again by the commit or the background step that met it.
//
// # Back-pressure
//
// A commit that finds no room is refused by the leader of the commit queue, waits outside of the queue
// (waitForRoom), where its context and Close can end that, and comes again. So nothing waits in the pipeline but for
// the medium.
//
// Long before, writers are slowed (pace), so that they need not stop: from slowRuns sorted runs in level 0 on, most of
// them one table, they may bring as much as lets the room that is left, up to stopRuns, last until a compaction has
// made level 0 shorter.
//
// A commit that deletes ranges is slowed in the same way where very many are there that hide something yet, and refused
// beyond that: see package room.
//
// # Space
//
// Compactions return the space of what tables say is deleted or replaced. What a memtable says they do not know: a
// program that deletes most of its data and then is quiet would keep all of it on disk. So the housekeeper looks what
// the active memtable hides, once the writes have come to a rest, and has it flushed if that is so much that a
// compaction would be due; the compactor takes it from there.
//
// A flush costs a table, a log segment and some syncs, so it has to return something:
//
//	quiet for quietPause              promptBytes of tables
//	quiet, first write oldAge ago     blockBytes of tables, or oldLogBytes of log: file systems give back whole blocks
//	written to all the time           a quarter of a memtable of tables, looked at every weighInterval
//
// A compaction calls for a look, too: it makes what is hidden a larger part of all.
//
// In each case the garbage must pass what compaction.CallsForSpace allows of all data. A range tombstone that hides as
// much as a memtable is flushed in any case, once it is quiet: most of that goes without being read. A program that
// writes a key a minute gets no table for it: what it replaces is either less than a block, or has taken hours to
// become that.
package engine
