package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/vfs/memfs"
)

func deleteOf(s span.Span) *batch.Batch {
	b := new(batch.Batch)
	b.DeleteRange(s)
	return b
}

func wipe(t *testing.T, e *Engine, s span.Span) {
	t.Helper()
	if _, err := e.Commit(deleteOf(s), false); err != nil {
		t.Fatal(err)
	}
}

// rangesOverM hold the key m, and rangesAsideM do not.
var (
	rangesOverM = map[string]span.Span{
		"all keys":          {},
		"m alone":           span.Closed([]byte("m"), []byte("m")),
		"from m on":         {Lo: []byte("m")},
		"up to m":           {Hi: []byte("m\x00")},
		"keys that begin m": span.Prefix([]byte("m")),
	}
	rangesAsideM = map[string]span.Span{
		"up to before m": {Hi: []byte("b")},
		"behind m":       {Lo: []byte("n")},
		"right behind":   {Lo: []byte("n"), Hi: []byte("n\x00")},
	}
)

// A transaction would commit on what a delete of a range has taken since: the range is nowhere among the versions of
// the keys.
func TestTxn_Commit_findsRangesDeletedSince(t *testing.T) {
	for _, place := range placesOfWrites {
		for name, read := range readsOfM {
			for which, s := range rangesOverM {
				e := openTxn(t)
				put(t, e, "m", "before")
				tx := beginTxn(t, e)
				read(tx.Reads)
				wipe(t, e, s)
				put(t, e, "z", "later")
				if err := place.move(e); err != nil {
					t.Fatal(err)
				}
				if err := commitOf(t, tx, "m"); !errors.Is(err, ErrConflict) {
					t.Errorf("read of a %s, %s deleted, now in %s: the commit gave %v", name, which, place.name, err)
				}
			}
		}
	}
}

// Transactions would be run again for ranges that are none of theirs, or that were gone before they began.
func TestTxn_Commit_mindsNoOtherRange(t *testing.T) {
	for _, place := range placesOfWrites {
		for name, read := range readsOfM {
			e := openTxn(t)
			put(t, e, "m", "before")
			wipe(t, e, span.Span{})
			tx := beginTxn(t, e)
			read(tx.Reads)
			for _, s := range rangesAsideM {
				wipe(t, e, s)
			}
			if err := place.move(e); err != nil {
				t.Fatal(err)
			}
			if name == "end" { // it has read from b on
				continue
			}
			if err := commitOf(t, tx, "m"); err != nil {
				t.Errorf("read of a %s, now in %s: the commit gave %v", name, place.name, err)
			}
		}
	}
}

// Whoever deletes a range reads nothing, and would lose against each put into it.
func TestTxn_Commit_ofABlindRangeConflictsWithNothing(t *testing.T) {
	e := openTxn(t)
	put(t, e, "m", "before")
	tx := beginTxn(t, e)
	put(t, e, "m", "after")
	wipe(t, e, span.Span{Lo: []byte("l")})
	if _, err := tx.Commit(t.Context(), deleteOf(span.Span{}), false); err != nil {
		t.Fatal(err)
	}
	if got := scan(t, e, nil); len(got) != 0 {
		t.Errorf("the database has %v", got)
	}
}

// A key would be locked, and read as it was before a range was deleted.
func TestTxn_Lock_seesRanges(t *testing.T) {
	e := openTxn(t)
	put(t, e, "m", "before")
	tx := beginTxn(t, e)
	wipe(t, e, span.Span{Lo: []byte("b")})
	if err := tx.Lock(t.Context(), []byte("m"), true); err != nil {
		t.Fatal(err)
	}
	if has, err := tx.Snapshot().Has([]byte("m")); has || err != nil {
		t.Errorf("after the lock the key is there: %v, %v", has, err)
	}
	tx.Close()
	read := beginTxn(t, e, "m")
	put(t, e, "m", "again")
	wipe(t, e, span.Span{Lo: []byte("b")})
	if err := read.Lock(t.Context(), []byte("n"), true); !errors.Is(err, ErrConflict) {
		t.Errorf("a lock in a range that was deleted, after a read in it, gave %v", err)
	}
}

