package engine

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/commit"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/goroutine"
	"lightningdb/internal/system/vfs/memfs"
)

// beginTxn begins a transaction that has looked up keys. It ends with the test, at the latest.
func beginTxn(t *testing.T, e *Engine, keys ...string) *Txn {
	tx := begin(e)
	t.Cleanup(tx.Close)
	for _, k := range keys {
		tx.Reads.AddKey([]byte(k), key.Hash([]byte(k)))
	}
	return tx
}

// begin begins a transaction of no known goroutine.
func begin(e *Engine) *Txn { return beginAs(e, 0) }

func beginAs(e *Engine, g goroutine.ID) *Txn {
	t := new(Txn)
	e.Begin(t, new(txn.Reads), g)
	return t
}

// openTxn opens an engine that ends after the transactions of the test.
func openTxn(t *testing.T) *Engine {
	e := openManual(t, memfs.New())
	t.Cleanup(func() { e.Close() })
	return e
}

// closeIfItHangs ends waits for locks that would never end: the test fails then, instead of hanging.
func closeIfItHangs(t *testing.T, e *Engine) {
	guard := time.AfterFunc(10*time.Second, func() { e.Close() })
	t.Cleanup(func() { guard.Stop() })
}

func batchOf(keys ...string) *batch.Batch {
	b := new(batch.Batch)
	for _, k := range keys {
		b.Put([]byte(k), nil)
	}
	return b
}

// commitOf commits puts of keys as tx.
func commitOf(t *testing.T, tx *Txn, keys ...string) error {
	_, err := tx.Commit(t.Context(), batchOf(keys...), false)
	return err
}

// placesOfWrites moves what was written last to each place that a check must look at.
var placesOfWrites = []struct {
	name string
	move func(e *Engine) error
}{
	{"the active memtable", func(e *Engine) error { return nil }},
	{"a frozen memtable", freezeActive},
	{"level 0", func(e *Engine) error { return e.Flush() }},
	{"a deeper level", func(e *Engine) error { return e.Compact(context.Background(), nil, nil) }},
}

func freezeActive(e *Engine) error { return e.queue.Exclusive(func() error { return e.freeze(0) }) }

// readsOfM are ways to have read the key m.
var readsOfM = map[string]func(r *txn.Reads){
	"key":       func(r *txn.Reads) { r.AddKey([]byte("m"), key.Hash([]byte("m"))) },
	"span":      func(r *txn.Reads) { r.AddSpan(span.Span{Lo: []byte("l"), Hi: []byte("n")}) },
	"beginning": func(r *txn.Reads) { r.AddSpan(span.Span{Lo: []byte("m"), Hi: []byte("n")}) },
	"end":       func(r *txn.Reads) { r.AddSpan(span.Span{Lo: []byte("b"), Hi: []byte("m\x00")}) },
}

// A write after the snapshot that the check does not find is a lost update, wherever the write lies by now, and be it
// the very first one, of a key that was not there.
func TestTxn_Commit_findsWhatWasWrittenSince(t *testing.T) {
	for _, place := range placesOfWrites {
		for name, read := range readsOfM {
			for _, before := range []bool{false, true} {
				e := openTxn(t)
				put(t, e, "a", "")
				put(t, e, "z", "")
				if before {
					put(t, e, "m", "before")
				}
				tx := beginTxn(t, e)
				read(tx.Reads)
				put(t, e, "m", "after")
				if err := place.move(e); err != nil {
					t.Fatal(err)
				}
				if err := commitOf(t, tx, "m"); !errors.Is(err, ErrConflict) {
					t.Errorf("read of a %s, there before: %v, now in %s: the commit gave %v", name, before, place.name, err)
				}
			}
		}
	}
}

