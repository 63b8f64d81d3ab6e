package memtable

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"pgregory.net/rapid"
)

// joining is a user's function that shows order and grouping, and makes values that are longer than operands.
func joining(_, old, argument []byte) ([]byte, error) {
	if string(argument) == "bad" {
		return nil, errors.New("bad argument")
	}
	return fmt.Appendf(nil, "(%s|%s)", old, argument), nil
}

// foldedWorld is a table that folds, what lies below it, and the value of every key after every operation.
type foldedWorld struct {
	table *Table
	rules operand.Rules
	below map[string][]byte
	after map[string]map[key.SeqNum]answer // of the operations on a key
	seq   key.SeqNum
	reads int // of what lies below
	calls int // of the user's function, while the table applies
	given int // bytes that it was given
}

// answer is what a read of a key says.
type answer struct {
	value   []byte
	present bool
	failed  bool
}

func newFoldedWorld(t fataler, size int) *foldedWorld {
	m, err := New(size)
	if err != nil {
		t.Fatalf("%v", err)
	}
	w := &foldedWorld{table: m, rules: operand.Rules{User: joining}, below: map[string][]byte{},
		after: map[string]map[key.SeqNum]answer{}}
	counted := operand.Rules{User: func(user, old, argument []byte) ([]byte, error) {
		w.calls++
		w.given += len(old) + len(argument)
		return joining(user, old, argument)
	}}
	m.FoldBy(&Folding{Rules: counted, Below: func(dst, user []byte, limit int) ([]byte, bool, bool) {
		w.reads++
		value, present := w.below[string(user)]
		if len(value) > limit {
			return nil, false, false
		}
		return append(dst, value...), present, true
	}})
	return w
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Fatalf(format string, args ...any)
}

// read reads user as a reader does: the versions in the table down to a put or delete, then what is below.
func (w *foldedWorld) read(user []byte, seq key.SeqNum) answer {
	var chain operand.Chain
	value, present := w.below[string(user)]
	for v := w.table.Find(user, key.Hash(user), seq); v.Exists(); v = v.Older() {
		if v.Trailer().Kind() != key.KindMerge {
			value, present = v.Value(), v.Trailer().Kind() == key.KindPut
			break
		}
		if chain.Push(v.Trailer().Seq(), v.Value()) != nil {
			return answer{failed: true}
		}
	}
	if chain.Len() == 0 {
		return answer{value: value, present: present}
	}
	out, err := chain.Fold(w.rules, user, bytes.Clone(value), present)
	return answer{value: out, present: err == nil, failed: err != nil}
}

// apply applies b and notes the value of every key after each operation.
func (w *foldedWorld) apply(b *batch.Batch) {
	now := map[string]answer{}
	seq := w.seq
	for op := range b.Ops() {
		seq++
		k := string(op.Key)
		if _, known := now[k]; !known {
			now[k] = w.read(op.Key, w.seq)
		}
		now[k] = w.next(now[k], op)
		if w.after[k] == nil {
			w.after[k] = map[key.SeqNum]answer{}
		}
		w.after[k][seq] = now[k]
	}
	w.table.Apply(b, w.seq+1)
	w.seq = seq
}

// next is the model: what a read says after op.
func (w *foldedWorld) next(a answer, op batch.Op) answer {
	switch op.Kind {
	case key.KindPut:
		return answer{value: bytes.Clone(op.Value), present: true}
	case key.KindDelete:
		return answer{}
	}
	if a.failed {
		return a
	}
	value, err := w.rules.Fold(op.Key, bytes.Clone(a.value), a.present, op.Value)
	return answer{value: value, present: err == nil, failed: err != nil}
}

func (w *foldedWorld) check(t fataler) {
	for user, versions := range w.after {
		for seq, want := range versions {
			got := w.read([]byte(user), seq)
			if got.failed != want.failed || got.present != want.present || !bytes.Equal(got.value, want.value) {
				t.Fatalf("%s at %d: %+v, want %+v", user, seq, got, want)
			}
		}
	}
}

// length is how many operands of user a read has to fold.
func (w *foldedWorld) length(user string) (n int) {
	v := w.table.Find([]byte(user), key.Hash([]byte(user)), key.MaxSeqNum)
	for ; v.Exists() && v.Trailer().Kind() == key.KindMerge; v = v.Older() {
		n++
	}
	return n
}

