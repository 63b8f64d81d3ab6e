package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/span"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// spacious is a database in a bubble, with all its goroutines, and what is done to it.
type spacious struct {
	t  *testing.T
	fs *memfs.FS
	e  *Engine
	r  *rand.Rand
}

// inBubble runs test on a new database, in a bubble in which time passes as soon as nobody has anything to do.
func inBubble(t *testing.T, test func(s *spacious)) {
	synctest.Test(t, func(t *testing.T) {
		s := &spacious{t: t, fs: memfs.NewVolatile(), r: rand.New(rand.NewPCG(1, 2))}
		var err error
		s.e, err = Open(Options{FS: s.fs, MemoryLimit: MinMemoryLimit, Codec: codec.By(codec.None)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.e.Close()
		test(s)
	})
}

// write commits n changes in batches.
func (s *spacious) write(n int, change func(b *batch.Batch, i int)) {
	s.t.Helper()
	var b batch.Batch
	for i := range n {
		change(&b, i)
		if b.Count() < 100 && len(b.Bytes()) < 100_000 && i < n-1 {
			continue
		}
		if _, err := s.e.Commit(&b, false); err != nil {
			s.t.Fatal(err)
		}
		b.Reset()
	}
}

// rest lets time pass in which nothing is done.
func (s *spacious) rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// tableBytes is the bytes of all tables and value files.
func (s *spacious) tableBytes() (total int64) {
	for _, size := range s.e.Metrics().Version.Files() {
		total += size
	}
	return total
}

// directoryBytes is the bytes of all files.
func (s *spacious) directoryBytes() (total int64) {
	names, err := s.fs.List()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind == filename.Lock {
			continue
		}
		f, err := s.fs.Open(name)
		if err != nil {
			s.t.Fatal(err)
		}
		size, err := f.Size()
		if err != nil {
			s.t.Fatal(err)
		}
		total += size
		f.Close()
	}
	return total
}

const spaceRows = 40_000

func row(i int) []byte { return fmt.Appendf(nil, "row%06d", i) }

func (s *spacious) put(b *batch.Batch, i int)    { b.Put(row(i), make([]byte, 100+s.r.IntN(200))) }
func (s *spacious) remove(b *batch.Batch, i int) { b.Delete(row(i)) }
func (s *spacious) any(change func(*batch.Batch, int)) func(*batch.Batch, int) {
	return func(b *batch.Batch, _ int) { change(b, s.r.IntN(spaceRows)) }
}

// spaceWorks is what makes garbage: load, then, after a rest, change.
var spaceWorks = []struct {
	name         string
	load, change func(s *spacious)
}{
	{"overwrites", loadRows, func(s *spacious) { s.write(3*spaceRows, s.any(s.put)) }},
	{"few overwrites", loadRows, func(s *spacious) { s.write(spaceRows/3, s.any(s.put)) }},
	{"removals", loadRows, func(s *spacious) { s.write(spaceRows, s.any(s.remove)) }},
	{"both", loadRows, func(s *spacious) {
		s.write(2*spaceRows, s.any(func(b *batch.Batch, i int) {
			if s.r.IntN(3) == 0 {
				s.remove(b, i)
			} else {
				s.put(b, i)
			}
		}))
	}},
	{"everything", loadRows, func(s *spacious) { s.write(spaceRows, s.remove) }},
	{"a range", loadRows, removeRanges(row(spaceRows/3), nil)},
	{"everything, as a range", loadRows, removeRanges(nil, nil)},
	{"ranges all over", loadRows, func(s *spacious) {
		for i := 0; i < spaceRows; i += 1000 {
			removeRanges(row(i), row(i+500))(s)
		}
	}},
	{"large values, as a range", loadLarge(200, 100_000), removeRanges(nil, row(150))},
	{"large values", loadLarge(200, 100_000), func(s *spacious) { s.write(180, s.remove) }},
	{"large values replaced", loadLarge(200, 100_000), func(s *spacious) { s.write(150, s.put) }},
	{"a huge value among small ones", loadHuge, setHuge(func(b *batch.Batch) { b.Delete([]byte("huge")) })},
	{"a huge value replaced", loadHuge, setHuge(func(b *batch.Batch) { b.Put([]byte("huge"), nil) })},
}

// removeRanges deletes the rows from lo to before hi.
func removeRanges(lo, hi []byte) func(s *spacious) {
	return func(s *spacious) {
		s.write(1, func(b *batch.Batch, _ int) { b.DeleteRange(span.Span{Lo: lo, Hi: hi}) })
	}
}

func loadRows(s *spacious) { s.write(spaceRows, s.put) }

func loadLarge(n, size int) func(s *spacious) {
	return func(s *spacious) { s.write(n, func(b *batch.Batch, i int) { b.Put(row(i), make([]byte, size)) }) }
}

// loadHuge loads small values and one that is longer than all of them, into one table.
func loadHuge(s *spacious) {
	s.write(900, s.put)
	s.write(1, func(b *batch.Batch, _ int) { b.Put([]byte("huge"), make([]byte, 600_000)) })
	if err := s.e.Compact(context.Background(), nil, nil); err != nil {
		s.t.Fatal(err)
	}
}

// setHuge is the change of the huge value.
func setHuge(change func(b *batch.Batch)) func(s *spacious) {
	return func(s *spacious) { s.write(1, func(b *batch.Batch, _ int) { change(b) }) }
}

// A store that keeps what was deleted or replaced fills the disk of a program that does so as much as it writes. Nobody
// calls Flush or Compact behind the changes: the last of them are in memory when the program falls quiet.
func TestSpace_returnsByItselfWhenQuiet(t *testing.T) {
	for _, work := range spaceWorks {
		for _, pinned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, pinned by a snapshot %v", work.name, pinned), func(t *testing.T) {
				inBubble(t, func(s *spacious) {
					work.load(s)
					s.rest(time.Minute)
					var held *Snapshot
					if pinned {
						held = s.e.Snapshot()
					}
					work.change(s)
					s.rest(time.Minute)
					if pinned {
						held.Close()
						s.rest(time.Minute)
					}
					quiet := s.tableBytes()
					if err := s.e.Compact(context.Background(), nil, nil); err != nil {
						t.Fatal(err)
					}
					if live := s.tableBytes(); quiet > live+live/4 {
						t.Errorf("%d bytes of tables, %d of them live", quiet, live)
					}
				})
			})
		}
	}
}

