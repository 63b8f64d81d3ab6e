package memtable

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/visible"
)

// The rows of these benchmarks have user keys of 24 bytes and values of 150 bytes, the table 32 MiB.
const (
	benchSize      = 32 << 20
	benchValueSize = 150
)

// benchKey is the n-th of a random sequence of user keys; it is distinct from every other.
func benchKey(dst []byte, n uint64) []byte {
	dst = binary.BigEndian.AppendUint64(dst[:0], n*0x9e3779b97f4a7c15)
	return append(dst, "0123456789abcdef"...)
}

// orderedKey is the n-th user key of an ascending sequence: a prefix and 14 digits.
func orderedKey(dst []byte, n uint64) []byte {
	dst = append(dst[:0], "sensor-17/00000000000000"...)
	for i := len(dst) - 1; n > 0; i-- {
		dst[i] = '0' + byte(n%10)
		n /= 10
	}
	return dst
}

// fill puts keys from number first on until the next batch does not fit, and returns the number after the last.
func fill(m *Table, b *batch.Batch, perBatch int, first uint64, makeKey func([]byte, uint64) []byte) uint64 {
	var user, value [benchValueSize]byte
	n := first
	for {
		b.Reset()
		for i := range uint64(perBatch) {
			b.Put(makeKey(user[:0], n+i), value[:])
		}
		if !m.Fits(b.Count(), len(b.Bytes())) {
			return n
		}
		m.Apply(b, key.SeqNum(n-first+1))
		n += uint64(perBatch)
	}
}

// insert measures batches of perBatch rows; full says what to do with a full table.
func insert(b *testing.B, perBatch int, makeKey func([]byte, uint64) []byte, full func(*Table) *Table) {
	m := newTable(b, benchSize)
	var rows batch.Batch
	fill(m, &rows, 1000, 1<<40, benchKey) // touch all of it
	m = full(m)
	var user, value [benchValueSize]byte
	n := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		rows.Reset()
		for range perBatch {
			n++
			rows.Put(makeKey(user[:0], n), value[:])
		}
		if !m.Fits(rows.Count(), len(rows.Bytes())) {
			b.StopTimer()
			m = full(m)
			b.StartTimer()
		}
		m.Apply(&rows, key.SeqNum(n))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/row")
}

func BenchmarkInsert(b *testing.B) {
	recycle := func(m *Table) *Table { m.Reset(); return m }
	for _, perBatch := range []int{1, 1000} {
		b.Run(fmt.Sprintf("random/recycled/batch=%d", perBatch), func(b *testing.B) {
			insert(b, perBatch, benchKey, recycle)
		})
		b.Run(fmt.Sprintf("random/fresh/batch=%d", perBatch), func(b *testing.B) {
			insert(b, perBatch, benchKey, func(*Table) *Table { return newTable(b, benchSize) })
		})
		b.Run(fmt.Sprintf("sequential/recycled/batch=%d", perBatch), func(b *testing.B) {
			insert(b, perBatch, orderedKey, recycle)
		})
		b.Run(fmt.Sprintf("overwrite/recycled/batch=%d", perBatch), func(b *testing.B) {
			insert(b, perBatch, func(dst []byte, n uint64) []byte { return benchKey(dst, n%10_000) }, recycle)
		})
	}
}

func fullTable(b *testing.B) (m *Table, rows uint64) {
	m = newTable(b, benchSize)
	var scratch batch.Batch
	return m, fill(m, &scratch, 1, 0, benchKey)
}

func BenchmarkGet(b *testing.B) {
	m, rows := fullTable(b)
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		first uint64
	}{{"present", 0}, {"absent", 1 << 40}} {
		b.Run(c.name, func(b *testing.B) {
			var user [24]byte
			dst, newest := make([]byte, 0, benchValueSize), visible.Reader{Seq: key.MaxSeqNum}
			b.ReportAllocs()
			for b.Loop() {
				k := benchKey(user[:0], c.first+random.Uint64N(rows))
				if _, effect := m.Get(dst, k, key.Hash(k), newest); (effect == visible.Show) != (c.first == 0) {
					b.Fatal("wrong answer")
				}
			}
		})
	}
}

func BenchmarkSeek(b *testing.B) {
	m, rows := fullTable(b)
	random := rand.New(rand.NewPCG(1, 2))
	it := m.NewIterator()
	for _, next := range []int{0, 10} {
		b.Run(fmt.Sprintf("next=%d", next), func(b *testing.B) {
			var user [24]byte
			b.ReportAllocs()
			for b.Loop() {
				it.SeekGE(key.SeekTo(benchKey(user[:0], random.Uint64N(rows)), key.MaxSeqNum))
				for range next {
					it.Next()
				}
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	m, _ := fullTable(b)
	it := m.NewIterator()
	bytes := 0
	b.ReportAllocs()
	for b.Loop() {
		for ok := it.First(); ok; ok = it.Next() {
			value, _ := it.Value()
			bytes += len(it.Key().User) + len(value)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(m.Count()), "ns/row")
	if bytes == 0 {
		b.Fatal("nothing read")
	}
}

func BenchmarkReset(b *testing.B) {
	m := newTable(b, benchSize)
	for b.Loop() {
		m.Reset()
	}
}
