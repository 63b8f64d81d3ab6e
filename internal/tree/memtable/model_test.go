package memtable

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/key/keytest"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/merge/mergetest"
	"lightningdb/internal/tree/visible"
	"pgregory.net/rapid"
)

// model is a table as it must behave: all versions, in internal order.
type model struct {
	entries []modelEntry
	seq     key.SeqNum // of the last operation
}

type modelEntry struct {
	key   key.Internal
	value []byte
}

func compareEntry(e modelEntry, k key.Internal) int { return key.Compare(e.key, k) }

func (m *model) apply(b *batch.Batch) (first key.SeqNum) {
	first = m.seq + 1
	for op := range b.Ops() {
		m.seq++
		k := key.Make(op.Key, m.seq, op.Kind).Clone()
		m.entries = slices.Insert(m.entries, m.lowerBound(k), modelEntry{k, bytes.Clone(op.Value)})
	}
	return first
}

// lowerBound is the position of the first entry that is not before k.
func (m *model) lowerBound(k key.Internal) int {
	i, _ := slices.BinarySearchFunc(m.entries, k, compareEntry)
	return i
}

func (m *model) get(user []byte, seq key.SeqNum) (e modelEntry, found bool) {
	i := m.lowerBound(key.SeekTo(user, seq))
	if i == len(m.entries) || !bytes.Equal(m.entries[i].key.User, user) {
		return modelEntry{}, false
	}
	return m.entries[i], true
}

// getAt is Get at a sequence number; shown says whether user has a value there.
func getAt(table *Table, user []byte, seq key.SeqNum) (value []byte, shown bool) {
	value, effect := table.Get(nil, user, key.Hash(user), visible.Reader{Seq: seq})
	return value, effect == visible.Show
}

func checkGet(table *Table, m *model, user []byte, seq key.SeqNum) error {
	want, wantFound := m.get(user, seq)
	out, effect := table.Get([]byte("dst"), user, key.Hash(user), visible.Reader{Seq: seq})
	switch {
	case (effect != visible.Skip) != wantFound:
		return fmt.Errorf("get %q at %d: effect %d", user, seq, effect)
	case wantFound && effect != visible.OfKind(want.key.Trailer.Kind()):
		return fmt.Errorf("get %q at %d: effect %d, want that of %v", user, seq, effect, want.key)
	case effect == visible.Fold:
		if v := table.Find(user, key.Hash(user), seq); string(out) != "dst" || !bytes.Equal(v.Value(), want.value) ||
			v.Trailer() != want.key.Trailer {
			return fmt.Errorf("find %q at %d: %q, want %v = %q", user, seq, v.Value(), want.key, want.value)
		}
	case string(out) != "dst"+string(want.value):
		return fmt.Errorf("get %q at %d: %q, want %q", user, seq, out, want.value)
	}
	return nil
}

// checkAt compares an iterator with position i of the model; any position outside means invalid.
func checkAt(it *Iterator, m *model, i int, returned bool) error {
	inside := i >= 0 && i < len(m.entries)
	if returned != inside || it.Valid() != inside || it.Err() != nil {
		return fmt.Errorf("position %d of %d: returned %v, valid %v", i, len(m.entries), returned, it.Valid())
	}
	if !inside {
		return nil
	}
	want := m.entries[i]
	got, err := it.Value()
	if key.Compare(it.Key(), want.key) != 0 || !bytes.Equal(got, want.value) || err != nil {
		return fmt.Errorf("position %d: at %v = %q (%v), want %v = %q", i, it.Key(), got, err, want.key, want.value)
	}
	return nil
}

// checkScans goes through the whole table in both directions.
func checkScans(table *Table, m *model) error {
	it := table.NewIterator()
	i := 0
	for ok := it.First(); ; ok = it.Next() {
		if err := checkAt(it, m, i, ok); err != nil {
			return fmt.Errorf("forward: %w", err)
		}
		if i++; !ok {
			break
		}
	}
	i = len(m.entries) - 1
	for ok := it.Last(); ; ok = it.Prev() {
		if err := checkAt(it, m, i, ok); err != nil {
			return fmt.Errorf("backward: %w", err)
		}
		if i--; !ok {
			break
		}
	}
	if it.Next() || it.Prev() {
		return fmt.Errorf("an iterator came back from the end")
	}
	return nil
}

