package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/ranges"
)

// differs is cmp.Diff, which takes sets of range tombstones that hold the same for equal.
func differs(x, y any) string {
	return cmp.Diff(x, y, cmp.Comparer(func(s, o *ranges.Set) bool {
		return slices.EqualFunc(slices.Collect(s.All()), slices.Collect(o.All()), func(a, b ranges.Tombstone) bool {
			return ranges.Compare(a, b) == 0
		})
	}))
}

// over is a range tombstone over the keys from lo to before hi; an empty hi is an open end.
func over(lo, hi string, seq key.SeqNum) ranges.Tombstone {
	t := ranges.Tombstone{Span: span.Span{Lo: []byte(lo)}, Seq: seq}
	if hi != "" {
		t.Hi = []byte(hi)
	}
	return t
}

// rangesText names the range tombstones of v.
func rangesText(v *Version) string {
	var all []string
	for t := range v.Ranges.All() {
		all = append(all, fmt.Sprintf("%s-%s:%d", t.Lo, t.Hi, t.Seq))
	}
	return strings.Join(all, " ")
}

// A version that forgets a tombstone brings back all that it hides; one that keeps it for ever fills the manifest.
func TestApply_rangeTombstonesJoinAndLeave(t *testing.T) {
	versions := history(t, sampleEdits())
	for i, want := range []string{"", "", "", "", "", "", "", "", "-:41 c-e:41 x-z:40", "-:41 c-e:41"} {
		if got := rangesText(versions[i]); got != want {
			t.Errorf("after edit %d: %q, want %q", i, got, want)
		}
	}
}

// impossibleRanges are edits that contradict sampleEdits in what they say of range tombstones.
func impossibleRanges(changed func(change func(*TableMeta)) *Edit) map[string]*Edit {
	adds := func(ts ...ranges.Tombstone) *Edit { return &Edit{RangesAdded: ts} }
	removes := func(ts ...ranges.Tombstone) *Edit { return &Edit{RangesRemoved: ts} }
	long := strings.Repeat("k", key.MaxStoredKeySize+1)
	return map[string]*Edit{
		"range over no key":             adds(over("c", "c", 3)),
		"range with its ends reversed":  adds(over("d", "c", 3)),
		"range number zero":             adds(over("c", "d", 0)),
		"range number beyond the last":  adds(over("c", "d", 42)),
		"range with a long lower end":   adds(over(long, "", 3)),
		"range with a long upper end":   adds(over("c", long, 3)),
		"range that is there":           adds(over("c", "e", 41)),
		"range added twice":             adds(over("c", "d", 3), over("c", "d", 3)),
		"range removed, never there":    removes(over("c", "e", 39)),
		"range removed, of other keys":  removes(over("c", "f", 41)),
		"range removed twice":           removes(over("c", "e", 41), over("c", "e", 41)),
		"range removed, with old below": removes(over("", "", 41)),
		"cleared beyond the last":       changed(func(m *TableMeta) { m.Cleared = 42 }),
	}
}

// A tombstone that leaves while a table has an entry that it hides lets that come back; one that is kept for a table
// that can have none never leaves.
func TestNeeds_whileATableMayHaveWhatIsHidden(t *testing.T) {
	tomb := over("f", "k", 50)
	for _, c := range []struct {
		name string
		m    *TableMeta
		want bool
	}{
		{"older, within", table(20, 40, "g", "h"), true},
		{"older, around", table(20, 40, "a", "z"), true},
		{"older, up to its first key", table(20, 40, "a", "f"), true},
		{"older, before it", table(20, 40, "a", "ezz"), false},
		{"older, from its last key on", table(20, 40, "jzz", "z"), true},
		{"older, from its end on", table(20, 40, "k", "z"), false},
		{"one entry older", table(20, 58, "g", "h"), true},
		{"all newer", table(20, 60, "g", "h"), false},
		{"older, freed of it", cleared(table(20, 40, "a", "z"), 50), false},
		{"older, freed of those before", cleared(table(20, 40, "a", "z"), 49), true},
		{"all of one older number", ingested(table(20, 49, "g", "h")), true},
		{"all of one newer number", ingested(table(20, 51, "g", "h")), false},
	} {
		for level := range NumLevels {
			around := []Placed{{level, table(18, 45, "a", "a")}, {level, c.m}, {level, table(19, 47, "zz", "zzz")}}
			if level > 0 && string(c.m.Smallest) == "a" {
				around = around[1:]
			}
			v, err := emptyVersion().Apply(&Edit{Added: around, NextNum: 30, LastSeq: 60, RangesAdded: []ranges.Tombstone{tomb}})
			must(t, v, err)
			if got := v.Needs(tomb); got != c.want {
				t.Errorf("%s, level %d: %v", c.name, level, got)
			}
			if got := len(v.Needless(50)) == 0; got != c.want {
				t.Errorf("%s, level %d: kept %v", c.name, level, got)
			}
			if len(v.Needless(49)) > 0 {
				t.Errorf("%s, level %d: it leaves under a reader that stands below it", c.name, level)
			}
			_, err = v.Apply(&Edit{RangesRemoved: []ranges.Tombstone{tomb}})
			if refused := errors.Is(err, corrupt.ErrCorrupt); refused != c.want {
				t.Errorf("%s, level %d: removed with %v", c.name, level, err)
			}
		}
	}
}

// cleared is m, written when no range tombstone up to seq hid an entry of it any more.
func cleared(m *TableMeta, seq key.SeqNum) *TableMeta {
	m.Cleared = seq
	return m
}

// Which tables a span concerns is asked of each level in its own way; one that is left out is one that comes back.
func TestTouching_isWhatTheBoundsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := func(what string) string { return rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 3, -1).Draw(t, what) }
		bounds := map[string]bool{}
		for range rapid.IntRange(0, 10).Draw(t, "bounds") {
			bounds[name("bound")] = true
		}
		var sorted []string
		for b := range bounds {
			sorted = append(sorted, b)
		}
		slices.Sort(sorted)
		v := &Version{}
		for i := 0; i+1 < len(sorted); i += 2 {
			m := table(filename.Num(i+1), 10, sorted[i], sorted[i+1])
			v.Levels[0], v.Levels[3] = append(v.Levels[0], m), append(v.Levels[3], m)
		}
		s := over(name("lo"), name("hi"), 1).Span
		if s.Empty() {
			return
		}
		var want []*TableMeta
		for _, m := range v.Levels[3] {
			if s.Overlaps(span.Span{Lo: m.Smallest, Hi: append(slices.Clone(m.Largest), 0)}) {
				want = append(want, m)
			}
		}
		for _, level := range []int{0, 3} {
			if got := v.Touching(level, s); !slices.Equal(got, want) {
				t.Fatalf("level %d, %q: %d tables, want %d", level, s, len(got), len(want))
			}
		}
	})
}
