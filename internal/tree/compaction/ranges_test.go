package compaction

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge/mergetest"
	"lightningdb/internal/tree/ranges"
)

// over is a range tombstone over the keys from lo to before hi.
func over(lo, hi string, seq key.SeqNum) ranges.Tombstone {
	return ranges.Tombstone{Span: span.Span{Lo: []byte(lo), Hi: []byte(hi)}, Seq: seq}
}

// What a range hides would stay for ever if nothing dropped it. Dropped too early it is missed by a reader, and what is
// newer is lost to all; operands that are folded across a range bring back what it hides.
func TestExecute_dropsWhatARangeHides(t *testing.T) {
	for _, c := range []struct {
		name      string
		snapshots []key.SeqNum
		ranges    []ranges.Tombstone
		entries   []mergetest.Entry
		want      []string
	}{
		{"older", []key.SeqNum{9}, []ranges.Tombstone{over("k", "l", 5)},
			[]mergetest.Entry{text("j", 1, "a"), text("k", 2, "b"), text("ka", 6, "c"), text("l", 3, "d")},
			[]string{`"j"#1,put a`, `"ka"#6,put c`, `"l"#3,put d`}},
		{"a reader between", []key.SeqNum{2, 9}, []ranges.Tombstone{over("k", "l", 5)},
			[]mergetest.Entry{text("k", 1, "a"), text("k", 2, "b"), text("k", 3, "c"), text("ka", 4, "d")},
			[]string{`"k"#2,put b`}},
		{"a range that is not yet visible", []key.SeqNum{4}, []ranges.Tombstone{over("k", "l", 5)},
			[]mergetest.Entry{text("k", 2, "a")},
			[]string{`"k"#2,put a`}},
		{"tombstones", []key.SeqNum{2, 9}, []ranges.Tombstone{over("k", "l", 5)},
			[]mergetest.Entry{text("k", 1, "a"), del("k", 3), text("ka", 2, "b"), del("ka", 4)},
			[]string{`"k"#1,put a`, `"ka"#2,put b`}},
		{"operands above a range", []key.SeqNum{9}, []ranges.Tombstone{over("k", "l", 5)},
			[]mergetest.Entry{text("k", 2, "a"), appends("k", 4, "b"), appends("k", 6, "c"), appends("k", 7, "d")},
			[]string{`"k"#7,put cd`}},
		{"and a reader of what is below", []key.SeqNum{4, 9}, []ranges.Tombstone{over("k", "l", 5)},
			[]mergetest.Entry{text("k", 2, "a"), appends("k", 4, "b"), appends("k", 6, "c"), appends("k", 7, "d")},
			[]string{`"k"#7,put cd`, `"k"#4,put ab`}},
		{"and one of the range alone", []key.SeqNum{5, 9}, []ranges.Tombstone{over("k", "l", 5)},
			[]mergetest.Entry{text("k", 2, "a"), appends("k", 6, "c"), appends("k", 7, "d")},
			[]string{`"k"#7,put cd`}},
		{"and one of some of them", []key.SeqNum{4, 6, 9}, []ranges.Tombstone{over("k", "l", 5)},
			[]mergetest.Entry{appends("k", 3, "a"), appends("k", 6, "c"), appends("k", 7, "d"), appends("k", 8, "e")},
			[]string{`"k"#8,merge append de`, `"k"#6,put c`, `"k"#3,put a`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(smallParams())
			w.seq = 9
			job := w.toLast(c.entries...)
			job.Ranges, job.Known = ranges.Of(c.ranges...), 5
			edit, _, err := job.Execute(context.Background(), c.snapshots, w.deps())
			if err != nil || w.install(edit) != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, w.described(6)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Operands above a range stand on nothing, wherever what it hides may be. But not if something may be between.
func TestExecute_operandsAboveARangeStandOnNothing(t *testing.T) {
	for _, c := range []struct {
		below mergetest.Entry
		want  string
	}{
		{text("k", 4, "hidden"), `"k"#7,put cd`},
		{text("k", 6, "between"), `"k"#7,merge append cd`},
	} {
		w := newWorld(smallParams())
		w.place(6, text("a", 1, ""), c.below, text("z", 2, ""))
		w.place(3, text("j", 3, "-"), text("l", 3, "-")) // so that the job merges, instead of moving its input
		upper := w.place(0, appends("k", 6, "c"), appends("k", 7, "d"))
		if c.below.Key.Trailer.Seq() == 6 {
			upper = w.place(0, appends("k", 7, "cd"))
		}
		job := w.picker().job(0, []*manifest.TableMeta{upper}, 3, ReasonManual)
		job.Ranges, job.Known = ranges.Of(over("k", "l", 5)), 5
		mustRun(t, w, job)
		if diff := cmp.Diff([]string{`"j"#3,put -`, c.want, `"l"#3,put -`}, w.described(3)); diff != "" {
			t.Errorf("over %v: %s", c.below.Key, diff)
		}
	}
}

// A table that is hidden as a whole would be read and merged for nothing. One that a reader needs, or that has
// something newer or something else, must not go.
func TestPick_takesHiddenTablesAwayUnread(t *testing.T) {
	for _, c := range []struct {
		name   string
		lo, hi string
		held   key.SeqNum // 0 for none
		want   string     // smallest keys of the tables that are left
	}{
		{"one", "m", "o", 0, "a x"},
		{"all", "", "", 0, ""},
		{"up to its last key", "m", "n", 0, "a m x"},
		{"from behind its first key on", "ma", "o", 0, "a m x"},
		{"a reader before the range", "m", "o", 5, "a m x"},
		{"a reader at the range", "m", "o", 6, "a x"},
	} {
		for _, level := range []int{1, 5, 6} {
			w := newWorld(smallParams())
			w.place(level, put("a", 1), put("b", 2))
			w.place(level, put("m", 3), put("n", 4))
			w.place(level, put("x", 5))
			if c.held == 5 {
				w.hold()
			}
			if w.removeRange(c.lo, c.hi); c.held == 6 {
				w.hold()
			}
			mustDo(t, w.flush())
			w.put("newer", nil)
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
			job := w.pick(false)
			if job != nil && job.Drop {
				mustRun(t, w, job)
			}
			var left []byte
			for _, m := range w.v.Levels[level] {
				left = append(append(left, ' '), m.Smallest...)
			}
			if got := string(bytes.TrimSpace(left)); got != c.want {
				t.Errorf("%s, level %d: %q are left, want %q", c.name, level, got, c.want)
			}
		}
	}
}

// A tombstone that stays costs every reader for ever, and one that goes too early brings back what it hides. A table
// that is written anew for it, though not all of it is hidden, is not written again.
func TestPick_eachRangeGoesInTheEnd(t *testing.T) {
	w := newWorld(smallParams())
	for i := range 40 {
		w.put(fmt.Sprintf("k%02d", i), bytes.Repeat([]byte{1}, 20))
	}
	mustSettle(t, w, true)
	held := w.hold()
	w.removeRange("k05", "k07")
	w.removeRange("k06", "k31")
	mustSettle(t, w, true)
	if w.v.Ranges.Len() != 2 {
		t.Fatalf("%d tombstones while a reader of before needs what they hide", w.v.Ranges.Len())
	}
	for level := range w.v.Levels { // what is written anew meanwhile is not freed of them
		for _, m := range w.v.Levels[level] {
			mustRun(t, w, w.picker().job(level, []*manifest.TableMeta{m}, level, ReasonManual))
		}
	}
	if err := w.checkAt(held, 0); err != nil {
		t.Fatal(err)
	}
	w.live = nil
	mustSettle(t, w, true)
	if w.v.Ranges != nil {
		t.Errorf("%d tombstones are left", w.v.Ranges.Len())
	}
	if err := w.check(); err != nil {
		t.Error(err)
	}
	if got, want := w.bytes(), w.liveBytes(); got != want {
		t.Errorf("%d bytes for %d live ones", got, want)
	}
	w.removeRange("k05", "k31") // where nothing is any more
	mustSettle(t, w, true)
	if w.v.Ranges != nil {
		t.Error("a tombstone over nothing is left")
	}
}

// With many tombstones every reader pays. They must go though the database is never quiet.
func TestPick_manyRangesGoWhileWritesGoOn(t *testing.T) {
	w := newWorld(smallParams())
	for i := range 20 {
		w.put(fmt.Sprintf("k%04d", 100*i), bytes.Repeat([]byte{1}, 20))
	}
	mustSettle(t, w, true)
	for i := range busyRanges {
		w.removeRange(fmt.Sprintf("k%04d", i), fmt.Sprintf("k%04d", i+1))
	}
	mustDo(t, w.flush())
	if n := w.v.Ranges.Len(); n == 0 || n > busyRanges {
		t.Fatalf("%d tombstones", n)
	}
	w.params.Due = 1000 // nothing else is urgent
	mustDo(t, w.settle(func() *Job { return w.pick(false) }))
	mustDo(t, w.check())
}

// What a memtable hides in tables decides whether its flush returns space.
func TestHiddenBy_countsTablesOnceAndHalves(t *testing.T) {
	w := newWorld(smallParams())
	first, second := w.place(6, put("a", 1), put("c", 2)), w.place(6, put("m", 3), put("n", 4))
	for _, c := range []struct {
		set  []ranges.Tombstone
		want int64
	}{
		{nil, 0},
		{[]ranges.Tombstone{over("a", "d", 9)}, first.Size},
		{[]ranges.Tombstone{over("a", "d", 9), over("a", "b", 8), over("a", "x", 7)}, first.Size + second.Size},
		{[]ranges.Tombstone{over("b", "n", 9)}, first.Size/2 + second.Size/2},
		{[]ranges.Tombstone{over("d", "m", 9)}, 0},
		{[]ranges.Tombstone{over("a", "x", 1)}, 0},
	} {
		if got := HiddenBy(w.v, ranges.Of(c.set...)); got != c.want {
			t.Errorf("%v hide %d bytes, want %d", c.set, got, c.want)
		}
	}
}
