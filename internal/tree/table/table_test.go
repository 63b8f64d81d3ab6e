package table

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/merge/mergetest"
)

// drawRows draws the content of a table: shared prefixes, several versions, tombstones, long keys, extents.
func drawRows(t *rapid.T) []row {
	users := rapid.SliceOfN(drawUser(), 1, 60).Draw(t, "users")
	maxVersions := rapid.SampledFrom([]int{1, 3, 40}).Draw(t, "versions")
	values := drawValue()
	var rows []row
	for i, user := range users {
		most := maxVersions
		if len(user) > 1000 { // each version may have a page, and a separator, of its own: the table would be full
			most = min(most, 3)
		}
		for range rapid.IntRange(1, most).Draw(t, "n") {
			seq := key.SeqNum(rapid.IntRange(1, 1000).Draw(t, "seq"))
			if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
				rows = append(rows, row{key: key.Make(user, seq, key.KindDelete)})
				continue
			}
			value := append(values.Draw(t, "value"), byte(i))
			rows = append(rows, row{key.Make(user, seq, key.KindPut), value[1:]})
		}
	}
	return sortRows(rows)
}

func drawUser() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		prefixes := []string{"", "a", "user/0000/", "user/0001/", "\x00", "\xff\xff\xff\xff\xff"}
		prefix := rapid.SampledFrom(prefixes).Draw(t, "prefix")
		tail := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 'b', 0x7f, 0x80, 0xfe, 0xff}), 0, 6).Draw(t, "tail")
		if rapid.IntRange(0, 30).Draw(t, "long") == 0 {
			long := make([]byte, rapid.SampledFrom([]int{300, 600, 5000, key.MaxUserKeySize - 20}).Draw(t, "size"))
			tail = append(long, tail...)
		}
		return append([]byte(prefix), tail...)
	})
}

func drawValue() *rapid.Generator[[]byte] {
	return rapid.Custom(func(t *rapid.T) []byte {
		n := rapid.SampledFrom([]int{1, 2, 20, 100, 130, 1100, 20_000, 300_000}).Draw(t, "size")
		if n > 1000 && rapid.IntRange(0, 9).Draw(t, "rare") != 0 {
			n = 10
		}
		value := make([]byte, n)
		x := uint32(rapid.IntRange(0, 3).Draw(t, "content")) // 0 compresses well
		for i := range value {
			x = x * 1664525 * min(x, 1)
			value[i] = byte(x >> 24)
			x += min(x, 1) * 1013904223
		}
		return value
	})
}

func drawOptions(t *rapid.T) Options {
	return Options{
		ID:       rapid.Uint64().Draw(t, "id"),
		Codec:    codec.By(rapid.SampledFrom(allCodecs).Draw(t, "codec")),
		PageSize: rapid.SampledFrom([]int{512, 4096, 8192, 65536}).Draw(t, "page size"),
	}
}

// A table that answers other than the sorted list it was written from loses or invents data.
func TestTable_readsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, rows := drawOptions(t), drawRows(t)
		f, written := build(t, o, rows)
		r := mustOpen(t, f, o)
		defer r.close(t)
		if got := r.Properties(); got.Entries != written.Entries || got.Digest != written.Digest ||
			got.FileSize != int64(len(f.data)) || got.Entries != uint64(len(rows)) {
			t.Fatalf("properties %+v, written %+v", got, written)
		}
		for _, row := range rows {
			seq := row.key.Trailer.Seq()
			for _, s := range []key.SeqNum{seq - 1, seq, key.MaxSeqNum} {
				checkGet(t, r, rows, row.key.User, s)
			}
		}
		for range 20 {
			checkGet(t, r, rows, drawUser().Draw(t, "other"), key.MaxSeqNum)
		}
		checkWalk(t, r.NewIterator(), rows)
		checkWalk(t, r.NewSequentialIterator(), rows)
		if err := r.Verify(context.Background()); err != nil {
			t.Fatalf("verify: %v", err)
		}
	})
}

// checkWalk reads everything forward and closes the iterator.
func checkWalk(t tb, it *Iterator, rows []row) {
	t.Helper()
	it.First()
	for i := range rows {
		checkAt(t, it, rows, i)
		it.Next()
	}
	checkAt(t, it, rows, -1)
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
}

// Merging iterators turn round and seek at will: a wrong neighbour is a row skipped or seen twice.
func TestIterator_movesLikeASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, rows := drawOptions(t), drawRows(t)
		f, _ := build(t, o, rows)
		r := mustOpen(t, f, o)
		defer r.close(t)
		if rapid.Bool().Draw(t, "leaf index") {
			r.leafIndex.Store(r.makeLeafIndex())
		}
		it := r.NewIterator()
		if rapid.Bool().Draw(t, "sequential") {
			it = r.NewSequentialIterator()
		}
		defer it.Close()
		at := -1
		for range rapid.IntRange(1, 60).Draw(t, "moves") {
			at = move(t, it, rows, at)
			checkAt(t, it, rows, at)
		}
	})
}