// keyShapes are ways in which applications name things.
var keyShapes = map[string]func(t *rapid.T) []byte{
	"few":    func(t *rapid.T) []byte { return fmt.Appendf(nil, "hot%d", rapid.IntRange(0, 3).Draw(t, "n")) },
	"random": func(t *rapid.T) []byte { return rapid.SliceOfN(rapid.Byte(), 0, 24).Draw(t, "key") },
	"prefix": func(t *rapid.T) []byte {
		return fmt.Appendf(nil, "customer/%06d", rapid.IntRange(0, 2000).Draw(t, "n"))
	},
	"long": func(t *rapid.T) []byte {
		return bytes.Repeat([]byte{byte(rapid.IntRange(0, 2).Draw(t, "byte"))}, rapid.IntRange(1, 300).Draw(t, "length"))
	},
	"binary": func(t *rapid.T) []byte { return rapid.SliceOfN(rapid.ByteRange(0, 1), 0, 12).Draw(t, "key") },
	"bytes":  func(t *rapid.T) []byte { return keytest.Key(keytest.From(t, "key")) },
}

var shapeNames = []string{"few", "random", "prefix", "long", "binary", "bytes", "ascending", "descending"}

// keySource draws user keys of one shape.
type keySource struct {
	shape string
	n     int
}

func (s *keySource) draw(t *rapid.T) []byte {
	s.n++
	switch s.shape {
	case "ascending":
		return fmt.Appendf(nil, "log/%012d", s.n)
	case "descending":
		return fmt.Appendf(nil, "log/%012d", 1_000_000-s.n)
	}
	return keyShapes[s.shape](t)
}

func drawBatch(t *rapid.T, s *keySource) *batch.Batch {
	var b batch.Batch
	for range rapid.IntRange(1, 300).Draw(t, "operations") {
		user := s.draw(t)
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			b.Delete(user)
		case 1:
			b.Merge(operand.Append, user, make([]byte, rapid.IntRange(0, 20).Draw(t, "valueSize")))
		default:
			b.Put(user, make([]byte, rapid.IntRange(0, 20).Draw(t, "valueSize")))
		}
	}
	return &b
}

// A read or scan that differs from the model is a lost, resurrected or invented row.
func TestTable_behavesLikeASortedList(t *testing.T) {
	table := newTable(t, 4<<20)
	rapid.Check(t, func(t *rapid.T) {
		table.Reset() // what an earlier check left in the arena must not show
		m := &model{}
		for range rapid.IntRange(1, 6).Draw(t, "batches") {
			source := keySource{shape: rapid.SampledFrom(shapeNames).Draw(t, "shape"), n: int(m.seq)}
			b := drawBatch(t, &source)
			if !table.Fits(b.Count(), len(b.Bytes())) { // many of the longest keys
				break
			}
			table.Apply(b, m.apply(b))
		}
		if len(m.entries) == 0 {
			t.Skip("the first batch does not fit")
		}
		if table.Count() != len(m.entries) {
			t.Fatalf("count is %d, want %d", table.Count(), len(m.entries))
		}
		if err := checkScans(table, m); err != nil {
			t.Fatal(err)
		}
		checkProbes(t, table, m)
	})
}

// checkProbes reads and seeks at places that are there and at places that are not.
func checkProbes(t *rapid.T, table *Table, m *model) {
	it := table.NewIterator()
	for range 40 {
		user := rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(t, "absent")
		if rapid.IntRange(0, 3).Draw(t, "present") > 0 {
			user = rapid.SampledFrom(m.entries).Draw(t, "entry").key.User
		}
		seq := key.SeqNum(rapid.Uint64Range(0, uint64(m.seq)+1).Draw(t, "seq"))
		if err := checkGet(table, m, user, seq); err != nil {
			t.Fatal(err)
		}
		target := key.SeekTo(user, seq)
		i := m.lowerBound(target)
		if rapid.Bool().Draw(t, "backward") {
			i--
			if err := checkAt(it, m, i, it.SeekLT(target)); err != nil {
				t.Fatalf("seek before %v: %v", target, err)
			}
		} else if err := checkAt(it, m, i, it.SeekGE(target)); err != nil {
			t.Fatalf("seek to %v: %v", target, err)
		}
		if err := wander(t, it, m, i); err != nil {
			t.Fatalf("moves after %v: %v", target, err)
		}
	}
}

