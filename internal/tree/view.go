package tree

import (
	"sync/atomic"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/cover"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/memtable"
	"lightningdb/internal/tree/ranges"
	"lightningdb/internal/tree/tables"
)

// Memtable is a memtable in use: by views, and through them by readers.
type Memtable struct {
	*memtable.Table
	segment filename.Num // the log segment that holds its content
	views   int          // views that name it; guarded by Tree.mu
	last    key.SeqNum   // the newest sequence number in it; written by the commit leader until it is frozen
}

// Last is the newest sequence number in m, which is frozen or belongs to the caller.
func (m *Memtable) Last() key.SeqNum { return m.last }

// View is the tree at one moment. Everything but refs is immutable once installed, though mems[0] grows.
//
// refs counts the tree itself while the view is current, and every iterator on it. A point reader holds no
// reference: the tree releases its own only after the epoch in which the view was replaced has passed.
type View struct {
	mems []*Memtable // newest first; mems[0] is active
	*sortedRuns
	ranges *ranges.Set // range tombstones of all but the active memtable
	seq    key.SeqNum  // with Options.Follow: the one that the view shows

	_ [128]byte // every read loads what is above; refs is written

	refs atomic.Int32
}

// sortedRuns is a version as readers go through it. Views that follow each other while the version stays share it.
type sortedRuns struct {
	version *manifest.Version
	runs    []tables.Run // all tables as sorted runs, those with newer versions first: of level 0, then the other levels
	level0  int          // how many of runs are of level 0
	limit   int64        // read debt from which on a compaction is worth its cost

	values     []*tables.Named // the value files
	namedBytes int64           // of what is in memory of each table and value file, open or not
	views      int             // views of this version; guarded by Tree.mu
}

// installLocked makes a view of mems and runs current and retires the one before it. seq is the sequence number that
// the view stands at, if views do.
func (tr *Tree) installLocked(mems []*Memtable, runs *sortedRuns, seq key.SeqNum) *View {
	v := &View{mems: mems, sortedRuns: runs, ranges: runs.version.Ranges, seq: seq}
	for _, m := range mems[min(1, len(mems)):] {
		v.ranges = v.ranges.Join(m.Ranges())
	}
	v.refs.Store(1)
	runs.views++
	for _, m := range mems {
		m.views++
	}
	if old := tr.view.Swap(v); old != nil {
		tr.epochs.Retire(func() { tr.Release(old) })
	}
	return v
}

// sortLocked returns the sorted runs of version, which a view is to have, and those of its tables that no view had.
func (tr *Tree) sortLocked(version *manifest.Version) (s *sortedRuns, fresh []*tables.Ref) {
	runs := manifest.Runs(version.Levels[0])
	s = &sortedRuns{version: version, level0: len(runs), limit: int64(compaction.MinReadDebt(version))}
	for _, level := range version.Levels[1:] {
		if len(level) > 0 {
			runs = append(runs, level)
		}
	}
	for _, f := range version.Values {
		s.values, s.namedBytes = append(s.values, tr.names.Values(f)), s.namedBytes+namedTableBytes
	}
	for _, metas := range runs {
		named, first := tr.names.Tables(metas)
		s.runs, fresh = append(s.runs, tables.NewRun(named)), append(fresh, first...)
		for _, meta := range metas {
			s.namedBytes += namedTableBytes + int64(len(meta.Smallest)+len(meta.Largest)+valueRefBytes*len(meta.Values))
		}
	}
	return s, fresh
}

// namedTableBytes is about what a table takes besides its smallest and largest key, open or not: what the manifest says
// of it, and its places in the lists of a version and of a view.
const namedTableBytes = 256

// valueRefBytes is what each reference of a table to a value file takes.
const valueRefBytes = 16

// Version is the tables of the view.
func (v *View) Version() *manifest.Version { return v.version }

// Cover is the range tombstones that a reader at seq sees, which was taken before: those of the active memtable are
// loaded now, and what is published is in them.
func (v *View) Cover(seq key.SeqNum) cover.Cover {
	return cover.At(seq, v.activeRanges(), v.ranges)
}

