package engine

import (
	"bytes"
	"slices"
	"sync/atomic"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/memtable"
)

// memRef is a memtable in use: by views, and through them by readers.
type memRef struct {
	*memtable.Table
	segment filename.Num // the log segment that holds its content
	views   int          // views that name it; guarded by Engine.mu
	pooled  bool         // of the usual size: used again when no view names it
	last    key.SeqNum   // the newest sequence number in it; written by the commit leader until it is frozen
}

// view is the tree at one moment. Everything but refs is immutable once installed, though mems[0] grows.
//
// refs counts the engine itself while the view is current, and every iterator on it. A point reader holds no
// reference: the engine gives its own back only after the epoch in which the view was replaced has passed.
type view struct {
	mems    []*memRef // newest first; mems[0] is active
	version *manifest.Version
	levels  [manifest.NumLevels][]*tableRef
	runs    []run // all tables as sorted runs, those with newer versions first: of level 0, then the other levels
	level0  int   // how many of runs are of level 0
	price   int64 // hops from which on the compactor has something to do for scans
	refs    atomic.Int32
}

// run is disjoint tables by key: a deeper level, or a run of level 0.
type run struct {
	tables []*tableRef
	heads  []uint64 // key.Head of each table's largest key: the search touches only these
}

func newRun(tables []*tableRef) run {
	r := run{tables: tables, heads: make([]uint64, len(tables))}
	for i, t := range tables {
		r.heads[i] = key.Head(t.meta.Largest, 0)
	}
	return r
}

// find returns the one table of the run that may hold user, or nil.
func (r *run) find(user []byte) *tableRef {
	if i := r.search(user); i < len(r.tables) {
		return r.tables[i]
	}
	return nil
}

// search returns the index of the first table that reaches user, or the number of tables.
func (r *run) search(user []byte) int {
	head := key.Head(user, 0)
	i, _ := slices.BinarySearch(r.heads, head)
	for i < len(r.heads) && r.heads[i] == head && bytes.Compare(r.tables[i].meta.Largest, user) < 0 {
		i++
	}
	return i
}

// within returns the tables that may hold keys of [lo, hi); nil means no bound.
func (r *run) within(lo, hi []byte) []*tableRef {
	first, end := 0, len(r.tables)
	if lo != nil {
		first = r.search(lo)
	}
	if hi != nil {
		end = min(r.search(hi)+1, end) // the last one reaches hi, and may begin before it
		if first < end && bytes.Compare(r.tables[end-1].meta.Smallest, hi) >= 0 {
			end--
		}
	}
	return r.tables[first:max(first, end)]
}

// installLocked makes a view of mems and version current and lets go of the one before it.
func (e *Engine) installLocked(mems []*memRef, version *manifest.Version) {
	v := &view{mems: mems, version: version}
	v.refs.Store(1)
	for _, m := range mems {
		m.views++
	}
	for n, metas := range version.Levels {
		v.levels[n] = e.refsLocked(metas)
		for _, t := range v.levels[n] {
			t.views++
		}
	}
	for _, metas := range manifest.Runs(version.Levels[0]) {
		v.runs = append(v.runs, newRun(e.refsLocked(metas)))
	}
	v.level0, v.price = len(v.runs), int64(compaction.PriceForScans(version))
	for _, tables := range v.levels[1:] {
		if len(tables) > 0 {
			v.runs = append(v.runs, newRun(tables))
		}
	}
	if old := e.view.Swap(v); old != nil {
		e.epochs.Retire(func() { e.unref(old) })
	}
}

// refsLocked returns the tables that metas are about.
func (e *Engine) refsLocked(metas []*manifest.TableMeta) []*tableRef {
	refs := make([]*tableRef, len(metas))
	for i, meta := range metas {
		if e.tables[meta.Num] == nil {
			e.tables[meta.Num] = &tableRef{meta: meta}
		}
		refs[i] = e.tables[meta.Num]
	}
	return refs
}

// acquireView returns the current view with a reference for the caller, or nil after Close.
func (e *Engine) acquireView() *view {
	guard := e.epochs.Enter()
	defer guard.Exit()
	v := e.view.Load()
	if v != nil {
		v.refs.Add(1) // cannot revive a dead view: the engine's own reference outlives this guard
	}
	return v
}

// unref gives back one reference. The last one lets go of the view's memtables and tables. It may be called under
// any lock but mu: it only queues work for CleanStep, which owns the freeing.
func (e *Engine) unref(v *view) {
	if v.refs.Add(-1) > 0 {
		return
	}
	e.deadMu.Lock()
	e.dead = append(e.dead, v)
	e.deadMu.Unlock()
	e.wake(e.wakeHousekeeper)
}

// buryDead takes apart the views that nobody holds: memtables return to the pool, tables that no view names any more are
// closed, and their files become obsolete unless the engine is closing. It closes the tables that nobody has open.
func (e *Engine) buryDead() {
	e.deadMu.Lock()
	dead, shut := e.dead, e.shut
	e.dead, e.shut = nil, nil
	e.deadMu.Unlock()
	for _, o := range shut {
		o.Close() // an error of closing a file that was only read loses nothing
	}
	if len(dead) == 0 {
		return
	}
	var gone []*tableRef
	e.mu.Lock()
	closing := e.view.Load() == nil
	for _, v := range dead {
		for _, m := range v.mems {
			if m.views--; m.views == 0 {
				e.mems.recycle(m)
			}
		}
		for n := range v.levels {
			for _, t := range v.levels[n] {
				if t.views--; t.views > 0 {
					continue
				}
				gone = append(gone, t)
				delete(e.tables, t.meta.Num)
				if !closing {
					e.obsolete = append(e.obsolete, filename.Make(filename.Table, t.meta.Num))
				}
			}
		}
	}
	e.room.Broadcast()
	e.mu.Unlock()
	for _, t := range gone {
		e.closeTable(t)
	}
}
