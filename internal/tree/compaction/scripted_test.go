package compaction

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/merge/mergetest"
)

func put(user string, seq key.SeqNum) mergetest.Entry {
	return mergetest.Entry{Key: key.Make([]byte(user), seq, key.KindPut), Value: fmt.Appendf(nil, "v%d", seq)}
}

func del(user string, seq key.SeqNum) mergetest.Entry {
	return mergetest.Entry{Key: key.Make([]byte(user), seq, key.KindDelete)}
}

// picker returns the picker for the world as it is.
func (w *world) picker() *picker {
	p := w.params
	p.OldestSnapshot = w.oldest()
	return &picker{v: w.v, p: p, busy: w.busy, shape: shapeOf(w.v, p)}
}

// toLast places entries in a table of L0 and returns the job that reads it and writes what is left of it to the last
// level, instead of moving it there.
func (w *world) toLast(entries ...mergetest.Entry) *Job {
	input := w.place(0, entries...)
	job := w.picker().job(0, []*manifest.TableMeta{input}, lastLevel, ReasonManual)
	job.Move = false
	return job
}

// contents prints the entries of all tables of a level.
func (w *world) contents(level int) []string {
	var s []string
	for _, t := range w.v.Levels[level] {
		for _, e := range w.files[t.Num] {
			s = append(s, e.Key.String())
		}
	}
	return s
}

func mustRun(t *testing.T, w *world, job *Job) {
	t.Helper()
	if err := w.start(job); err != nil {
		t.Fatal(err)
	}
	if err := w.complete(len(w.running) - 1); err != nil {
		t.Fatal(err)
	}
}