// ingestOver commits put of keys, as a transaction larger than memory, that deletes s before.
func ingestOver(t *testing.T, e *Engine, s span.Span, keys ...string) {
	t.Helper()
	w := e.NewIngest()
	for _, k := range keys {
		if err := w.Add([]byte(k), key.KindPut, []byte("own")); err != nil {
			t.Fatal(err)
		}
	}
	run, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	run.Delete(span.Set{s})
	tx := beginTxn(t, e)
	if _, err := tx.CommitSpill(context.Background(), run, tx.BeginSpilled()); err != nil {
		t.Fatal(err)
	}
}

// A large transaction would delete what it wrote over its range, or leave what was there before, wherever that is; a
// snapshot of before would lose it, and a transaction of before would commit on it.
func TestTxn_CommitSpill_deletesRangesFirst(t *testing.T) {
	for _, place := range placesOfWrites {
		e := openTxn(t)
		for _, k := range []string{"a", "m", "n", "z"} {
			put(t, e, k, "before")
		}
		if err := place.move(e); err != nil {
			t.Fatal(err)
		}
		old := beginTxn(t, e, "n")
		ingestOver(t, e, span.Span{Lo: []byte("b"), Hi: []byte("z")}, "c", "m")
		got := scan(t, e, nil)
		if len(got) != 4 || got["a"] != "before" || got["c"] != "own" || got["m"] != "own" || got["z"] != "before" {
			t.Errorf("before in %s: the database has %v", place.name, got)
		}
		if has, err := old.Snapshot().Has([]byte("n")); !has || err != nil {
			t.Errorf("before in %s: an old snapshot has n: %v, %v", place.name, has, err)
		}
		if err := commitOf(t, old, "x"); !errors.Is(err, ErrConflict) {
			t.Errorf("before in %s: the commit of who has read n gave %v", place.name, err)
		}
		put(t, e, "n", "after")
		if err := e.Compact(context.Background(), nil, nil); err != nil {
			t.Fatal(err)
		}
		if got := scan(t, e, nil); len(got) != 5 || got["n"] != "after" {
			t.Errorf("before in %s: in the end the database has %v", place.name, got)
		}
	}
}

func remove(t *testing.T, e *Engine, k string) {
	t.Helper()
	var b batch.Batch
	b.Delete([]byte(k))
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
}

// openGap opens a database in which a walk has found nothing in middle, and remembers that.
func openGap(t *testing.T) *Engine {
	t.Helper()
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, Gaps: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	put(t, e, "a", "1")
	for i := range 20 {
		k := fmt.Sprintf("m%02d", i)
		put(t, e, k, "1")
		remove(t, e, k)
	}
	put(t, e, "z", "1")
	if got := scan(t, e, nil); len(got) != 2 {
		t.Fatal(got)
	}
	return e
}

// middle has no keys in the database of openGap.
var middle = span.Span{Lo: []byte("m05"), Hi: []byte("m15")}

// Under snapshot isolation the first of two that write a key wins, also if the one deletes a range in which there is
// nothing, and the other a key of it: a walk has found that it is empty, and a delete does not change that.
func TestTxn_Commit_ofARangeFindsDeletesOfNothing(t *testing.T) {
	add := map[string]func(*txn.Reads){
		"seen":    func(r *txn.Reads) { r.AddSpan(middle) },
		"written": func(r *txn.Reads) { r.AddWrittenSpan(middle) },
		"written and forgotten": func(r *txn.Reads) {
			r.AddWrittenSpan(middle)
			r.Reset()
			r.AddSpan(middle)
		},
	}
	for how, add := range add {
		e := openGap(t)
		tx := beginTxn(t, e)
		remove(t, e, "m10")
		add(tx.Reads)
		if err := commitOf(t, tx, "z"); errors.Is(err, ErrConflict) != (how == "written") {
			t.Errorf("%s: %v", how, err)
		}
	}
}

// The one transaction with precedence would lose at its commit because of what was deleted before it had the lock.
func TestTxn_Protect_movesOverDeletesOfNothing(t *testing.T) {
	e := openGap(t)
	tx := beginTxn(t, e)
	if err := tx.Prioritize(t.Context()); err != nil {
		t.Fatal(err)
	}
	remove(t, e, "m10")
	if err := tx.Protect(middle, true); err != nil {
		t.Fatal(err)
	}
	tx.Reads.AddWrittenSpan(middle)
	if err := commitOf(t, tx, "z"); err != nil {
		t.Errorf("the commit gave %v", err)
	}
}
