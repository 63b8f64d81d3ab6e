package observer

import (
	"errors"
	"testing"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs/memfs"
)

// world is a writer, what is said to be its history, and an observer.
type world struct {
	writer       *engine.Engine
	history      oracle.History
	stats        Stats
	acknowledged key.SeqNum
	published    key.SeqNum
	observer     *Observer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	fs, random := memfs.NewVolatile(), uint64(0)
	count := func() uint64 { random += 2; return random }
	e, err := engine.Open(engine.Options{FS: fs, Manual: true, Followers: true, Random: count})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{writer: e}
	w.commit(t, "a", "1")
	w.observer, err = Open(Options{FS: open{fs}, History: &w.history, Stats: &w.stats, Random: count,
		Acknowledged: func() key.SeqNum { return w.acknowledged }, Published: func() key.SeqNum { return w.published }})
	if err != nil {
		t.Fatal(err)
	}
	w.observer.Pin()
	t.Cleanup(func() {
		if err := errors.Join(w.observer.Close(), e.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// open is a directory that outlives its followers.
type open struct{ *memfs.FS }

func (open) Close() error { return nil }

// commit writes one entry, and tells the history the truth.
func (w *world) commit(t *testing.T, k, v string) {
	t.Helper()
	var b batch.Batch
	b.Put([]byte(k), []byte(v))
	w.history.Issue(&b, true)
	w.write(t, &b)
	w.history.Acknowledge()
	w.acknowledged, w.published = w.history.Last(), w.history.Last()
}

func (w *world) write(t *testing.T, b *batch.Batch) {
	t.Helper()
	if _, err := w.writer.Commit(b, true); err != nil {
		t.Fatal(err)
	}
}

// An observer that takes everything for right would let every mistake of a follower pass.
func TestObserver_noticesWhatMustNotBeShown(t *testing.T) {
	var b, two batch.Batch
	b.Put([]byte("a"), []byte("2"))
	two.Put([]byte("a"), []byte("2"))
	two.Put([]byte("b"), []byte("2"))
	for name, c := range map[string]struct {
		happens func(t *testing.T, w *world)
		misled  bool
	}{
		"nothing":                  {func(*testing.T, *world) {}, false},
		"a commit":                 {func(t *testing.T, w *world) { w.commit(t, "b", "2") }, false},
		"a commit that is flushed": {func(t *testing.T, w *world) { w.commit(t, "a", "2"); _ = w.writer.Flush() }, false},
		"a commit in progress, which may be published": {func(t *testing.T, w *world) {
			w.published = w.history.Issue(&b, true)
			w.write(t, &b)
		}, false},
		"a commit of unknown fate": {func(t *testing.T, w *world) {
			w.history.Issue(&b, true)
			w.write(t, &b)
		}, true},
		"half of a commit": {func(t *testing.T, w *world) {
			w.published = w.history.Issue(&two, true)
			w.write(t, &b)
		}, true},
		"another value": {func(t *testing.T, w *world) {
			w.published = w.history.Issue(new(batch.Batch), true) + 1
			var other batch.Batch
			other.Put([]byte("a"), []byte("3"))
			w.history.Issue(&other, true)
			w.write(t, &b)
		}, true},
		"less than was acknowledged": {func(_ *testing.T, w *world) { w.acknowledged++ }, true},
		"a key more": {func(t *testing.T, w *world) {
			var gone batch.Batch
			gone.Delete([]byte("a"))
			w.published = w.history.Issue(&gone, true)
			w.write(t, &b)
		}, true},
	} {
		w := newWorld(t)
		c.happens(t, w)
		err := w.observer.Refresh()
		if err == nil {
			err = w.observer.Look()
		}
		if errors.Is(err, ErrMisled) != c.misled || err != nil && !c.misled || w.stats.Misled > 0 != c.misled {
			t.Errorf("%s: %v, %v", name, err, w.stats)
		}
	}
}

// A commit in progress that comes to nothing must never have been shown.
func TestObserver_remembersWhatItHasShown(t *testing.T) {
	w := newWorld(t)
	var b batch.Batch
	b.Put([]byte("a"), []byte("2"))
	w.published = w.history.Issue(&b, true)
	w.write(t, &b)
	if err := w.observer.Refresh(); err != nil {
		t.Fatal(err)
	}
	w.published = w.acknowledged
	if err := w.observer.Refresh(); !errors.Is(err, ErrMisled) {
		t.Errorf("a commit that was refused after it had been shown: %v", err)
	}
}
