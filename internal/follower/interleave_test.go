package follower

import (
	"context"
	"errors"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/tree"
)

// prepared returns a world with tables in a few levels, memtables and a log, in which nothing happens by chance: the
// same one each time.
func prepared(t *testing.T) *world {
	w := newWorld(t, 1)
	w.inside = true
	for range 3 {
		for range 12 {
			w.commit()
		}
		w.must(w.writer.Flush())
	}
	w.ingest()
	w.compact()
	for range 5 {
		w.commit()
	}
	t.Cleanup(func() {
		for len(w.followers) > 0 {
			w.end(0)
		}
		w.must(w.writer.Close())
	})
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.fatalf("%v", err)
	}
}

func (w *world) compact() { w.must(w.writer.Compact(context.Background(), nil, nil)) }

func (w *world) clean() {
	for range 2 { // what the first gives back, the second removes
		_, err := w.writer.CleanStep()
		w.must(err)
	}
}

// followWith opens a follower, before each of whose calls before is called.
func (w *world) followWith(before func()) *watched {
	f, err := Open(Options{
		FS: &process{FS: w.disk, before: before}, MemoryLimit: engine.MinMemoryLimit, Elapsed: w.elapsed,
		Random: w.random.Uint64, Manual: true, Poison: true, Rows: true,
	})
	w.must(err)
	next := &watched{Follower: f, stepped: w.now}
	w.followers = append(w.followers, next)
	return next
}

// snapshot takes a snapshot of f, which w.end closes.
func (w *world) snapshot(f *watched) *tree.Snapshot {
	s := new(tree.Snapshot)
	f.Hold(s, origin.Snapshot)
	f.snapshots = append(f.snapshots, s)
	return s
}

// readAll compares every key with the state that f shows, at first and from the row cache.
func (w *world) readAll(f *watched) {
	for range 2 {
		for _, k := range w.keys {
			got, found, err := f.tree.Get(nil, k, tree.Latest)
			want, present := w.states[f.Sequence()][string(k)]
			if err != nil || found != present || string(got) != want {
				w.fatalf("at %d: Get(%x) = %x, %t, %v instead of %x, %t", f.Sequence(), k, got, found, err, want, present)
			}
		}
	}
}

// A follower that opens while files are removed would show a version without them: it must hold everything before it
// reads what there is.
func TestOpen_holdsWhatItReadsFromItsFirstCall(t *testing.T) {
	for at, done := 0, false; !done; at++ {
		w := prepared(t)
		calls := 0
		f := w.followWith(func() {
			if calls == at {
				w.commit()
				w.must(w.writer.Flush())
				w.compact()
				w.clean()
			}
			calls++
		})
		done = calls <= at
		calls = at + 1 // from now on nothing happens within its calls
		s := w.snapshot(f)
		w.readAll(f)
		w.readSnapshot(f, s)
		w.commit()
		w.must(w.writer.Flush())
		w.compact()
		w.clean()
		w.readSnapshot(f, s)
		w.readAll(f)
		w.refresh(f)
		w.readAll(f)
	}
}

// What a writer does is many steps; between any two of them a follower must find a whole state, and later miss nothing
// of what it had not seen then.
func TestFollower_withinEveryCallOfTheWriter(t *testing.T) {
	for name, do := range map[string]func(w *world){
		"commit":  func(w *world) { w.commit() },
		"flush":   func(w *world) { w.must(w.writer.Flush()) },
		"ingest":  func(w *world) { w.ingest() },
		"compact": func(w *world) { w.must(w.writer.Flush()); w.compact() },
		"clean":   func(w *world) { w.must(w.writer.Flush()); w.compact(); w.clean() },
	} {
		t.Run(name, func(t *testing.T) {
			for at, done := 0, false; !done; at++ {
				w := prepared(t)
				nothing := func() {}
				old := w.followWith(nothing)
				w.readAll(old)
				first := w.snapshot(old)
				w.commit()
				calls := 0
				w.process.before = func() {
					if calls++; calls-1 != at {
						return
					}
					w.note("within call %d:", at)
					w.refresh(old)
					w.readAll(old)
					within := w.followWith(nothing)
					w.readAll(within)
					w.snapshot(within)
				}
				do(w)
				done = calls <= at
				for range 2 {
					for _, f := range w.followers {
						w.refresh(f)
						w.readAll(f)
						w.readSnapshot(f, f.snapshots[0])
					}
					w.commit()
					w.must(w.writer.Flush())
					w.compact()
					w.clean()
				}
				w.readSnapshot(old, first)
			}
		})
	}
}

// A power cut may leave a page of before that leads to tables which are gone. That is no damage: who took it for that
// would restore a backup, where opening the database is enough.
func TestGet_ofAPageFromBeforeAPowerCut(t *testing.T) {
	w := prepared(t)
	name := filename.Make(filename.Status, 0)
	var page []byte
	for before, now := (status.State{}), (status.State{Manifest: status.Manifest{Num: 1}}); before.Manifest.Num !=
		now.Manifest.Num; { // until the manifest goes on, and tables that it named are gone
		w.commit()
		w.must(w.writer.Flush())
		page, before = w.contents(name), w.page()
		w.compact()
		w.clean()
		now = w.page()
	}
	w.must(w.disk.Remove(name))
	file, err := w.disk.Create(name)
	w.must(err)
	_, err = file.WriteAt(page, 0)
	w.must(errors.Join(err, file.Close()))

	f := w.followWith(func() {})
	missing := 0
	for _, k := range w.keys {
		got, found, err := f.Get(nil, k)
		want, present := w.states[f.Sequence()][string(k)]
		switch {
		case errors.Is(err, ErrNoWriter):
			missing++
		case err != nil || found != present || string(got) != want:
			t.Errorf("Get(%x) = %x, %t, %v instead of %x, %t", k, got, found, err, want, present)
		}
	}
	if missing == 0 {
		t.Error("no table was gone: the test tests nothing")
	}
}

func (w *world) page() status.State {
	s, err := status.Read(w.disk)
	w.must(err)
	return s
}

// contents returns what is in a file.
func (w *world) contents(name string) []byte {
	f, err := w.disk.Open(name)
	w.must(err)
	size, err := f.Size()
	w.must(err)
	data := make([]byte, size)
	_, err = f.ReadAt(data, 0)
	w.must(errors.Join(err, f.Close()))
	return data
}
