package compaction

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
)

func drawKey(rt *rapid.T) string { return drawUser(rt, 120) }

// drawUser draws one of users+1 keys, of bytes that are no text.
func drawUser(rt *rapid.T, users int) string {
	n := rapid.IntRange(0, users).Draw(rt, "key")
	if n == 0 {
		return ""
	}
	first := []byte{0, 'a', 0x7f, 0x80, 0xff}
	return string([]byte{first[n%len(first)], byte(n / len(first) * 3), 0xff})
}

// drawValues draws whether values stand outside the pages, which of them stay there, and whether arguments of merges
// can be joined.
func drawValues(rt *rapid.T, w *world) {
	if rapid.Bool().Draw(rt, "extents") {
		w.inPage = 12
	}
	w.partial = rapid.Bool().Draw(rt, "partial merges")
	w.params.ValueThreshold = rapid.SampledFrom([]int{16, 0, 12}).Draw(rt, "value threshold")
}

// actions are what may happen to a database in any order, with several jobs in flight at a time.
func actions(rt *rapid.T, w *world) map[string]func(*rapid.T) {
	must := func(err error) {
		if err != nil {
			rt.Fatal(err)
		}
	}
	flush := func(*rapid.T) {
		if len(w.memtable) > 0 || w.ranges != nil {
			must(w.flush())
		}
	}
	install := func(rt *rapid.T) {
		if len(w.running) > 0 {
			must(w.complete(rapid.IntRange(0, len(w.running)-1).Draw(rt, "job")))
		}
	}
	start := func(job *Job) {
		if job == nil || len(w.running) >= 4 {
			return
		}
		must(w.start(job))
		if job.Drop {
			must(w.complete(len(w.running) - 1))
		}
	}
	return map[string]func(*rapid.T){
		"write": func(rt *rapid.T) {
			for range rapid.SampledFrom([]int{40, 10, 1}).Draw(rt, "operations") {
				switch rapid.IntRange(0, 5).Draw(rt, "kind") {
				case 0, 1:
					w.remove(drawKey(rt))
				case 2:
					o := rapid.SampledFrom([]operand.Operator{operand.Append, operand.User}).Draw(rt, "operator")
					w.merge(drawKey(rt), o, string(rune('a'+w.seq%26)))
				default:
					size := rapid.IntRange(0, 30).Draw(rt, "size")
					if rapid.IntRange(0, 40).Draw(rt, "large") == 0 { // than a table should become
						size = rapid.SampledFrom([]int{300, 3000}).Draw(rt, "large size")
					}
					w.put(drawKey(rt), bytes.Repeat([]byte{byte(w.seq)}, size))
				}
			}
		},
		"write what ends": func(rt *rapid.T) {
			for range rapid.IntRange(1, 10).Draw(rt, "operations") {
				end := rapid.SampledFrom([]key.Time{1, 2, 3, 4, 5, 6, math.MaxInt64}).Draw(rt, "end")
				size := rapid.SampledFrom([]int{0, 1, 30, 300}).Draw(rt, "size")
				w.putUntil(drawKey(rt), end, bytes.Repeat([]byte{byte(w.seq)}, size))
			}
		},
		"merge": func(rt *rapid.T) {
			user := drawKey(rt)
			for range rapid.IntRange(1, 3*lookBelowMinOperands).Draw(rt, "operations") {
				if rapid.IntRange(0, 5).Draw(rt, "hold") == 0 {
					w.hold()
				}
				w.merge(user, operand.User, rapid.SampledFrom([]string{"", "x", "yz"}).Draw(rt, "argument"))
			}
		},
		"flush":  flush,
		"flush2": flush,
		"hold":   func(*rapid.T) { w.hold() },
		"remove a range": func(rt *rapid.T) {
			lo, hi := drawKey(rt), drawKey(rt)
			if rapid.IntRange(0, 3).Draw(rt, "narrow") > 0 {
				hi = lo + rapid.SampledFrom([]string{"\x00", "\xff", "\xff\xff"}).Draw(rt, "behind")
			}
			if hi == "" || lo < hi {
				w.removeRange(lo, hi)
			}
		},
		"release": func(rt *rapid.T) {
			if len(w.live) > 0 {
				i := rapid.IntRange(0, len(w.live)-1).Draw(rt, "snapshot")
				w.live = slices.Delete(w.live, i, i+1)
			}
		},
		"threshold":     func(rt *rapid.T) { drawValues(rt, w) },
		"compact":       func(*rapid.T) { start(w.pick(false)) },
		"compact 2":     func(*rapid.T) { start(w.pick(false)) },
		"compact quiet": func(*rapid.T) { start(w.pick(true)) },
		"compact range": func(rt *rapid.T) {
			job, _ := w.pickRange(span.Span{Lo: []byte(drawKey(rt))})
			start(job)
		},
		"compact for scans": func(rt *rapid.T) { start(w.pickForScans(uint64(rapid.IntRange(0, 100).Draw(rt, "debt")))) },
		"install":           install,
		"install 2":         install,
	}
}

