package tree

import (
	"slices"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree/manifest"
)

// With Options.Follow another process writes the database, and its compactions know nothing of the readers here. So a
// later version does not show what an earlier one did, and each view is read at one sequence number, its own: points at
// the newest one, a snapshot and its iterators at the one that the snapshot has pinned. Nothing is folded into the
// memtables from below, and no gaps are kept, because both rest on what the current view shows.

// standing is the views that are read at their own sequence number. It is guarded by Tree.mu.
type standing struct {
	views []*View // current, pinned, or held by iterators, oldest first
	pins  []*Snapshot
}

// Show makes the newest state that of mems, newest first, above version, at seq. Its memtables may be those of the view
// before, to which only entries above the sequence number of that one were added. Calls must come in the order of the
// sequence numbers.
func (tr *Tree) Show(mems []*Memtable, version *manifest.Version, seq key.SeqNum) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var runs *sortedRuns
	if v := tr.view.Load(); v != nil && v.version == version {
		runs = v.sortedRuns
	} else {
		runs, _ = tr.sortLocked(version)
	}
	tr.stand.views = append(tr.stand.views, tr.installLocked(mems, runs, seq))
	tr.readers.Publish(seq)
}

// Follow applies b, whose first operation has sequence number first, to m, which the next Show will show. m is nil if b
// is in the tables of the version that will be shown.
func (tr *Tree) Follow(m *Memtable, b *batch.Batch, first key.SeqNum) {
	tr.changeRows(b, first)
	tr.NoteEnds(b)
	if m != nil {
		m.Replay(b, first)
	}
}

// OldestVersion is the next file number of the oldest version that is still read: what comes before it is needed no
// more. It is 0 before Show.
func (tr *Tree) OldestVersion() filename.Num {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if len(tr.stand.views) == 0 {
		return 0
	}
	return tr.stand.views[0].version.NextNum
}

// Segment is the log segment that m was made for.
func (m *Memtable) Segment() filename.Num { return m.segment }

// pin makes s stand on the current view, and registers it there. It reports false once the tree is closed.
func (tr *Tree) pin(s *Snapshot) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	v := tr.view.Load()
	if v == nil || tr.readers.AddAt(&s.Registration, v.seq) != nil { // which is published, so there is no error
		return false
	}
	v.refs.Add(1) // it is current, so the tree has a reference too
	s.pinned.Store(v)
	tr.stand.pins = append(tr.stand.pins, s)
	return true
}

// getPinned is getWithin on the pinned view. The row cache is for reads of the newest state.
func (s *Snapshot) getPinned(limit int, dst, user []byte) (out []byte, found bool, err error) {
	guard := s.tree.epochs.Enter()
	defer guard.Exit()
	v := s.pinned.Load()
	if v == nil {
		return dst, false, calls.ErrClosed
	}
	return s.tree.search(v, limit, dst, user, key.Hash(user), s.reader(v, user, v.seq))
}

// unpin ends the pin of s, if it has one.
func (tr *Tree) unpin(s *Snapshot) {
	tr.mu.Lock()
	v := s.pinned.Swap(nil)
	if i := slices.Index(tr.stand.pins, s); i >= 0 {
		tr.stand.pins = slices.Delete(tr.stand.pins, i, i+1)
	}
	tr.mu.Unlock()
	if v != nil {
		tr.epochs.Retire(func() { tr.Release(v) })
	}
}

// unpinAll ends all pins and returns what they held, for Release.
func (st *standing) unpinAll() (views []*View) {
	for _, s := range st.pins {
		views = append(views, s.pinned.Swap(nil))
	}
	st.pins = nil
	return views
}

// forget takes out v, which nobody holds.
func (st *standing) forget(v *View) {
	if i := slices.Index(st.views, v); i >= 0 {
		st.views = slices.Delete(st.views, i, i+1)
	}
}
