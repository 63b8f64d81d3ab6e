package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

func mergeInto(t *testing.T, e *Engine, o operand.Operator, k string, argument []byte) {
	t.Helper()
	var b batch.Batch
	b.Merge(o, []byte(k), argument)
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
}

func addOne(t *testing.T, e *Engine, k string) {
	t.Helper()
	mergeInto(t, e, operand.Add, k, operand.AppendInt64(nil, 1))
}

func mustFlush(t *testing.T, e *Engine) {
	t.Helper()
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
}

// counter reads the integer at k.
func counter(e *Engine, k string, seq key.SeqNum) (int64, error) {
	value, _, err := e.Get(nil, []byte(k), seq)
	n, _ := operand.Int64(value)
	return n, err
}

// waiting is how many operands of k the active memtable holds above the newest put in it.
func waiting(e *Engine, k string) (n int) {
	v := e.tree.Active().Find([]byte(k), key.Hash([]byte(k)), Latest)
	for ; v.Exists() && v.Trailer().Kind() == key.KindMerge; v = v.Older() {
		n++
	}
	return n
}

// A counter whose page cannot be read would begin at zero again, for this reader or, if the memtable believed it, for
// good.
func TestGet_operandsOverWhatCannotBeReadAreAnError(t *testing.T) {
	fs := errfs.New(memfs.NewVolatile())
	e := openManual(t, fs)
	defer e.Close()
	for range 5 {
		addOne(t, e, "n")
	}
	mustFlush(t, e)
	fs.SetRules(errfs.On(errfs.Read, errfs.Open).Named("*.tbl").Fail(syscall.EIO))
	for range 40 {
		addOne(t, e, "n")
	}
	if v, found, err := e.Get(nil, []byte("n"), Latest); !errors.Is(err, syscall.EIO) || found || len(v) > 0 {
		t.Errorf("%x, found %v, %v", v, found, err)
	}
	fs.SetRules()
	if n, err := counter(e, "n", Latest); n != 45 || err != nil {
		t.Errorf("when the device is well again: %d, %v", n, err)
	}
	addOne(t, e, "n")
	mustFlush(t, e)
	if n, err := counter(e, "n", Latest); n != 46 || err != nil {
		t.Errorf("after a flush: %d, %v", n, err)
	}
}

// A counter that nobody has put in this memtable must be as quick to read as any other.
func TestCommit_foldsOperandsOverATable(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	addOne(t, e, "n")
	mustFlush(t, e)
	longest := 0
	for range 100 {
		addOne(t, e, "n")
		longest = max(longest, waiting(e, "n"))
	}
	if n, err := counter(e, "n", Latest); longest > 16 || n != 101 || err != nil {
		t.Errorf("%d operands wait, the counter is %d, %v", longest, n, err)
	}
}

// countedMerge is xored, and how often it was called, and with how many bytes.
type countedMerge struct{ calls, given atomic.Int64 }

func (c *countedMerge) merge(k, old, argument []byte) ([]byte, error) {
	c.calls.Add(1)
	c.given.Add(int64(len(old) + len(argument)))
	return xored(k, old, argument)
}

func openCounted(t *testing.T, c *countedMerge) *Engine {
	t.Helper()
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, Merge: c.merge})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// A thousand small changes of one long value would keep all other commits waiting for seconds, while the leader of
// their group makes a thousand times the same long value.
func TestCommit_makesNoLongValues(t *testing.T) {
	for _, size := range []int{257, 10_000, 100_000, 1_000_000} {
		for _, flushed := range []bool{false, true} {
			var c countedMerge
			e := openCounted(t, &c)
			defer e.Close()
			put(t, e, "k", string(make([]byte, size)))
			if flushed {
				mustFlush(t, e)
			}
			for i := range 1000 {
				mergeInto(t, e, operand.User, "k", operand.AppendInt64(nil, int64(i)))
			}
			if c.calls.Load() > 0 {
				t.Errorf("%d bytes, in a table: %v: %d calls with %d bytes in commits", size, flushed, c.calls.Load(),
					c.given.Load())
			}
			v, found, err := e.Get(nil, []byte("k"), Latest)
			if want, _ := xored(nil, make([]byte, size), make([]byte, 8)); !found || err != nil || !bytes.Equal(v, want) {
				t.Errorf("%d bytes, in a table: %v: %d bytes beginning with %x, %v", size, flushed, len(v), v[:min(8, len(v))], err)
			}
			if calls := c.calls.Load(); calls > 1000 {
				t.Errorf("%d bytes, in a table: %v: %d calls for a read of 1000 operands", size, flushed, calls)
			}
		}
	}
}