// TestCompaction_neverChangesWhatSnapshotsSee: a deleted key that comes back, a value that vanishes, a snapshot that
// shifts: every one of them is lost data. Also: outputs of concurrent jobs never overlap, or Apply would refuse.
func TestCompaction_neverChangesWhatSnapshotsSee(t *testing.T) {
	asked, emptied, dropped := 0, 0, 0
	defer func() {
		if (asked == 0 || emptied == 0 || dropped == 0) && !t.Failed() {
			t.Errorf("jobs asked %d times for what lies below them, emptied value files %d times, and took away %d tables "+
				"unread", asked, emptied, dropped)
		}
	}()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(smallParams())
		defer func() { asked, emptied, dropped = asked+w.asked, emptied+w.emptied, dropped+w.dropped }()
		w.params.L0Trigger = rapid.IntRange(1, 4).Draw(rt, "trigger")
		w.params.Multiplier = int64(rapid.IntRange(2, 3).Draw(rt, "multiplier"))
		w.params.BaseBytes = int64(rapid.SampledFrom([]int{40, 100, 800}).Draw(rt, "base"))
		w.params.L0Bytes = int64(rapid.SampledFrom([]int{400, 100, 4000}).Draw(rt, "L0 bytes"))
		w.params.TargetTableBytes = int64(rapid.SampledFrom([]int{100, 1000, 1}).Draw(rt, "target"))
		w.params.FullBytes = int64(rapid.SampledFrom([]int{200, 1000, 1}).Draw(rt, "full bytes"))
		w.params.Unfoldable = w.allOnEnds
		drawValues(rt, w)
		w.fullAt = rapid.SampledFrom([]int{0, 3}).Draw(rt, "full at")
		act := actions(rt, w)
		names := slices.Sorted(maps.Keys(act))
		for range rapid.SampledFrom([]int{150, 50, 10}).Draw(rt, "actions") {
			act[rapid.SampledFrom(names).Draw(rt, "action")](rt)
			if err := w.check(); err != nil {
				rt.Fatal(err)
			}
		}
		for len(w.running) > 0 {
			if err := w.complete(0); err != nil {
				rt.Fatal(err)
			}
		}
		checkSettles(rt, w)
	})
}

// checkSettles: when all jobs are done, contents are the same, and once the readers are gone no garbage
// is left by a manual compaction.
func checkSettles(rt *rapid.T, w *world) {
	must := func(err error) {
		if err == nil {
			err = w.check()
		}
		if err != nil {
			rt.Fatal(err)
		}
	}
	must(w.settle(func() *Job { return w.pick(true) }))
	must(w.settle(func() *Job { return w.manual(rt) }))
	w.live = nil
	must(w.settle(func() *Job { return w.pick(true) }))
	if n := w.v.Ranges.Len(); n > 0 && n < settledRanges && w.picker().owesLittle() {
		rt.Fatalf("%d range tombstones are left when nothing is to be done and nobody reads", n)
	}
	if len(w.memtable) > 0 || w.ranges != nil {
		must(w.flush())
	}
	must(w.settle(func() *Job { return w.manual(rt) }))
	entries := uint64(0)
	for level, tables := range w.v.Levels {
		for _, t := range tables {
			kept := w.onEnds(t.Num)
			entries += t.Entries - kept
			if level != lastLevel || garbageEntries(t) > kept {
				rt.Fatalf("after a full compaction level %d still has a table with %d entries, %d of them garbage",
					level, t.Entries, garbageEntries(t))
			}
		}
	}
	if n := w.v.Ranges.Len(); n > 0 {
		rt.Fatalf("after a full compaction %d range tombstones are left", n)
	}
	if live := len(w.model(w.seq, 0)); entries != uint64(live) {
		rt.Fatalf("after a full compaction %d entries are left for %d keys", entries, live)
	}
	_, garbage := valueGarbage(w.v.Values)
	if total := w.bytes(); float64(garbage) > maxGarbage*float64(total) {
		rt.Fatalf("after a full compaction %d bytes of value files are garbage, of %d of all files", garbage, total)
	}
}

// onEnds is how many operands in table num stand above an entry that ends, onto which they cannot be folded.
func (w *world) onEnds(num filename.Num) (n uint64) {
	operands := uint64(0)
	for i, e := range w.files[num] {
		if i > 0 && !bytes.Equal(e.Key.User, w.files[num][i-1].Key.User) {
			operands = 0
		}
		switch e.Key.Trailer.Kind() {
		case key.KindMerge:
			operands++
		case key.KindPutUntil:
			n, operands = n+operands, 0
		default:
			operands = 0
		}
	}
	return n
}