// A deletion has changed what was read, also once a compaction could have dropped it.
func TestTxn_Commit_findsDeletions(t *testing.T) {
	for _, place := range placesOfWrites {
		e := openTxn(t)
		put(t, e, "m", "before")
		tx := beginTxn(t, e, "m")
		var b batch.Batch
		b.Delete([]byte("m"))
		if _, err := e.Commit(&b, true); err != nil {
			t.Fatal(err)
		}
		if err := place.move(e); err != nil {
			t.Fatal(err)
		}
		if err := commitOf(t, tx, "m"); !errors.Is(err, ErrConflict) {
			t.Errorf("deletion in %s: the commit gave %v", place.name, err)
		}
	}
}

// A check that saw conflicts where there are none would have transactions repeated for nothing, some of them for ever.
func TestTxn_Commit_mindsOnlyWhatItRead(t *testing.T) {
	for _, place := range placesOfWrites {
		for name, read := range readsOfM {
			e := openTxn(t)
			put(t, e, "m", "the newest that the snapshot has")
			tx := beginTxn(t, e)
			read(tx.Reads)
			put(t, e, "a", "")
			put(t, e, "z", "")
			if err := place.move(e); err != nil {
				t.Fatal(err)
			}
			if err := commitOf(t, tx, "m"); err != nil {
				t.Errorf("read of a %s, in %s: the commit gave %v", name, place.name, err)
			}
		}
	}
}

// What the same group writes is not in the tree yet: of two transactions that meet there both would win.
func TestCheck_comparesWithEarlierMembersOfTheGroup(t *testing.T) {
	e := openTxn(t)
	put(t, e, "a", "")
	before := []*commit.Request{
		{Commit: commit.Commit{Batch: batchOf("x", "m")}},
		{Commit: commit.Commit{Batch: batchOf("y")}},
	}
	for name, read := range readsOfM {
		tx := beginTxn(t, e)
		read(tx.Reads)
		r := &commit.Request{Commit: commit.Commit{Batch: batchOf("k"), Reads: tx.Reads, ReadPoint: tx.snapshot}}
		if err := (writer{e}).Check(r, before); !errors.Is(err, ErrConflict) {
			t.Errorf("read of a %s: the check gave %v", name, err)
		}
		if err := (writer{e}).Check(r, before[1:]); err != nil {
			t.Errorf("read of a %s, behind others: the check gave %v", name, err)
		}
	}
}

// A snapshot that expired may have lost the deletion that the check looks for.
func TestTxn_Commit_refusesWhatAnExpiredSnapshotRead(t *testing.T) {
	c := newClock()
	e := openRetaining(t, memfs.New(), c, Options{MaxSnapshotAge: time.Minute})
	t.Cleanup(func() { e.Close() })
	put(t, e, "k", "")
	tx := beginTxn(t, e, "k")
	c.pass(time.Hour)
	var b batch.Batch
	b.Delete([]byte("k"))
	if _, err := e.Commit(&b, true); err != nil {
		t.Fatal(err)
	}
	compactAll(t, e)
	if err := commitOf(t, tx, "seen"); !errors.Is(err, ErrSnapshotExpired) {
		t.Errorf("the commit gave %v", err)
	}
}

// A transaction would act on two states: one from before another commit, and one from after it.
func TestTxn_Lock_movesOnlyOverWhatIsUnchanged(t *testing.T) {
	for _, changed := range []bool{false, true} {
		e := openTxn(t)
		put(t, e, "read", "")
		tx := beginTxn(t, e, "read")
		started := tx.Seq()
		put(t, e, "locked", "")
		if changed {
			put(t, e, "read", "")
		}
		err := tx.Lock(t.Context(), []byte("locked"), true)
		if changed && (!errors.Is(err, ErrConflict) || tx.Seq() != started) {
			t.Errorf("over a change: %v, the snapshot is at %d", err, tx.Seq())
		}
		if !changed && (err != nil || tx.Seq() != started+1) {
			t.Errorf("over nothing: %v, the snapshot is at %d", err, tx.Seq())
		}
	}
}

