package gap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
)

// universe is the keys of the tests, in order: the empty one, bytes that are no text, both extremes, keys right behind
// others, and such as are nearly and just too long to bound a gap.
var universe = [][]byte{
	{}, {0}, {0, 0}, {0, 1}, {1}, []byte("a"), []byte("a\x00"), []byte("a\x00\x00"), []byte("b"),
	bytes.Repeat([]byte("c"), maxKeyBytes-1), bytes.Repeat([]byte("c"), maxKeyBytes), {0x7f}, {0x7f, 0xff},
	{0x80}, {0xc3, 0x28}, {0xfe}, {0xfe, 0xff}, {0xff}, {0xff, 0xff},
}

// drawKeys draws some of universe, in order: where keys are few, commits meet claims often.
func drawKeys(rt *rapid.T) [][]byte {
	most := rapid.SampledFrom([]int{3, 8, len(universe)}).Draw(rt, "most keys")
	keys := slices.Clone(rapid.Permutation(universe).Draw(rt, "keys")[:most])
	slices.SortFunc(keys, bytes.Compare)
	return keys
}

// version is the state that a commit gives a key.
type version struct {
	seq key.SeqNum
	put bool
}

// world is a tree with what is visible of it, a commit and a claim in progress, and the gaps, which must be right
// about it.
type world struct {
	keys     [][]byte // those that there are, in order
	gaps     Gaps
	versions map[string][]version // ascending
	visible  key.SeqNum

	writing []byte // the key of the commit in progress; nil if there is none
	put     bool
	told    bool // Put was called

	claim  *Gap
	looked bool
	proven bool
}

// lives reports whether a reader at seq sees user.
func (w *world) lives(user []byte, seq key.SeqNum) (put bool) {
	for _, v := range w.versions[string(user)] {
		if v.seq <= seq {
			put = v.put
		}
	}
	return put
}

// write takes the next step of the commit in progress, or begins one.
func (w *world) write(rt *rapid.T) {
	switch {
	case w.writing == nil:
		w.writing, w.told = rapid.SampledFrom(w.keys).Draw(rt, "written"), false
		w.put = rapid.IntRange(0, 2).Draw(rt, "kind") == 0
		k := string(w.writing)
		w.versions[k] = append(w.versions[k], version{w.visible + 1, w.put})
	case w.put && !w.told:
		w.told = true
		w.gaps.Put(w.writing)
	default:
		w.writing = nil
		w.visible++
	}
}

// propose takes the next step of a claim, or begins one of what a reader sees nothing in.
func (w *world) propose(rt *rapid.T) {
	switch {
	case w.claim == nil:
		seq := w.visible - key.SeqNum(rapid.IntRange(0, min(3, int(w.visible))).Draw(rt, "behind"))
		from := rapid.IntRange(0, len(w.keys)-1).Draw(rt, "from")
		to := from
		for to < len(w.keys) && !w.lives(w.keys[to], seq) {
			to++
		}
		if to > from {
			last := w.keys[rapid.IntRange(from, to-1).Draw(rt, "last")]
			w.claim = w.gaps.Claim(span.Closed(w.keys[from], last), seq)
			w.looked = false
		}
	case !w.looked:
		w.looked, w.proven = true, true
		for _, user := range w.keys {
			for _, v := range w.versions[string(user)] {
				w.proven = w.proven && !(w.claim.Contains(user) && v.put && v.seq > w.claim.Since)
			}
		}
	default:
		joins := rapid.Bool().Draw(rt, "joins")
		w.gaps.Settle(w.claim, w.proven, func(from, to key.SeqNum) bool { return !joins })
		w.claim = nil
	}
}

// check compares all that the gaps say with what every reader sees.
func (w *world) check(rt *rapid.T) {
	lo := rapid.SampledFrom(w.keys).Draw(rt, "lo")
	hi := rapid.SampledFrom(append([][]byte{nil}, w.keys...)).Draw(rt, "hi")
	for seq := w.visible - min(w.visible, 5); seq <= w.visible; seq++ {
		for _, user := range w.keys {
			gap, found := w.gaps.Find(user, seq)
			if !found {
				continue
			}
			if !gap.Contains(user) {
				rt.Fatalf("the gap of %q is %q", user, gap)
			}
			for _, other := range w.keys {
				if gap.Contains(other) && w.lives(other, seq) {
					rt.Fatalf("at %d %q has a value, in the gap %q", seq, other, gap)
				}
			}
		}
		w.checkOutside(rt, span.Span{Lo: lo, Hi: hi}, seq)
	}
}

