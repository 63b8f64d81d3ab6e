package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/examples/internal/trial"
)

func Example() {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		panic(err)
	}
	defer db.Close()
	ctx := context.Background()
	c, err := New(db, 9) // bytes
	if err != nil {
		panic(err)
	}
	for _, key := range []string{"a", "b", "c"} {
		if err := c.Put(ctx, key, []byte("123")); err != nil {
			panic(err)
		}
	}
	value, err := c.Get(ctx, "c")
	fmt.Printf("%s %v\n", value, err)
	_, err = c.Get(ctx, "a")
	fmt.Println(errors.Is(err, lightningdb.ErrNotFound))
	fmt.Println(c.Size())
	// Output:
	// 123 <nil>
	// true
	// 8 <nil>
}

func open(t *testing.T, dir string, limit int64) *Cache {
	t.Helper()
	c, err := New(trial.Open(t, dir, nil), limit)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// requireExact fails unless the size is that of the values, within the limit, and all of them are in the order.
func requireExact(t *testing.T, c *Cache) {
	t.Helper()
	s := c.db.Snapshot()
	defer s.Close()
	var inValues, inOrder int64
	var nValues, nUsed, nOrder int
	vs, us, os := values.All(s), used.All(s), order.All(s)
	for key, value := range vs.All() {
		nValues, inValues = nValues+1, inValues+sizeOf(key, value)
	}
	for range us.All() {
		nUsed++
	}
	for at, size := range os.All() {
		nOrder, inOrder = nOrder+1, inOrder+size
		if last, err := used.Get(s, at.B); err != nil || !last.Equal(at.A) {
			t.Errorf("%q is in the order of %v, and was used last at %v: %v", at.B, at.A, last, err)
		}
	}
	size, err := asSize(s.Get(sizeKey))
	if err := errors.Join(vs.Err(), us.Err(), os.Err(), err); err != nil {
		t.Fatal(err)
	}
	if nValues != nUsed || nValues != nOrder || inValues != size || inOrder != size || size > c.limit {
		t.Errorf("%d values of %d bytes, %d uses, %d in the order of %d bytes; size %d, limit %d", nValues, inValues,
			nUsed, nOrder, inOrder, size, c.limit)
	}
}

// keys returns what is in the cache, in order.
func keys(t *testing.T, c *Cache) string {
	t.Helper()
	var all []string
	rows := values.All(c.db)
	for key := range rows.Keys() {
		all = append(all, key)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// What was used last must stay, be it put, put again or got.
func TestPut_removesWhatWasUsedLongestAgo(t *testing.T) {
	c, at := open(t, "", 30), time.Unix(1e9, 0)
	c.now = func() time.Time { at = at.Add(2 * Grain); return at }
	put := func(key string, n int) {
		t.Helper()
		if err := c.Put(t.Context(), key, bytes.Repeat([]byte("x"), n)); err != nil {
			t.Fatal(err)
		}
		requireExact(t, c)
	}
	put("a", 9)
	put("b", 9)
	put("c", 9)
	if _, err := c.Get(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	put("d", 9)
	if got := keys(t, c); got != "a c d" {
		t.Error("after a was used: " + got)
	}
	put("c", 8)
	put("e", 9)
	if got := keys(t, c); got != "c d e" {
		t.Error("after c was put again: " + got)
	}
	put("f", 29)
	if got := keys(t, c); got != "f" {
		t.Error("after one that takes all: " + got)
	}
	if err := c.Put(t.Context(), "f", make([]byte, 30)); !errors.Is(err, ErrTooLarge) || keys(t, c) != "f" {
		t.Error(keys(t, c), err)
	}
	for range 2 {
		if err := c.Remove(t.Context(), "f"); err != nil || keys(t, c) != "" {
			t.Error(keys(t, c), err)
		}
		requireExact(t, c)
	}
	if _, err := New(c.db, 0); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Put(ctx, "a", nil); !errors.Is(err, context.Canceled) || keys(t, c) != "" {
		t.Error(keys(t, c), err)
	}
}

// A hit must not cost a write each time, or reads of a cache would be as slow as writes.
func TestGet_writesOnceInAGrain(t *testing.T) {
	c, at := open(t, "", 30), time.Unix(1e9, 0)
	c.now = func() time.Time { return at }
	if err := c.Put(t.Context(), "a", nil); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		later  time.Duration
		writes bool
	}{{0, false}, {Grain - 1, false}, {1, true}, {Grain - 1, false}, {-Grain, false}, {-Grain, true}} {
		at = at.Add(step.later)
		before := c.db.Metrics().Sequence
		if _, err := c.Get(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if wrote := c.db.Metrics().Sequence != before; wrote != step.writes {
			t.Errorf("%v later: wrote is %v", step.later, wrote)
		}
	}
	requireExact(t, c)
}

// useCache puts, gets and removes at random.
func useCache(ctx context.Context, c *Cache, random *rand.Rand) error {
	key := fmt.Sprint("key", random.IntN(50))
	var err error
	switch random.IntN(5) {
	case 0:
		err = c.Remove(ctx, key)
	case 1, 2:
		_, err = c.Get(ctx, key)
	default:
		err = c.Put(ctx, key, make([]byte, random.IntN(200)))
	}
	if errors.Is(err, lightningdb.ErrNotFound) {
		return nil
	}
	return err
}

// jumping is a clock that jumps forward and back by Grains from one call to the next, so that most Gets move their
// value.
func jumping() time.Time { return time.Now().Add(time.Duration(rand.IntN(100)) * Grain) }

// With many goroutines the size must stay exact, and at no moment above the limit.
func TestCache_isExactWithManyGoroutines(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 2000)
	c.now = jumping
	var all sync.WaitGroup
	for g := range 8 {
		random := rand.New(rand.NewPCG(3, uint64(g)))
		all.Go(func() {
			for range 60 {
				if err := useCache(t.Context(), c, random); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		requireExact(t, c)
	}
	all.Wait()
	requireExact(t, c)
	if err := c.db.Close(); err != nil {
		t.Fatal(err)
	}
	c = open(t, dir, 2000)
	requireExact(t, c)
	if keys(t, c) == "" {
		t.Error("nothing was there after reopening")
	}
}

// Wherever a kill cuts, the size is that of the values.
func TestCache_isExactAfterAKill(t *testing.T) {
	dir := t.TempDir()
	trial.Kill(t, dir, 400, func(dir string, say func(string)) error {
		db, err := lightningdb.Open(dir, nil)
		if err != nil {
			return err
		}
		c, err := New(db, 2000)
		if err != nil {
			return err
		}
		c.now = jumping
		failed := make(chan error)
		for g := range 4 {
			random := rand.New(rand.NewPCG(4, uint64(g)))
			go func() {
				for {
					if err := useCache(context.Background(), c, random); err != nil {
						failed <- err
					}
					say("")
				}
			}()
		}
		return <-failed
	})
	c := open(t, dir, 2000)
	requireExact(t, c)
	if keys(t, c) == "" {
		t.Error("nothing was there after the kill")
	}
}
