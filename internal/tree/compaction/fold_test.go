package compaction

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge/mergetest"
)

func text(user string, seq key.SeqNum, value string) mergetest.Entry {
	return mergetest.Entry{Key: key.Make([]byte(user), seq, key.KindPut), Value: []byte(value)}
}

func operation(user string, seq key.SeqNum, o operand.Operator, argument string) mergetest.Entry {
	return mergetest.Entry{Key: key.Make([]byte(user), seq, key.KindMerge), Value: append([]byte{byte(o)}, argument...)}
}

func appends(user string, seq key.SeqNum, argument string) mergetest.Entry {
	return operation(user, seq, operand.Append, argument)
}

// described is the content of a level with its values.
func (w *world) described(level int) (all []string) {
	for _, t := range w.v.Levels[level] {
		for _, e := range w.files[t.Num] {
			value := string(e.Value)
			if e.Key.Trailer.Kind() == key.KindMerge {
				value = fmt.Sprintf("%v %s", operand.Operator(value[0]), value[1:])
			}
			all = append(all, fmt.Sprintf("%v %s", e.Key, value))
		}
	}
	return all
}

// joined is the result of merging arguments into old, absent that of merging them into nothing.
func joined(old string, arguments ...string) string { return folded([]byte(old), true, arguments) }

func absent(arguments ...string) string { return folded(nil, false, arguments) }

func folded(value []byte, present bool, arguments []string) string {
	for _, a := range arguments {
		var err error
		if value, err = rules.Fold(nil, value, present, append([]byte{byte(operand.User)}, a...)); err != nil {
			panic(err)
		}
		present = true
	}
	return string(value)
}

