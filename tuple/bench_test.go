package tuple

import (
	"testing"
	"time"
)

// The key of the benchmarks is (string, int64), of 17 bytes.
var (
	benchKey   = AppendInt(AppendString(nil, "customer"), 1<<40)
	benchTuple = Tuple{"customer", int64(1 << 40)}
	benchPair  = Pair(String, Int)
	benchValue = Two[string, int64]{"customer", 1 << 40}
)

func BenchmarkAppend(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendInt(AppendString(buf[:0], "customer"), 1<<40)
	}
}

func BenchmarkAppend_codec(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = benchPair.Append(buf[:0], benchValue)
	}
}

func BenchmarkAppend_tuple(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = benchTuple.Append(buf[:0])
	}
}

func BenchmarkAppend_newestFirst(b *testing.B) {
	buf := make([]byte, 0, 64)
	visits := Pair(Int, Desc(Time))
	visit := Two[int64, time.Time]{7, time.Date(2026, 12, 1, 22, 0, 0, 1, time.UTC)}
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = visits.Append(buf[:0], visit)
	}
}

func BenchmarkRead(b *testing.B) {
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		r := NewReader(benchKey)
		buf = r.AppendString(buf[:0])
		if r.Int(); r.End() != nil {
			b.Fatal(r.Err())
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(benchPair, benchKey); err != nil { // the string is allocated
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode_newestFirst(b *testing.B) {
	visits := Pair(Int, Desc(Time))
	key, err := visits.Append(nil, Two[int64, time.Time]{7, time.Date(2026, 12, 1, 22, 0, 0, 1, time.UTC)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(visits, key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnpack(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Unpack(benchKey); err != nil {
			b.Fatal(err)
		}
	}
}