// Commits of merges into a short value would become slower with each: however often it is merged into, what it takes is
// a call of the function for each merge, and the first operands once more.
func TestCommit_callsTheFunctionOnceForEachMerge(t *testing.T) {
	var c countedMerge
	e := openCounted(t, &c)
	defer e.Close()
	put(t, e, "k", string(make([]byte, 200)))
	mustFlush(t, e)
	const merges = 5000
	for i := range merges {
		mergeInto(t, e, operand.User, "k", operand.AppendInt64(nil, int64(i)))
	}
	if c.calls.Load() > merges+16 || c.given.Load() > (merges+16)*208 {
		t.Errorf("%d calls with %d bytes for %d merges", c.calls.Load(), c.given.Load(), merges)
	}
}

// Rows that are merged into all the time would be scanned at the cost of a call of the merge function for each merge
// since the last compaction that reached the bottom.
func TestFlush_leavesOneEntryOfAMergedRow(t *testing.T) {
	const rows, merges = 50, 20
	for _, size := range []int{0, 100, 300, 5000} {
		var c countedMerge
		e := openCounted(t, &c)
		defer e.Close()
		for i := range rows {
			put(t, e, fmt.Sprint("row", i), string(make([]byte, size)))
		}
		mustFlush(t, e)
		for range merges {
			for i := range rows {
				mergeInto(t, e, operand.User, fmt.Sprint("row", i), []byte{1})
			}
		}
		mustFlush(t, e)
		if n := e.tree.Current().Version().Levels[0][0].Entries; n != rows {
			t.Errorf("%d bytes: %d entries for %d rows", size, n, rows)
		}
		c.calls.Store(0)
		it, err := e.NewIterator(nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ok := it.First(); ok; ok = it.Next() {
			if v, err := it.Value(); err != nil || len(v) != max(size, 1) || v[0] != 0 {
				t.Errorf("%d bytes: %s has %d bytes, %v", size, it.Key(), len(v), err)
			}
			n++
		}
		if err := it.Close(); err != nil || n != rows || c.calls.Load() > 0 {
			t.Errorf("%d bytes: a scan of %d rows makes %d calls, %v", size, n, c.calls.Load(), err)
		}
	}
}

// Rows that somebody has a snapshot of would not be folded at all, or the snapshot would show what came later.
func TestFlush_leavesOneEntryForEachSnapshot(t *testing.T) {
	for _, below := range []bool{false, true} {
		var c countedMerge
		e := openCounted(t, &c)
		defer e.Close()
		value := make([]byte, 300)
		put(t, e, "k", string(value))
		if below {
			mustFlush(t, e)
		}
		var held []*Snapshot
		var states [][]byte
		for i := range 20 {
			n := operand.AppendInt64(nil, int64(i+1))
			mergeInto(t, e, operand.User, "k", n)
			value, _ = xored(nil, value, n)
			if i%5 == 4 {
				held, states = append(held, e.Snapshot()), append(states, value)
			}
		}
		mustFlush(t, e)
		if n := e.tree.Current().Version().Levels[0][0].Entries; n != 4 {
			t.Errorf("base below: %v: %d entries for 4 snapshots", below, n)
		}
		c.calls.Store(0)
		for i, s := range held {
			if v, _, err := s.Get(nil, []byte("k")); err != nil || !bytes.Equal(v, states[i]) {
				t.Errorf("base below: %v, snapshot %d: %x, %v", below, i, v[:8], err)
			}
			s.Close()
		}
		if n := c.calls.Load(); n > 0 {
			t.Errorf("base below: %v: %d calls for 4 reads", below, n)
		}
	}
}

// A compaction that does not reach the bottom must take the value from there once, and not the operands that it folds
// from the tables that they are in: the row would be changed twice by each of them.
func TestCompactStep_foldsOntoWhatLiesBelow(t *testing.T) {
	join := func(_, old, argument []byte) ([]byte, error) { return append(bytes.Clone(old), argument...), nil }
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, Merge: join})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	random := rand.NewChaCha8([32]byte{})
	for i := range 1000 {
		filler := make([]byte, 1000)
		random.Read(filler)
		put(t, e, fmt.Sprint("filler", i), string(filler))
	}
	put(t, e, "k", "x")
	mustFlush(t, e)
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, argument := range []string{"a", "b", "c", "d"} {
		mergeInto(t, e, operand.User, "k", []byte(argument))
		mustFlush(t, e)
	}
	for worked := true; worked; {
		if worked, err = e.CompactStep(); err != nil {
			t.Fatal(err)
		}
	}
	tables := e.tree.Current().Version().Levels[0]
	if len(tables) != 1 || tables[0].Entries != 1 {
		t.Errorf("level 0 has %d tables, the first with %d entries", len(tables), tables[0].Entries)
	}
	if v, _, err := e.Get(nil, []byte("k"), Latest); string(v) != "xabcd" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

