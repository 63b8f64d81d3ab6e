package txn

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"

	"pgregory.net/rapid"
)

func addKey(r *Reads, k string) { r.AddKey([]byte(k), key.Hash([]byte(k))) }

// Two transactions that raise a counter would conflict, or two that put the same key would not.
func TestReads_takeWritesButNoOperands(t *testing.T) {
	for kind, want := range map[key.Kind]bool{key.KindPut: true, key.KindDelete: true, key.KindMerge: false} {
		var r Reads
		r.AddWrite([]byte("k"), kind)
		if got := r.Has([]byte("k")); got != want {
			t.Errorf("%v: remembered %v, want %v", kind, got, want)
		}
	}
}

// remembered is a read set and what it must know.
type remembered struct {
	reads Reads
	keys  map[string]bool
	spans []span.Span
}

// step reads something, or takes another step in the life of a read set.
func (m *remembered) step(t *rapid.T, word *rapid.Generator[[]byte]) {
	switch step := rapid.IntRange(0, 31).Draw(t, "step"); {
	case step == 0:
		m.reads.Reset()
		m.keys, m.spans = map[string]bool{}, nil
	case step <= 2:
		m.reads.coarsen(rapid.Int64Range(0, 2000).Draw(t, "bytes"))
	case step <= 6:
		k := word.Draw(t, "written")
		kind := rapid.SampledFrom([]key.Kind{key.KindPut, key.KindDelete, key.KindMerge}).Draw(t, "kind")
		m.reads.AddWrite(k, kind)
		if kind != key.KindMerge {
			m.keys[string(k)] = true
		}
	case step <= 16:
		k := word.Draw(t, "k")
		m.reads.AddKey(k, key.Hash(k))
		m.keys[string(k)] = true
	default:
		s := span.Span{}
		if rapid.Bool().Draw(t, "from") {
			s.Lo = word.Draw(t, "lo")
		}
		if rapid.Bool().Draw(t, "bounded") {
			s.Hi = word.Draw(t, "hi")
		}
		m.reads.AddSpan(s)
		m.spans = append(m.spans, s)
	}
}

// check compares what the set has with what it must have. A coarse set may have more.
func (m *remembered) check(t *rapid.T, word *rapid.Generator[[]byte]) {
	exact := !m.reads.coarse && rapid.Bool().Draw(t, "exact")
	if !exact {
		m.reads.joinKeys()
		m.reads.spans = m.reads.Spans().Coarsen(3)
	}
	probes := edges(m.spans)
	for k := range m.keys {
		probes = append(probes, []byte(k))
	}
	for range 50 {
		probes = append(probes, word.Draw(t, "probe"))
	}
	for _, k := range probes {
		want := m.keys[string(k)]
		for _, s := range m.spans {
			want = want || s.Contains(k)
		}
		if got := m.reads.Has(k); got != want && (exact || !got) {
			t.Fatalf("Has(%q) = %v, want %v (exact: %v)", k, got, want, exact)
		}
	}
	m.checkMeets(t, word, exact)
}

// checkMeets is check for deletes of ranges.
func (m *remembered) checkMeets(t *rapid.T, word *rapid.Generator[[]byte], exact bool) {
	var deleted span.Set
	for range rapid.IntRange(0, 3).Draw(t, "ranges") {
		s := span.Span{Lo: word.Draw(t, "deleted from")}
		if rapid.IntRange(0, 5).Draw(t, "to the end") > 0 {
			s.Hi = word.Draw(t, "deleted to")
		}
		deleted.Add(s)
	}
	want := false
	for k := range m.keys {
		want = want || deleted.Contains([]byte(k))
	}
	for _, s := range m.spans {
		for _, d := range deleted {
			want = want || s.Overlaps(d)
		}
	}
	if got := m.reads.Meets(deleted); got != want && (exact || !got) {
		t.Fatalf("Meets(%q) = %v, want %v (exact: %v)", deleted, got, want, exact)
	}
}

// A range that two transactions delete must be a conflict under snapshot isolation, as a key is: one would take what
// the other has put there.
func TestReads_takeRangesThatAreDeleted(t *testing.T) {
	var b batch.Batch
	b.DeleteRange(span.Span{Lo: []byte("b"), Hi: []byte("d")})
	b.Merge(operand.Append, []byte("x"), nil)
	var r Reads
	for op := range b.Ops() {
		r.AddOp(op)
	}
	for k, want := range map[string]bool{"a": false, "b": true, "c": true, "d": false, "x": false} {
		if got := r.Has([]byte(k)); got != want {
			t.Errorf("%q is remembered: %v, want %v", k, got, want)
		}
	}
}