// foldedKeys are the keys of the random test: few, so that operands meet. The first ones have a value below the table.
var foldedKeys = []string{"k", "\x80", "\xff\x00", "\x00", "k\x00", strings.Repeat("\xff", 300), "\x7f"}

func drawMerge(rt *rapid.T, b *batch.Batch) {
	few := rapid.SampledFrom([]int{1, 3, len(foldedKeys)}).Draw(rt, "few")
	k := []byte(rapid.SampledFrom(foldedKeys[:few]).Draw(rt, "key"))
	switch rapid.IntRange(0, 9).Draw(rt, "kind") {
	case 0:
		b.Put(k, operand.AppendInt64(nil, rapid.Int64().Draw(rt, "n")))
	case 1:
		sizes := []int{0, 8, maxFoldedBytes - 1, maxFoldedBytes, maxFoldedBytes + 1, 4000}
		b.Put(k, make([]byte, rapid.SampledFrom(sizes).Draw(rt, "size")))
	case 2:
		b.Delete(k)
	case 3, 4, 5, 6:
		o := operand.Operator(rapid.IntRange(int(operand.Add), int(operand.Min)).Draw(rt, "operator"))
		b.Merge(o, k, operand.AppendInt64(nil, rapid.Int64().Draw(rt, "n")))
	case 7:
		b.Merge(operand.Append, k, make([]byte, rapid.SampledFrom([]int{0, 1, 300}).Draw(rt, "size")))
	default:
		b.Merge(operand.User, k, []byte(rapid.SampledFrom([]string{"", "a", "bad"}).Draw(rt, "argument")))
	}
}

// A fold that misses an operation, or takes one twice, is a counter that is wrong, and the log says otherwise after
// the next start. A fold that takes more room than there is ends the process.
func TestApply_foldedValuesAreThoseOfTheOperands(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newFoldedWorld(rt, MinSize)
		defer w.table.Free()
		for i, k := range foldedKeys[:rapid.IntRange(0, 4).Draw(rt, "below")] {
			values := [][]byte{operand.AppendInt64(nil, int64(i)), {}, []byte("text"), make([]byte, maxFoldedBytes+1)}
			w.below[k] = rapid.SampledFrom(values).Draw(rt, "value below")
		}
		for range rapid.IntRange(1, 30).Draw(rt, "groups") {
			group := make([]batch.Batch, rapid.IntRange(1, 3).Draw(rt, "batches"))
			operations, size := 0, 0
			for i := range group {
				for range rapid.SampledFrom([]int{1, 5, 40}).Draw(rt, "operations") {
					drawMerge(rt, &group[i])
				}
				operations, size = operations+group[i].Count(), size+len(group[i].Bytes())
			}
			if !w.table.Fits(operations, size) {
				break
			}
			for i := range group {
				w.apply(&group[i])
			}
		}
		w.check(rt)
	})
}

// merge merges argument into the key k.
func (w *foldedWorld) merge(t fataler, o operand.Operator, argument []byte) {
	var b batch.Batch
	b.Merge(o, []byte("k"), argument)
	if !w.table.Fits(1, len(b.Bytes())) {
		t.Fatalf("the table is full after %d operations", w.table.Count())
	}
	w.table.Apply(&b, w.seq+1)
	w.seq++
}

// A counter that is added to a million times between two flushes must not take a million steps to read.
func TestApply_boundsTheOperandsThatAReadMeets(t *testing.T) {
	one := operand.AppendInt64(nil, 1)
	for name, c := range map[string]struct {
		below    []byte
		operator operand.Operator
		argument []byte
	}{
		"counter that is absent": {nil, operand.Add, one},
		"counter below":          {operand.AppendInt64(nil, 5), operand.Add, one},
		"short text":             {make([]byte, 100), operand.Append, nil},
	} {
		w := newFoldedWorld(t, 1<<20)
		if c.below != nil {
			w.below["k"] = c.below
		}
		longest := 0
		for range 1000 {
			w.merge(t, c.operator, c.argument)
			longest = max(longest, w.length("k"))
		}
		if longest > lookBelowMinVersions || w.reads > 1 {
			t.Errorf("%s: %d operands in a row, want %d; %d reads", name, longest, lookBelowMinVersions, w.reads)
		}
		w.table.Free()
	}
}