// checkOutside checks that Outside yields every key of a span that has got a value since seq.
func (w *world) checkOutside(rt *rapid.T, s span.Span, seq key.SeqNum) {
	outside := map[string]bool{}
	for part := range w.gaps.Outside(s, seq) {
		for _, user := range w.keys {
			if part.Contains(user) {
				outside[string(user)] = true
			}
		}
	}
	for _, user := range w.keys {
		inside := s.Contains(user)
		lives := slices.ContainsFunc(w.versions[string(user)], func(v version) bool {
			return v.put && v.seq <= w.visible && w.lives(user, max(v.seq, seq))
		})
		if outside[string(user)] && !inside || inside && lives && !outside[string(user)] {
			rt.Fatalf("since %d in %q: %q is looked at: %v", seq, s, user, outside[string(user)])
		}
	}
}

// A gap that holds a key with a value hides it from every scan, and from the check of every commit, in whatever
// order the steps of commits and of claims come.
func TestGaps_holdNothingThatAReaderSees(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := world{keys: drawKeys(rt), versions: map[string][]version{}}
		for range rapid.IntRange(40, 120).Draw(rt, "steps") {
			if rapid.IntRange(0, 2).Draw(rt, "step") == 0 {
				w.write(rt)
			} else {
				w.propose(rt)
			}
			w.check(rt)
		}
	})
}

func number(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

func numbers(lo, hi int) span.Span { return span.Span{Lo: number(lo), Hi: number(hi)} }

// Gaps without end would take memory without end, and each put would search longer; and gaps in use must not be
// replaced by those that are not.
func TestGaps_staysBoundedAndKeepsWhatIsUsed(t *testing.T) {
	var g Gaps
	for n := range 10 * maxGaps {
		g.Add(numbers(10*n, 10*n+5))
		if _, found := g.Find(number(3), 0); !found {
			t.Fatalf("the gap that is used most is gone after %d others", n)
		}
	}
	if n := g.Len(); n != maxGaps {
		t.Errorf("there are %d gaps, want %d", n, maxGaps)
	}
	long := make([]byte, maxKeyBytes+1)
	if g.Add(span.Closed(long, long)); g.Len() != maxGaps {
		t.Error("a gap of keys that are too long was kept")
	}
}

// Neighbours that are the same to everybody must become one, or a queue would end with as many gaps as fit, and jump
// over each of them. What differs for a reader must stay apart, or that reader would walk through all of it once
// more.
func TestSettle_joinsNeighboursThatNoReaderTellsApart(t *testing.T) {
	var g Gaps
	note := func(lo, hi int, since key.SeqNum, readers ...key.SeqNum) {
		g.Settle(g.Claim(numbers(lo, hi), since), true, func(from, to key.SeqNum) bool {
			return slices.ContainsFunc(readers, func(r key.SeqNum) bool { return from <= r && r < to })
		})
	}
	note(0, 10, 5)
	note(10, 20, 8, 7)
	if gap, found := g.Find(number(0), 7); !found || !bytes.Equal(gap.Hi, number(10)) {
		t.Errorf("the reader at 7 has the gap %x, %v", gap, found)
	}
	note(20, 30, 9, 12)
	if gap, _ := g.Find(number(0), 9); g.Len() != 1 || !bytes.Equal(gap.Hi, number(30)) {
		t.Errorf("%d gaps, the first is %x, want one", g.Len(), gap)
	}
	if _, found := g.Find(number(0), 8); found {
		t.Error("a gap since 9 holds for a reader at 8")
	}
}

// line is keys in order, some of which are dead, and a reader that looks for the first or last live one.
type line struct {
	gaps   Gaps
	dead   []bool
	passed int
}

func (l *line) Find(user []byte, seq key.SeqNum) (found span.Span, ok bool) {
	return l.gaps.Find(user, seq)
}
func (l *line) Found(s span.Span, _ key.SeqNum) { l.gaps.Add(s) }

// find returns the first live key, or going backward the last.
func (l *line) find(backward bool) int {
	w := Walk{Known: l}
	w.Begin(backward, 0)
	defer w.End()
	step, at := 1, 0
	if backward {
		step, at = -1, len(l.dead)-1
	}
	for ; at >= 0 && at < len(l.dead) && l.dead[at]; at += step {
		l.passed++
		w.Pass(number(at), number(at), 1)
		if to, jump := w.Jump(); jump { // to the first key at or after it, or backward to the last one before it
			next := int(binary.BigEndian.Uint32(to)) + len(to) - 4
			at = next - 1
			if backward {
				at = next
			}
		}
	}
	return at
}

// Each look at the head of a queue would walk through all that was ever taken from it.
func TestWalk_paysForDeadKeysOnce(t *testing.T) {
	for _, backward := range []bool{false, true} {
		t.Run(fmt.Sprintf("backward %v", backward), func(t *testing.T) {
			const keys = 20_000
			l := line{dead: make([]bool, keys)}
			for n := range keys {
				want := n
				if backward {
					want = keys - 1 - n
				}
				if at := l.find(backward); at != want {
					t.Fatalf("the head is %d, want %d", at, want)
				}
				l.dead[want] = true
			}
			if limit := keys * (minRows + 2*lookEvery); l.passed > limit {
				t.Errorf("%d steps for %d looks at the head, want at most %d", l.passed, keys, limit)
			}
		})
	}
}
