package lightningdb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/format/span"
)

// ender is a program whose functions end their goroutines, as t.FailNow does, while it is told to.
type ender struct{ ends atomic.Bool }

func (e *ender) end() {
	if e.ends.Load() {
		runtime.Goexit()
	}
}

func (e *ender) merge(_, old, argument []byte) ([]byte, error) {
	e.end()
	return append(old[:len(old):len(old)], argument...), nil
}

func (e *ender) Debug(string, ...any) { e.end() }
func (e *ender) Info(string, ...any)  { e.end() }
func (e *ender) Warn(string, ...any)  { e.end() }
func (e *ender) Error(string, ...any) { e.end() }

// during calls f in a goroutine whose functions end it, and reports whether that happened.
func (e *ender) during(t *testing.T, f func()) (ended bool) {
	t.Helper()
	e.ends.Store(true)
	defer e.ends.Store(false)
	return within(t, "it", func() error { f(); return nil }) != nil
}

// within calls f in a goroutine of its own, and fails the test if that takes a minute. If f ends the goroutine, that is
// an error.
func within(t *testing.T, what string, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		err := errors.New("the goroutine has ended")
		defer func() { done <- err }()
		err = f()
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		t.Fatal(what, " waits for ever")
		return nil
	}
}

// open opens a database whose functions are those of e.
func (e *ender) open(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(dir, &Options{
		MemoryLimit: 10 << 20, Durability: Process, Merge: e.merge, Logger: e, LockTimeout: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// fill puts the entries a, merged and z, of which the second has to be computed at each read.
func (e *ender) fill(t *testing.T, db *DB) {
	t.Helper()
	for _, key := range []string{"a", "merged", "z"} {
		mustPut(t, db, key, "0")
	}
	if err := errors.Join(db.Flush(), db.Merge([]byte("merged"), []byte("1"))); err != nil {
		t.Fatal(err)
	}
}

// checkGoesOn fails unless db does everything that it should, and closes with nothing left open.
func checkGoesOn(t *testing.T, db *DB, merged string) {
	t.Helper()
	for n := range 20 { // some of these goroutines have the identity of the one that ended
		err := within(t, "Update", func() error {
			return db.Update(context.Background(), func(tx *Tx) error {
				if _, err := tx.GetForUpdate([]byte("a")); err != nil {
					return err
				}
				return tx.Put([]byte("a"), fmt.Append(nil, n))
			})
		})
		if err != nil {
			t.Fatal("Update: ", err)
		}
	}
	mustPut(t, db, "a", "1")
	if got, err := db.Get([]byte("merged")); err != nil || string(got) != merged {
		t.Errorf("the merged value: %.40q, %v; want %.40q", got, err, merged)
	}
	if _, err := db.Get([]byte("lost")); !errors.Is(err, ErrNotFound) {
		t.Errorf("what was never committed: %v", err)
	}
	err := within(t, "Close", func() error {
		ctx := context.Background()
		return errors.Join(db.Verify(ctx, nil), db.Flush(), db.Compact(ctx, nil, nil), db.Close())
	})
	if err != nil {
		t.Error("at the end: ", err)
	}
}

// A function of the program that ends its goroutine, as t.FailNow does in a test, would leave locks, snapshots or
// cursors behind that nobody can give back: writes of the key wait, the disk fills, and Close never returns.
func TestGoexit_leavesNothingBehind(t *testing.T) {
	for name, f := range endingCalls() {
		t.Run(name, func(t *testing.T) {
			e := new(ender)
			db := e.open(t, t.TempDir())
			e.fill(t, db)
			if !e.during(t, func() { f(e, db) }) {
				t.Error("the goroutine did not end")
			}
			checkGoesOn(t, db, "01")
		})
	}
}

// endingCalls are calls whose function ends the goroutine, each in another way to a function of the program.
func endingCalls() map[string]func(e *ender, db *DB) {
	merged := []byte("merged")
	end := func(e *ender) error { e.end(); return nil }
	calls := map[string]func(e *ender, db *DB){
		"View":   func(e *ender, db *DB) { db.View(context.Background(), func(*Tx) error { return end(e) }) },
		"Verify": func(e *ender, db *DB) { db.Verify(context.Background(), func(int64, int64) { e.end() }) },
		"OnCommit": func(e *ender, db *DB) {
			db.Update(context.Background(), func(tx *Tx) error { return tx.OnCommit(func(uint64) { e.end() }) })
		},
		"a part of a transaction": func(e *ender, db *DB) {
			db.Update(context.Background(), func(tx *Tx) error {
				return errors.Join(tx.Put([]byte("lost"), nil), tx.Update(func(*Tx) error { return end(e) }))
			})
		},
		"Get":         func(_ *ender, db *DB) { db.Get(merged) },
		"ValueReader": func(_ *ender, db *DB) { db.ValueReader(context.Background(), merged) },
		"Has":         func(_ *ender, db *DB) { db.Has(merged) },
		"Get in View": func(_ *ender, db *DB) {
			db.View(context.Background(), func(tx *Tx) error { tx.Get(merged); return nil })
		},
		"Get in Update": func(_ *ender, db *DB) {
			db.Update(context.Background(), func(tx *Tx) error { tx.Get(merged); return nil })
		},
		"a snapshot": func(_ *ender, db *DB) {
			s := db.Snapshot()
			defer s.Close()
			s.Get(merged)
		},
		"a merge of a transaction's own value": func(_ *ender, db *DB) {
			db.Update(context.Background(), func(tx *Tx) error {
				return errors.Join(tx.Put([]byte("lost"), nil), tx.Merge([]byte("lost"), nil))
			})
		},
		"a loop of iter.Pull": func(_ *ender, db *DB) {
			next, stop := iter.Pull(db.Range(nil, nil).Keys())
			defer stop()
			for ok := true; ok; {
				_, ok = next()
			}
		},
	}
	for _, o := range []TxOptions{{}, {ReadOnly: true}, {Isolation: SnapshotIsolation}} {
		calls[fmt.Sprintf("UpdateWith %+v", o)] = func(e *ender, db *DB) {
			db.UpdateWith(context.Background(), o, func(tx *Tx) error {
				tx.Put([]byte("lost"), nil)
				tx.GetForUpdate([]byte("a"))
				tx.Range(nil, nil).Cursor().First()
				return end(e)
			})
		}
	}
	for name, in := range map[string]func(db *DB, walk func(r *Range)){
		"DB":     func(db *DB, walk func(r *Range)) { walk(db.Range(nil, nil)) },
		"View":   func(db *DB, walk func(r *Range)) { db.View(context.Background(), inRange(walk)) },
		"Update": func(db *DB, walk func(r *Range)) { db.Update(context.Background(), inRange(walk)) },
	} {
		for kind, walk := range endingWalks() {
			calls[kind+" of "+name] = func(e *ender, db *DB) { in(db, func(r *Range) { walk(e, r) }) }
		}
	}
	return calls
}

// inRange is a function for Update that walks everything.
func inRange(walk func(r *Range)) func(*Tx) error {
	return func(tx *Tx) error {
		walk(tx.Range(nil, nil))
		return nil
	}
}

// endingWalks are ways through a range that come to a function of the program: the body of a loop, at the first entry,
// or the merge function behind that.
func endingWalks() map[string]func(e *ender, r *Range) {
	loop := func(r *Range, body func()) {
		for range r.All() {
			body()
		}
	}
	keys := func(r *Range, body func()) {
		for range r.Keys() {
			body()
		}
	}
	elsewhere := func(r *Range, body func()) { // the goroutine of the range waits, and ends too
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			loop(r, body)
		}()
		<-ended
		runtime.Goexit()
	}
	move := func(r *Range, with func(c *Cursor)) {
		c := r.Cursor()
		if _, ok := r.from.(*DB); ok { // a transaction closes what is left open
			defer c.Close()
		}
		with(c)
	}
	none := func() {}
	cursor := func(with func(c *Cursor)) func(e *ender, r *Range) {
		return func(_ *ender, r *Range) { move(r, with) }
	}
	return map[string]func(e *ender, r *Range){
		"the body of a loop":           func(e *ender, r *Range) { loop(r, e.end) },
		"the body of a loop backward":  func(e *ender, r *Range) { loop(r.Reverse(), e.end) },
		"the body of a loop over keys": func(e *ender, r *Range) { keys(r, e.end) },
		"the body of a loop elsewhere": func(e *ender, r *Range) { elsewhere(r, e.end) },
		"a merge in a loop":            func(_ *ender, r *Range) { loop(r, none) },
		"a merge in a loop backward":   func(_ *ender, r *Range) { loop(r.Reverse(), none) },
		"a merge in a loop over keys":  func(_ *ender, r *Range) { keys(r, none) },
		"a merge in a loop elsewhere":  func(_ *ender, r *Range) { elsewhere(r, none) },
		"a merge that a loop begins at": func(_ *ender, r *Range) {
			loop(r.Limit(1), none)
			loop(startAtMerged(r), none)
		},
		"a cursor to the next":         cursor(func(c *Cursor) { _ = c.First() && c.Next() && c.Next() }),
		"a cursor to the previous":     cursor(func(c *Cursor) { _ = c.Last() && c.Prev() && c.Prev() }),
		"a cursor that seeks":          cursor(func(c *Cursor) { c.Seek([]byte("merged")) }),
		"a cursor that seeks backward": cursor(func(c *Cursor) { c.SeekBefore([]byte("merged\x00")) }),
	}
}

// startAtMerged is a range that begins at the merged entry.
func startAtMerged(r *Range) *Range {
	return newRange(r.from, r.space, span.Span{Lo: []byte("merged")})
}

// Where the database calls functions of the program for others, in the commit that leads a group, in a flush or a
// compaction, the end of the goroutine would take those with it: no write succeeds any more.
func TestGoexit_passesByWhatServesOthers(t *testing.T) {
	const keys, merges = 50, 800
	e := new(ender)
	dir := t.TempDir()
	db := e.open(t, dir)
	e.fill(t, db)
	ended := e.during(t, func() {
		for i := range keys * merges { // enough for several memtables, and for folding in the commit
			if err := db.Merge(fmt.Appendf(nil, "row%02d", i%keys), []byte("12345678")); err != nil {
				t.Error(err)
				return
			}
		}
		err := db.Merge([]byte("merged"), []byte("2"))
		if err = errors.Join(err, db.Flush(), db.Compact(context.Background(), nil, nil)); err != nil {
			t.Error(err)
		}
	})
	if ended {
		t.Error("a call that reads nothing has ended its goroutine")
	}
	if e.during(t, func() { // what Close flushes is folded as well
		for range 20 {
			if err := db.Merge([]byte("merged"), []byte("3")); err != nil {
				t.Error(err)
			}
		}
		db.Close()
		db = e.open(t, dir)
	}) {
		t.Error("closing and opening has ended its goroutine")
	}
	for i := range keys {
		got, err := db.Get(fmt.Appendf(nil, "row%02d", i))
		if err != nil || string(got) != strings.Repeat("12345678", merges) {
			t.Fatalf("row %d: %d bytes, %v", i, len(got), err)
		}
	}
	checkGoesOn(t, db, "012"+strings.Repeat("3", 20))
}
