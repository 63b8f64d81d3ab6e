package merge_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/gap"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/merge/mergetest"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/visible"
)

// shown is what a snapshot sees of a user key.
type shown struct {
	user, value []byte
	err         bool // the value cannot be folded
}

// seen is the model: what a snapshot at seq sees of entries within [lower, upper).
func seen(entries []mergetest.Entry, seq key.SeqNum, lower, upper []byte) []shown {
	return seenBy(entries, visible.Reader{Seq: seq}, lower, upper)
}

// seenBy is seen for a reader with a time.
func seenBy(entries []mergetest.Entry, reader visible.Reader, lower, upper []byte) []shown {
	var result []shown
	for _, e := range slices.Backward(entries) { // the oldest version of a key first
		user := e.Key.User
		inside := bytes.Compare(user, lower) >= 0 && (upper == nil || bytes.Compare(user, upper) < 0)
		if !inside || e.Key.Trailer.Seq() > reader.Seq {
			continue
		}
		last := len(result) - 1
		present := last >= 0 && bytes.Equal(result[last].user, user)
		next := shown{user: user, value: e.Value}
		ended := false
		if e.Key.Trailer.Kind() == key.KindPutUntil {
			var end key.Time
			end, next.value = key.SplitEnd(e.Value)
			ended = reader.Now >= end
		}
		if e.Key.Trailer.Kind() == key.KindMerge {
			var before shown
			if present {
				before = result[last]
			}
			value, err := operand.Rules{}.Fold(user, bytes.Clone(before.value), present, e.Value)
			next.value, next.err = value, err != nil || before.err
		}
		if present {
			result = result[:last]
		}
		if e.Key.Trailer.Kind() != key.KindDelete && !ended {
			result = append(result, next)
		}
	}
	slices.Reverse(result)
	return result
}

// optionalKey draws nil, the empty key or a user key.
func optionalKey(rt *rapid.T, label string) []byte {
	if rapid.IntRange(0, 3).Draw(rt, "any "+label) == 0 {
		return rapid.SliceOfN(rapid.SampledFrom([]byte{0, 'a', 0x7f, 0x80, 0xff}), 0, 3).Draw(rt, label)
	}
	return rapid.SampledFrom([][]byte{
		nil, nil, {0, 0}, []byte("a"), []byte("aaaaaaaab"), []byte("ac"), []byte("key-0002"),
		{0x80}, {0x80, 0}, {0xff}, {0xff, 0xff, 0xff},
	}).Draw(rt, label)
}