// A transaction that does not know what it has read must keep its snapshot.
func TestTxn_Lock_keepsTheSnapshotIfItMust(t *testing.T) {
	e := openTxn(t)
	tx := beginTxn(t, e)
	put(t, e, "locked", "")
	if err := tx.Lock(t.Context(), []byte("locked"), false); !errors.Is(err, ErrConflict) || tx.Seq() != 0 {
		t.Errorf("%v, the snapshot is at %d", err, tx.Seq())
	}
}

// What is committed between the check and the new snapshot would be passed over.
func TestTxn_Lock_takesTheSnapshotBeforeItChecks(t *testing.T) {
	inside, resume := make(chan bool), make(chan bool)
	var armed atomic.Bool
	e, err := Open(Options{FS: memfs.New(), Manual: true, Elapsed: func() time.Duration {
		if isInside("readers.(*Registry).Add") && armed.CompareAndSwap(true, false) {
			inside <- true
			<-resume
		}
		return time.Second
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	put(t, e, "read", "")
	tx := beginTxn(t, e, "read")
	put(t, e, "locked", "")
	locked := make(chan error, 1)
	armed.Store(true)
	go func() { locked <- tx.Lock(t.Context(), []byte("locked"), true) }()
	<-inside
	put(t, e, "read", "changed")
	resume <- true
	if err := <-locked; !errors.Is(err, ErrConflict) {
		t.Errorf("the lock was granted over a change: %v", err)
	}
}

// A commit that passed its check before the lock was there would be missed by the transaction that has the lock.
func TestTxn_Lock_waitsForCommitsInProgress(t *testing.T) {
	holds := map[string]func(*Txn) error{
		"lock":  func(tx *Txn) error { return tx.Lock(context.Background(), []byte("k"), true) },
		"range": func(tx *Txn) error { return tx.Protect(span.Span{Lo: []byte("k"), Hi: []byte("l")}, false) },
	}
	for name, hold := range holds {
		e := openTxn(t)
		tx := beginTxn(t, e)
		if err := tx.Prioritize(t.Context()); err != nil {
			t.Fatal(err)
		}
		held := make(chan error, 1)
		refused := errors.New("refused")
		var early bool
		err := e.queue.ExclusiveNumbered(func(key.SeqNum) error {
			go func() { held <- hold(tx) }()
			early = endsBefore(held, func() bool { return blockedIn("commit.(*Queue).Settle") })
			return refused
		})
		if early || err != refused {
			t.Fatalf("the %s was granted while a commit was in progress: %v (%v)", name, early, err)
		}
		if err := <-held; err != nil {
			t.Error(err)
		}
	}
}

// endsBefore waits until done has something, and reports true, or until condition holds.
func endsBefore[T any](done <-chan T, condition func() bool) bool {
	for !condition() {
		if len(done) > 0 {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// A lock that commits do not wait for makes its holder lose, which the lock was to prevent; one that stays after its
// holder's end, or after those who waited, stops the database.
func TestTxn_locksKeepCommitsWaiting(t *testing.T) {
	holds := map[string]func(*Txn) error{
		"lock": func(tx *Txn) error { return tx.Lock(context.Background(), []byte("m"), true) },
		"range": func(tx *Txn) error {
			seen := span.Span{Lo: []byte("l"), Hi: []byte("n")}
			return errors.Join(tx.Prioritize(context.Background()), tx.Protect(seen, false))
		},
	}
	for name, hold := range holds {
		for who, write := range writersOfM(t) {
			e := openTxn(t)
			closeIfItHangs(t, e)
			put(t, e, "m", "before")
			holder := beginTxn(t, e)
			if err := hold(holder); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- write(e) }()
			if endsBefore(done, func() bool { return e.stats.LockWaits.Load() > 0 }) {
				t.Fatalf("%s of another: %s did not wait", name, who)
			}
			if err := commitOf(t, holder, "m"); err != nil {
				t.Errorf("%s: the holder's commit gave %v", name, err)
			}
			holder.Close()
			if err := <-done; err != nil {
				t.Fatalf("%s of another: %s gave %v", name, who, err)
			}
			if e.locks.Any() {
				t.Errorf("%s of another: a lock stays after %s", name, who)
			}
		}
	}
}

// writersOfM are ways to commit m.
func writersOfM(t *testing.T) map[string]func(e *Engine) error {
	return map[string]func(e *Engine) error{
		"a blind commit": func(e *Engine) error {
			_, err := e.Commit(batchOf("a", "m"), false)
			return err
		},
		"a transaction": func(e *Engine) error {
			tx := begin(e)
			defer tx.Close()
			_, err := tx.Commit(context.Background(), batchOf("a", "m"), false)
			return err
		},
		"a blind delete of a range": func(e *Engine) error {
			_, err := e.Commit(deleteOf(span.Span{Lo: []byte("b")}), false)
			return err
		},
		"a transaction that deletes a range": func(e *Engine) error {
			tx := begin(e)
			defer tx.Close()
			_, err := tx.Commit(context.Background(), deleteOf(span.Span{Hi: []byte("m\x00")}), false)
			return err
		},
		"a run that deletes a range": func(e *Engine) error {
			w := e.NewIngest()
			if err := w.Add([]byte("a"), key.KindPut, nil); err != nil {
				return err
			}
			run, err := w.Finish()
			if err != nil {
				return err
			}
			run.Delete(span.Set{{Lo: []byte("b"), Hi: []byte("z")}})
			tx := begin(e)
			defer tx.Close()
			_, err = tx.CommitSpill(context.Background(), run, tx.BeginSpilled())
			return err
		},
		"a run": func(e *Engine) error {
			w := e.NewIngest()
			if err := errors.Join(w.Add([]byte("a"), key.KindPut, nil), w.Add([]byte("m"), key.KindPut, nil)); err != nil {
				return err
			}
			run, err := w.Finish()
			if err != nil {
				return err
			}
			tx := begin(e)
			defer tx.Close()
			_, err = tx.CommitSpill(context.Background(), run, tx.BeginSpilled())
			return err
		},
	}
}

// Large transactions conflict as small ones do.
func TestTxn_CommitSpill_findsWhatWasWrittenSince(t *testing.T) {
	e := openTxn(t)
	tx := beginTxn(t, e, "m")
	put(t, e, "m", "after")
	run := writeRun(t, e.NewIngest(), 3, "run")
	defer run.Remove()
	if _, err := tx.CommitSpill(t.Context(), run, tx.BeginSpilled()); !errors.Is(err, ErrConflict) {
		t.Errorf("the commit gave %v", err)
	}
	if got := scan(t, e, nil); len(got) != 1 {
		t.Errorf("the database has %v", got)
	}
}

// A write past the transaction of its own goroutine would wait for itself.
func TestCommit_refusesToWaitForItsOwnGoroutine(t *testing.T) {
	e := openTxn(t)
	tx := beginAs(e, goroutine.Current())
	defer tx.Close()
	if err := tx.Lock(t.Context(), []byte("k"), true); err != nil {
		t.Fatal(err)
	}
	closeIfItHangs(t, e)
	if _, err := e.Commit(batchOf("k"), false); !errors.Is(err, lock.ErrNested) {
		t.Errorf("the commit gave %v", err)
	}
}

// Whoever waits for a lock would wait for ever.
func TestClose_endsWaitsForLocks(t *testing.T) {
	e := openManual(t, memfs.New())
	holder, other := begin(e), begin(e)
	if err := holder.Lock(t.Context(), []byte("k"), true); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // in place of waiting for ever
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- other.Lock(ctx, []byte("k"), true) }()
	endsBefore(done, func() bool { return e.stats.LockWaits.Load() > 0 })
	holder.snapshot.Close()
	other.snapshot.Close()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, ErrClosed) || ctx.Err() != nil {
		t.Errorf("the wait ended with %v, %v", err, ctx.Err())
	}
}
