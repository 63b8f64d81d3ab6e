package engine

import (
	"encoding/binary"
	"fmt"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs/memfs"
)

// xored is a merge function whose value keeps its length: it changes the first bytes of a copy of old, as a program
// that counts something in a record would.
func xored(_, old, argument []byte) ([]byte, error) {
	value := make([]byte, max(len(old), len(argument)))
	copy(value, old)
	for i, b := range argument {
		value[i] ^= b
	}
	return value, nil
}

// BenchmarkScan_mergedRows scans rows that were changed some times since they came into a table, by puts and by merges,
// and are in level 0 over that table now. A merged row may cost twice one that was put.
func BenchmarkScan_mergedRows(b *testing.B) {
	for _, size := range []int{100, 400, 2000} {
		for _, times := range []int{2, 20} {
			for _, kind := range []string{"put", "merge", "append", "add"} {
				b.Run(fmt.Sprintf("%d bytes/%d times/%s", size, times, kind), func(b *testing.B) {
					benchScanMerged(b, kind, size, times)
				})
			}
		}
	}
}

func benchScanMerged(b *testing.B, kind string, size, times int) {
	const rows = 2000
	if kind == "add" {
		size = 8
	}
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, Merge: xored})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	change := func(one func(c *batch.Batch, k []byte)) {
		for i := range rows {
			var c batch.Batch
			one(&c, fmt.Appendf(nil, "%024d", i*7919))
			if _, err := e.Commit(&c, false); err != nil {
				b.Fatal(err)
			}
		}
	}
	v, n := make([]byte, size), make([]byte, 8)
	put := func(c *batch.Batch, k []byte) { c.Put(k, v) }
	changes := map[string]func(c *batch.Batch, k []byte){
		"put":    put,
		"merge":  func(c *batch.Batch, k []byte) { c.Merge(operand.User, k, n) },
		"append": func(c *batch.Batch, k []byte) { c.Merge(operand.Append, k, n) },
		"add":    func(c *batch.Batch, k []byte) { c.Merge(operand.Add, k, n) },
	}
	change(put)
	if err := e.Flush(); err != nil {
		b.Fatal(err)
	}
	for i := range times {
		binary.LittleEndian.PutUint64(n, uint64(i+1))
		change(changes[kind])
	}
	if err := e.Flush(); err != nil {
		b.Fatal(err)
	}
	for _, t := range e.tree.Current().Version().Levels[0] {
		b.Logf("%s %d %d: L0 %d entries in %d bytes", kind, size, times, t.Entries, t.Size)
	}
	entries := 0
	for b.Loop() {
		it, err := e.NewIterator(nil, nil, nil)
		if err != nil {
			b.Fatal(err)
		}
		it.First()
		if err := it.Each(Forward, -1, func(_, _ []byte) bool { entries++; return true }); err != nil {
			b.Fatal(err)
		}
		if err := it.Close(); err != nil {
			b.Fatal(err)
		}
	}
	if entries != b.N*rows {
		b.Fatalf("%d entries in %d scans", entries, b.N)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(entries), "ns/entry")
}
