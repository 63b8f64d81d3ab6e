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

func newTable(t testing.TB, size int) *Table {
	t.Helper()
	table, err := New(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(table.Free)
	return table
}

// A wrong size comes from an option; it must be an error.
func TestNew_refusesSizesOutOfRange(t *testing.T) {
	for _, size := range []int{-1, 0, MinSize - 1} {
		if _, err := New(size); err == nil {
			t.Errorf("New(%d) succeeded", size)
		}
	}
}

// hostileKeys make a tree grow as fast as it can.
var hostileKeys = map[string]func(n int) []byte{
	"ascending":  func(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) },
	"descending": func(n int) []byte { return binary.BigEndian.AppendUint64(nil, -uint64(n)) },
	"random":     func(int) []byte { return binary.BigEndian.AppendUint64(nil, rand.Uint64()) },
	"short":      func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) },
	"prefix":     func(int) []byte { return fmt.Appendf(nil, "a/rather/long/prefix/%x", rand.Uint32()) },
	"long":       func(n int) []byte { return fmt.Appendf(nil, "%-300d", n*7919%10007) },
	// Ascending to fill leaves, then keys right above each full leaf, the highest first.
	"above full leaves": func(n int) []byte {
		if n < 4096 {
			return binary.BigEndian.AppendUint32(nil, uint32(n)<<16)
		}
		run, i := n%64, n/64
		return binary.BigEndian.AppendUint32(nil, uint32(run*63+62)<<16|uint32(0xffff-i))
	},
	"one": func(int) []byte { return []byte("k") },
}

// Memory is promised to stay under a limit; an overrun would also overwrite what lies after the arena.
func TestFits_isNeverWrong(t *testing.T) {
	for name, makeKey := range hostileKeys {
		for _, size := range []int{MinSize, 512<<10 + 4097} {
			for _, operations := range []int{1, 50, 700} {
				t.Run(fmt.Sprintf("%s/%d/%d", name, size, operations), func(t *testing.T) {
					table := newTable(t, size)
					for range 2 {
						fillToTheBrim(t, table, makeKey, operations)
						table.Reset()
					}
				})
			}
		}
	}
}

func fillToTheBrim(t *testing.T, table *Table, makeKey func(n int) []byte, operations int) {
	t.Helper()
	n, value := 0, make([]byte, 9)
	for {
		var b batch.Batch
		for range operations {
			b.Put(makeKey(n), value[:n%10])
			n++
		}
		room := table.Size() - table.Used()
		if !table.Fits(b.Count(), len(b.Bytes())) {
			return
		}
		most := entriesSizeMax(b.Count(), len(b.Bytes())) + table.tree.growthMax(operations)
		table.Apply(&b, key.SeqNum(n-operations+1)) // panics if the arena overflows
		if grown := room - (table.Size() - table.Used()); grown > most {
			t.Fatalf("a batch took %d bytes of %d that it may take", grown, most)
		}
		if table.Used() > table.Size() || table.index.keys > table.index.limit {
			t.Fatalf("used %d of %d bytes, %d of %d keys", table.Used(), table.Size(), table.index.keys, table.index.limit)
		}
	}
}

// A table that claims to be full too early would be flushed half empty, and flushes cost disk writes.
func TestFits_wastesLittle(t *testing.T) {
	for _, test := range []struct{ size, operations, leave, payload int }{
		{4 << 20, 1, 16 << 10, 60}, // leave in bytes, payload in percent of size
		{13 << 20, 10_000, 3 << 20, 50},
	} {
		table := newTable(t, test.size)
		n := 0
		for {
			var b batch.Batch
			for range test.operations {
				b.Put(fmt.Appendf(nil, "%024x", rand.Uint64()), make([]byte, 150))
			}
			if !table.Fits(b.Count(), len(b.Bytes())) {
				break
			}
			table.Apply(&b, key.SeqNum(n+1))
			n += test.operations
		}
		if left := table.Size() - table.Used(); left > test.leave {
			t.Errorf("%d bytes of %d left after %d entries in batches of %d", left, test.size, n, test.operations)
		}
		if payload := n * 174; payload < test.size*test.payload/100 {
			t.Errorf("%d bytes of keys and values fill a table of %d in batches of %d", payload, test.size, test.operations)
		}
	}
}