// TestExecute_keepsTombstoneOverOlderVersion: a tombstone dropped while an older version lives anywhere brings the
// deleted key back.
func TestExecute_keepsTombstoneOverOlderVersion(t *testing.T) {
	for _, c := range []struct {
		name  string
		level int // where the older version of "k" is
	}{
		{"in the skipped level", 1},
		{"in the output level's next", 4},
		{"in the last level", 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(smallParams())
			w.place(c.level, put("a", 1), put("k", 2), put("z", 3))
			w.place(3, put("j", 4), put("l", 5)) // so that the job merges, instead of moving its input
			upper := w.place(0, del("k", 10))
			mustRun(t, w, w.picker().job(0, []*manifest.TableMeta{upper}, 3, ReasonManual))
			if diff := cmp.Diff([]string{`"j"#4,put`, `"k"#10,delete`, `"l"#5,put`}, w.contents(3)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestExecute_keepsTombstoneOverOlderL0: the older version may also be in a table of L0 that is not part of the job.
func TestExecute_keepsTombstoneOverOlderL0(t *testing.T) {
	w := newWorld(smallParams())
	w.place(6, put("c", 1)) // so that the job merges, instead of moving its input
	w.place(0, put("k", 2), put("z", 3))
	newer := w.place(0, put("b", 9), del("k", 10))
	job := w.picker().job(0, []*manifest.TableMeta{newer}, 6, ReasonManual)
	mustRun(t, w, job)
	if diff := cmp.Diff([]string{`"b"#9,put`, `"c"#1,put`, `"k"#10,delete`}, w.contents(6)); diff != "" {
		t.Error(diff)
	}
}

// TestPick_takesOlderL0Along: a job that leaves an older overlapping table in L0 turns the ages upside down, and the
// older version would be found first.
func TestPick_takesOlderL0Along(t *testing.T) {
	w := newWorld(smallParams())
	w.place(0, put("a", 1), put("f", 2))
	w.place(0, put("e", 3), put("k", 4))
	newest := w.place(0, del("a", 5), del("j", 6))
	apart := w.place(0, put("x", 7))
	for _, t0 := range w.v.Levels[0][1:] {
		job := w.picker().lower(0, t0, ReasonL0)
		if len(job.Inputs[0]) != 3 || !slices.Contains(job.Inputs[0], newest) || slices.Contains(job.Inputs[0], apart) {
			t.Fatalf("job from table %d takes %d tables", t0.Num, len(job.Inputs[0]))
		}
	}
}

// TestExecute_dropsTombstoneOverNothing: a tombstone that is never dropped is space that never returns.
func TestExecute_dropsTombstoneOverNothing(t *testing.T) {
	w := newWorld(smallParams())
	w.place(6, put("a", 1), put("j", 2))
	w.place(5, put("l", 3))
	w.place(0, put("k", 30)) // newer than the tombstone, so nothing that it has to hide
	w.place(3, put("k", 20)) // as well
	middle := w.place(4, del("k", 10), del("m", 11))
	mustRun(t, w, w.picker().job(4, []*manifest.TableMeta{middle}, 5, ReasonManual))
	if diff := cmp.Diff([]string{`"l"#3,put`}, w.contents(5)); diff != "" {
		t.Error(diff)
	}
}

// TestExecute_newerL0HidesNothing: a newer table of L0 is no reason to keep a tombstone.
func TestExecute_newerL0HidesNothing(t *testing.T) {
	w := newWorld(smallParams())
	older := w.place(0, put("a", 1), del("k", 2))
	w.place(0, put("k", 3))
	mustRun(t, w, w.picker().job(0, []*manifest.TableMeta{older}, 6, ReasonManual))
	if diff := cmp.Diff([]string{`"a"#1,put`}, w.contents(6)); diff != "" {
		t.Error(diff)
	}
}

// TestPick_passesOverNoLevel: data put below a level that holds older data would be hidden by it.
func TestPick_passesOverNoLevel(t *testing.T) {
	w := newWorld(smallParams())
	w.place(3, put("k", 1))
	for seq := key.SeqNum(2); seq < 6; seq++ {
		w.place(0, put("k", seq))
	}
	if job := w.pick(false); job.OutputLevel != 3 || len(job.Inputs[3]) != 1 {
		t.Errorf("L0 goes to level %d over the data in level 3", job.OutputLevel)
	}
}

// TestExecute_snapshotRule: per stripe the newest version stays, above the last snapshot all do, and a tombstone goes
// only if the oldest snapshot is not below it.
func TestExecute_snapshotRule(t *testing.T) {
	for _, c := range []struct {
		name      string
		snapshots []key.SeqNum
		entries   []mergetest.Entry
		want      []string
	}{
		{"no readers", []key.SeqNum{9},
			[]mergetest.Entry{put("k", 1), put("k", 2), put("k", 5)}, []string{`"k"#5,put`}},
		{"one reader", []key.SeqNum{3, 9},
			[]mergetest.Entry{put("k", 1), put("k", 2), put("k", 4), put("k", 5)}, []string{`"k"#5,put`, `"k"#2,put`}},
		{"reader exactly at a version", []key.SeqNum{4, 9},
			[]mergetest.Entry{put("k", 3), put("k", 4), put("k", 5)}, []string{`"k"#5,put`, `"k"#4,put`}},
		{"not yet visible", []key.SeqNum{3},
			[]mergetest.Entry{put("k", 2), put("k", 3), put("k", 4), put("k", 5)},
			[]string{`"k"#5,put`, `"k"#4,put`, `"k"#3,put`}},
		{"tombstone seen by all", []key.SeqNum{5, 9},
			[]mergetest.Entry{put("k", 4), del("k", 5)}, nil},
		{"tombstone not seen by the oldest", []key.SeqNum{4, 9},
			[]mergetest.Entry{put("k", 4), del("k", 5)}, []string{`"k"#5,delete`, `"k"#4,put`}},
		{"tombstone between versions", []key.SeqNum{5, 9},
			[]mergetest.Entry{put("k", 4), del("k", 5), put("k", 8)}, []string{`"k"#8,put`}},
		{"other keys are not touched", []key.SeqNum{9},
			[]mergetest.Entry{put("a", 4), del("k", 5), put("ka", 3)}, []string{`"a"#4,put`, `"ka"#3,put`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(smallParams())
			edit, stats, err := w.toLast(c.entries...).Execute(context.Background(), c.snapshots, w.deps())
			if err != nil || w.install(edit) != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, w.contents(6)); diff != "" {
				t.Error(diff)
			}
			if stats.EntriesIn != uint64(len(c.entries)) || stats.EntriesOut != uint64(len(c.want)) ||
				stats.EntriesIn != stats.EntriesOut+stats.Shadowed+stats.Tombstones {
				t.Errorf("impossible statistics %+v", stats)
			}
		})
	}
}

// TestFlush_appliesSnapshotRule: what a memtable has overwritten must not reach the disk, what hides older tables must.
func TestFlush_appliesSnapshotRule(t *testing.T) {
	w := newWorld(smallParams())
	w.place(6, put("b", 1), put("d", 2))
	w.memtable = []mergetest.Entry{put("a", 3), put("a", 4), del("c", 5), del("e", 6), put("e", 7), del("x", 8)}
	w.seq = 8
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`"a"#4,put`, `"c"#5,delete`, `"e"#7,put`}, w.contents(0)); diff != "" {
		t.Error(diff)
	}
}

// TestExecute_neverSplitsUserKey: versions of a key in two tables of a level would break the search for it.
func TestExecute_neverSplitsUserKey(t *testing.T) {
	w := newWorld(smallParams())
	w.params.TargetTableBytes, w.params.FullBytes, w.fullAt = 1, 1, 1
	for seq := key.SeqNum(1); seq <= 20; seq++ {
		w.live = append(w.live, seq)
		w.place(0, put("k", seq), put("l", seq+20))
	}
	w.seq = 40
	mustRun(t, w, w.picker().lower(0, w.v.Levels[0][0], ReasonL0))
	if len(w.v.Levels[6]) != 2 || w.v.Levels[6][0].Entries != 20 {
		t.Errorf("%d tables, want one for each user key", len(w.v.Levels[6]))
	}
}

// TestExecute_endsFullOutput: a table that is filled beyond its limits cannot be written.
func TestExecute_endsFullOutput(t *testing.T) {
	w := newWorld(smallParams())
	w.params.FullBytes, w.fullAt = 1, 2
	w.place(0, put("a", 1), put("c", 2), put("e", 3))
	w.place(0, put("b", 4), put("d", 5))
	job := w.picker().lower(0, w.v.Levels[0][0], ReasonL0)
	job.TargetTableBytes = 0
	mustRun(t, w, job)
	if len(w.v.Levels[6]) != 3 {
		t.Errorf("%d tables of at most 2 entries for 5 entries", len(w.v.Levels[6]))
	}
}

// TestPick_doesNotMoveGarbage: garbage that is only moved takes space until another job drops it.
func TestPick_doesNotMoveGarbage(t *testing.T) {
	for _, c := range []struct {
		name    string
		entries []mergetest.Entry
		oldest  key.SeqNum
		move    bool
	}{
		{"shadowed", []mergetest.Entry{put("k", 10), put("k", 11)}, 20, false},
		{"shadowed but pinned", []mergetest.Entry{put("k", 10), put("k", 11)}, 9, true},
		{"tombstone", []mergetest.Entry{put("k", 10), del("l", 11)}, 20, false},
		{"tombstone over something", []mergetest.Entry{put("a", 10), del("b", 11)}, 20, true},
		{"none", []mergetest.Entry{put("k", 10), put("l", 11)}, 20, true},
	} {
		w := newWorld(smallParams())
		w.place(6, put("a", 1), put("c", 2))
		upper := w.place(4, c.entries...)
		w.live, w.seq = []key.SeqNum{c.oldest}, 30
		if job := w.picker().lower(4, upper, ReasonSize); job.Move != c.move {
			t.Errorf("%s: move is %v", c.name, job.Move)
		}
	}
}

// TestExecute_endsOutputAtGrandparents: an output that overlaps too much of the level below becomes a huge job later.
func TestExecute_endsOutputAtGrandparents(t *testing.T) {
	w := newWorld(smallParams())
	w.params.TargetTableBytes = 40
	var seq key.SeqNum
	for i := range 60 {
		seq++
		w.place(6, put(fmt.Sprintf("k%02da", i), seq), put(fmt.Sprintf("k%02dz", i), seq+100))
	}
	upper := w.place(4, put("k00", 201), put("k59z", 202))
	job := w.picker().job(4, []*manifest.TableMeta{upper}, 5, ReasonManual)
	if job.Move {
		t.Fatal("a table over 60 grandparents is moved down")
	}
	mustRun(t, w, job)
	if len(w.v.Levels[5]) != 2 {
		t.Errorf("%d outputs over 60 grandparents", len(w.v.Levels[5]))
	}
}

// TestRun_tablesOfLongKeysAreLarge: the bounds of a table are in memory, which would grow with the database.
func TestRun_tablesOfLongKeysAreLarge(t *testing.T) {
	w := newWorld(smallParams())
	w.params.TargetTableBytes = 100_000
	var entries []mergetest.Entry
	size := int64(0)
	for i := range 400 {
		entries = append(entries, put(fmt.Sprintf("k%0*d", 10_000, i), key.SeqNum(i+1)))
		size += 10_000
	}
	job := w.picker().job(4, []*manifest.TableMeta{w.place(4, entries...)}, 5, ReasonManual)
	job.Move = false
	mustRun(t, w, job)
	bounds := int64(0)
	for _, table := range w.v.Levels[5] {
		bounds += int64(len(table.Smallest) + len(table.Largest))
	}
	if bounds > size/(boundsShare/2) {
		t.Errorf("%d tables of %d bytes have bounds of %d", len(w.v.Levels[5]), size, bounds)
	}
}

// TestPick_movesWithoutRewriting: rewriting what could be moved doubles the writes of a sequential load.
func TestPick_movesWithoutRewriting(t *testing.T) {
	w := newWorld(smallParams())
	w.params.TargetTableBytes = 1 << 20
	w.place(6, put("a", 1))
	for i := range 10 * l0RunTables {
		w.place(0, put(fmt.Sprintf("k%03d", i), key.SeqNum(i+2)))
	}
	mustSettle(t, w, false)
	if w.written != 0 || len(w.v.Levels[0]) >= w.params.L0Trigger*l0RunTables {
		t.Errorf("%d bytes written, %d tables left in L0", w.written, len(w.v.Levels[0]))
	}
}

// TestPick_gathersSmallFlushes: a few small flushes must not rewrite the whole database.
func TestPick_gathersSmallFlushes(t *testing.T) {
	w := newWorld(smallParams())
	w.params.BaseBytes, w.params.TargetTableBytes, w.params.FullBytes = 1<<20, 1000, 1000
	var entries []mergetest.Entry
	for i := range 1000 {
		entries = append(entries, put(fmt.Sprintf("k%03d", i), key.SeqNum(i+1)))
	}
	w.place(6, entries...)
	w.history = entries
	for range 30 {
		w.put("k000", nil)
		w.remove("k999")
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		mustSettle(t, w, false)
	}
	if len(w.v.Levels[0]) >= w.params.L0Trigger || w.written > 2000 {
		t.Errorf("%d tables in L0, %d bytes written for 60 small entries", len(w.v.Levels[0]), w.written)
	}
	if err := w.check(); err != nil {
		t.Error(err)
	}
}

// TestPickForScans_mergesWhatTheDebtCovers: without merges scans stay slow, however much they have paid; merges
// beyond the debt cost writers what nobody gains.
func TestPickForScans_mergesWhatTheDebtCovers(t *testing.T) {
	w := newWorld(smallParams())
	if job := w.pickForScans(1000); job != nil {
		t.Error("a job for an empty tree")
	}
	w.place(6, put("a", 1), put("b", 2), put("c", 3), put("d", 4), put("e", 5))
	w.place(0, put("a", 6), put("e", 7))
	if job := w.pickForScans(6); job != nil {
		t.Error("a merge of 7 entries that 6 have been paid for")
	}
	w.place(0, put("b", 8), put("d", 9))
	w.params.TargetTableBytes = 1 // the run consists of several tables
	if MinReadDebt(w.v) != 4 || w.pickForScans(3) != nil {
		t.Errorf("level 0 costs %d, want 4", MinReadDebt(w.v))
	}
	mustRun(t, w, w.pickForScans(8))
	if len(w.v.Levels[0]) < 2 || len(manifest.Runs(w.v.Levels[0])) != 1 {
		t.Errorf("%d runs of %d tables in L0, want one of several", len(manifest.Runs(w.v.Levels[0])), len(w.v.Levels[0]))
	}
	if MinReadDebt(w.v) != 9 || w.pickForScans(8) != nil {
		t.Errorf("all costs %d, want 9", MinReadDebt(w.v))
	}
	if err := w.settle(func() *Job { return w.pickForScans(9) }); err != nil {
		t.Fatal(err)
	}
	if len(w.v.Levels[0]) > 0 || len(w.contents(6)) != 5 {
		t.Errorf("%d entries in the last level, %d tables in L0", len(w.contents(6)), len(w.v.Levels[0]))
	}
}

// TestPick_rewritesLastLevelTable: garbage concentrated in one table must go even if the whole has little.
func TestPick_rewritesLastLevelTable(t *testing.T) {
	w := newWorld(smallParams())
	for i := range 20 {
		w.place(6, put(fmt.Sprintf("k%02d-0", i), key.SeqNum(2*i+1)), put(fmt.Sprintf("k%02d-1", i), key.SeqNum(2*i+2)))
	}
	bad := w.place(6, put("z1", 50), put("z2", 51), del("z3", 52), put("z4", 53), put("z4", 49))
	w.live = []key.SeqNum{52}
	if job := w.pick(true); job != nil {
		t.Fatalf("%s job although a reader may need what would be dropped", job.Reason)
	}
	w.live = nil
	if job := w.pick(false); job != nil {
		t.Fatalf("%s job although there is nothing urgent", job.Reason)
	}
	job := w.pick(true)
	if job == nil || len(job.Inputs[6]) != 1 || job.Inputs[6][0] != bad {
		t.Fatal("the table with garbage is left as it is")
	}
	mustRun(t, w, job)
	if w.pick(true) != nil {
		t.Error("rewritten more than once")
	}
}

// TestShape_fitsBase: with a wrong base level every byte is written too often, or L0 merges with a giant.
func TestShape_fitsBase(t *testing.T) {
	p := Params{BaseBytes: 100, Multiplier: 10, TargetTableBytes: 10, L0Trigger: 4, L0Bytes: 400}
	for _, c := range []struct {
		total int64
		base  int
	}{{0, 6}, {1000, 6}, {1111, 6}, {1200, 5}, {11_000, 5}, {12_000, 4}, {120_000, 3}, {1 << 40, 1}} {
		v := &manifest.Version{}
		if c.total > 0 {
			v.Levels[6] = []*manifest.TableMeta{{Num: 1, Size: c.total, Entries: 1}}
		}
		s := shapeOf(v, p)
		if s.base != c.base || s.into != c.base {
			t.Errorf("%d bytes: base level %d, L0 goes to %d, want %d", c.total, s.base, s.into, c.base)
		}
		target := s.target[s.base]
		if s.base > 1 && target > p.BaseBytes*p.Multiplier || s.base > 1 && s.base < 6 && target < p.BaseBytes {
			t.Errorf("%d bytes: target %d for base level %d is outside of the bounds", c.total, target, s.base)
		}
	}
}

// failing is a world with four runs to merge.
func failing() (*world, *Job) {
	w := newWorld(smallParams())
	w.params.TargetTableBytes = 60
	var seq key.SeqNum
	next := func(user string) mergetest.Entry { seq++; return put(user, seq) }
	w.place(6, next("a"), next("b"), next("c"))
	w.place(6, next("d"), next("e"), next("f"))
	w.place(0, next("b"), next("e"), next("x"))
	w.place(0, next("a"), next("c"), next("y"))
	return w, w.picker().lower(0, w.v.Levels[0][0], ReasonL0)
}

// mustFail runs job and expects an error that is want, and no file more or less than before.
func mustFail(t *testing.T, w *world, job *Job, deps Deps, want error) {
	t.Helper()
	before := len(w.files)
	edit, _, err := job.Execute(context.Background(), w.snapshots(), deps)
	if edit != nil || !errors.Is(err, want) {
		t.Fatalf("edit %v, error %v, want %v", edit, err, want)
	}
	if len(w.files) != before {
		t.Errorf("%d files left behind", len(w.files)-before)
	}
}

// TestExecute_inputErrorAborts: going on without what could not be read would delete it.
func TestExecute_inputErrorAborts(t *testing.T) {
	w, job := failing()
	for _, tables := range job.Inputs {
		for _, bad := range tables {
			for at := range int(bad.Entries) {
				deps, open := w.deps(), []*mergetest.Slice{}
				deps.Open = func(t *manifest.TableMeta) (merge.Iterator, error) {
					it := mergetest.NewSlice(w.files[t.Num])
					if t == bad {
						it.FailAt = at
					}
					open = append(open, it)
					return it, nil
				}
				mustFail(t, w, job, deps, mergetest.ErrInjected)
				for _, it := range open {
					if !it.Closed {
						t.Errorf("table %d, entry %d: an input was left open", bad.Num, at)
					}
				}
			}
		}
	}
}

// TestExecute_unopenableInputAborts: as for read errors.
func TestExecute_unopenableInputAborts(t *testing.T) {
	w, job := failing()
	for fail := range 4 {
		deps, opened, closed := w.deps(), 0, 0
		deps.Open = func(t *manifest.TableMeta) (merge.Iterator, error) {
			if opened == fail {
				return nil, mergetest.ErrInjected
			}
			opened++
			return &closeCounter{mergetest.NewSlice(w.files[t.Num]), &closed}, nil
		}
		mustFail(t, w, job, deps, mergetest.ErrInjected)
		if opened != closed {
			t.Errorf("%d inputs opened, %d closed", opened, closed)
		}
	}
}

type closeCounter struct {
	merge.Iterator
	n *int
}

func (c *closeCounter) Close() error {
	*c.n++
	return c.Iterator.Close()
}

// TestExecute_damagedInputIsCorrupt: an input that is not what the manifest says must never be replaced by its merge.
func TestExecute_damagedInputIsCorrupt(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func([]mergetest.Entry) []mergetest.Entry
	}{
		{"ends early", func(e []mergetest.Entry) []mergetest.Entry { return e[:len(e)-1] }},
		{"is empty", func(e []mergetest.Entry) []mergetest.Entry { return nil }},
		{"skips an entry", func(e []mergetest.Entry) []mergetest.Entry { return slices.Delete(slices.Clone(e), 1, 2) }},
		{"goes on too long", func(e []mergetest.Entry) []mergetest.Entry {
			return slices.Insert(slices.Clone(e), 1, put(string(e[0].Key.User)+"+", 99))
		}},
		{"leaves its bounds", func(e []mergetest.Entry) []mergetest.Entry {
			return append(slices.Clone(e[:len(e)-1]), put("zz", 99))
		}},
		{"is out of order", func(e []mergetest.Entry) []mergetest.Entry {
			return []mergetest.Entry{e[1], e[0], e[2]}
		}},
		{"repeats an entry", func(e []mergetest.Entry) []mergetest.Entry { return []mergetest.Entry{e[0], e[0], e[2]} }},
		{"has an unknown kind", func(e []mergetest.Entry) []mergetest.Entry {
			c := slices.Clone(e)
			c[1].Key = key.Make(c[1].Key.User, c[1].Key.Trailer.Seq(), 9)
			return c
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, job := failing()
			for num, entries := range w.files {
				w.files[num] = c.damage(entries)
				mustFail(t, w, job, w.deps(), corrupt.ErrCorrupt)
				w.files[num] = entries
			}
		})
	}
}