// A read that the read set forgets is a lost update that nobody notices.
func TestReads_forgetNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{Limit: rapid.SampledFrom([]int64{0, budgetStepBytes, 1 << 30}).Draw(t, "budget")}
		sets, word := make([]remembered, 2), drawWord()
		for i := range sets {
			sets[i].keys = map[string]bool{}
			sets[i].reads.In(&b)
			if rapid.IntRange(0, 3).Draw(t, "must not lose") == 0 {
				sets[i].reads.Exact()
			}
		}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			sets[rapid.IntRange(0, 1).Draw(t, "set")].step(t, word)
		}
		for i := range sets {
			sets[i].check(t, word)
			sets[i].reads.Reset()
		}
		if n := b.used.Load(); n != 0 {
			t.Fatalf("%d bytes of the budget were not given back", n)
		}
	})
}

// The same of a span that was read after one that is behind it, whichever of the two is asked for.
func TestReads_findSpansInAnyOrder(t *testing.T) {
	for _, k := range []string{"a", "c"} {
		var r Reads
		r.AddSpan(span.Span{Lo: []byte("c"), Hi: []byte("d")})
		r.AddSpan(span.Span{Lo: []byte("a"), Hi: []byte("b")})
		if !r.Has([]byte(k)) {
			t.Errorf("%q is not in the read set", k)
		}
	}
}

// The same of every span between two long keys that differ about where the bounds of a coarse read set end, which
// chance seldom draws.
func TestReads_coarseSpansHoldWhatTheyHeld(t *testing.T) {
	var words [][]byte
	for _, fill := range []byte{0, 0x80, 0xff} {
		tails := [][]byte{nil}
		for i := 0; i < len(tails); i++ {
			words = append(words, slices.Concat(bytes.Repeat([]byte{fill}, maxBoundBytes-2), tails[i]))
			if len(tails[i]) < 4 {
				tails = append(tails, append(bytes.Clone(tails[i]), 0), append(bytes.Clone(tails[i]), 0xff))
			}
		}
	}
	slices.SortFunc(words, bytes.Compare)
	for i, lo := range words {
		for j := i + 1; j <= len(words); j++ {
			var r Reads
			s := span.Span{Lo: lo}
			if j < len(words) {
				s.Hi = words[j]
			}
			r.AddSpan(s)
			r.coarsen(0)
			for _, k := range words[i:j] {
				if !r.Has(k) {
					t.Fatalf("[%x, %x) made coarse has lost %x", s.Lo[maxBoundBytes-2:], s.Hi, k)
				}
			}
		}
	}
}

// edges returns the keys where spans begin and end, and one that each end cut short would leave out.
func edges(spans []span.Span) (keys [][]byte) {
	for _, s := range spans {
		keys = append(keys, s.Lo, s.Hi)
		if len(s.Hi) > 0 {
			keys = append(keys, s.Hi[:len(s.Hi)-1])
		}
	}
	return keys
}

// drawWord draws short keys, the empty one among them, and such as are longer than the bounds of a coarse read set and
// differ where those end.
func drawWord() *rapid.Generator[[]byte] {
	short := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 0x7f, 0x80, 0xff}), 0, 4)
	return rapid.Custom(func(t *rapid.T) []byte {
		word := short.Draw(t, "word")
		if rapid.IntRange(0, 3).Draw(t, "long") > 0 {
			return word
		}
		fill := rapid.SampledFrom([]byte{0, 0x80, 0xff}).Draw(t, "fill")
		return slices.Concat(bytes.Repeat([]byte{fill}, maxBoundBytes-2), word, word)
	})
}