// A program that is never quiet for long would keep what it has deleted until its memtable is full, which may take
// days.
func TestSpace_returnsBesideATrickle(t *testing.T) {
	inBubble(t, func(s *spacious) {
		loadLarge(200, 100_000)(s)
		s.rest(time.Minute)
		before := s.tableBytes()
		s.write(200, s.remove)
		for i := range 60 {
			s.write(1, func(b *batch.Batch, _ int) { b.Put(row(i), nil) })
			s.rest(time.Second)
		}
		if after := s.tableBytes(); after > before/100 {
			t.Errorf("%d bytes of tables of %d are left", after, before)
		}
	})
}

// The directory of a program that has deleted all it had would stay as large as it ever was, or its log would.
func TestSpace_anEmptiedDatabaseIsSmall(t *testing.T) {
	for _, rows := range []int{1000, spaceRows} { // in the log alone, and in tables
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			inBubble(t, func(s *spacious) {
				s.write(rows, func(b *batch.Batch, i int) { b.Put(row(i), make([]byte, 600)) })
				s.write(rows, s.remove)
				s.rest(time.Hour)
				if size := s.directoryBytes(); size > 100<<10 {
					t.Errorf("the directory has %d bytes", size)
				}
			})
		})
	}
}

// A program that writes little would have a table written for each of its writes, or one every few minutes for
// nothing, and the medium would never rest.
func TestSpace_littleIsNotFlushed(t *testing.T) {
	inBubble(t, func(s *spacious) {
		s.write(20, s.put)
		if err := s.e.Compact(context.Background(), nil, nil); err != nil {
			t.Fatal(err)
		}
		before := s.e.Metrics().Flush.Count
		for range 24 * 60 {
			s.write(1, func(b *batch.Batch, _ int) { s.put(b, s.r.IntN(10)) })
			s.rest(time.Minute)
		}
		s.rest(24 * time.Hour)
		if n := s.e.Metrics().Flush.Count - before; n > 1 {
			t.Errorf("a write a minute, and then none, for a day each: %d flushes", n)
		}
	})
}

