package txn

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"

	"pgregory.net/rapid"
)

// contents is a sorted map as a Source.
type contents struct {
	keys   []string
	values map[string]string
	at     int
}

func newContents(m map[string]string, bounds span.Span) *contents {
	c := &contents{values: m, at: -1}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if bounds.Contains([]byte(k)) {
			c.keys = append(c.keys, k)
		}
	}
	return c
}

func (c *contents) to(i int) bool { c.at = i; return c.Valid() }
func (c *contents) First() bool   { return c.to(0) }
func (c *contents) Last() bool    { return c.to(len(c.keys) - 1) }
func (c *contents) Next() bool    { return c.to(c.at + 1) }
func (c *contents) Prev() bool    { return c.to(c.at - 1) }
func (c *contents) Valid() bool   { return c.at >= 0 && c.at < len(c.keys) }
func (c *contents) Key() []byte   { return []byte(c.keys[c.at]) }
func (c *contents) Err() error    { return nil }
func (c *contents) Value() ([]byte, error) {
	return []byte(c.values[c.keys[c.at]]), nil
}
func (c *contents) SeekGE(user []byte) bool {
	i, _ := slices.BinarySearch(c.keys, string(user))
	return c.to(i)
}
func (c *contents) SeekLT(user []byte) bool {
	i, _ := slices.BinarySearch(c.keys, string(user))
	return c.to(i - 1)
}

// twin is a write set and what it should amount to.
type twin struct {
	writes Writes
	model  map[string]string // key -> value, or deleted, or "+" and a tail for appended
	seq    key.SeqNum        // of the snapshot below
}

// deleted stands for no value. No value that is drawn is like it, or begins with "+".
const deleted = "-"

// recorded is what the set has for a value of the model.
func recorded(v string) string {
	if v == deleted {
		return ""
	}
	if tail, ok := strings.CutPrefix(v, "+"); ok {
		return string(rune(operand.Append)) + tail
	}
	return v
}

func drawWrites(t *rapid.T, n int) *twin {
	w := &twin{model: map[string]string{}, writes: Writes{Gaps: true}}
	for range n {
		w.write(t)
	}
	return w
}

// words are keys: few, and of bytes that are no text, the empty one too. Some begin alike for longer than a word of the
// processor, or are longer than what a small write set keeps in one piece.
var words = rapid.Custom(func(t *rapid.T) string {
	beginnings := []string{"", "", "", "", "", strings.Repeat("\xff", 9), strings.Repeat("a", keptTextBytes)}
	return rapid.SampledFrom(beginnings).Draw(t, "beginning") + string(rapid.SliceOfN(letters, 0, 3).Draw(t, "rest"))
})

var letters = rapid.SampledFrom([]byte{0, 'a', 0x80, 0xff})

// values are short, or empty.
var values = rapid.Map(rapid.SliceOfN(letters, 0, 3), func(b []byte) string { return string(b) })

// ends are bounds and the targets of seeks: nil, empty, or keys.
var ends = rapid.Custom(func(t *rapid.T) []byte {
	switch rapid.IntRange(0, 7).Draw(t, "end") {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	return []byte(words.Draw(t, "word"))
})

func (w *twin) write(t *rapid.T) {
	k := words.Draw(t, "key")
	if rapid.Bool().Draw(t, "delete") {
		w.writes.Delete([]byte(k))
		w.model[k] = deleted
		return
	}
	v := values.Draw(t, "value")
	if old, written := w.model[k]; rapid.Bool().Draw(t, "append") &&
		(!written || strings.HasPrefix(old, "+") && !w.onDisk(t, k)) {
		w.model[k] = "+" + strings.TrimPrefix(old, "+") + v
		w.writes.Merge([]byte(k), []byte(recorded(w.model[k])))
		return
	}
	w.writes.Put([]byte(k), []byte(v))
	w.model[k] = v
}

func (w *twin) onDisk(t *rapid.T, k string) bool {
	write, err := w.writes.Get([]byte(k))
	if err != nil || write == nil {
		t.Fatalf("Get(%q) = %+v, %v", k, write, err)
	}
	return write.Spilled
}

// wanted is the model as the set has it, with deleted for no value.
func (w *twin) wanted() map[string]string {
	all := maps.Clone(w.model)
	for k, v := range all {
		if v != deleted {
			all[k] = recorded(v)
		}
	}
	return all
}

// isWrite reports whether write is what the model has for its key.
func isWrite(write *Write, v string) bool {
	return (write.Kind == key.KindDelete) == (v == deleted) && string(write.Value) == recorded(v)
}

// asWanted is a write that the set has as wanted has it.
func asWanted(kind key.Kind, value []byte) string {
	if kind == key.KindDelete {
		return deleted
	}
	return string(value)
}

func (w *twin) over(base map[string]string) map[string]string {
	all := maps.Clone(base)
	for k, v := range w.model {
		if tail, ok := strings.CutPrefix(v, "+"); ok {
			all[k] += tail
		} else if all[k] = v; v == deleted {
			delete(all, k)
		}
	}
	return all
}

// A transaction that did not see its own writes, in any order of moves, would decide on a state that never existed.
func TestOverlay_showsWritesOverSnapshot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.MapOfN(words, values, 0, 12).Draw(t, "base")
		w := drawWrites(t, rapid.IntRange(0, 12).Draw(t, "writes"))
		var bounds span.Span
		if rapid.Bool().Draw(t, "bounded") {
			bounds.Lo, bounds.Hi = ends.Draw(t, "lo"), ends.Draw(t, "hi")
		}
		var o Overlay
		o.Reset(newContents(base, bounds), 0, &w.writes, bounds)
		var at []byte
		for range rapid.IntRange(1, 30).Draw(t, "moves") {
			if rapid.IntRange(0, 4).Draw(t, "what") == 0 {
				w.write(t)
			}
			model := newContents(w.over(base), bounds)
			at = moveBoth(t, &o, model, at)
		}
		walkBoth(t, &o, newContents(w.over(base), bounds))
	})
}

