package tree

import (
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/budget"
	"lightningdb/internal/tree/manifest"
)

// harness is a tree without an engine: what is put is published at once, and nothing is ever flushed.
type harness struct {
	*Tree
	elapsed time.Duration
}

func newHarness(t *testing.T, o Options) *harness {
	t.Helper()
	h := new(harness)
	o.Gate = calls.NewGate()
	o.Clock = func() time.Duration { return h.elapsed }
	number := uint64(0)
	o.Random = func() uint64 { number++; return number }
	o.Dir = directory.New(directory.Options{FS: memfs.NewVolatile(), Gate: o.Gate, Clock: o.Clock, Random: o.Random,
		Discarded: func() {}})
	if err := o.Dir.Lock(); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Dir.Claim(); err != nil {
		t.Fatal(err)
	}
	o.Budget, o.PageSize, o.Manual = budget.New(10<<20), 8<<10, true
	o.Unused, o.Compact, o.Changed = func() {}, func() {}, func() {}
	o.Exclusive = func(do func()) bool { do(); return true }
	h.Tree = New(o)
	version := &manifest.Version{NextNum: 1}
	h.Resume(version, 0)
	active, err := h.NewMemtable(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	h.Begin([]*Memtable{active}, version)
	return h
}

func (h *harness) put(user, value string) {
	var b batch.Batch
	b.Put([]byte(user), []byte(value))
	next := h.Visible() + 1
	h.Apply(&b, next, next)
	h.Publish(next)
}

// newView makes another view current.
func (h *harness) newView(t *testing.T) {
	t.Helper()
	if err := h.Freeze(0, 0); err != nil {
		t.Fatal(err)
	}
}

// close closes the tree as an engine does, and returns how many readers were left.
func (h *harness) close() (left int) {
	if !h.gate.Close() {
		return 0
	}
	left = h.EndReaders()
	h.Tree.Close()
	h.Free()
	return left
}

// A reader would follow a memtable or a table that is used for something else by then.
func TestView_staysWhileAReaderIsInside(t *testing.T) {
	h := newHarness(t, Options{})
	defer h.close()
	h.put("key", "value")
	guard := h.epochs.Enter()
	v := h.Current()
	h.newView(t)
	h.Install(v.version, v.mems[0]) // as if it had been flushed
	h.Reclaim()
	if v.refs.Load() == 0 || v.mems[0].Count() == 0 {
		t.Errorf("a view has %d references and %d entries while a reader is on it", v.refs.Load(), v.mems[0].Count())
	}
	guard.Exit()
	h.Reclaim()
	h.Reclaim()
	if v.refs.Load() != 0 {
		t.Errorf("a view that nobody reads has %d references", v.refs.Load())
	}
}

// Latest must not be what a reader of the past is given.
func TestSnapshot_readsBehindWhatCame(t *testing.T) {
	h := newHarness(t, Options{})
	defer h.close()
	h.put("key", "old")
	s := h.Snapshot()
	defer s.Close()
	h.put("key", "new")
	if v, _, err := s.Get(nil, []byte("key")); string(v) != "old" || err != nil {
		t.Errorf("a snapshot shows %q, %v", v, err)
	}
	if v, _, err := h.Get(nil, []byte("key"), key.MaxSeqNum); string(v) != "new" || err != nil {
		t.Errorf("the tree shows %q, %v", v, err)
	}
}
