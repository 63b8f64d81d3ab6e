package tables

import (
	"fmt"
	"testing"
	"time"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/epoch"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/cache"
)

// newSet returns a set of tables in memory.
func newSet(t *testing.T, openBytes int64) *Set {
	t.Helper()
	gate, epochs := calls.NewGate(), epoch.NewDomain()
	id := uint64(0)
	random := func() uint64 { id++; return id }
	dir := directory.New(directory.Options{FS: memfs.NewVolatile(), Gate: gate, Random: random, Discarded: func() {},
		Clock: func() time.Duration { return 0 }})
	if err := dir.Lock(); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Claim(); err != nil {
		t.Fatal(err)
	}
	s := New(Options{
		Dir: dir, Gate: gate, Epochs: epochs, Cache: cache.New(1<<20, 512, epochs), Codec: codec.By(codec.None),
		Random: random, PageSize: 512, OpenBytes: openBytes, Bytes: 256 << 10, Unused: func() {},
	})
	t.Cleanup(func() {
		s.CloseAll()
		epochs.Drain()
		s.Reclaim()
		s.opts.Cache.Close()
	})
	return s
}

// newSpill returns tables with keys from 0 to n-1.
func newSpill(t *testing.T, s *Set, n int) *Spill {
	t.Helper()
	w := s.NewSpill(1)
	for i := range n {
		if err := w.Add(number(i), key.KindPut, make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	sp, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return sp
}

func number(i int) []byte { return fmt.Appendf(nil, "key %08d", i) }

// What open tables take more while they are read must count, or the process outgrows its limit; what closed tables took
// must not, or fewer and fewer could be open.
func TestSize_countsLeafIndexes(t *testing.T) {
	s := newSet(t, 1<<20)
	const keys = 20_000
	sp := newSpill(t, s, keys)
	defer sp.Remove()
	seek := func() {
		it := sp.NewIterator()
		defer it.Close()
		for i := range keys {
			if !it.SeekGE(key.SeekTo(number(i*7919%keys), key.MaxSeqNum)) {
				t.Fatal(it.Err())
			}
		}
	}
	if _, _, _, err := sp.Get(nil, number(0)); err != nil {
		t.Fatal(err)
	}
	tables, before := s.Size()
	seek()
	open, after := s.Size()
	if tables != 1 || open != len(sp.tables) || open < 5 {
		t.Fatalf("%d and then %d of %d tables are open", tables, open, len(sp.tables))
	}
	leaves := int64(keys) * 120 / 512
	if atLeast := int64(open)*before*9/10 + 8*leaves*9/10; after < atLeast {
		t.Errorf("one table takes %d bytes, and %d with their leaf indexes %d; want %d", before, open, after, atLeast)
	}
	held, err := s.acquireReader(sp.tables[0])
	if err != nil {
		t.Fatal(err)
	}
	for len(s.refs) > 0 {
		s.Forget(s.refs[0])
	}
	s.grow(held, 1000) // a reader that is late
	s.unref(held)
	if open, bytes := s.Size(); open != 0 || bytes != 0 {
		t.Errorf("%d tables are open and take %d bytes after all were closed", open, bytes)
	}
}

// Where tables are closed to open others, those that are closed must be as many as the memory demands, and no more.
func TestOpen_closesAsManyAsHaveNoRoom(t *testing.T) {
	s := newSet(t, 1<<20)
	sp := newSpill(t, s, 20_000)
	defer sp.Remove()
	if _, _, _, err := sp.Get(nil, number(0)); err != nil {
		t.Fatal(err)
	}
	_, one := s.Size()
	s.opts.OpenBytes = 3 * one
	for i := range 20_000 {
		if _, _, found, err := sp.Get(nil, number(i)); !found || err != nil {
			t.Fatal(found, err)
		}
	}
	if open, bytes := s.Size(); open < 3 || bytes > 4*one {
		t.Errorf("%d tables of about %d bytes are open and take %d of %d", open, one, bytes, s.opts.OpenBytes)
	}
}