// TestVisible_equalsModel: a snapshot that sees too much, too little or another order breaks isolation.
func TestVisible_equalsModel(t *testing.T) {
	var pooled merge.Merging
	var v merge.Visible
	rapid.Check(t, func(rt *rapid.T) {
		entries := mergetest.Entries(rt, "entries", 100)
		if rapid.Bool().Draw(rt, "hot") {
			entries = heat(entries)
		}
		seq := key.SeqNum(rapid.IntRange(0, 101).Draw(rt, "snapshot"))
		lower, upper := optionalKey(rt, "lower"), optionalKey(rt, "upper")
		runs := deal(entries, rapid.IntRange(1, 4).Draw(rt, "runs"))
		reader := visible.Reader{Seq: seq, Now: key.Time(rapid.IntRange(0, 12).Draw(rt, "now"))}
		v.Reset(pooled.Reset(iterators(runs)...), reader, lower, upper)
		walk(rt, &v, seenBy(entries, reader, lower, upper))
		if err := v.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// What folding has read ahead must not be taken for read by the move after it: a deleted key would come back, or the
// next one be passed over.
func TestVisible_movesOnFromAFoldedKey(t *testing.T) {
	var entries []mergetest.Entry
	for _, e := range []struct {
		user string
		seq  key.SeqNum
		kind key.Kind
	}{
		{"\x00", 8, key.KindMerge}, {"\x00", 5, key.KindDelete}, {"\x00", 1, key.KindDelete},
		{"aaaaaaaab", 7, key.KindDelete}, {"aaaaaaaab", 6, key.KindPut}, {"ab", 2, key.KindMerge},
	} {
		entry := mergetest.Entry{Key: key.Make([]byte(e.user), e.seq, e.kind)}
		if e.kind == key.KindMerge {
			entry.Value = []byte{byte(operand.Append), byte(e.seq)}
		}
		entries = append(entries, entry)
	}
	var v merge.Visible
	v.Reset(mergetest.NewSlice(entries), visible.Reader{Seq: 8}, nil, nil)
	want := seen(entries, 8, nil, nil)
	v.First()
	mustShow(t, &v, want[0])
	v.Next()
	mustShow(t, &v, want[1])
}

// heat gives three neighbouring user keys all the entries, so that each has very many versions.
func heat(entries []mergetest.Entry) []mergetest.Entry {
	hot := slices.Clone(entries)
	for i := range hot {
		hot[i].Key.User = [][]byte{[]byte("a"), []byte("ab"), []byte("b")}[i*3/len(hot)]
	}
	slices.SortFunc(hot, func(a, b mergetest.Entry) int { return key.Compare(a.Key, b.Key) })
	return hot
}

// TestVisible_manyVersions: the jump over a long run of versions must land where stepping would.
func TestVisible_manyVersions(t *testing.T) {
	const versions = 50
	var entries []mergetest.Entry
	for i, user := range []string{"a", "b", "c"} {
		for n := range versions {
			kind := key.KindPut
			if user == "b" && n%7 == 0 {
				kind = key.KindDelete
			}
			value := fmt.Append(nil, n)
			if user == "c" && n%19 > 0 {
				kind, value = key.KindMerge, append([]byte{byte(operand.Append)}, value...)
			}
			k := key.Make([]byte(user), key.SeqNum(3*(versions-n)+i), kind)
			entries = append(entries, mergetest.Entry{Key: k, Value: value})
		}
	}
	for seq := range key.SeqNum(3*versions + 5) {
		want := seen(entries, seq, nil, nil)
		var v merge.Visible
		v.Reset(merge.New(iterators(deal(entries, 3))...), visible.Reader{Seq: seq}, nil, nil)
		at := -1
		for _, name := range []string{
			"First", "Next", "Next", "Next", "Last", "Prev", "Prev", "Prev",
			"First", "Next", "Prev", "Next", "Next", "Prev", "Next", "Next",
		} {
			var ok bool
			at, ok = moveVisible(&v, name, nil, want, at)
			if inside := at >= 0 && at < len(want); ok != inside || v.Err() != nil {
				t.Fatalf("snapshot %d: %s = %v, error %v, want %v", seq, name, ok, v.Err(), inside)
			} else if inside {
				mustShow(t, &v, want[at])
			}
		}
	}
}

// TestVisible_batches: what is taken in batches must show the same as what is taken one by one: keys of a few
// versions, some deleted or merged, from one source or several, at every snapshot, there and back.
func TestVisible_batches(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		var entries []mergetest.Entry
		seqs := random.Perm(90)
		for i := range 30 {
			user := fmt.Appendf(nil, "%02d%d", i, i/2%2) // every other key ends as the one before
			for range 1 + random.IntN(3) {
				k := key.Make(user, key.SeqNum(seqs[len(entries)]+1), key.Kind([]int{1, 1, 1, 4, 0, 2}[random.IntN(6)]))
				e := mergetest.Entry{Key: k}
				if k.Trailer.Kind() != key.KindDelete {
					e.Value = []byte{byte(operand.Append), byte(k.Trailer.Seq())}
				}
				if k.Trailer.Kind() == key.KindPutUntil {
					e.Value = key.WithEnd(nil, key.Time(1+random.IntN(10)), e.Value)
				}
				entries = append(entries, e)
			}
		}
		slices.SortFunc(entries, func(a, b mergetest.Entry) int { return key.Compare(a.Key, b.Key) })
		for seq := range key.SeqNum(92) {
			var v merge.Visible
			reader := visible.Reader{Seq: seq, Now: key.Time(seed)}
			v.Reset(merge.New(iterators(deal(entries, 1+int(seed)%3))...), reader, nil, nil)
			thereAndBack(t, &v, seenBy(entries, reader, nil, nil), random)
		}
	}
}

// thereAndBack walks v in both directions, and turns round at a random place on each way.
func thereAndBack(t *testing.T, v *merge.Visible, want []shown, random *rand.Rand) {
	t.Helper()
	at := -1
	for _, start := range []string{"First", "Last"} {
		ways := []string{"Next", "Prev"}
		if start == "Last" {
			slices.Reverse(ways)
		}
		at, _ = moveVisible(v, start, nil, want, at)
		turn := random.IntN(len(want) + 1)
		for step := range 3 * len(want) {
			if at < 0 || at >= len(want) {
				break
			}
			mustShow(t, v, want[at])
			name := ways[0]
			if step >= turn && step < turn+turn/2 {
				name = ways[1]
			}
			var ok bool
			if at, ok = moveVisible(v, name, nil, want, at); ok != (at >= 0 && at < len(want)) || v.Err() != nil {
				t.Fatalf("%s to %d of %d = %v, error %v", name, at, len(want), ok, v.Err())
			}
		}
	}
}

// walk makes random moves and compares every position with the model.
func walk(rt *rapid.T, v *merge.Visible, want []shown) {
	at := -1 // outside of want is none
	for range rapid.IntRange(1, 50).Draw(rt, "moves") {
		name := rapid.SampledFrom([]string{
			"First", "Last", "SeekGE", "SeekLT", "Next", "Next", "Next", "Prev", "Prev", "Prev",
		}).Draw(rt, "move")
		target := optionalKey(rt, "target")
		next, got := moveVisible(v, name, target, want, at)
		at = next
		if inside := at >= 0 && at < len(want); got != inside || v.Valid() != inside || v.Err() != nil {
			rt.Fatalf("%s(%q) = %v, Valid %v, error %v, want %v", name, target, got, v.Valid(), v.Err(), inside)
		} else if inside {
			mustShow(rt, v, want[at])
		}
	}
}

// moveVisible moves v and returns where in want it ought to be.
func moveVisible(v *merge.Visible, name string, target []byte, want []shown, at int) (next int, got bool) {
	first := sort.Search(len(want), func(i int) bool { return bytes.Compare(want[i].user, target) >= 0 })
	atNone := at < 0 || at >= len(want)
	switch name {
	case "First":
		return 0, v.First()
	case "Last":
		return len(want) - 1, v.Last()
	case "SeekGE":
		return first, v.SeekGE(target)
	case "SeekLT":
		return first - 1, v.SeekLT(target)
	}
	if atNone {
		next = -1
	} else if name == "Next" {
		next = at + 1
	} else {
		next = at - 1
	}
	if name == "Next" {
		return next, v.Next()
	}
	return next, v.Prev()
}

func mustShow(t fataler, v *merge.Visible, want shown) {
	t.Helper()
	value, err := v.Value()
	if !bytes.Equal(v.Key(), want.user) || errors.Is(err, operand.ErrMerge) != want.err ||
		!want.err && (err != nil || !bytes.Equal(value, want.value)) {
		t.Fatalf("at %q = %.20q (error %v), want %q = %.20q (error: %v)",
			v.Key(), value, err, want.user, want.value, want.err)
	}
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// TestVisible_errorIsNeverAnEnd: whatever the direction and however the broken entry is reached, a scan over it
// must not look complete.
func TestVisible_errorIsNeverAnEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		entries := mergetest.Entries(rt, "entries", 60)
		if len(entries) == 0 {
			return
		}
		if rapid.Bool().Draw(rt, "hot") {
			entries = heat(entries)
		}
		run := mergetest.NewSlice(entries)
		run.FailAt = rapid.IntRange(0, len(entries)-1).Draw(rt, "fail at")
		seq := key.SeqNum(rapid.IntRange(0, 101).Draw(rt, "snapshot"))
		var v merge.Visible
		v.Reset(run, visible.Reader{Seq: seq}, nil, nil)
		want := seen(entries, seq, nil, nil)
		checkVisibleScan(rt, &v, v.First, v.Next, want)
		slices.Reverse(want)
		checkVisibleScan(rt, &v, v.Last, v.Prev, want)
	})
}

