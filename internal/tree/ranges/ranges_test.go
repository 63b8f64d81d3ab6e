package ranges

import (
	"bytes"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
)

// ends are the bounds that are drawn: neighbours, prefixes of each other, and both ends of all keys.
var ends = [][]byte{{}, {0}, {0, 0}, {1}, {1, 0}, {'a'}, {'a', 0}, {'a', 0xff}, {'b'}, {0xff}, {0xff, 0}, {0xff, 0xff}}

func drawSpan(t *rapid.T) span.Span {
	var s span.Span
	if i := rapid.IntRange(-1, len(ends)-1).Draw(t, "lo"); i >= 0 {
		s.Lo = ends[i]
	}
	if i := rapid.IntRange(-1, len(ends)-1).Draw(t, "hi"); i >= 0 {
		s.Hi = ends[i]
	}
	return s
}

// model is a set as a list.
type model []Tombstone

func (m model) covering(user []byte, at key.SeqNum) (newest key.SeqNum) {
	for _, t := range m {
		if t.Seq <= at && t.Contains(user) {
			newest = max(newest, t.Seq)
		}
	}
	return newest
}

func (m model) next(user []byte) (lo []byte, ok bool) {
	for _, t := range m {
		if bytes.Compare(t.Lo, user) > 0 && (!ok || bytes.Compare(t.Lo, lo) < 0) {
			lo, ok = t.Lo, true
		}
	}
	return lo, ok
}

func (m model) overlapping(among span.Span, after, upTo key.SeqNum) (got model) {
	for _, t := range m {
		if t.Seq > after && t.Seq <= upTo && t.Overlaps(among) {
			got = append(got, t)
		}
	}
	slices.SortFunc(got, Compare)
	return got
}

func (m model) without(t Tombstone) model {
	return slices.DeleteFunc(slices.Clone(m), func(o Tombstone) bool { return Compare(o, t) == 0 })
}

func (m model) with(t Tombstone) model {
	if t.Empty() {
		return m
	}
	return append(m.without(t), t)
}

func same(a, b Tombstone) bool { return Compare(a, b) == 0 }