// Overwriting large values would fill the medium with what was overwritten, or leave it there.
func TestSpace_ofLargeValuesIsBounded(t *testing.T) {
	const size, rounds = 100_000, 8
	n := 200
	if testing.Short() {
		n = 80
	}
	inBubble(t, func(s *spacious) {
		put := func(b *batch.Batch, _ int) {
			v := make([]byte, size)
			for i := range v {
				v[i] = byte(s.r.Uint32())
			}
			b.Put(row(s.r.IntN(n)), v)
		}
		s.write(n, func(b *batch.Batch, i int) { b.Put(row(i), make([]byte, size)) })
		live, most, values := int64(n*size), int64(0), 0
		for range rounds * n / 10 {
			s.write(10, put)
			s.rest(time.Millisecond) // compactions keep up, and nothing is quiet
			m := s.e.Metrics()
			most, values = max(most, m.DiskBytes), max(values, len(m.Version.Values))
		}
		if most > 2*live+2*MinMemoryLimit { // level 0 and the log take about as much as memory does, each
			t.Errorf("%d bytes while busy, of which %d are live", most, live)
		}
		s.rest(time.Hour)
		if quiet := s.tableBytes(); quiet > live+live/4 {
			t.Errorf("%d bytes of tables and value files when quiet, of which %d are live", quiet, live)
		}
		t.Logf("%d live, %d busy, %d quiet, %d value files", live, most, s.tableBytes(), values)
		if values == 0 {
			t.Error("there were no value files")
		}
	})
}

// meteredFS counts the bytes that are read of tables.
type meteredFS struct {
	vfs.FS
	read atomic.Int64
}

func (fs *meteredFS) Open(name string) (vfs.File, error) {
	f, err := fs.FS.Open(name)
	if kind, _ := filename.Parse(name); err != nil || kind != filename.Table {
		return f, err
	}
	return meteredFile{f, &fs.read}, nil
}

type meteredFile struct {
	vfs.File
	read *atomic.Int64
}

func (f meteredFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.read.Add(int64(n))
	return n, err
}

// An operator would look in vain for who reads a database that is only written to: each look at what a memtable hides
// reads up to 8 MiB, which no other metric has.
func TestSpace_whatItReadsIsInTheMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := &meteredFS{FS: memfs.NewVolatile()}
		s := &spacious{t: t, r: rand.New(rand.NewPCG(1, 2))}
		o := Options{FS: fs, MemoryLimit: MinMemoryLimit, Codec: codec.By(codec.None)}
		var err error
		if s.e, err = Open(o); err != nil {
			t.Fatal(err)
		}
		defer s.e.Close()
		loadRows(s)
		if err := s.e.Compact(t.Context(), nil, nil); err != nil { // no page of its tables is in the cache
			t.Fatal(err)
		}
		s.rest(time.Minute)
		before, readBefore := s.e.Metrics(), fs.read.Load()
		for range 15 {
			s.write(20, s.any(s.put))
			s.rest(time.Second)
		}
		after := s.e.Metrics()
		read, counted := fs.read.Load()-readBefore, int64(after.ReadBytes-before.ReadBytes)
		if compactions := after.Compaction.Count - before.Compaction.Count; compactions > 0 || read < 100<<10 {
			t.Fatalf("read are %d bytes, next to %d compactions: nothing was looked up", read, compactions)
		}
		if counted != read {
			t.Errorf("counted are %d of %d bytes read", counted, read)
		}
	})
}