// allOnEnds implements Params.Unfoldable: all that looks like garbage in table num stands above what ends.
func (w *world) allOnEnds(num filename.Num) bool {
	garbage := uint64(0)
	for i, e := range w.files[num] {
		if i > 0 && bytes.Equal(e.Key.User, w.files[num][i-1].Key.User) || e.Key.Trailer.Kind() == key.KindDelete {
			garbage++
		}
	}
	return garbage > 0 && w.onEnds(num) == garbage
}

// manual picks the next job of a compaction of everything.
func (w *world) manual(t fataler) *Job {
	t.Helper()
	job, done := w.pickRange(span.Span{})
	if (job == nil) != done {
		t.Fatalf("PickRange: job %v, done %v, with no job running", job, done)
	}
	return job
}

// TestPick_settlesAtLittleGarbage: space that does not come back fills disks; a picker that never stops wears them
// out. With all readers gone, at most a quarter more than the live data may be left.
func TestPick_settlesAtLittleGarbage(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(smallParams())
		w.params.TargetTableBytes = int64(rapid.SampledFrom([]int{100, 500}).Draw(rt, "target"))
		drawValues(rt, w)
		users := rapid.IntRange(1, 300).Draw(rt, "users")
		deletes := rapid.IntRange(0, 9).Draw(rt, "deletes in ten")
		for range rapid.SampledFrom([]int{20, 5, 1}).Draw(rt, "flushes") {
			for range rapid.SampledFrom([]int{50, 10, 1}).Draw(rt, "operations") {
				user := drawUser(rt, users)
				if rapid.IntRange(0, 9).Draw(rt, "kind") < deletes {
					w.remove(user)
				} else {
					w.put(user, bytes.Repeat([]byte{1}, 20))
				}
			}
			if rapid.IntRange(0, 5).Draw(rt, "hold") == 0 {
				w.hold()
			}
			mustSettle(rt, w, false)
		}
		mustSettle(rt, w, true)
		w.live = nil
		mustSettle(rt, w, true)
		if slack := w.params.TargetTableBytes / 10; w.bytes()*4 > w.liveBytes()*5+slack {
			rt.Fatalf("%d bytes for %d live ones", w.bytes(), w.liveBytes())
		}
		if err := w.check(); err != nil {
			rt.Fatal(err)
		}
	})
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func mustSettle(t fataler, w *world, quiet bool) {
	t.Helper()
	if len(w.memtable) > 0 || w.ranges != nil {
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.settle(func() *Job { return w.pick(quiet) }); err != nil {
		t.Fatal(err)
	}
	if s := shapeOf(w.v, w.params); len(dueLevels(w.v, w.params, s, w.busy)) > 0 {
		t.Fatalf("settled with levels %v still due", dueLevels(w.v, w.params, s, w.busy))
	}
}

// TestPick_returnsSpaceAfterSnapshotsGo: what only a reader kept must go when the reader has gone, without new writes.
func TestPick_returnsSpaceAfterSnapshotsGo(t *testing.T) {
	w := newWorld(smallParams())
	for round := range 10 {
		for i := range 100 {
			w.put(fmt.Sprintf("k%03d", i), bytes.Repeat([]byte{byte(round)}, 20))
		}
		w.hold()
		mustSettle(t, w, true)
	}
	if w.bytes() < 8*w.liveBytes() {
		t.Fatalf("%d bytes for %d live ones: versions that snapshots need are gone", w.bytes(), w.liveBytes())
	}
	w.live = w.live[9:]
	mustSettle(t, w, true)
	if 4*w.bytes() > 5*w.liveBytes() {
		t.Errorf("%d bytes for %d live ones after the snapshots have gone", w.bytes(), w.liveBytes())
	}
	for i := range 95 {
		w.remove(fmt.Sprintf("k%03d", i))
	}
	mustSettle(t, w, true)
	w.live = nil
	mustSettle(t, w, true)
	if 4*w.bytes() > 5*w.liveBytes() {
		t.Errorf("%d bytes for %d live ones after deleting nearly all", w.bytes(), w.liveBytes())
	}
	if err := w.check(); err != nil {
		t.Error(err)
	}
}

// TestPick_leavesPinnedGarbageAlone: rewriting what a reader pins would go on for as long as the reader stays.
func TestPick_leavesPinnedGarbageAlone(t *testing.T) {
	w := newWorld(smallParams())
	for round := range 3 {
		for i := range 50 {
			w.put(fmt.Sprintf("k%03d", i), bytes.Repeat([]byte{byte(round)}, 20))
		}
		w.hold()
	}
	mustSettle(t, w, true)
	written := w.written
	mustSettle(t, w, true)
	if w.written != written {
		t.Errorf("%d bytes written for nothing", w.written-written)
	}
	w.live = []key.SeqNum{1}
	mustSettle(t, w, true)
	if w.written != written {
		t.Errorf("%d bytes written for nothing while the oldest snapshot remains", w.written-written)
	}
}