// TestExecute_wrongMemtableCountAborts: entries lost between memtable and table would be lost for good with their log.
func TestExecute_wrongMemtableCountAborts(t *testing.T) {
	w := newWorld(smallParams())
	w.seq = 9
	it := mergetest.NewSlice([]mergetest.Entry{put("a", 1), put("b", 2)})
	mustFail(t, w, Flush(w.v, Memtable{Iterator: it, Entries: 3}), w.deps(), corrupt.ErrCorrupt)
	if !it.Closed {
		t.Error("the memtable's iterator was left open")
	}
}

// brokenOutput fails in one of its methods, or says something untrue.
type brokenOutput struct {
	Output
	add, finish error
	lie         func(*manifest.TableMeta)
}

func (b *brokenOutput) Add(k key.Internal, value []byte) error {
	return errors.Join(b.add, b.Output.Add(k, value))
}

func (b *brokenOutput) Finish() (*manifest.TableMeta, error) {
	if b.finish != nil {
		return nil, b.finish
	}
	meta, err := b.Output.Finish()
	if b.lie != nil {
		b.lie(meta)
	}
	return meta, err
}

// TestExecute_outputErrorAborts: a table that was not written completely must not replace anything.
func TestExecute_outputErrorAborts(t *testing.T) {
	injected := mergetest.ErrInjected
	for name, b := range map[string]brokenOutput{"add": {add: injected}, "finish": {finish: injected}} {
		for fail := range 2 {
			t.Run(fmt.Sprint(name, " of output ", fail), func(t *testing.T) {
				w, job := failing()
				mustFail(t, w, job, breakOutput(w, fail, b), injected)
			})
		}
	}
	t.Run("create", func(t *testing.T) {
		w, job := failing()
		deps, n := w.deps(), 0
		deps.Create = func(num filename.Num) (Output, error) {
			if n++; n == 2 {
				return nil, injected
			}
			return w.deps().Create(num)
		}
		mustFail(t, w, job, deps, injected)
	})
}