// moveBoth makes one random move with both, compares them, and returns the key they are at, nil for none.
func moveBoth(t *rapid.T, o *Overlay, model *contents, at []byte) []byte {
	target := ends.Draw(t, "target")
	var got, want bool
	switch move := rapid.SampledFrom([]string{"first", "last", "ge", "lt", "next", "prev"}).Draw(t, "move"); {
	case move == "first":
		got, want = o.First(), model.First()
	case move == "last":
		got, want = o.Last(), model.Last()
	case move == "ge":
		got, want = o.SeekGE(target), model.SeekGE(target)
	case move == "lt":
		got, want = o.SeekLT(target), model.SeekLT(target)
	case move == "next":
		got, want = o.Next(), at != nil && model.SeekGE(append(at, 0))
	case move == "prev":
		got, want = o.Prev(), at != nil && model.SeekLT(at)
	}
	if got != want || o.Valid() != want {
		t.Fatalf("moved to an entry: %v (valid: %v), want %v", got, o.Valid(), want)
	}
	if !got {
		return nil
	}
	value, _ := o.Value()
	if wanted, _ := model.Value(); o.Key() == nil || !bytes.Equal(o.Key(), model.Key()) || !bytes.Equal(value, wanted) {
		t.Fatalf("at %q = %q, want %q = %q", o.Key(), value, model.Key(), wanted)
	}
	return model.Key()
}

// walkBoth walks from end to end, there and back, and compares what is shown: random moves may never come to a key that
// is missing.
func walkBoth(t *rapid.T, o *Overlay, model *contents) {
	var there, back []string
	for ok := o.First(); ok; ok = o.Next() {
		there = append(there, string(o.Key()))
	}
	for ok := o.Last(); ok; ok = o.Prev() {
		back = append(back, string(o.Key()))
	}
	slices.Reverse(back)
	if !slices.Equal(there, model.keys) || !slices.Equal(back, model.keys) {
		t.Fatalf("walks show %q, and backward %q, want %q", there, back, model.keys)
	}
}

// The bounds of a range are where they are, also right at a write: the lower one is in, the upper one out.
func TestOverlay_keepsWritesWithinBounds(t *testing.T) {
	var w Writes
	for _, k := range []string{"a", "b", "c", "d", "e"} {
		w.Put([]byte(k), nil)
	}
	var o Overlay
	bounds := span.Span{Lo: []byte("b"), Hi: []byte("d")}
	o.Reset(newContents(nil, bounds), 0, &w, bounds)
	got := ""
	for ok := o.First(); ok; ok = o.Next() {
		got += string(o.Key())
	}
	for ok := o.Last(); ok; ok = o.Prev() {
		got += string(o.Key())
	}
	if got != "bccb" {
		t.Errorf("there and back within [b, d) shows %q", got)
	}
	if o.SeekGE(bounds.Hi) {
		t.Errorf("a seek to the upper bound comes to %q", o.Key())
	}
	if o.SeekLT(bounds.Lo) {
		t.Errorf("a seek to what is before the lower bound comes to %q", o.Key())
	}
}