// Many transactions that read much would take memory that nobody has counted, or forget what they have read.
func TestReads_shareABudget(t *testing.T) {
	const sets, keys = 64, 3000
	told := int64(0)
	b := Budget{Limit: 1 << 20, Changed: func(delta int64) { told += delta }}
	all := make([]Reads, sets)
	for n := range all {
		all[n].In(&b)
	}
	name := func(n, i int) string { return fmt.Sprintf("key %03d/%09d", n, i*7919%keys) }
	read := func(n, i int) {
		r := &all[n]
		addKey(r, name(n, i))
		lo := fmt.Appendf(nil, "span %03d/%09d", n, i)
		r.AddSpan(span.Closed(lo, lo))
		if r.bytes > r.counted+freeBytes || b.used.Load() > b.Limit {
			t.Fatalf("a set takes %d bytes, %d of them from the budget, of which %d are used", r.bytes, r.counted, b.used.Load())
		}
	}
	for i := range keys {
		read(0, i) // there is room for one
	}
	for i := range keys {
		for n := 1; n < sets; n++ {
			read(n, i)
		}
	}
	if told != b.used.Load() {
		t.Errorf("the budget has told of %d bytes of %d", told, b.used.Load())
	}
	for n := range all {
		for i := range keys {
			if k := name(n, i); !all[n].Has([]byte(k)) || !all[n].Has(fmt.Appendf(nil, "span %03d/%09d", n, i)) {
				t.Fatalf("set %d has forgotten %q, or the span of that number", n, k)
			}
		}
		if exact := len(all[n].keys) == keys; exact != (n == 0) {
			t.Errorf("set %d is exact: %v", n, exact)
		}
		all[n].Reset()
	}
	if told != 0 || b.used.Load() != 0 {
		t.Errorf("%d bytes are left in the budget, and it has told of %d", b.used.Load(), told)
	}
}

// Whoever must not lose locks what it reads and not what lies between: joined keys would let it lose for ever.
func TestReads_exactWhateverTheBudget(t *testing.T) {
	b := Budget{}
	var r Reads
	r.In(&b)
	r.Exact()
	for i := range 5000 {
		addKey(&r, fmt.Sprintf("key %09d", 2*i))
	}
	if r.Has([]byte("key 000000001")) || len(r.keys) != 5000 || b.used.Load() == 0 {
		t.Errorf("%d keys of 5000 are exact; %d bytes are counted", len(r.keys), b.used.Load())
	}
	r.Reset()
	r.In(&b)
	for i := range 5000 {
		addKey(&r, fmt.Sprintf("key %09d", 2*i))
	}
	if !r.Has([]byte("key 000000001")) || b.used.Load() != 0 {
		t.Errorf("the next transaction is exact too; %d bytes are counted", b.used.Load())
	}
}

// A transaction that reads very much must neither exceed its memory nor forget what it read first.
func TestReads_stayBoundedAndCoverEverything(t *testing.T) {
	var r Reads
	const n = 5 * maxKeys / 2
	for i := range n {
		addKey(&r, fmt.Sprintf("key %09d", i*7919%n))
		lo := fmt.Appendf(nil, "span %09d", i)
		r.AddSpan(span.Closed(lo, lo))
	}
	if len(r.keys) > maxKeys || len(r.spans) > maxSpans+joinedSpans || len(r.text) > maxKeyBytes {
		t.Errorf("%d keys, %d spans, %d bytes", len(r.keys), len(r.spans), len(r.text))
	}
	for i := range n {
		if k := fmt.Appendf(nil, "key %09d", i); !r.Has(k) {
			t.Fatalf("%q is forgotten", k)
		}
		if k := fmt.Appendf(nil, "span %09d", i); !r.Has(k) {
			t.Fatalf("%q is forgotten", k)
		}
	}
	if r.Has([]byte("a key before all")) {
		t.Error("joining covers what lies before every key read")
	}
}

// Two keys of one hash must not hide each other.
func TestReads_keepsKeysOfEqualHashApart(t *testing.T) {
	var r Reads
	for i := range 3 * fewKeys {
		r.AddKey([]byte{byte(i + 1)}, 42)
	}
	for i := range 3 * fewKeys {
		if !r.find([]byte{byte(i + 1)}, 42) {
			t.Errorf("key %d is not found", i)
		}
	}
	if r.find([]byte{0}, 42) {
		t.Error("a key that was never read is found")
	}
	n := 0
	for k := range r.Keys() {
		n++
		if k.Hash != 42 || !bytes.Equal(k.User, []byte{byte(n)}) {
			t.Errorf("key %d is %x", n, k.User)
		}
	}
	if r.Reset(); n != 3*fewKeys || !r.Empty() {
		t.Errorf("%d keys; empty after Reset: %v", n, r.Empty())
	}
}

func BenchmarkReads(b *testing.B) {
	keys := make([][]byte, 4)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "account %06d", i)
	}
	var r Reads
	b.ReportAllocs()
	for b.Loop() {
		r.Reset()
		for _, k := range keys {
			r.AddKey(k, key.Hash(k))
		}
		if r.Has([]byte("account 999999")) {
			b.Fatal("found")
		}
	}
}
