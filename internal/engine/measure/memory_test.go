package measure

import (
	"math"
	"testing"

	"lightningdb/internal/tree/budget"
)

// A program on a 32-bit system that opens a database for each of its users would run out of addresses.
func TestMemoryLimit_eightyDatabasesFitInto32Bits(t *testing.T) {
	b := budget.New(MemoryLimit(0, 32))
	const (
		there     = 3<<30 - 512<<20 // what systems leave to a program at least, without the program itself
		mappedLog = 2 << 20         // how much of the log is mapped at a time, in bytes: see package vfs
	)
	if all := 80 * (b.Addresses() + mappedLog); all > there {
		t.Errorf("80 databases take %d MiB of addresses, there are %d", all>>20, there>>20)
	}
}

// "As much as you like" is a natural thing to ask for.
func TestMemoryLimit_isKeptWithinWhatCanBe(t *testing.T) {
	for _, c := range []struct {
		wanted int64
		bits   int
		limit  int64
	}{
		{0, 64, 256 << 20}, {0, 32, 16 << 20}, {1, 64, MinMemoryLimit}, {100 << 20, 32, 100 << 20},
		{1 << 61, 64, 1 << 40}, {math.MaxInt64, 64, 1 << 40}, {math.MaxInt64, 32, 1 << 30},
	} {
		if got := MemoryLimit(c.wanted, c.bits); got != c.limit {
			t.Errorf("a limit of %d is %d with %d bits, want %d", c.wanted, got, c.bits, c.limit)
		}
	}
	for _, limit := range []int64{MinMemoryLimit, 16 << 20, 256 << 20, 1 << 40} {
		b := budget.New(limit)
		three := int64(b.Frozen+1) * int64(b.Memtable)
		if b.Memtables < three || b.Memtables+b.LeastPages+b.OpenTables+b.Rows+b.Buffers > limit {
			t.Errorf("of %d bytes, %+v", limit, b)
		}
	}
}
