package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
)

// shortest is a merge function: it keeps the shorter of old and argument, and fails at "bad".
func shortest(_, old, argument []byte) ([]byte, error) {
	switch {
	case string(argument) == "bad":
		return nil, errors.New("a bad argument")
	case string(argument) == "panic":
		panic("a bug")
	case old != nil && len(old) <= len(argument):
		return old, nil
	}
	return argument, nil
}

func mustInt64(t *testing.T, r interface{ Get([]byte) ([]byte, error) }, key string) int64 {
	t.Helper()
	value, err := r.Get([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Int64(value)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Whatever path a value takes (memory, tables, the log after a restart), it must be what the merges say, and a snapshot
// must go on showing what they said when it was taken.
func TestMerge_valuesSurviveEveryPath(t *testing.T) {
	dir := t.TempDir()
	o := &Options{Merge: shortest, Durability: Process}
	db, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	round := 0
	change := func() {
		round++
		var b Batch
		b.Add([]byte("add"), 3)
		b.Max([]byte("max"), int64(round))
		b.Min([]byte("min"), -int64(round))
		b.Append([]byte("append"), fmt.Append(nil, round%10))
		b.Merge([]byte("merge"), bytes.Repeat([]byte("x"), 100-round))
		if err := db.Write(&b); err != nil {
			t.Fatal(err)
		}
	}
	check := func(r interface{ Get([]byte) ([]byte, error) }, rounds int) {
		t.Helper()
		for key, want := range map[string]int64{"add": int64(3 * rounds), "max": int64(rounds), "min": -int64(rounds)} {
			if got := mustInt64(t, r, key); got != want {
				t.Errorf("after %d rounds %s is %d", rounds, key, got)
			}
		}
		text, err := r.Get([]byte("append"))
		if err != nil || len(text) != rounds || text[rounds-1] != byte('0'+rounds%10) {
			t.Errorf("after %d rounds append is %q, %v", rounds, text, err)
		}
		if got, err := r.Get([]byte("merge")); err != nil || len(got) != 100-rounds {
			t.Errorf("after %d rounds merge has %d bytes, %v", rounds, len(got), err)
		}
	}
	reopen := func() {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if db, err = Open(dir, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []func(){
		func() {}, func() { db.Flush() }, func() {}, func() { db.Flush() },
		func() { db.Compact(context.Background(), nil, nil) }, func() {}, reopen, func() {},
		func() { db.Compact(context.Background(), nil, nil) }, reopen,
	} {
		change()
		snapshot, at := db.Snapshot(), round
		change()
		check(snapshot, at)
		check(db, round)
		db.Flush()
		check(snapshot, at)
		snapshot.Close()
		step()
		check(db, round)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// A counter that many add to would lose some of it, as one does that they read and put in turn.
func TestAdd_losesNoneOfMany(t *testing.T) {
	db := openTemp(t, &Options{Durability: Process, MemoryLimit: 10 << 20})
	const writers, adds = 8, 2000
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range adds {
				if err := errors.Join(db.Add([]byte("hot"), 1), db.Add(fmt.Append(nil, "own", w), int64(i))); err != nil {
					t.Error(err)
					return
				}
				if i%500 == 499 {
					if err := db.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := mustInt64(t, db, "hot"); got != writers*adds {
		t.Errorf("%d adds have come to %d", writers*adds, got)
	}
	for w := range writers {
		if got := mustInt64(t, db, fmt.Sprint("own", w)); got != adds*(adds-1)/2 {
			t.Errorf("the counter of writer %d is %d", w, got)
		}
	}
}

// Later operations of a batch must see the earlier ones, in their order.
func TestBatch_mergesInOrder(t *testing.T) {
	db := openTemp(t, nil)
	key := []byte("k")
	var b Batch
	b.Add(key, 1)
	b.Put(key, []byte("a"))
	b.Append(key, []byte("b"))
	for i := range 40 { // more than are applied together
		b.Append(key, fmt.Append(nil, i%10))
	}
	b.Put([]byte("other"), nil)
	b.Append(key, []byte("c"))
	if err := db.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := "ab" + strings.Repeat("0123456789", 4) + "c"
	if got, err := db.Get(key); err != nil || string(got) != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	b.Reset()
	b.Delete(key)
	b.Max(key, math.MinInt64)
	if err := db.Write(&b); err != nil {
		t.Fatal(err)
	}
	if got := mustInt64(t, db, "k"); got != math.MinInt64 {
		t.Errorf("the greatest of one number is %d", got)
	}
}

// An operand that does not go with its value must not stop anything else, nor be dropped, nor pass for an empty value.
func TestMerge_whatCannotBeFoldedHarmsNothingElse(t *testing.T) {
	db := openTemp(t, &Options{Merge: shortest, MemoryLimit: 10 << 20})
	for _, key := range []string{"a", "b", "c", "d"} {
		mustPut(t, db, key, "text")
	}
	steps := []func() error{
		func() error { return db.Add([]byte("b"), 1) },
		func() error { return db.Merge([]byte("c"), []byte("bad")) },
		func() error { return db.Merge([]byte("d"), []byte("panic")) },
		db.Flush,
		func() error { return db.Append([]byte("b"), []byte("more")) },
		func() error { return db.Compact(context.Background(), nil, nil) },
		func() error { return db.Compact(context.Background(), nil, nil) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	for _, key := range []string{"b", "c", "d"} {
		_, err := db.Get([]byte(key))
		if !errors.Is(err, ErrMerge) || errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("%s: %v", key, err)
		}
	}
	r, keys := db.Range(nil, nil), 0
	for range r.Keys() {
		keys++
	}
	if keys != 4 || r.Err() != nil {
		t.Errorf("a loop met %d keys, %v", keys, r.Err())
	}
	for key := range r.All() {
		if string(key) != "a" {
			t.Errorf("a loop went past what it could not read to %q", key)
		}
	}
	if !errors.Is(r.Err(), ErrMerge) {
		t.Errorf("the loop over values ended with %v", r.Err())
	}
	mustPut(t, db, "b", "healed")
	if err := errors.Join(db.Delete([]byte("c")), db.Merge([]byte("c"), []byte("new"))); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a": "text", "b": "healed", "c": "new"} {
		if got, err := db.Get([]byte(key)); err != nil || string(got) != want {
			t.Errorf("%s is %q, %v", key, got, err)
		}
	}
	if err := db.Verify(context.Background(), nil); err != nil {
		t.Error(err)
	}
}

// Opening once without the merge function must not cost what was merged.
func TestMerge_waitsForItsFunction(t *testing.T) {
	dir := t.TempDir()
	for i, o := range []*Options{{}, {}, {Merge: shortest}, {}} {
		db, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			for n := range 50 {
				mustPut(t, db, fmt.Sprint("filler", n), "x")
				if err := db.Merge([]byte("k"), bytes.Repeat([]byte("x"), 60-n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if i < 3 {
			value, err := db.Get([]byte("k"))
			if o.Merge == nil && !errors.Is(err, ErrMerge) || o.Merge != nil && (err != nil || len(value) != 11) {
				t.Errorf("open %d: %d bytes, %v", i, len(value), err)
			}
		}
		if err := errors.Join(db.Compact(context.Background(), nil, nil), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// An operand that is longer than a table can hold would stop the flush, and with it everything.
func TestLimits_ofArguments(t *testing.T) {
	db := openTemp(t, nil)
	longest := make([]byte, MaxArgumentSize)
	if err := db.Append([]byte("k"), longest); err != nil {
		t.Fatal(err)
	}
	if err := db.Append([]byte("l"), append(longest, 0)); !errors.Is(err, ErrValueTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
	if err := db.Add(make([]byte, MaxKeySize+1), 1); !errors.Is(err, ErrKeyTooLarge) {
		t.Errorf("a key too large: %v", err)
	}
	if err := errors.Join(db.Append([]byte("k"), []byte("x")), db.Flush()); err != nil {
		t.Fatal(err)
	}
	if value, err := db.Get([]byte("k")); err != nil || len(value) != MaxValueSize {
		t.Errorf("the longest value has %d bytes, %v", len(value), err)
	}
	if err := errors.Join(db.Append([]byte("k"), []byte("x")), db.Flush()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Get([]byte("k")); !errors.Is(err, ErrMerge) {
		t.Errorf("a value that is too long: %v", err)
	}
}

// A counter in memory must be read without garbage, as any other value.
func TestGet_ofACounterAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("pools forget under the race detector")
	}
	db := openTemp(t, &Options{Durability: Process})
	key, room := []byte("k"), make([]byte, 0, 8)
	for _, state := range []string{"operand in memory", "put in the table", "operand over a put"} {
		if state != "put in the table" {
			if err := db.Add(key, 1); err != nil {
				t.Fatal(err)
			}
		} else if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
		n := testing.AllocsPerRun(100, func() {
			if _, err := db.GetAppend(room, key); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 {
			t.Errorf("%s: %v allocations", state, n)
		}
	}
}