// move makes one drawn move on the iterator and on the model, and returns where the model is: -1 nowhere.
func move(t *rapid.T, it *Iterator, rows []row, at int) int {
	moves := []string{"first", "last", "ge", "lt", "next", "next", "next", "prev", "prev"}
	name := rapid.SampledFrom(moves).Draw(t, "move")
	var target key.Internal
	if name == "ge" || name == "lt" {
		target = drawTarget(t, rows)
	}
	find := func() int {
		i, _ := slices.BinarySearchFunc(rows, target, func(r row, k key.Internal) int { return key.Compare(r.key, k) })
		return i
	}
	ok := false
	switch name {
	case "first":
		at, ok = 0, it.First()
	case "last":
		at, ok = len(rows)-1, it.Last()
	case "ge":
		at, ok = find(), it.SeekGE(target)
	case "lt":
		at, ok = find()-1, it.SeekLT(target)
	case "next":
		ok = it.Next()
		if at >= 0 {
			at++
		}
	case "prev":
		ok = it.Prev()
		at = max(at-1, -1)
	}
	if at >= len(rows) {
		at = -1
	}
	if ok != (at >= 0) {
		t.Fatalf("%s returned %v, the model is at %d of %d", name, ok, at, len(rows))
	}
	return at
}

func drawTarget(t *rapid.T, rows []row) key.Internal {
	user := rapid.SampledFrom(rows).Draw(t, "near").key.User
	if rapid.Bool().Draw(t, "any") {
		user = drawUser().Draw(t, "target")
	}
	seq := key.SeqNum(rapid.SampledFrom([]uint64{0, 1, 100, 500, 1000, uint64(key.MaxSeqNum)}).Draw(t, "at"))
	kind := rapid.SampledFrom([]key.Kind{key.KindDelete, key.KindPut, key.KindMax}).Draw(t, "kind")
	return key.Make(user, seq, kind)
}

// Every size of table, from one entry to several levels of inner pages, must be found whole.
func TestTable_anyNumberOfLevels(t *testing.T) {
	rows := numbered(20_000)
	for _, n := range []int{1, 2, 3, 50, 1000, 20_000} {
		o := Options{ID: testID, PageSize: 512, Codec: codec.By(codec.S2)}
		f, _ := build(t, o, rows[:n])
		r := mustOpen(t, f, o)
		for i := 0; i < n; i += 1 + n/500 {
			checkGet(t, r, rows[:n], rows[i].key.User, key.MaxSeqNum)
			it := r.NewIterator()
			it.SeekGE(rows[i].key)
			checkAt(t, it, rows[:n], i)
			it.SeekLT(rows[i].key)
			checkAt(t, it, rows[:n], i-1)
			it.Close()
		}
		if err := r.Verify(context.Background()); err != nil {
			t.Fatalf("verify %d rows: %v", n, err)
		}
		r.close(t)
	}
}

// A table is one of the sources that scans merge: the rules of merge.Iterator hold for it, for batches too.
// Without a cache a page is overwritten when it is released.
func TestIterator_conforms(t *testing.T) {
	pinning := func(r *Reader) merge.Iterator { return r.NewIterator() }
	for _, c := range []struct {
		name  string
		cache int64
		open  func(*Reader) merge.Iterator
	}{
		{"pinning", 1 << 20, pinning},
		{"without a cache", 0, pinning},
		{"sequential", 1 << 20, func(r *Reader) merge.Iterator { return r.NewSequentialIterator() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			mergetest.Run(t, func(t testing.TB, entries []mergetest.Entry) merge.Iterator {
				if len(entries) == 0 { // there is no such table
					return merge.New()
				}
				rows := make([]row, len(entries))
				for i, e := range entries {
					rows[i] = row{e.Key, e.Value}
				}
				o := Options{ID: testID, PageSize: 512}
				f, _ := build(t, o, rows)
				r, err := open(f, o.ID, int64(len(f.data)), c.cache)
				if err != nil {
					t.Fatal(err)
				}
				return &closing{c.open(r.Reader), func() { r.close(t) }}
			})
		})
	}
}

// closing closes the table with its iterator.
type closing struct {
	merge.Iterator
	table func()
}

func (c *closing) Close() error {
	err := c.Iterator.Close()
	c.table()
	return err
}
