package wal

import (
	"fmt"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// nowhere is a file that forgets, so that benchmarks measure this package.
type nowhere struct{ vfs.File }

func (nowhere) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (nowhere) StoreAt(p []byte, _ int64) (int, error) { return len(p), nil }
func (nowhere) Allocate(int64) error                   { return nil }
func (nowhere) Sync() error                            { return nil }
func (nowhere) Size() (int64, error)                   { return 0, nil }

// groupOf returns a group of n commits of one operation with 150 bytes of value from first on.
func groupOf(n int, first key.SeqNum) []Record {
	var records []Record
	for i := range n {
		records = append(records, makeCommit(first+key.SeqNum(i), 1, 150).record())
	}
	return records
}

// appendTo returns a function that appends a group of n commits again and again.
func appendTo(f vfs.File, n int) func() error {
	h := segmentHeader(testDB, 1, Root(0))
	s := &Segment{out: record.NewAppender(f, "000001.wal", &h)}
	group := groupOf(n, 1)
	next := key.SeqNum(1)
	return func() error {
		for i := range group {
			group[i].First = next
			next++
		}
		_, err := s.Append(group...)
		return err
	}
}

// Garbage on every commit would make the collector part of the write path.
func TestAppend_allocatesNothing(t *testing.T) {
	for _, n := range []int{1, 64} {
		step := appendTo(nowhere{}, n)
		if allocs := testing.AllocsPerRun(100, func() { must(t, n, step()) }); allocs > 0 {
			t.Errorf("group of %d: %v allocations", n, allocs)
		}
	}
}

// BenchmarkAppend appends groups of commits of 150 bytes, without and with a file below.
func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprintf("encode/group=%d", n), func(b *testing.B) { benchmarkAppend(b, nowhere{}, n) })
		b.Run(fmt.Sprintf("file/group=%d", n), func(b *testing.B) {
			dir, err := vfs.OpenDir(b.TempDir(), vfs.OpenDirOptions{})
			must(b, dir, err)
			defer dir.Close()
			f, err := dir.Create("000001.wal")
			must(b, f, err)
			defer f.Close()
			benchmarkAppend(b, f, n)
		})
	}
}

func benchmarkAppend(b *testing.B, f vfs.File, n int) {
	step := appendTo(f, n)
	b.ReportAllocs()
	for b.Loop() {
		if err := step(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/commit")
}

// BenchmarkReplay replays 16 MiB of commits of 150 bytes from memory.
func BenchmarkReplay(b *testing.B) {
	dir := memfs.NewVolatile()
	s := mustCreate(b, dir, 1, Root(0))
	for s.Size() < 16<<20 {
		end, err := s.Append(groupOf(64, s.lastSeq+1)...)
		must(b, end, err)
	}
	b.SetBytes(s.Size())
	b.ReportAllocs()
	for b.Loop() {
		_, err := Replay(dir, ReplayOptions{DB: testDB, Start: 1, Segments: []filename.Num{1}},
			func(key.SeqNum, *batch.Batch) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
}
