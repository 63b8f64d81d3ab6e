package tree

import (
	"math"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/visible"
)

// A reader that was on the view of before when the next one was shown must go on at the number of its own: that view's
// memtables have a part of what the next one shows, perhaps, and its tables nothing of it.
func TestShow_aReaderStaysAtTheNumberOfItsView(t *testing.T) {
	h := newHarness(t, Options{Follow: true})
	defer h.close()
	m, err := h.NewMemtable(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	version := &manifest.Version{NextNum: 2}
	follow := func(seq key.SeqNum, value string) {
		var b batch.Batch
		b.Put([]byte("key"), []byte(value))
		h.Follow(m, &b, seq)
	}
	follow(1, "old")
	h.Show([]*Memtable{m}, version, 1)
	guard := h.epochs.Enter()
	before := h.view.Load()
	follow(2, "new")
	read := func(v *View) string {
		k, reader := []byte("key"), visible.Reader{Seq: h.newestIn(v)}
		got, _, err := h.search(v, math.MaxInt, nil, k, key.Hash(k), reader)
		if err != nil {
			t.Fatal(err)
		}
		return string(got)
	}
	if got := read(before); got != "old" {
		t.Errorf("before the next view is shown: %q", got)
	}
	h.Show([]*Memtable{m}, version, 2)
	if got := read(before); got != "old" {
		t.Errorf("on the view of before: %q", got)
	}
	if got := read(h.view.Load()); got != "new" {
		t.Errorf("on the next view: %q", got)
	}
	guard.Exit()
}

// The hold of a lease is raised to this: a version less, and files stay for ever; one more, and a snapshot loses its
// own.
func TestOldestVersion_isThatOfTheOldestReader(t *testing.T) {
	h := newHarness(t, Options{Follow: true})
	defer h.close()
	m, err := h.NewMemtable(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, want filename.Num) {
		t.Helper()
		h.Reclaim()
		h.Reclaim()
		if got := h.OldestVersion(); got != want {
			t.Errorf("%s: %d, not %d", what, got, want)
		}
	}
	expect("nothing is shown", 0)
	show := func(next filename.Num) {
		h.Show([]*Memtable{m}, &manifest.Version{NextNum: next}, h.Visible()+1)
	}
	show(2)
	expect("one version", 2)
	old := h.Snapshot()
	show(3)
	later := h.Snapshot()
	show(4)
	expect("two snapshots", 2)
	it, err := h.NewIterator(old, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	it.First()
	later.Close()
	expect("the older snapshot", 2)
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	expect("its iterator is closed", 2)
	old.Close()
	expect("the newest", 4)
}