// checkVisibleScan: a scan shows all of want, or a beginning of it and the error. (A seek over many versions may pass
// the broken entry without touching it.)
func checkVisibleScan(rt *rapid.T, v *merge.Visible, start, step func() bool, want []shown) {
	n := 0
	for ok := start(); ok; ok = step() {
		if n == len(want) {
			rt.Fatalf("extra key %q", v.Key())
		}
		mustShow(rt, v, want[n])
		n++
	}
	if v.Err() == nil && n != len(want) {
		rt.Fatalf("scan ended silently after %d of %d keys", n, len(want))
	}
	if v.Err() != nil && (!errors.Is(v.Err(), mergetest.ErrInjected) || step() || v.Valid() || v.Err() == nil) {
		rt.Fatalf("the error %v was replaced or forgotten", v.Err())
	}
}

// TestVisible_unknownKindIsDamage: an entry written by a newer version must not read as a value, nor as nothing.
func TestVisible_unknownKindIsDamage(t *testing.T) {
	entries := []mergetest.Entry{
		{Key: key.Make([]byte("a"), 1, key.KindPut), Value: []byte("1")},
		{Key: key.Make([]byte("b"), 2, 7), Value: []byte("2")},
		{Key: key.Make([]byte("c"), 3, key.KindPut), Value: []byte("3")},
	}
	var v merge.Visible
	v.Reset(mergetest.NewSlice(entries), visible.Reader{Seq: 10}, nil, nil)
	for _, scan := range []struct {
		name        string
		start, step func() bool
	}{{"forward", v.First, v.Next}, {"backward", v.Last, v.Prev}} {
		if !scan.start() || scan.step() || !errors.Is(v.Err(), corrupt.ErrCorrupt) {
			t.Errorf("%s: no damage reported at an unknown kind: %v", scan.name, v.Err())
		}
	}
	v.Reset(mergetest.NewSlice(entries), visible.Reader{Seq: 1}, nil, nil)
	if !v.First() || v.Next() || v.Err() != nil {
		t.Errorf("a snapshot older than the unknown entry is disturbed by it: %v", v.Err())
	}
}