// activeRanges is the range tombstones of the active memtable, if there is one.
func (v *View) activeRanges() *ranges.Set {
	if len(v.mems) == 0 {
		return nil
	}
	return v.mems[0].Ranges()
}

// Ranges is how many range tombstones the tree has, and about what they take in memory.
func (v *View) Ranges() (count int, bytes int64) {
	active := v.activeRanges()
	return v.ranges.Len() + active.Len(), v.ranges.Bytes() + active.Bytes()
}

// Active is the memtable that was active when the view became current.
func (v *View) Active() *Memtable { return v.mems[0] }

// Frozen is the number of memtables that wait for their flush.
func (v *View) Frozen() int { return len(v.mems) - 1 }

// Unflushed is what has been written to the memtables of the view, in bytes and entries.
func (v *View) Unflushed() (bytes int64, entries int) {
	for _, m := range v.mems {
		bytes += int64(m.Used())
		entries += m.Count()
	}
	return bytes, entries
}

// Oldest returns the frozen memtable that is to be flushed next, and the first log segment that is still needed once
// it is in tables. m is nil if there is none.
func (v *View) Oldest() (m *Memtable, logStart filename.Num) {
	if len(v.mems) < 2 {
		return nil, 0
	}
	return v.mems[len(v.mems)-1], v.mems[len(v.mems)-2].segment
}

// Level0 is the number of sorted runs in level 0.
func (v *View) Level0() int { return v.level0 }

// SortedRuns is the number of sorted runs of tables that a scan reads.
func (v *View) SortedRuns() int { return len(v.runs) }

// Acquire returns the current view, or nil after Close. The caller has a reference on it and must Release it.
func (tr *Tree) Acquire() *View { return tr.acquire(&tr.view) }

// acquire is Acquire for the view in p, which is the current one or pinned.
func (tr *Tree) acquire(p *atomic.Pointer[View]) *View {
	guard := tr.epochs.Enter()
	defer guard.Exit()
	v := p.Load()
	if v != nil {
		v.refs.Add(1) // cannot revive a dead view: the reference of the tree, or of the pin, outlives this guard
	}
	return v
}

// Release gives back one reference. It may be called under any lock but mu: after the last reference the view only
// waits for Reclaim, which frees what it named.
func (tr *Tree) Release(v *View) {
	if v.refs.Add(-1) > 0 {
		return
	}
	tr.deadMu.Lock()
	tr.dead = append(tr.dead, v)
	tr.deadMu.Unlock()
	tr.opts.Unused()
}

// Reclaim frees what no reader can know any more: memtables return to the pool, tables that no view names are closed
// and their files discarded, unless the tree is closing. It reports whether something still waits for a reader to
// leave.
func (tr *Tree) Reclaim() (waiting bool) {
	tr.epochs.Collect()
	tr.freeDead()
	return tr.epochs.Metrics().Pending > 0
}

// freeDead frees what the views without references named, and closes the tables that nobody has open.
func (tr *Tree) freeDead() {
	tr.deadMu.Lock()
	dead := tr.dead
	tr.dead = nil
	tr.deadMu.Unlock()
	tr.tables.Reclaim()
	if len(dead) == 0 {
		return
	}
	var gone []*tables.Named
	tr.mu.Lock()
	current := tr.view.Load()
	for _, v := range dead {
		gone = append(gone, tr.forgetLocked(v)...)
	}
	tr.mu.Unlock()
	for _, t := range gone {
		tr.names.Forget(t)
		if current != nil { // otherwise the tree is closing
			tr.dir.Retire(current.version.NextNum, filename.Make(filename.Table, t.Num))
		}
	}
	tr.opts.Changed()
}

// forgetLocked takes apart v, which nobody holds, and returns the files that no view names any more.
func (tr *Tree) forgetLocked(v *View) (gone []*tables.Named) {
	tr.stand.forget(v)
	for _, m := range v.mems {
		if m.views--; m.views == 0 {
			tr.mems.Recycle(m.Table)
		}
	}
	if v.sortedRuns.views--; v.sortedRuns.views > 0 {
		return nil
	}
	for _, run := range v.runs {
		gone = tr.names.DropTables(gone, run)
	}
	for _, f := range v.values {
		gone = tr.names.Drop(gone, f)
	}
	return gone
}
