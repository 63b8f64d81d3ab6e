package lock

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"lightningdb/internal/format/span"
)

// BenchmarkAcquire is one lock that nobody else wants, taken and released.
func BenchmarkAcquire(b *testing.B) {
	var table Table
	ctx, o, key := context.Background(), NewOwner(1), []byte("account/0000000001")
	b.ReportAllocs()
	for b.Loop() {
		if err := table.Acquire(ctx, o, key); err != nil {
			b.Fatal(err)
		}
		table.Release(o)
	}
}

// BenchmarkAcquire_many is one of a hundred locks of a transaction, of ten thousand that are held.
func BenchmarkAcquire_many(b *testing.B) {
	const held, each = 10_000, 100
	var table Table
	ctx, others, o := context.Background(), NewOwner(1), NewOwner(2)
	keys := make([][]byte, held+each)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "account/%010d", i)
	}
	for _, k := range keys[each:] {
		if err := table.Acquire(ctx, others, k); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := table.Acquire(ctx, o, keys[i%each]); err != nil {
			b.Fatal(err)
		}
		if i%each == each-1 {
			table.Release(o)
		}
	}
}

// BenchmarkAcquire_handover is a lock that goes round eight goroutines.
func BenchmarkAcquire_handover(b *testing.B) {
	var table Table
	key := []byte("account/0000000001")
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		o := NewOwner(0)
		for pb.Next() {
			if err := table.Acquire(context.Background(), o, key); err != nil {
				b.Error(err)
			}
			table.Release(o)
		}
	})
}

// BenchmarkBlocked is what a commit of ten keys pays while another owner holds a lock and a range.
func BenchmarkBlocked(b *testing.B) {
	var table Table
	ctx, o := context.Background(), NewOwner(1)
	if err := table.Prioritize(ctx, o); err != nil {
		b.Fatal(err)
	}
	if err := table.Acquire(ctx, o, []byte("x")); err != nil {
		b.Fatal(err)
	}
	table.Protect(o, span.Span{Lo: []byte("y"), Hi: []byte("z")})
	keys := make([][]byte, 10)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "account/%010d", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, blocked := table.Blocked(nil, slices.Values(keys)); blocked {
			b.Fatal("blocked")
		}
	}
}