// breakOutput returns deps under which the output number fail is b.
func breakOutput(w *world, fail int, b brokenOutput) Deps {
	deps, n := w.deps(), 0
	deps.Create = func(num filename.Num) (Output, error) {
		out, err := w.deps().Create(num)
		if n++; n == fail+1 {
			b.Output = out
			return &b, err
		}
		return out, err
	}
	return deps
}

// TestExecute_wrongOutputAborts: the manifest must not learn of a table that holds something else than was merged.
func TestExecute_wrongOutputAborts(t *testing.T) {
	for name, lie := range map[string]func(*manifest.TableMeta){
		"number":     func(m *manifest.TableMeta) { m.Num++ },
		"entries":    func(m *manifest.TableMeta) { m.Entries-- },
		"tombstones": func(m *manifest.TableMeta) { m.Tombstones++ },
		"shadowed":   func(m *manifest.TableMeta) { m.Shadowed++ },
		"smallest":   func(m *manifest.TableMeta) { m.Smallest = []byte("A") },
		"largest":    func(m *manifest.TableMeta) { m.Largest = []byte("~") },
		"seq":        func(m *manifest.TableMeta) { m.LargestSeq++ },
	} {
		t.Run(name, func(t *testing.T) {
			w, job := failing()
			before := len(w.files)
			edit, _, err := job.Execute(context.Background(), w.snapshots(), breakOutput(w, 1, brokenOutput{lie: lie}))
			if edit != nil || err == nil || len(w.files) != before {
				t.Errorf("edit %v, error %v, %d files left behind", edit, err, len(w.files)-before)
			}
		})
	}
}