// All commits wait for the one that is applied: merges into a long value, or a value that grows, must not copy it
// again and again, nor call the user's function for it.
func TestApply_leavesLongValuesAlone(t *testing.T) {
	const merges = 5000
	for name, c := range map[string]struct {
		value    []byte
		here     bool // it is in the table
		argument []byte
		calls    int // of the user's function, at most
	}{
		"1 MB below":            {make([]byte, 1_000_000), false, make([]byte, 8), 0},
		"100 kB in the table":   {make([]byte, 100_000), true, make([]byte, 8), 0},
		"257 bytes":             {make([]byte, maxFoldedBytes+1), true, nil, 0},
		"a value that grows":    {nil, true, make([]byte, 8), 30},
		"an argument of 10 kB":  {nil, true, make([]byte, 10_000), 0},
		"what cannot be folded": {nil, true, []byte("bad"), 20},
	} {
		w := newFoldedWorld(t, 64<<20)
		if c.here {
			var b batch.Batch
			b.Put([]byte("k"), c.value)
			w.table.Apply(&b, 1)
			w.seq++
		} else {
			w.below["k"] = c.value
		}
		used := w.table.Used()
		for range merges {
			w.merge(t, operand.User, c.argument)
		}
		if w.calls > c.calls || w.given > c.calls*(maxFoldedBytes+len(c.argument)) || w.reads > 10 {
			t.Errorf("%s: %d calls with %d bytes, %d reads below", name, w.calls, w.given, w.reads)
		}
		if used = (w.table.Used() - used) / merges; used > len(c.argument)+60 {
			t.Errorf("%s: %d bytes for each merge", name, used)
		}
		w.table.Free()
	}
}

// What is promised to the operations of a group must not be spent on the folded values of the first of them: the
// process would end, with the group in the log.
func TestApply_foldsOnlyInTheRoomThereIs(t *testing.T) {
	w := newFoldedWorld(t, MinSize)
	defer w.table.Free()
	var first batch.Batch
	first.Put([]byte("k0"), make([]byte, 256))
	w.apply(&first)
	var group []batch.Batch
	for operations, size := 0, 0; ; {
		var b batch.Batch
		b.Merge(operand.Append, []byte("k0"), nil)
		operations, size = operations+1, size+len(b.Bytes())
		if !w.table.Fits(operations, size) {
			break
		}
		group = append(group, b)
	}
	for i := range group {
		w.apply(&group[i])
	}
	w.check(t)
}

// Below a table that cannot be read, and for a function that is missing, nothing may be lost.
func TestApply_keepsOperandsThatItCannotFold(t *testing.T) {
	m := newTable(t, MinSize)
	m.FoldBy(&Folding{Below: func([]byte, []byte, int) ([]byte, bool, bool) { return nil, false, false }})
	for i := range key.SeqNum(40) {
		var b batch.Batch
		b.Merge(operand.Append, []byte("unreadable"), []byte{byte(i)})
		b.Put([]byte("no function"), nil)
		b.Merge(operand.User, []byte("no function"), []byte{byte(i)})
		m.Apply(&b, 3*i+1)
	}
	n := 0
	for v := m.Find([]byte("unreadable"), key.Hash([]byte("unreadable")), key.MaxSeqNum); v.Exists(); v = v.Older() {
		if n++; v.Trailer().Kind() != key.KindMerge || v.Value()[1] != byte(40-n) {
			t.Errorf("operand %d is a %v of %q", 40-n, v.Trailer().Kind(), v.Value())
		}
	}
	if n != 40 {
		t.Errorf("%d of 40 operands are left", n)
	}
	user := []byte("no function")
	if kind := m.Find(user, key.Hash(user), key.MaxSeqNum).Trailer().Kind(); kind != key.KindMerge {
		t.Errorf("without a function the newest version is a %v", kind)
	}
}

// Every add of a hot counter must stay as cheap as a put.
func BenchmarkApply_foldCounter(b *testing.B) {
	m := newTable(b, 64<<20)
	m.FoldBy(&Folding{})
	var first, add batch.Batch
	first.Put([]byte("counter"), operand.AppendInt64(nil, 0))
	add.Merge(operand.Add, []byte("counter"), operand.AppendInt64(nil, 1))
	b.ReportAllocs()
	seq := key.SeqNum(1)
	m.Apply(&first, seq)
	for b.Loop() {
		if seq++; !m.Fits(1, len(add.Bytes())) {
			m.Reset()
			m.Apply(&first, seq)
			seq++
		}
		m.Apply(&add, seq)
	}
}