// TestVisible_damagedOperandIsDamage: an operand that nobody can interpret must not read as a value, nor as nothing.
func TestVisible_damagedOperandIsDamage(t *testing.T) {
	entries := []mergetest.Entry{
		{Key: key.Make([]byte("a"), 1, key.KindPut), Value: []byte("1")},
		{Key: key.Make([]byte("b"), 2, key.KindMerge), Value: []byte{99}},
	}
	var v merge.Visible
	v.Reset(mergetest.NewSlice(entries), visible.Reader{Seq: 10}, nil, nil)
	if !v.First() || v.Next() || !errors.Is(v.Err(), corrupt.ErrCorrupt) {
		t.Errorf("forward: %v", v.Err())
	}
	if v.Last() || !errors.Is(v.Err(), corrupt.ErrCorrupt) {
		t.Errorf("backward: %v", v.Err())
	}
}

// TestVisible_foldErrorLeavesThePosition: one key that cannot be folded must not end the scan of all others.
func TestVisible_foldErrorLeavesThePosition(t *testing.T) {
	entries := []mergetest.Entry{
		{Key: key.Make([]byte("a"), 2, key.KindMerge), Value: operand.AppendInt64([]byte{byte(operand.Add)}, 1)},
		{Key: key.Make([]byte("a"), 1, key.KindPut), Value: []byte("text")},
		{Key: key.Make([]byte("b"), 3, key.KindPut), Value: []byte("3")},
	}
	var v merge.Visible
	v.Reset(mergetest.NewSlice(entries), visible.Reader{Seq: 10}, nil, nil)
	if !v.First() {
		t.Fatal(v.Err())
	}
	if _, err := v.Value(); !errors.Is(err, operand.ErrMerge) || string(v.Key()) != "a" || v.Err() != nil {
		t.Errorf("the value at %q: %v", v.Key(), err)
	}
	if !v.Next() || string(v.Key()) != "b" {
		t.Errorf("the scan ended after it: %v", v.Err())
	}
	if !v.Prev() || string(v.Key()) != "a" {
		t.Errorf("no way back to it: %v", v.Err())
	}
}