// A transaction of any size must find a memtable that takes it.
func TestSizeFor_makesATableThatFits(t *testing.T) {
	for name, makeKey := range hostileKeys {
		for _, operations := range []int{0, 1, 2, 63, 64, 65, 1000, 20_000} {
			for _, valueSize := range []int{0, 100} {
				var b batch.Batch
				for n := range operations {
					b.Put(makeKey(n), make([]byte, valueSize))
				}
				table := newTable(t, SizeFor(&b))
				if !table.Fits(b.Count(), len(b.Bytes())) {
					t.Fatalf("%s: %d operations do not fit %d bytes", name, operations, table.Size())
				}
				table.Apply(&b, 1)
			}
		}
	}
	var b batch.Batch
	b.Put([]byte("k"), make([]byte, key.MaxValueSize))
	table := newTable(t, SizeFor(&b))
	if !table.Fits(b.Count(), len(b.Bytes())) {
		t.Fatal("the largest value does not fit")
	}
	table.Apply(&b, 1)
	if out, shown := getAt(table, []byte("k"), 1); !shown || len(out) != key.MaxValueSize {
		t.Errorf("shown %v, %d bytes", shown, len(out))
	}
}

// A recycled table that still shows old rows would bring back deleted data.
func TestReset_leavesNothing(t *testing.T) {
	table := newTable(t, 1<<20)
	var b batch.Batch
	for n := range 2000 {
		b.Put(binary.BigEndian.AppendUint64(nil, uint64(n)), []byte("old"))
	}
	table.Apply(&b, 1)
	empty := newTable(t, 1<<20)
	table.Reset()
	if table.Count() != 0 || table.Used() != empty.Used() {
		t.Errorf("count %d, used %d, want 0 and %d", table.Count(), table.Used(), empty.Used())
	}
	if it := table.NewIterator(); it.First() || it.Last() || it.SeekGE(key.SeekTo(nil, 9)) {
		t.Error("an iterator finds an entry")
	}
	newest := visible.Reader{Seq: key.MaxSeqNum}
	for n := range 2000 {
		k := binary.BigEndian.AppendUint64(nil, uint64(n))
		if _, effect := table.Get(nil, k, key.Hash(k), newest); effect != visible.Skip {
			t.Fatalf("key %d is still there", n)
		}
	}
}

// Keys whose hashes collide must not hide each other, also where the index wraps around.
func TestIndex_keepsCollidingKeysApart(t *testing.T) {
	table := newTable(t, MinSize)
	const last = ^uint64(0) // the home of this hash is the last slot
	var b batch.Batch
	for n := range 40 {
		b.Put([]byte{byte(n)}, []byte{byte(n)})
	}
	seq := key.SeqNum(0)
	for op := range b.Ops() {
		seq++
		table.add(&op, last, seq, &path{})
	}
	for n := range 41 {
		out, effect := table.Get(nil, []byte{byte(n)}, last, visible.Reader{Seq: seq})
		found := effect == visible.Show
		if found != (n < 40) || found && (len(out) != 1 || out[0] != byte(n)) {
			t.Errorf("key %d: effect %d, value %v", n, effect, out)
		}
	}
}

// Reads at memory speed do not allocate.
func TestGet_doesNotAllocate(t *testing.T) {
	table := newTable(t, 1<<20)
	var b batch.Batch
	b.Put([]byte("k"), make([]byte, 100))
	table.Apply(&b, 1)
	dst, user := make([]byte, 0, 100), []byte("k")
	it := table.NewIterator()
	allocations := testing.AllocsPerRun(100, func() {
		_, _ = table.Get(dst, user, key.Hash(user), visible.Reader{Seq: 1})
		it.SeekGE(key.SeekTo(user, 1))
		it.Next()
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
	if allocations := testing.AllocsPerRun(10, func() { table.Reset(); table.Apply(&b, 1) }); allocations != 0 {
		t.Errorf("%v allocations to apply a batch", allocations)
	}
}
