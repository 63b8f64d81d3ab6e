package engine

import (
	"errors"
	"fmt"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// pageReads counts the reads of tables: all of them, and those of a place that was read before.
type pageReads struct {
	seen       map[string]bool
	all, again int64
}

func (r *pageReads) note(op errfs.Op) {
	place := fmt.Sprint(op.Name, " ", op.Offset)
	if r.seen[place] {
		r.again++
	}
	r.seen[place] = true
	r.all++
}

// Whoever sizes a cache by its misses and evictions would buy memory that does nothing, or none where it is missing.
func TestCache_countsMissesAndEvictionsAsTheDiskSeesThem(t *testing.T) {
	const keys = 12_000
	disk := memfs.New()
	e := openManual(t, disk)
	for from := 0; from < keys; from += 1000 {
		var b batch.Batch
		for i := range 1000 {
			b.Put(fmt.Appendf(nil, "key %05d", from+i), fmt.Appendf(nil, "%0600d", i))
		}
		if _, err := e.Commit(&b, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(e.Compact(t.Context(), nil, nil), e.Close()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		memory int64
		stays  bool
	}{{"all pages fit", 128 << 20, true}, {"a part of them fits", MinMemoryLimit, false}} {
		t.Run(c.name, func(t *testing.T) {
			reads := &pageReads{seen: make(map[string]bool)}
			counted := errfs.New(disk.Kill())
			e, err := Open(Options{FS: counted, ReadOnly: true, Manual: true, MemoryLimit: c.memory})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			step := func(n int) {
				t.Helper()
				if _, _, err := e.Get(nil, fmt.Appendf(nil, "key %05d", n), key.MaxSeqNum); err != nil {
					t.Fatal(err)
				}
			}
			step(0) // opens a table
			before := e.Metrics().Cache
			counted.SetRules(errfs.On(errfs.Read).Call(reads.note))
			for range 2 {
				for n := range keys {
					step(n)
				}
			}
			m := e.Metrics().Cache
			t.Logf("%d reads, %d of them again; %d evictions", reads.all, reads.again, m.Evictions)
			if m.Misses-before.Misses != reads.all {
				t.Errorf("%d misses, %d reads of tables", m.Misses-before.Misses, reads.all)
			}
			gone := before.Misses + reads.all - int64(m.FramesInUse) // each page that was read is there, or was evicted
			if m.Evictions != gone || m.FramesInLimbo > 0 {
				t.Errorf("%d evictions, of %d pages that are gone; %d in limbo", m.Evictions, gone, m.FramesInLimbo)
			}
			if c.stays && (reads.again > 0 || gone != 0) || !c.stays && (reads.again == 0 || m.Evictions < reads.again) {
				t.Errorf("of %d reads %d were again, with %d evictions", reads.all, reads.again, m.Evictions)
			}
		})
	}
}