// TestVisible_foldsOntoNoStreamedValue: a gigabyte would be read into memory, to say that nothing can be merged into
// it.
func TestVisible_foldsOntoNoStreamedValue(t *testing.T) {
	entries := []mergetest.Entry{
		{Key: key.Make([]byte("film"), 2, key.KindMerge), Value: []byte{byte(operand.Append), 'x'}},
		{Key: key.Make([]byte("film"), 1, key.KindPut), Value: []byte("stands for a gigabyte")},
		{Key: key.Make([]byte("next"), 3, key.KindPut), Value: []byte("3")},
	}
	source := mergetest.NewSlice(entries)
	source.Extents = func(i int) (page.Reference, bool) {
		return page.Reference{Extent: page.Extent{Raw: key.MaxValueSize + 1}}, i == 1
	}
	var v merge.Visible
	v.Reset(source, visible.Reader{Seq: 10}, nil, nil)
	if !v.First() {
		t.Fatal(v.Err())
	}
	value, err := v.Value()
	if !errors.Is(err, operand.ErrMerge) || !strings.Contains(fmt.Sprint(err), `"film"`) || len(value) > 0 {
		t.Errorf("the value is %q, %v", value, err)
	}
	if !v.Next() || string(v.Key()) != "next" {
		t.Errorf("the scan ended after it: %v", v.Err())
	}
}

// TestVisible_staysWithinBounds: reading on past the upper bound costs pages nobody asked for, without limit when
// what follows is hidden.
func TestVisible_staysWithinBounds(t *testing.T) {
	entries := sampleEntries(30)
	for i := 11; i < 30; i++ {
		entries[i].Key.Trailer = key.MakeTrailer(entries[i].Key.Trailer.Seq(), key.KindDelete)
	}
	run := mergetest.NewSlice(entries)
	run.FailAt = 11
	var v merge.Visible
	v.Reset(run, visible.Reader{Seq: key.MaxSeqNum}, nil, entries[10].Key.User)
	n := 0
	for ok := v.First(); ok; ok = v.Next() {
		n++
	}
	if n != 10 || v.Err() != nil {
		t.Errorf("%d keys below the bound, error %v", n, v.Err())
	}
}

// TestVisible_stepsWithoutAllocating: garbage per step would make scans as slow as the collector.
func TestVisible_stepsWithoutAllocating(t *testing.T) {
	var v merge.Visible
	v.Reset(benchRuns(3, 2), visible.Reader{Seq: key.MaxSeqNum}, nil, nil)
	for _, scan := range []struct {
		name        string
		start, step func() bool
	}{{"forward", v.First, v.Next}, {"backward", v.Last, v.Prev}} {
		scan.start()
		scan.step()
		if n := testing.AllocsPerRun(1000, func() { scan.step() }); n != 0 {
			t.Errorf("%s: %v allocations per step", scan.name, n)
		}
	}
}

func ExampleVisible() {
	entries := []mergetest.Entry{
		{Key: key.Make([]byte("a"), 3, key.KindPut), Value: []byte("new")},
		{Key: key.Make([]byte("a"), 1, key.KindPut), Value: []byte("old")},
		{Key: key.Make([]byte("b"), 2, key.KindDelete)},
		{Key: key.Make([]byte("c"), 1, key.KindPut), Value: []byte("here")},
	}
	var v merge.Visible
	v.Reset(mergetest.NewSlice(entries), visible.Reader{Seq: 2}, nil, nil)
	for ok := v.First(); ok; ok = v.Next() {
		value, _ := v.Value()
		fmt.Printf("%s=%s\n", v.Key(), value)
	}
	// Output:
	// a=old
	// c=here
}