// What a merge function can join would be kept apart, and applied one by one by each reader. What it cannot, or what a
// snapshot sees apart, would be joined all the same.
func TestExecute_mergesArgumentsPartially(t *testing.T) {
	user := func(seq key.SeqNum) mergetest.Entry { return operation("k", seq, operand.User, "a") }
	for _, c := range []struct {
		name      string
		partial   bool
		snapshots []key.SeqNum
		entries   []mergetest.Entry // over an older version in another table, which nobody looks up
		want      []key.SeqNum      // of the operands that are left, the newest first
	}{
		{"joined", true, []key.SeqNum{20}, []mergetest.Entry{user(7), user(8), user(9)}, []key.SeqNum{9}},
		{"without such a function", false, []key.SeqNum{20}, []mergetest.Entry{user(8), user(9)}, []key.SeqNum{9, 8}},
		{"another operator between", true, []key.SeqNum{20},
			[]mergetest.Entry{user(5), user(6), appends("k", 7, "b"), user(8), user(9)}, []key.SeqNum{9, 7, 6}},
		{"a reader between", true, []key.SeqNum{7, 20}, []mergetest.Entry{user(6), user(7), user(8), user(9)},
			[]key.SeqNum{9, 7}},
		{"above all readers", true, []key.SeqNum{7}, []mergetest.Entry{user(6), user(7), user(8), user(9)},
			[]key.SeqNum{9, 8, 7}},
	} {
		w := newWorld(smallParams())
		w.partial = c.partial
		below := w.place(6, text("j", 1, ""), text("k", 2, "below"), text("l", 3, ""))
		job := &Job{Reason: ReasonL0, OutputLevel: 3}
		job.Inputs[0] = []*manifest.TableMeta{w.place(0, c.entries...)}
		job.Overlaps[6] = []*manifest.TableMeta{below}
		edit, _, err := job.Execute(context.Background(), c.snapshots, w.deps())
		if err != nil || w.install(edit) != nil {
			t.Fatal(c.name, err)
		}
		var got []key.SeqNum
		for _, e := range w.files[w.v.Levels[3][0].Num] {
			got = append(got, e.Key.Trailer.Seq())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestExecute_foldsWithinAStripe: an operand that is folded with what a snapshot sees without it, in another order,
// or with less than there is below it, is a wrong value for some reader.
func TestExecute_foldsWithinAStripe(t *testing.T) {
	join := func(user string, seq key.SeqNum, argument string) mergetest.Entry {
		return operation(user, seq, operand.User, argument)
	}
	long := strings.Repeat("x", 2*maxBelowBytesPerOperand+1)
	for _, c := range []struct {
		name      string
		snapshots []key.SeqNum
		entries   []mergetest.Entry
		want      []string
	}{
		{"onto a put", []key.SeqNum{9},
			[]mergetest.Entry{text("k", 1, "x"), text("k", 2, "a"), appends("k", 3, "b"), appends("k", 5, "c")},
			[]string{`"k"#5,put abc`}},
		{"onto a tombstone", []key.SeqNum{9},
			[]mergetest.Entry{text("k", 1, "x"), del("k", 2), appends("k", 3, "b"), appends("k", 5, "c")},
			[]string{`"k"#5,put bc`}},
		{"onto nothing", []key.SeqNum{9},
			[]mergetest.Entry{appends("k", 3, "b"), appends("k", 5, "c")},
			[]string{`"k"#5,put bc`}},
		{"onto nothing, above the oldest reader", []key.SeqNum{2, 9},
			[]mergetest.Entry{appends("k", 3, "b"), appends("k", 5, "c")},
			[]string{`"k"#5,put bc`}},
		{"a put hides operands", []key.SeqNum{9},
			[]mergetest.Entry{appends("k", 3, "b"), text("k", 4, "a"), appends("k", 5, "c")},
			[]string{`"k"#5,put ac`}},
		{"a reader between operand and put", []key.SeqNum{4, 9},
			[]mergetest.Entry{text("k", 4, "a"), appends("k", 5, "b"), appends("k", 6, "c")},
			[]string{`"k"#6,merge append bc`, `"k"#4,put a`}},
		{"a reader between operands", []key.SeqNum{4, 9},
			[]mergetest.Entry{text("k", 2, "a"), appends("k", 3, "b"), appends("k", 5, "c"), appends("k", 6, "d")},
			[]string{`"k"#6,merge append cd`, `"k"#3,put ab`}},
		{"not yet visible", []key.SeqNum{3},
			[]mergetest.Entry{text("k", 2, "a"), appends("k", 3, "b"), appends("k", 4, "c"), appends("k", 5, "d")},
			[]string{`"k"#5,merge append d`, `"k"#4,merge append c`, `"k"#3,put ab`}},
		{"operators that differ", []key.SeqNum{4, 9},
			[]mergetest.Entry{text("k", 3, "a"), appends("k", 5, "b"), join("k", 6, "c"), join("k", 7, "d"),
				appends("k", 8, "e"), appends("k", 9, "f")},
			[]string{`"k"#9,put ` + joined("ab", "c", "d") + `ef`, `"k"#3,put a`}},
		{"a long value and a reader", []key.SeqNum{4, 9},
			[]mergetest.Entry{text("k", 3, long), join("k", 5, "b"), join("k", 6, "c")},
			[]string{`"k"#6,merge merge c`, `"k"#5,merge merge b`, `"k"#3,put ` + long}},
		{"readers between all", []key.SeqNum{3, 5, 7, 9},
			[]mergetest.Entry{text("k", 2, "a"), join("k", 3, "b"), join("k", 4, "c"), join("k", 5, "d"), join("k", 6, "e"),
				join("k", 8, "f"), join("k", 9, "g")},
			[]string{`"k"#9,put ` + joined("a", "b", "c", "d", "e", "f", "g"), `"k"#6,merge merge e`,
				`"k"#5,put ` + joined("a", "b", "c", "d"), `"k"#3,put ` + joined("a", "b")}},
		{"a reader above a tombstone", []key.SeqNum{4, 9},
			[]mergetest.Entry{text("k", 2, "a"), del("k", 3), join("k", 5, "b"), join("k", 6, "c")},
			[]string{`"k"#6,put ` + absent("b", "c")}},
		{"a reader above a tombstone that another needs", []key.SeqNum{2, 4, 9},
			[]mergetest.Entry{text("k", 2, "a"), del("k", 3), join("k", 5, "b"), join("k", 6, "c")},
			[]string{`"k"#6,put ` + absent("b", "c"), `"k"#3,delete `, `"k"#2,put a`}},
		{"what cannot be folded below a reader", []key.SeqNum{4, 9},
			[]mergetest.Entry{text("k", 2, "a"), join("k", 3, "bad"), join("k", 5, "b"), join("k", 6, "c")},
			[]string{`"k"#6,merge merge c`, `"k"#5,merge merge b`, `"k"#3,merge merge bad`, `"k"#2,put a`}},
		{"what cannot be folded above a reader", []key.SeqNum{4, 6, 9},
			[]mergetest.Entry{text("k", 2, "a"), join("k", 3, "b"), join("k", 5, "bad"), join("k", 6, "c"),
				join("k", 7, "d"), join("k", 8, "e")},
			[]string{`"k"#8,merge merge e`, `"k"#7,merge merge d`, `"k"#6,merge merge c`, `"k"#5,merge merge bad`,
				`"k"#3,put ` + joined("a", "b")}},
		{"what cannot be folded stays", []key.SeqNum{9},
			[]mergetest.Entry{text("k", 2, "a"), appends("k", 3, "b"), join("k", 4, "bad"), appends("k", 5, "c")},
			[]string{`"k"#5,merge append c`, `"k"#4,merge merge bad`, `"k"#3,merge append b`, `"k"#2,put a`}},
		{"and the value below it, too", []key.SeqNum{9},
			[]mergetest.Entry{text("k", 2, "a"), del("k", 3), join("k", 4, "bad")},
			[]string{`"k"#4,merge merge bad`, `"k"#3,delete `}},
		{"until a put comes", []key.SeqNum{9},
			[]mergetest.Entry{text("k", 2, "a"), join("k", 4, "bad"), text("k", 5, "b"), appends("k", 6, "c")},
			[]string{`"k"#6,put bc`}},
		{"other keys are not touched", []key.SeqNum{9},
			[]mergetest.Entry{appends("a", 4, "1"), text("k", 5, "2"), appends("ka", 3, "3"), text("kb", 2, "4")},
			[]string{`"a"#4,put 1`, `"k"#5,put 2`, `"ka"#3,put 3`, `"kb"#2,put 4`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(smallParams())
			edit, stats, err := w.toLast(c.entries...).Execute(context.Background(), c.snapshots, w.deps())
			if err != nil || w.install(edit) != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, w.described(6)); diff != "" {
				t.Error(diff)
			}
			if stats.EntriesOut != uint64(len(c.want)) ||
				stats.EntriesIn != stats.EntriesOut+stats.Shadowed+stats.Tombstones+stats.Folded {
				t.Errorf("impossible statistics %+v", stats)
			}
		})
	}
}

// TestExecute_keepsOperandsOverOlderVersions: an operand that is folded onto nothing while the value is further down
// hides that value for ever.
func TestExecute_keepsOperandsOverOlderVersions(t *testing.T) {
	for _, level := range []int{1, 4, 6} {
		w := newWorld(smallParams())
		w.place(level, text("a", 1, "-"), text("k", 2, "a"), text("z", 3, "-"))
		w.place(3, text("j", 4, "-"), text("l", 5, "-")) // so that the job merges, instead of moving its input
		upper := w.place(0, appends("k", 10, "b"), appends("k", 11, "c"))
		mustRun(t, w, w.picker().job(0, []*manifest.TableMeta{upper}, 3, ReasonManual))
		if diff := cmp.Diff([]string{`"j"#4,put -`, `"k"#11,merge append bc`, `"l"#5,put -`}, w.described(3)); diff != "" {
			t.Errorf("over a value in level %d: %s", level, diff)
		}
	}
}

// TestExecute_foldsOntoWhatLiesBelow: a read of a row that is merged into in every flush would call the merge
// function once for each flush, until a compaction reaches the bottom. But the row must become the value below,
// once, and below a reader what that reader sees.
func TestExecute_foldsOntoWhatLiesBelow(t *testing.T) {
	merges := func(first key.SeqNum, arguments ...string) (all []mergetest.Entry) {
		for i, a := range arguments {
			all = append(all, operation("k", first+key.SeqNum(i), operand.User, a))
		}
		return all
	}
	long := strings.Repeat("x", 5*maxBelowBytesPerOperand)
	for _, c := range []struct {
		name      string
		below     mergetest.Entry
		entries   []mergetest.Entry
		snapshots []key.SeqNum
		blind     bool // what lies below cannot be read
		want      []string
	}{
		{"a put", text("k", 2, "a"), merges(10, "p", "q", "r", "s"), []key.SeqNum{20}, false,
			[]string{`"k"#13,put ` + joined("a", "p", "q", "r", "s")}},
		{"a tombstone", del("k", 2), merges(10, "p", "q", "r", "s"), []key.SeqNum{20}, false,
			[]string{`"k"#13,put ` + absent("p", "q", "r", "s")}},
		{"other keys only", text("j", 2, "a"), merges(10, "p", "q", "r", "s"), []key.SeqNum{20}, false,
			[]string{`"k"#13,put ` + absent("p", "q", "r", "s")}},
		{"a reader between", text("k", 2, "a"), merges(10, "p", "q", "r", "s", "t"), []key.SeqNum{13, 20}, false,
			[]string{`"k"#14,merge merge t`, `"k"#13,put ` + joined("a", "p", "q", "r", "s")}},
		{"a reader between twice as many", text("k", 2, "a"), merges(10, "p", "q", "r", "s", "t", "u"),
			[]key.SeqNum{13, 20}, false,
			[]string{`"k"#15,put ` + joined("a", "p", "q", "r", "s", "t", "u"),
				`"k"#13,put ` + joined("a", "p", "q", "r", "s")}},
		{"a reader between all", text("k", 2, "a"), merges(10, "p", "q", "r", "s"), []key.SeqNum{10, 11, 12, 20}, false,
			[]string{`"k"#13,merge merge s`, `"k"#12,merge merge r`, `"k"#11,merge merge q`, `"k"#10,merge merge p`}},
		{"not yet visible", text("k", 2, "a"), merges(10, "p", "q", "r", "s"), []key.SeqNum{9}, false,
			[]string{`"k"#13,merge merge s`, `"k"#12,merge merge r`, `"k"#11,merge merge q`, `"k"#10,merge merge p`}},
		{"few operands", text("k", 2, "a"), merges(10, "p", "q", "r"), []key.SeqNum{20}, false,
			[]string{`"k"#12,merge merge r`, `"k"#11,merge merge q`, `"k"#10,merge merge p`}},
		{"a long value", text("k", 2, long), merges(10, "p", "q", "r", "s"), []key.SeqNum{20}, false,
			[]string{`"k"#13,merge merge s`, `"k"#12,merge merge r`, `"k"#11,merge merge q`, `"k"#10,merge merge p`}},
		{"what cannot be read", text("k", 2, "a"), merges(10, "p", "q", "r", "s"), []key.SeqNum{20}, true,
			[]string{`"k"#13,merge merge s`, `"k"#12,merge merge r`, `"k"#11,merge merge q`, `"k"#10,merge merge p`}},
		{"what cannot be folded", text("k", 2, "a"), merges(10, "p", "q", "bad", "s"), []key.SeqNum{20}, false,
			[]string{`"k"#13,merge merge s`, `"k"#12,merge merge bad`, `"k"#11,merge merge q`, `"k"#10,merge merge p`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(smallParams())
			w.place(6, text("a", 1, "-"), c.below, text("z", 3, "-"))
			w.place(3, text("j", 4, "-"), text("l", 5, "-"))
			upper := w.place(0, c.entries...)
			job := w.picker().job(0, []*manifest.TableMeta{upper}, 3, ReasonManual)
			deps := w.depsFor(job)
			if c.blind {
				deps.Below = func(dst, _ []byte, _ key.SeqNum, _ int) ([]byte, bool, bool) { return dst, false, false }
			}
			edit, stats, err := job.Execute(context.Background(), c.snapshots, deps)
			if err != nil || w.install(edit) != nil {
				t.Fatal(err)
			}
			want := append(append([]string{`"j"#4,put -`}, c.want...), `"l"#5,put -`)
			if diff := cmp.Diff(want, w.described(3)); diff != "" {
				t.Error(diff)
			}
			if stats.EntriesIn != stats.EntriesOut+stats.Shadowed+stats.Tombstones+stats.Folded {
				t.Errorf("impossible statistics %+v", stats)
			}
		})
	}
}

// TestExecute_foldsOntoWhatIsOlderOnly: tables outside of the job may lie between its inputs, and hold what came
// after the operands; a row would be made of what it became later.
func TestExecute_foldsOntoWhatIsOlderOnly(t *testing.T) {
	w := newWorld(smallParams())
	base := w.place(6, text("a", 1, "-"), text("k", 2, "a"), text("z", 3, "-"))
	var merges []mergetest.Entry
	for i, argument := range []string{"p", "q", "r", "s"} {
		merges = append(merges, operation("k", key.SeqNum(10+i), operand.User, argument))
	}
	oldest := w.place(0, merges...)
	between := w.place(0, text("k", 20, "later"))
	newest := w.place(0, text("j", 30, "-"), text("l", 31, "-"))
	job := &Job{Reason: ReasonL0, OutputLevel: 3}
	job.Inputs[0] = []*manifest.TableMeta{newest, oldest}
	job.Overlaps[0], job.Overlaps[6] = []*manifest.TableMeta{between}, []*manifest.TableMeta{base}
	edit, _, err := job.Execute(context.Background(), []key.SeqNum{40}, w.depsFor(job))
	if err != nil || w.install(edit) != nil {
		t.Fatal(err)
	}
	want := []string{`"j"#30,put -`, `"k"#13,put ` + joined("a", "p", "q", "r", "s"), `"l"#31,put -`}
	if diff := cmp.Diff(want, w.described(3)); diff != "" {
		t.Error(diff)
	}
}

// TestExecute_foldsInBoundedMemory: a key with more operands than there is memory for must still come down, and lose
// none.
func TestExecute_foldsInBoundedMemory(t *testing.T) {
	w := newWorld(smallParams())
	var want []byte
	entries := []mergetest.Entry{text("k", 1, "")}
	for i := range 11 {
		part := strings.Repeat(string(rune('a'+i)), 1<<20)
		entries = append(entries, appends("k", key.SeqNum(i+2), part))
		want = append(want, part...)
	}
	mustRun(t, w, w.toLast(append(entries, text("l", 20, "-"))...))
	var got []byte
	for _, e := range w.files[w.v.Levels[6][0].Num] {
		if len(e.Value) > maxOperandBytes {
			t.Errorf("%v has %d bytes", e.Key, len(e.Value))
		}
		if e.Key.Trailer.Kind() == key.KindMerge {
			got = append(e.Value[1:len(e.Value):len(e.Value)], got...)
		} else if string(e.Key.User) == "k" {
			got = append(e.Value[:len(e.Value):len(e.Value)], got...)
		}
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes are left of %d", len(got), len(want))
	}
}

// TestExecute_damagedOperandIsAnError: it must not be copied on as if it were one.
func TestExecute_damagedOperandIsAnError(t *testing.T) {
	w := newWorld(smallParams())
	job := w.toLast(operation("k", 1, 77, ""), text("l", 2, "-"))
	if _, _, err := job.Execute(context.Background(), []key.SeqNum{9}, w.deps()); !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("%v", err)
	}
}

// TestPick_leavesUnfoldableTablesAlone: what cannot be folded would be rewritten for ever.
func TestPick_leavesUnfoldableTablesAlone(t *testing.T) {
	w := newWorld(smallParams())
	table := w.place(6, text("k", 2, "a"), operation("k", 4, operand.User, "bad"))
	if w.pick(true) == nil {
		t.Error("an operand over a put looks like no garbage")
	}
	w.params.Unfoldable = func(num filename.Num) bool { return num == table.Num }
	if job := w.pick(true); job != nil {
		t.Errorf("a table that cannot be folded is rewritten: %v", job.Reason)
	}
	if job, done := w.pickRange(span.Span{}); job != nil || !done {
		t.Error("a table that cannot be folded is rewritten by hand")
	}
}
