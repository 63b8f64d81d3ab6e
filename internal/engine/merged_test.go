package engine

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"syscall"
	"testing"

	"lightningdb/internal/batch"
	"lightningdb/internal/key"
	"lightningdb/internal/operand"
	"lightningdb/internal/vfs/errfs"
	"lightningdb/internal/vfs/memfs"
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
	v := e.active().Find([]byte(k), key.Hash([]byte(k)), Latest)
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