// What the function cannot do must not stop flushes and compactions: the log would grow until the disk is full.
func TestFlush_goesOnOverAFunctionThatPanics(t *testing.T) {
	fs := memfs.New()
	open := func(merge operand.Func) *Engine {
		e, err := Open(Options{FS: fs, Manual: true, Merge: merge})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open(func(_, _, _ []byte) ([]byte, error) { panic("a bug") })
	put(t, e, "long", string(make([]byte, 1000)))
	put(t, e, "short", "")
	mustFlush(t, e)
	for i := range 60 {
		for _, k := range []string{"long", "short", "absent"} {
			mergeInto(t, e, operand.User, k, []byte{byte(i)})
		}
		if i%20 == 19 {
			mustFlush(t, e)
		}
	}
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"long", "short", "absent"} {
		if _, _, err := e.Get(nil, []byte(k), Latest); !errors.Is(err, operand.ErrMerge) {
			t.Errorf("%s: %v", k, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	fs = fs.Kill()
	e = open(func(_, old, argument []byte) ([]byte, error) { return append(bytes.Clone(old), argument...), nil })
	defer e.Close()
	for k, want := range map[string]int{"long": 1060, "short": 60, "absent": 60} {
		if v, _, err := e.Get(nil, []byte(k), Latest); len(v) != want || v[len(v)-1] != 59 || err != nil {
			t.Errorf("%s: %d bytes, want %d, %v", k, len(v), want, err)
		}
	}
}

// Operands of one batch must be folded onto the operations before them, of which nobody sees anything yet.
func TestCommit_foldsWithinABatch(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	put(t, e, "n", string(operand.AppendInt64(nil, 1000)))
	mustFlush(t, e)
	var b batch.Batch
	for range 100 {
		b.Merge(operand.Add, []byte("n"), operand.AppendInt64(nil, 1))
	}
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
	if n, err := counter(e, "n", Latest); waiting(e, "n") > 0 || n != 1100 || err != nil {
		t.Errorf("%d operands wait, the counter is %d, %v", waiting(e, "n"), n, err)
	}
}

// A snapshot must show what a counter was, however the versions around it are folded.
func TestSnapshot_ofACounter(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	var held []*Snapshot
	for i := range 60 {
		addOne(t, e, "n")
		if i%7 == 0 {
			held = append(held, e.Snapshot())
		}
		if i%10 == 9 {
			mustFlush(t, e)
		}
	}
	check := func(when string) {
		for i, s := range held {
			if n, err := counter(e, "n", s.Seq()); n != int64(7*i+1) || err != nil {
				t.Errorf("%s: the snapshot after %d shows %d, %v", when, 7*i+1, n, err)
			}
		}
	}
	check("before a compaction")
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	check("after a compaction")
	for _, s := range held {
		s.Close()
	}
}

// A merge that cannot be folded would have its table written anew for ever, and the disk worn out.
func TestCompactStep_endsOverWhatCannotBeFolded(t *testing.T) {
	fs := memfs.New()
	e := openManual(t, fs)
	for range 3 {
		put(t, e, "text", "no integer")
		addOne(t, e, "text")
		mergeInto(t, e, operand.User, "user", []byte("x"))
		mustFlush(t, e)
		if err := e.Compact(context.Background(), nil, nil); err != nil {
			t.Fatal(err)
		}
		for steps := 0; ; steps++ {
			worked, err := e.CompactStep()
			if err != nil || steps > 10 {
				t.Fatalf("step %d: %v", steps, err)
			}
			if !worked {
				break
			}
		}
	}
	for _, k := range []string{"text", "user"} {
		if _, _, err := e.Get(nil, []byte(k), Latest); !errors.Is(err, operand.ErrMerge) {
			t.Errorf("%s: %v", k, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	join := func(_, old, argument []byte) ([]byte, error) { return append(bytes.Clone(old), argument...), nil }
	e, err := Open(Options{FS: fs.Kill(), Manual: true, Merge: join})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if v, _, err := e.Get(nil, []byte("user"), Latest); string(v) != "xxx" || err != nil {
		t.Errorf("with the function that was missing: %q, %v", v, err)
	}
}

// A long row that is merged into and read in turn would be made from the beginning by each read: a thousand of both
// would take half a million calls of the merge function.
func TestGet_foldsOperandsOnce(t *testing.T) {
	const merges = 1000
	var c countedMerge
	e := openCounted(t, &c)
	defer e.Close()
	want := make([]byte, 10_000)
	put(t, e, "k", string(want))
	var old []*Snapshot
	for i := range merges {
		n := operand.AppendInt64(nil, int64(i))
		mergeInto(t, e, operand.User, "k", n)
		want, _ = xored(nil, want, n)
		if i%100 == 50 {
			old = append(old, e.Snapshot())
			if i%200 == 50 {
				mustFlush(t, e) // which makes a put of it
			}
		}
		if v, _, err := e.Get(nil, []byte("k"), Latest); err != nil || !bytes.Equal(v, want) {
			t.Fatalf("after %d merges: %x, %v; want %x", i+1, v[:min(8, len(v))], err, want[:8])
		}
	}
	if calls := c.calls.Load(); calls > merges*16 {
		t.Errorf("%d calls for %d merges and as many reads", calls, merges)
	}
	for i, s := range old {
		want := make([]byte, 10_000)
		for n := range 100*i + 51 {
			want, _ = xored(nil, want, operand.AppendInt64(nil, int64(n)))
		}
		if v, _, err := s.Get(nil, []byte("k")); err != nil || !bytes.Equal(v, want) {
			t.Errorf("snapshot %d: %x, %v; want %x", i, v[:min(8, len(v))], err, want[:8])
		}
		s.Close()
	}
}

// A reader that is told what an operand of another state leads to would see a row that goes backward, or one that was
// never there.
func TestGet_ofALongCounterNeverGoesBack(t *testing.T) {
	count := func(_, old, argument []byte) ([]byte, error) {
		value := bytes.Clone(old)
		n, _ := operand.Int64(value[len(value)-8:])
		by, _ := operand.Int64(argument)
		return operand.AppendInt64(value[:len(value)-8], n+by), nil
	}
	e, err := Open(Options{FS: memfs.NewVolatile(), MemoryLimit: MinMemoryLimit, Merge: count})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	put(t, e, "n", string(make([]byte, 1000)))
	const merges = 3000
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			for last := int64(0); ; {
				v, _, err := e.Get(nil, []byte("n"), Latest)
				if err != nil || len(v) != 1000 {
					t.Errorf("%d bytes, %v", len(v), err)
					return
				}
				n, _ := operand.Int64(v[992:])
				if n < last || n > merges {
					t.Errorf("%d after %d", n, last)
					return
				}
				last = n
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range merges {
		mergeInto(t, e, operand.User, "n", operand.AppendInt64(nil, 1))
		if i%500 == 499 {
			mustFlush(t, e)
		}
	}
	close(done)
	readers.Wait()
	if v, _, err := e.Get(nil, []byte("n"), Latest); err != nil || len(v) != 1000 || v[992] != byte(merges&0xff) {
		t.Errorf("in the end %x, %v", v[min(992, len(v)):], err)
	}
}

// A reader that met operands of one state and the value of another would see a counter that goes backward.
func TestGet_ofACounterNeverGoesBack(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), MemoryLimit: MinMemoryLimit})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const adds = 3000
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for last := int64(0); ; {
				n, err := counter(e, "n", Latest)
				if err != nil || n < last || n > adds {
					t.Errorf("%d after %d, %v", n, last, err)
					return
				}
				last = n
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range adds {
		addOne(t, e, "n")
		switch i % 100 {
		case 49:
			mustFlush(t, e)
		case 99:
			if err := e.Compact(context.Background(), nil, nil); err != nil {
				t.Error(err)
			}
		}
	}
	close(done)
	readers.Wait()
}