// check asks s all that m knows.
func check(t *rapid.T, s *Set, m model) {
	t.Helper()
	list := func(what string, got iter.Seq[Tombstone], want model) {
		t.Helper()
		if got := slices.Collect(got); !slices.EqualFunc(got, want, same) {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	list("all", s.All(), m.overlapping(span.Span{}, 0, key.MaxSeqNum))
	newest, size := key.SeqNum(0), int64(0)
	for _, o := range m {
		newest, size = max(newest, o.Seq), size+int64(overheadBytes+len(o.Lo)+len(o.Hi))
	}
	if s.Len() != len(m) || s.Newest() != newest || s.Bytes() != size || (s == nil) != (len(m) == 0) {
		t.Fatalf("%d, newest %d, %d bytes; want %d, %d, %d", s.Len(), s.Newest(), s.Bytes(), len(m), newest, size)
	}
	for _, user := range ends {
		for at := range newest + 2 {
			got, want := s.Covering(user, at), m.covering(user, at)
			if got.Seq != want || want > 0 && !got.Contains(user) {
				t.Fatalf("over %q at %d: %v, want %d", user, at, got, want)
			}
		}
		checkAround(t, s, m, user, key.SeqNum(rapid.Uint64Range(0, uint64(newest)+1).Draw(t, "reader")))
		lo, ok := s.Next(user)
		if want, found := m.next(user); ok != found || !bytes.Equal(lo, want) {
			t.Fatalf("behind %q: %q %v, want %q %v", user, lo, ok, want, found)
		}
	}
	number := rapid.Uint64Range(0, uint64(newest)+1)
	among, after, upTo := drawSpan(t), key.SeqNum(number.Draw(t, "after")), key.SeqNum(number.Draw(t, "up to"))
	want := m.overlapping(among, after, upTo)
	list("overlapping", s.Overlapping(among, after, upTo), want)
	for first := range s.Overlapping(among, after, upTo) { // and it ends when it is told to
		if !same(first, want[0]) {
			t.Fatalf("the first is %v", first)
		}
		break
	}
	if got := s.Overlaps(among, after, upTo); got != (len(want) > 0) {
		t.Fatalf("overlaps: %v, of %v", got, want)
	}
}

// checkAround asks s what is over user and the keys near it. A part that is too large would show what is deleted.
func checkAround(t *rapid.T, s *Set, m model, user []byte, at key.SeqNum) {
	t.Helper()
	got, within := s.Around(user, at)
	if !within.Contains(user) {
		t.Fatalf("around %q: %v", user, within)
	}
	for _, near := range ends {
		if within.Contains(near) && m.covering(near, at) != got.Seq {
			t.Fatalf("around %q at %d: %v within %v, but not over %q", user, at, got, within, near)
		}
	}
}

// A key that was deleted would be there, or one that was not would be gone. Sets of which others were made stay what
// they were: a reader may have them.
func TestSet_isAListOfTombstones(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sets, models := []*Set{nil}, []model{nil}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			i := rapid.IntRange(0, len(sets)-1).Draw(t, "of")
			s, m := sets[i], models[i]
			switch rapid.SampledFrom([]string{"with", "with", "with", "without", "join"}).Draw(t, "step") {
			case "with":
				added := Tombstone{drawSpan(t), key.SeqNum(rapid.IntRange(1, 20).Draw(t, "seq"))}
				s, m = s.With(added), m.with(added)
			case "without":
				gone := Tombstone{drawSpan(t), key.SeqNum(rapid.IntRange(1, 20).Draw(t, "seq"))}
				if len(m) > 0 && rapid.Bool().Draw(t, "one that is there") {
					gone = rapid.SampledFrom(m).Draw(t, "gone")
				}
				s, m = s.Without(gone), m.without(gone)
			default:
				o := rapid.IntRange(0, len(sets)-1).Draw(t, "and")
				s = s.Join(sets[o])
				for _, added := range models[o] {
					m = m.with(added)
				}
			}
			sets, models = append(sets, s), append(models, m)
		}
		for i, s := range sets {
			check(t, s, models[i])
		}
	})
}

// The form is that of the content, however that came about: a set that grows and shrinks for ever stays shallow.
func TestSet_staysShallow(t *testing.T) {
	const n = 4096
	at := func(i int) Tombstone {
		lo := []byte{byte(i >> 8), byte(i)}
		return Tombstone{span.Span{Lo: lo, Hi: append(slices.Clone(lo), 0xff)}, key.SeqNum(i + 1)}
	}
	var s *Set
	for i := range n {
		s = s.With(at(i))
	}
	for i := range n / 2 {
		s = s.Without(at(i * 2))
	}
	if d := depth(s); s.Len() != n/2 || d > 50 {
		t.Errorf("%d tombstones, %d deep", s.Len(), d)
	}
}

func depth(s *Set) int {
	if s == nil {
		return 0
	}
	return 1 + max(depth(s.left), depth(s.right))
}

// BenchmarkSet_Covering asks sets of the most that a database keeps: apart, and each within the one before.
func BenchmarkSet_Covering(b *testing.B) {
	const n = 4096
	for _, nested := range []bool{false, true} {
		var s *Set
		for i := range n {
			t := Tombstone{span.Span{Lo: []byte{byte(i >> 8), byte(i)}, Hi: []byte{byte(i >> 8), byte(i), 1}}, key.SeqNum(i + 1)}
			if nested {
				t.Hi = []byte{0xff, byte((n - i) >> 8), byte(n - i)}
			}
			s = s.With(t)
		}
		name := map[bool]string{false: "apart", true: "nested"}[nested]
		b.Run(name, func(b *testing.B) {
			user := []byte{0, 0}
			for i := range b.N {
				user[0], user[1] = byte(i>>8)&15, byte(i)
				if s.Covering(user, key.MaxSeqNum).Seq == 0 {
					b.Fatal(user)
				}
			}
		})
		b.Run(name+"/with", func(b *testing.B) {
			for i := range b.N {
				s.With(Tombstone{span.Span{Lo: []byte{byte(i >> 8), byte(i), 0}}, key.SeqNum(n + i)})
			}
		})
	}
}
