package lightningdb

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// xored is a merge function whose value keeps its length: it sets the first bytes of a copy of old, as a program that
// counts something in a record would.
func xored(_, old, argument []byte) ([]byte, error) {
	value := make([]byte, max(len(old), len(argument)))
	copy(value, old)
	for i, b := range argument {
		value[i] ^= b
	}
	return value, nil
}

func openMergeBench(tb testing.TB) *DB {
	tb.Helper()
	db, err := Open(tb.TempDir(), &Options{Durability: Process, Compression: NoCompression, Merge: xored})
	if err != nil {
		tb.Fatal(err)
	}
	return db
}

// BenchmarkMerge commits one merge of 8 bytes to a row of a given size, and for comparison a put of 8 bytes to the same
// row. The merges may cost three times the put, however long the row is. The reads that follow them are
// BenchmarkScan_mergedRows.
func BenchmarkMerge(b *testing.B) {
	b.Run("put", func(b *testing.B) {
		benchChange(b, 8, func(db *DB, k, n []byte) error { return db.Put(k, n) })
	})
	for _, size := range []int{8, 100, 1000, 10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint("merge/", size), func(b *testing.B) {
			benchChange(b, size, func(db *DB, k, n []byte) error { return db.Merge(k, n) })
		})
	}
	b.Run("append/100000", func(b *testing.B) {
		benchChange(b, 100_000, func(db *DB, k, n []byte) error { return db.Append(k, n) })
	})
	b.Run("add", func(b *testing.B) {
		benchChange(b, 8, func(db *DB, k, n []byte) error { return db.Add(k, 1) })
	})
}

// benchChange changes one row of the given size, which is in a table, a thousand times for each ns/op.
func benchChange(b *testing.B, size int, change func(db *DB, k, n []byte) error) {
	const changes = 1000
	db := openMergeBench(b)
	defer closeBench(b, db)
	k, n := benchKey(nil, 0), make([]byte, 8)
	i := uint64(0)
	for b.Loop() {
		b.StopTimer()
		if err := db.Put(k, make([]byte, size)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for range changes {
			i++
			binary.LittleEndian.PutUint64(n, i)
			if err := change(db, k, n); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i), "ns/change")
}