// TestExecute_countsWhatItWrote: an entry that is lost between input and output must be noticed before the inputs
// are gone.
func TestExecute_countsWhatItWrote(t *testing.T) {
	r := &execution{stats: Stats{EntriesIn: 10, Shadowed: 1, Tombstones: 2, Folded: 3}}
	r.out.done = []*manifest.TableMeta{{Entries: 3}, {Entries: 1}}
	if err := r.verify(); err != nil {
		t.Error(err)
	}
	for _, lost := range []*uint64{&r.out.done[1].Entries, &r.stats.Shadowed, &r.stats.Tombstones,
		&r.stats.Folded} {
		*lost--
		if err := r.verify(); err == nil {
			t.Error("a lost entry is not noticed")
		}
		*lost++
	}
}

// TestExecute_stopsWhenAsked: closing the database must not wait for a long job, nor may the job leave files.
func TestExecute_stopsWhenAsked(t *testing.T) {
	w := newWorld(smallParams())
	w.params.TargetTableBytes = 1 << 10
	var entries []mergetest.Entry
	for i := range 5000 {
		entries = append(entries, put(fmt.Sprintf("k%04d", i), key.SeqNum(i+1)))
	}
	w.place(0, entries...)
	w.place(0, put("k0000", 9000))
	job := w.picker().lower(0, w.v.Levels[0][0], ReasonL0)

	ctx, cancel := context.WithCancel(context.Background())
	deps, steps := w.deps(), 0
	deps.Progress = func(int64) error {
		if steps++; steps == 3 {
			cancel()
		}
		return nil
	}
	edit, _, err := job.Execute(ctx, w.snapshots(), deps)
	if edit != nil || !errors.Is(err, context.Canceled) || steps != 3 {
		t.Errorf("edit %v, error %v after %d steps", edit, err, steps)
	}
	deps.Progress = func(int64) error { return mergetest.ErrInjected }
	mustFail(t, w, job, deps, mergetest.ErrInjected)
	if len(w.files) != 2 {
		t.Errorf("%d files, want the two inputs", len(w.files))
	}
}

// TestExecute_reportsAllBytes: a rate limit that misses bytes does not limit.
func TestExecute_reportsAllBytes(t *testing.T) {
	w, job := failing()
	deps, total := w.deps(), int64(0)
	deps.Progress = func(n int64) error { total += n; return nil }
	_, stats, err := job.Execute(context.Background(), w.snapshots(), deps)
	if err != nil || total == 0 || total != stats.RawBytes || stats.Outputs < 2 {
		t.Errorf("%d bytes reported, error %v, %+v", total, err, stats)
	}
}

// TestExecute_needsSnapshots: without the visible sequence number nothing says what may be dropped.
func TestExecute_needsSnapshots(t *testing.T) {
	for _, snapshots := range [][]key.SeqNum{nil, {5, 3}} {
		w, job := failing()
		if edit, _, err := job.Execute(context.Background(), snapshots, w.deps()); err == nil || edit != nil {
			t.Errorf("snapshots %v: edit %v, error %v", snapshots, edit, err)
		}
	}
}