// wander moves a few steps to and fro from position i, until the iterator falls off an end.
func wander(t *rapid.T, it *Iterator, m *model, i int) error {
	moves := rapid.SliceOfN(rapid.IntRange(-3, 3), 0, 12).Draw(t, "moves")
	for _, steps := range moves {
		for ; steps != 0 && it.Valid(); steps -= sign(steps) {
			i += sign(steps)
			ok := false
			if steps > 0 {
				ok = it.Next()
			} else {
				ok = it.Prev()
			}
			if err := checkAt(it, m, i, ok); err != nil {
				return err
			}
		}
	}
	return nil
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

// Every snapshot must read what was committed when it was taken, however often a key was overwritten since.
func TestGet_seesEveryVersionOfAHotKey(t *testing.T) {
	table, m := newTable(t, 1<<20), &model{}
	for n := range 3000 {
		var b batch.Batch
		b.Put([]byte("counter"), fmt.Appendf(nil, "%d", n))
		if n%7 == 0 {
			b.Delete([]byte("counter"))
		}
		table.Apply(&b, m.apply(&b))
	}
	for seq := range m.seq + 2 {
		if err := checkGet(table, m, []byte("counter"), seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := checkScans(table, m); err != nil {
		t.Fatal(err)
	}
}

// A snapshot that is held for long must not make reads of a hot key slower with every overwrite.
func TestNewestUpTo_takesLogarithmicSteps(t *testing.T) {
	table := newTable(t, 4<<20)
	const versions = 50_000
	var b batch.Batch
	for range versions {
		b.Put([]byte("k"), nil)
	}
	table.Apply(&b, 1)
	newest := table.index.find(table, []byte("k"), key.Hash([]byte("k")))
	for seq := key.SeqNum(1); seq <= versions; seq += 101 {
		limit, steps := key.MakeTrailer(seq, key.KindMax), 0
		for e := newest; table.trailer(e) > limit; steps++ {
			if e = table.older(e); table.trailer(table.jump(e)) > limit {
				e = table.jump(e)
			}
		}
		if steps > 64 {
			t.Fatalf("%d steps to version %d of %d", steps, seq, versions)
		}
		if e := table.newestUpTo(newest, limit); table.trailer(e).Seq() != seq {
			t.Fatalf("found version %d, want %d", table.trailer(e).Seq(), seq)
		}
	}
}

// A memtable is one of the sources that scans merge: the rules of merge.Iterator hold for it, for batches too.
func TestIterator_conforms(t *testing.T) {
	mergetest.Run(t, func(t testing.TB, entries []mergetest.Entry) merge.Iterator {
		table, err := New(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(table.Free)
		bySeq := slices.Clone(entries)
		slices.SortFunc(bySeq, func(a, b mergetest.Entry) int {
			return cmp.Compare(a.Key.Trailer.Seq(), b.Key.Trailer.Seq())
		})
		for _, e := range bySeq {
			var b batch.Batch
			switch e.Key.Trailer.Kind() {
			case key.KindPut:
				b.Put(e.Key.User, e.Value)
			case key.KindDelete:
				b.Delete(e.Key.User)
			case key.KindMerge:
				b.Merge(operand.Operator(e.Value[0]), e.Key.User, e.Value[1:])
			case key.KindPutUntil:
				end, value := key.SplitEnd(e.Value)
				b.PutUntil(e.Key.User, value, end)
			}
			if !table.Fits(b.Count(), len(b.Bytes())) {
				t.Fatal("no room")
			}
			table.Apply(&b, e.Key.Trailer.Seq())
		}
		return table.NewIterator()
	})
}