// A loop that puts a key ahead of where it stands would pass over it.
func TestOverlay_showsWhatIsWrittenMeanwhile(t *testing.T) {
	for _, backward := range []bool{false, true} {
		var w Writes
		var o Overlay
		o.Reset(newContents(map[string]string{"a": "", "d": ""}, span.Span{}), 0, &w, span.Span{})
		start, next, want := o.First, o.Next, "bcd"
		if backward {
			start, next, want = o.Last, o.Prev, "cba"
		}
		start()
		got := ""
		w.Put([]byte("b"), nil)
		w.Put([]byte("c"), nil)
		for next() {
			got += string(o.Key())
		}
		if got != want {
			t.Errorf("backward %v: the scan shows %q, want %q", backward, got, want)
		}
	}
}

// A savepoint that brings back another state than it saw commits what the caller took back.
func TestWrites_rollBackToSavepoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWrites(t, rapid.IntRange(0, 5).Draw(t, "before"))
		type point struct {
			mark  int
			model map[string]string
		}
		var points []point
		for range rapid.IntRange(0, 20).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 4).Draw(t, "step"); {
			case step == 0:
				points = append(points, point{w.writes.Savepoint(), maps.Clone(w.model)})
			case step == 1 && len(points) > 0:
				i := rapid.IntRange(0, len(points)-1).Draw(t, "to")
				w.writes.RollbackTo(points[i].mark)
				w.model = maps.Clone(points[i].model)
				points = points[:i+1]
			case step == 2 && len(points) > 0:
				i := rapid.IntRange(0, len(points)-1).Draw(t, "release")
				w.writes.Release(points[i].mark)
				points = points[:i]
			default:
				w.write(t)
			}
		}
		w.mustBe(t)
		for i := len(points) - 1; i >= 0; i-- { // what was released, or rolled back, was so for the others, too
			w.writes.RollbackTo(points[i].mark)
			w.model = points[i].model
			w.mustBe(t)
		}
	})
}

// mustBe compares what a commit would write, and gets, with the model.
func (w *twin) mustBe(t *rapid.T) {
	got := map[string]string{}
	var b batch.Batch
	w.writes.AppendTo(&b)
	for op := range b.Ops() {
		got[string(op.Key)] = asWanted(op.Kind, op.Value)
	}
	if !maps.Equal(got, w.wanted()) || b.Count() != len(got) {
		t.Fatalf("the batch is %v (%d operations), want %v", got, b.Count(), w.model)
	}
	for k, v := range w.model {
		write, err := w.writes.Get([]byte(k))
		if err != nil || write == nil || !isWrite(write, v) {
			t.Fatalf("Get(%q) = %+v, want %q", k, write, v)
		}
	}
}

// Of a key that was written twice since the savepoint, the first of the two values would stay.
func TestWrites_rollBackKeysWrittenTwice(t *testing.T) {
	var w Writes
	w.Put([]byte("k"), []byte("1"))
	savepoint := w.Savepoint()
	w.Put([]byte("k"), []byte("2"))
	w.Put([]byte("k"), []byte("3"))
	w.RollbackTo(savepoint)
	if write, err := w.Get([]byte("k")); err != nil || write == nil || string(write.Value) != "1" {
		t.Errorf("the key is %+v, %v", write, err)
	}
}

// A set that loses a key when it grows commits half a transaction.
func TestWrites_keepMillionsInOrder(t *testing.T) {
	const n = 50_000
	for _, stride := range []int{1, 7919, n - 1} {
		var w Writes
		for i := range n {
			w.Put([]byte{byte(i * stride % n >> 8), byte(i * stride % n)}, []byte{1})
		}
		var b batch.Batch
		w.AppendTo(&b)
		var before []byte
		for op := range b.Ops() {
			if bytes.Compare(before, op.Key) >= 0 {
				t.Fatalf("%x follows %x", op.Key, before)
			}
			before = op.Key
		}
		if b.Count() != n || w.count != n {
			t.Errorf("stride %d: %d operations, %d keys, want %d", stride, b.Count(), w.count, n)
		}
	}
}

func BenchmarkWrites(b *testing.B) {
	keys := make([][]byte, 1<<16)
	for i := range keys {
		keys[i] = []byte{byte(i * 7919 >> 8), byte(i * 7919), 'k', 'e', 'y', byte(i)}
	}
	var w Writes
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%len(keys) == 0 {
			w.Reset()
		}
		w.Put(keys[i%len(keys)], keys[0])
	}
}

// A walk backward that has deleted the empty key, and nothing else, would begin at the end again, for ever.
func TestOverlay_beforeTheEmptyKeyIsNothing(t *testing.T) {
	var w Writes
	w.Delete(nil)
	var o Overlay
	o.Reset(newContents(nil, span.Span{}), 0, &w, span.Span{})
	if o.Last() {
		t.Errorf("it stands at %q", o.Key())
	}
}
