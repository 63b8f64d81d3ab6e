package follower

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/tree/readers"
)

// put commits values of n bytes that no codec makes shorter.
func (w *world) put(n int, keys ...string) {
	w.t.Helper()
	now := make(state)
	for k, v := range w.states[w.published] {
		now[k] = v
	}
	var b batch.Batch
	for _, k := range keys {
		v := make([]byte, n)
		for i := range v {
			v[i] = byte(rand.IntN(256))
		}
		b.Put([]byte(k), v)
		now[k] = string(v)
	}
	w.pending = w.published + key.SeqNum(len(keys))
	w.states[w.pending] = now
	last, err := w.writer.Commit(&b, true)
	w.ended(last, err)
}

// valueFiles are the names of the writer's value files.
func (w *world) valueFiles() (names []string) {
	for _, f := range w.writer.Metrics().Version.Values {
		names = append(names, filename.Make(filename.Table, f.Num))
	}
	return names
}

// emptied compacts until nothing is left to do.
func (w *world) emptied() {
	w.compact()
	for worked := true; worked; {
		var err error
		worked, err = w.writer.CompactStep()
		w.must(err)
	}
	w.clean()
}

func (w *world) isThere(name string) bool {
	names, err := w.disk.List()
	w.must(err)
	return slices.Contains(names, name)
}

// A follower would find damage, or another value, where its writer has emptied and removed the file of a value; or the
// writer would remove it while a lease holds it.
func TestFollower_readsAValueWhoseFileTheWriterEmpties(t *testing.T) {
	w := newWorld(t, 1)
	w.inside = true // nothing happens by chance
	w.keys = [][]byte{[]byte("a"), []byte("b"), []byte("c"), []byte("d")}
	w.put(4000, "a", "b")
	w.must(w.writer.Flush())
	w.put(4000, "c", "d")
	w.put(20, "ab", "small")
	w.must(w.writer.Flush())
	w.put(21, "ab", "small")
	w.compact()
	files := w.valueFiles()
	if len(files) < 2 {
		t.Fatalf("value files %v", files)
	}
	f := w.followWith(func() {})
	s := w.snapshot(f)
	w.readValue(f, "a", true)
	w.put(3000, "a", "c") // b and d are left
	w.emptied()
	w.put(3100, "a", "b", "c", "d")
	w.emptied()
	for _, name := range files {
		if slices.Contains(w.valueFiles(), name) || !w.isThere(name) {
			t.Fatalf("%s: still a value file, or gone while a lease holds it", name)
		}
	}
	w.readValue(f, "b", true)
	w.readSnapshot(f, s)
	w.now += 2 * lease.Term
	f.lapsed = true
	w.clean()
	for _, name := range files {
		if w.isThere(name) {
			t.Fatalf("%s is kept for a lease that has lapsed", name)
		}
	}
	w.readSnapshot(f, s)
	for _, k := range w.keys {
		w.readValue(f, string(k), false)
	}
	w.refresh(f)
	w.readAll(f)
	w.end(0)
	w.must(w.writer.Close())
}

// readValue reads k at what f shows. Unless held, the files may be gone, and then that is what the error says.
func (w *world) readValue(f *watched, k string, held bool) {
	w.t.Helper()
	got, _, err := f.tree.Get(nil, []byte(k), key.SeqNum(f.Sequence()))
	if !held && errors.Is(err, readers.ErrExpired) {
		return
	}
	if want := w.states[f.Sequence()][k]; err != nil || string(got) != want {
		w.t.Errorf("%s: %d bytes, %v, of %d", k, len(got), err, len(want))
	}
}
