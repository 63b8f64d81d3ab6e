package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/batch"
	"lightningdb/internal/codec"
	"lightningdb/internal/vfs/memfs"
)

// A store that keeps what was deleted fills the disk of a program that deletes as much as it writes.
func TestSpace_returnsByItselfWhenQuiet(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, MemoryLimit: MinMemoryLimit, Codec: codec.By(codec.None)})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	const rows = 40_000
	rng := rand.New(rand.NewPCG(1, 2))
	write := func(n int, change func(b *batch.Batch, k []byte)) {
		var b batch.Batch
		for range n {
			change(&b, fmt.Appendf(nil, "row%06d", rng.IntN(rows)))
			if b.Count() == 100 {
				if _, err := e.Commit(&b, false); err != nil {
					t.Fatal(err)
				}
				b.Reset()
			}
		}
	}
	put := func(b *batch.Batch, k []byte) { b.Put(k, make([]byte, 100+rng.IntN(200))) }
	remove := func(b *batch.Batch, k []byte) { b.Delete(k) }
	both := func(b *batch.Batch, k []byte) {
		if rng.IntN(3) == 0 {
			remove(b, k)
		} else {
			put(b, k)
		}
	}
	for _, work := range []struct {
		name   string
		n      int
		change func(b *batch.Batch, k []byte)
	}{{"overwrites", 3 * rows, put}, {"removals", rows, remove}, {"both", 2 * rows, both}} {
		write(rows, put)
		write(work.n, work.change)
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
		jobs := 0
		for worked := true; worked; jobs++ {
			if worked, err = e.CompactStep(); err != nil {
				t.Fatal(err)
			}
		}
		quiet := tableBytes(e)
		if err := e.Compact(context.Background(), nil, nil); err != nil {
			t.Fatal(err)
		}
		if live := tableBytes(e); quiet > live+live/4 {
			t.Errorf("%s: %d bytes of tables after %d jobs, %d of them live", work.name, quiet, jobs, live)
		}
	}
}

func tableBytes(e *Engine) int64 {
	total := int64(0)
	for _, level := range e.Metrics().Levels {
		total += level.Bytes
	}
	return total
}