// gaps are those of entries that do not change.
type gaps struct {
	gap.Gaps
	rt      *rapid.T
	entries []mergetest.Entry
}

// Found implements gap.Known. What the snapshot at seq sees in s was passed over.
func (g *gaps) Found(s span.Span, seq key.SeqNum) {
	if s.Empty() || s.Hi == nil {
		g.rt.Fatalf("the span %q is empty, or has no end", s)
	}
	if shown := seen(g.entries, seq, s.Lo, s.Hi); len(shown) > 0 {
		g.rt.Fatalf("nothing was found in %q at %d, where %q is first", s, seq, shown[0].user)
	}
	claim, proven := g.Claim(s, seq), true
	for _, e := range g.entries {
		newer := e.Key.Trailer.Seq() > seq && e.Key.Trailer.Kind() != key.KindDelete
		proven = proven && !(newer && s.Contains(e.Key.User))
	}
	joins := rapid.Bool().Draw(g.rt, "joins")
	g.Settle(claim, proven, func(from, to key.SeqNum) bool { return !joins })
}

// TestVisible_jumpsOverNothingThatIsThere: where most keys are deleted, later walks jump over what an earlier one
// passed without seeing anything, at any snapshot; a jump too far hides keys.
func TestVisible_jumpsOverNothingThatIsThere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		entries := mergetest.Entries(rt, "entries", 100)
		for i := range entries {
			if rapid.IntRange(0, 3).Draw(rt, "dead") > 0 {
				entries[i] = mergetest.Entry{Key: key.Make(entries[i].Key.User, entries[i].Key.Trailer.Seq(), key.KindDelete)}
			}
		}
		g := &gaps{rt: rt, entries: entries}
		var v merge.Visible
		v.Walk.Known, v.Walk.Eager = g, true
		for range rapid.IntRange(1, 8).Draw(rt, "snapshots") {
			seq := key.SeqNum(rapid.IntRange(0, 101).Draw(rt, "snapshot"))
			lower, upper := optionalKey(rt, "lower"), optionalKey(rt, "upper")
			runs := deal(entries, rapid.IntRange(1, 4).Draw(rt, "runs"))
			reader := visible.Reader{Seq: seq, Now: key.Time(rapid.IntRange(0, 12).Draw(rt, "now"))} // also back in time
			v.Reset(merge.New(iterators(runs)...), reader, lower, upper)
			walk(rt, &v, seenBy(entries, reader, lower, upper))
			if err := v.Close(); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// stopsAfter is an iterator that sets stop at its nth step and counts the steps after that.
type stopsAfter struct {
	*mergetest.Slice
	n, late int
	stop    atomic.Bool
}

func (s *stopsAfter) step() {
	if s.stop.Load() {
		s.late++
	}
	if s.n--; s.n <= 0 {
		s.stop.Store(true)
	}
}

func (s *stopsAfter) Next() bool { s.step(); return s.Slice.Next() }
func (s *stopsAfter) Prev() bool { s.step(); return s.Slice.Prev() }

func (s *stopsAfter) NextBatch(dst []merge.Entry, end key.Internal) int {
	s.step()
	return s.Slice.NextBatch(dst, end)
}

// A caller that has given up would wait until a million entries that nobody sees are passed.
func TestVisible_stopsAmongEntriesThatNobodySees(t *testing.T) {
	var entries []mergetest.Entry
	for i := range 1000 {
		k := key.Make(fmt.Appendf(nil, "%04d", i), 1, key.KindDelete)
		entries = append(entries, mergetest.Entry{Key: k})
	}
	for name, move := range map[string]func(*merge.Visible) bool{
		"First": (*merge.Visible).First, "Last": (*merge.Visible).Last,
	} {
		input := &stopsAfter{Slice: mergetest.NewSlice(entries), n: 100}
		var v merge.Visible
		v.Stop = &input.stop
		v.Reset(input, visible.Reader{Seq: 1}, nil, nil)
		if move(&v) || v.Err() == nil || input.late > 3 {
			t.Errorf("%s: %d steps after the end, %v", name, input.late, v.Err())
		}
		if err := v.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
}
