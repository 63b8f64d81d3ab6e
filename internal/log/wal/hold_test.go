package wal

import (
	"errors"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs/memfs"
)

// since is a version of the tree that does not need what is retired.
const since filename.Num = 9

// heldLog is a log that is held for an archive, and what was written to it.
type heldLog struct {
	*Log
	t       *testing.T
	disk    *memfs.FS
	dir     *directory.Directory
	limit   int64
	seq     key.SeqNum
	commits map[filename.Num][]commit // by segment
}

// newHeldLog is a log of which at most limit bytes are held.
func newHeldLog(t *testing.T, limit int64) *heldLog {
	t.Helper()
	h := &heldLog{t: t, disk: memfs.New(), limit: limit, commits: make(map[filename.Num][]commit)}
	h.direct(1)
	h.begin()
	t.Cleanup(func() { h.Close(); h.dir.Close() })
	return h
}

// direct opens the directory, whose next file has number next.
func (h *heldLog) direct(next filename.Num) {
	h.t.Helper()
	random := uint64(0)
	now := func() time.Duration { return 0 }
	h.dir = directory.New(directory.Options{FS: h.disk, Gate: calls.NewGate(), Clock: now,
		Random:    func() uint64 { random += 2; return random },
		Failed:    func(err error) { h.t.Errorf("writes have ended: %v", err) },
		Discarded: func() {},
	})
	h.dir.NumberFrom(next)
	h.dir.SetCurrent(func() error { return nil })
	must(h.t, 0, h.dir.Lock())
	must(h.t, 0, errOf(h.dir.Claim()))
	h.Log = NewLog(h.dir, LogOptions{SegmentLimit: 1 << 20, HoldLimit: h.limit, Clock: now, Wake: func() {}})
}

func errOf(_ []string, err error) error { return err }

func (h *heldLog) begin() {
	h.t.Helper()
	must(h.t, 0, h.Begin(testDB, h.seq))
}

// append appends n commits, and syncs them if sync is set.
func (h *heldLog) append(n int, sync bool) {
	h.t.Helper()
	for range n {
		c := makeCommit(h.seq+1, 1, 100)
		if _, err := h.Append([]Record{c.record()}, sync); err != nil {
			h.t.Fatal(err)
		}
		h.seq++
		h.commits[h.Num()] = append(h.commits[h.Num()], c)
	}
	if sync {
		must(h.t, 0, h.Sync(h.seq))
	}
}

// rotate fills a segment, begins the next one, and returns the number of the first.
func (h *heldLog) rotate(commits int) filename.Num {
	h.t.Helper()
	num := h.Num()
	h.append(commits, true)
	must(h.t, 0, h.Rotate())
	return num
}

// clean does what the housekeeper does.
func (h *heldLog) clean(keep bool) {
	h.t.Helper()
	h.Recycle(keep)
	must(h.t, 0, h.dir.RemoveObsolete())
}

// mustHold demands that exactly these segments are held or in use, and that each has all of its commits.
func (h *heldLog) mustHold(what string, nums ...filename.Num) {
	h.t.Helper()
	if got := h.Segments(); !slices.Equal(got, nums) {
		h.t.Fatalf("%s: segments %d instead of %d", what, got, nums)
	}
	for _, num := range nums {
		if err := readSegment(h.disk, num, h.commits[num]); err != nil {
			h.t.Fatalf("%s: segment %d: %v", what, num, err)
		}
	}
}

// readSegment reads the commits of a segment, which are to be want.
func readSegment(disk *memfs.FS, num filename.Num, want []commit) error {
	r, last := tailOf(disk, num), key.SeqNum(0)
	if len(want) > 0 {
		last = want[len(want)-1].last()
	}
	if err := r.readTo(last); err != nil {
		return err
	}
	if !slices.Equal(r.got, want) {
		return errors.New("it has other commits")
	}
	return nil
}

// bytes is how long a sealed segment is.
func (h *heldLog) bytes(num filename.Num) int64 {
	h.t.Helper()
	for _, f := range slices.Concat(h.hold.held, h.segments) {
		if f.num == num {
			return f.bytes
		}
	}
	h.t.Fatalf("there is no segment %d", num)
	return 0
}

// A flush that retires a segment which is not archived yet, or a housekeeper that uses it again, makes a gap in the
// archive though there was room for it.
func TestHold_keepsWhatIsNotArchived(t *testing.T) {
	h := newHeldLog(t, 1<<30)
	a, b, c := h.rotate(3), h.rotate(4), h.rotate(2)
	active := h.Num()
	h.append(1, true)
	h.RetireBefore(active, since, true)
	h.clean(true)
	h.mustHold("retired", a, b, c, active)
	if segments, _ := h.Size(); segments != 1 {
		t.Errorf("a recovery would replay %d segments", segments)
	}
	if h.HasSpare() {
		t.Error("a segment that is held is used again")
	}
	if held, lost := h.Held(); held != h.bytes(a)+h.bytes(b)+h.bytes(c) || lost > 0 {
		t.Errorf("%d bytes are held, and %d segments lost", held, lost)
	}

	h.ReleaseBefore(c)
	h.clean(true)
	h.mustHold("two are archived", c, active)
	if !h.HasSpare() {
		t.Error("what is archived is not used again")
	}
}

// What is archived would stay for ever, and fill the disk.
func TestHold_endsWithTheArchive(t *testing.T) {
	h := newHeldLog(t, 1<<30)
	var nums []filename.Num
	for range 4 {
		nums = append(nums, h.rotate(2))
	}
	h.RetireBefore(nums[2], since, true)
	h.ReleaseBefore(h.Num())
	h.mustHold("what a recovery needs stays", nums[2], nums[3], h.Num())
	h.ReleaseBefore(nums[0]) // an answer that comes late
	h.RetireBefore(h.Num(), since, true)
	h.mustHold("it was archived before it was retired", h.Num())
	h.clean(true)
	h.clean(false)
	if names := namesOf(h.disk, filename.Log); len(names) != 1 {
		t.Errorf("of the log there is %q", names)
	}
	if held, lost := h.Held(); held > 0 || lost > 0 {
		t.Errorf("%d bytes are held, %d segments lost", held, lost)
	}
}

// namesOf is the files of one kind in a directory.
func namesOf(disk *memfs.FS, kind filename.Kind) (names []string) {
	all, _ := disk.List()
	return slices.DeleteFunc(all, func(name string) bool {
		is, _ := filename.Parse(name)
		return is != kind
	})
}

// A store that is gone would fill the disk, or cost more of the archive than the limit says, or the newest of it, and
// nobody would be told.
func TestHold_givesUpTheOldestBeyondItsLimit(t *testing.T) {
	probe := newHeldLog(t, 1<<30)
	size := probe.bytes(probe.rotate(5))
	h := newHeldLog(t, 2*size)
	var nums []filename.Num
	for n := range 4 {
		nums = append(nums, h.rotate(5))
		h.RetireBefore(h.Num(), since, true)
		h.clean(true)
		keep := nums[max(0, n-1):]
		h.mustHold("at the limit", append(slices.Clone(keep), h.Num())...)
		if held, lost := h.Held(); held != int64(len(keep))*size || lost != uint64(max(0, n-1)) {
			t.Errorf("of %d segments %d bytes are held, and %d lost", n+1, held, lost)
		}
	}
	if err := tailOf(h.disk, nums[0]).readTo(5); !errors.Is(err, status.ErrAhead) {
		t.Errorf("who reads what was given up is told %v", err)
	}
	h.ReleaseBefore(nums[3])
	if _, lost := h.Held(); lost != 2 {
		t.Errorf("%d are lost after others were archived", lost)
	}
	h.rotate(5)
	h.RetireBefore(h.Num(), since, true)
	h.GiveUpHold()
	h.mustHold("space is short", h.Num())
	if held, lost := h.Held(); held > 0 || lost != 4 {
		t.Errorf("when space is short %d bytes are held, and %d lost", held, lost)
	}
}

// Without an archive a database would take twice the space of its log.
func TestHold_nothingWithoutAnArchive(t *testing.T) {
	h := newHeldLog(t, 0)
	a := h.rotate(3)
	h.RetireBefore(h.Num(), since, true)
	h.mustHold("retired", h.Num())
	h.clean(true)
	if h.Holds() || !h.HasSpare() || readSegment(h.disk, a, h.commits[a]) == nil {
		t.Error("it holds a segment")
	}
	names := []string{"000001.wal", "000002.wal"}
	if rest, err := h.HoldOld(testDB, names, h.seq, since); err != nil || !slices.Equal(rest, names) {
		t.Errorf("of what an Open found it holds %q: %v", rest, err)
	}
}

// An Open would drop what the one before has held, and what a kill has left in the log alone; or keep for ever files
// that nobody reads.
func TestHoldOld_takesOverWhatWasBegun(t *testing.T) {
	h := newHeldLog(t, 1<<30)
	a, b, c := h.rotate(2), h.rotate(2), h.rotate(2)
	h.RetireBefore(c, since, true)
	h.append(3, false)
	last := h.Num()
	other, blank := last+1, last+2
	seg, err := Create(h.disk, other, [16]byte{1}, Root(0))
	must(t, 0, errors.Join(err, seg.Close()))
	prepared, err := Prepare(h.disk, blank)
	must(t, 0, errors.Join(err, prepared.Close()))

	h.disk = h.disk.Kill()
	names, err := h.disk.List()
	must(t, 0, err)
	h.direct(last + 3)
	rest, err := h.HoldOld(testDB, names, h.seq, since)
	if err != nil {
		t.Fatal(err)
	}
	for num, stays := range map[filename.Num]bool{a: true, b: true, c: true, last: true, other: false, blank: false} {
		if slices.Contains(rest, filename.Make(filename.Log, num)) == stays {
			t.Errorf("segment %d is left to be removed: %v", num, stays)
		}
	}
	if lock := filename.Make(filename.Lock, 0); slices.Contains(names, lock) != slices.Contains(rest, lock) {
		t.Errorf("of %q it has left %q", names, rest)
	}
	h.begin()
	h.mustHold("after a kill", a, b, c, last, h.Num())
	h.clean(true)
	cut := h.disk.Image(memfs.None, 0)
	for _, num := range []filename.Num{a, b, c, last} {
		if err := readSegment(cut, num, h.commits[num]); err != nil {
			t.Errorf("a power cut takes segment %d, which is held: %v", num, err)
		}
	}
	h.ReleaseBefore(last)
	h.mustHold("archived after a kill", last, h.Num())
}

// A database whose store was gone when it was killed would hold more with each Open.
func TestHoldOld_keepsItsLimit(t *testing.T) {
	h := newHeldLog(t, 1<<30)
	var nums []filename.Num
	for range 4 {
		nums = append(nums, h.rotate(3))
	}
	h.RetireBefore(h.Num(), since, true)
	h.disk = h.disk.Kill()
	names, err := h.disk.List()
	must(t, 0, err)
	size := int64(0)
	for _, num := range append(nums[2:], h.Num()) {
		n, err := h.disk.FileSize(filename.Make(filename.Log, num))
		must(t, 0, err)
		size += n
	}
	h.limit = size
	h.direct(h.Num() + 1)
	if _, err := h.HoldOld(testDB, names, h.seq, since); err != nil {
		t.Fatal(err)
	}
	if held, lost := h.Held(); held != size || lost != 2 {
		t.Errorf("%d bytes are held instead of %d, and %d segments lost", held, size, lost)
	}
	h.begin()
}

// The archive would go on behind a large commit as if it had not happened, or would take one that has failed for one
// that happened.
func TestHold_rootsOfChains(t *testing.T) {
	h := newHeldLog(t, 1<<30)
	first := h.Num()
	h.append(2, true)
	root, err := h.Root(h.seq + 1)
	must(t, root, err)
	h.seq++ // a large commit
	h.RetireBefore(root.Num(), since, true)
	h.UseRoot(root, h.seq)
	second := h.Num()
	h.append(2, true)
	roots := []RootSegment{{first, 0}, {second, 3}}
	if got := h.Roots(); !slices.Equal(got, roots) {
		t.Errorf("the roots are %v", got)
	}
	h.mustHold("a large commit", first, second)
	if held, _ := h.Held(); held <= record.FileHeaderSize {
		t.Errorf("the segment before a large commit counts %d bytes", held)
	}
	failed, err := h.Root(h.seq + 1)
	must(t, failed, err)
	failed.Close() // it is interrupted, and the next Open begins behind what there was before
	h.disk = h.disk.Kill()
	names, err := h.disk.List()
	must(t, 0, err)
	h.direct(failed.Num() + 1)
	must(t, names, errOf(h.HoldOld(testDB, names, h.seq, since)))
	h.begin()
	roots = append(roots, RootSegment{h.Num(), h.seq})
	if got := h.Roots(); !slices.Equal(got, roots) {
		t.Errorf("after a large commit that was interrupted the roots are %v instead of %v", got, roots)
	}
	h.ReleaseBefore(second)
	if got := h.Roots(); !slices.Equal(got, roots[1:]) {
		t.Errorf("after the first chain was archived the roots are %v", got)
	}
}

var heldSeed = flag.Uint64("held.seed", 0, "seed of the one run of TestHold_agreesWithAModel; 0 makes many")

// modelHold is what a hold should be: which segments are held and in use, from which on the archive needs them, and how
// many it has lost.
type modelHold struct {
	held, used []filename.Num
	from       filename.Num
	lost       uint64
}

// limit gives up what is too much.
func (m *modelHold) limit(limit int64, bytes map[filename.Num]int64) {
	total := int64(0)
	for _, num := range m.held {
		total += bytes[num]
	}
	for ; total > limit; m.lost++ {
		total -= bytes[m.held[0]]
		m.held = m.held[1:]
	}
}

// In some order of flushes, archiving, housekeeping and kills a segment would be gone that is held, or one be held that
// is archived, or the space be forgotten that it may take.
func TestHold_agreesWithAModel(t *testing.T) {
	for range 60 {
		seed := *heldSeed
		if seed == 0 {
			seed = rand.Uint64()
		}
		rng := rand.New(rand.NewPCG(seed, 4))
		h := newHeldLog(t, 1+rng.Int64N(8<<10))
		m := &modelHold{used: []filename.Num{h.Num()}}
		for range 120 {
			h.anything(rng, m)
			h.mustHold("the model", append(slices.Clone(m.held), m.used...)...)
			if held, lost := h.Held(); lost != m.lost || held > h.limit {
				t.Errorf("%d bytes are held, of %d, and %d segments lost instead of %d", held, h.limit, lost, m.lost)
			}
		}
		if t.Failed() {
			t.Fatalf("-held.seed=%d", seed)
		}
		if *heldSeed != 0 {
			return
		}
	}
}

// anything does one thing, to h and to its model.
func (h *heldLog) anything(rng *rand.Rand, m *modelHold) {
	h.t.Helper()
	bytes := make(map[filename.Num]int64)
	for _, f := range slices.Concat(h.hold.held, h.segments) {
		bytes[f.num] = f.bytes
	}
	switch rng.IntN(12) {
	case 0, 1, 2:
		h.append(1+rng.IntN(6), rng.IntN(2) == 0)
	case 3, 4, 5:
		h.rotate(rng.IntN(6))
		m.used = append(m.used, h.Num())
	case 6, 7:
		start := m.used[rng.IntN(len(m.used))]
		h.RetireBefore(start, since, rng.IntN(4) > 0)
		for len(m.used) > 0 && m.used[0] < start {
			if m.used[0] >= m.from {
				m.held = append(m.held, m.used[0])
			}
			m.used = m.used[1:]
		}
		m.limit(h.limit, bytes)
	case 8:
		num := filename.Num(1 + rng.Uint64N(uint64(h.Num())))
		h.ReleaseBefore(num)
		m.from = max(m.from, num)
		for len(m.held) > 0 && m.held[0] < num {
			m.held = m.held[1:]
		}
	case 9, 10:
		h.clean(rng.IntN(4) > 0)
	default:
		if rng.IntN(3) > 0 {
			h.reopen(m)
			return
		}
		h.GiveUpHold()
		m.limit(0, bytes)
	}
}

// reopen is a kill, and an Open that finds all commits in the log.
func (h *heldLog) reopen(m *modelHold) {
	h.t.Helper()
	next := h.dir.PeekNum()
	h.disk = h.disk.Kill()
	names, err := h.disk.List()
	must(h.t, 0, err)
	before, bytes := slices.Concat(m.held, m.used), make(map[filename.Num]int64)
	*m = modelHold{}
	for _, name := range names { // also those that were to be removed, or used again, before long
		kind, num := filename.Parse(name)
		size, err := h.disk.FileSize(name)
		must(h.t, 0, err)
		noCommit := func(filename.Num, key.SeqNum, *batch.Batch) error { return errors.New("a commit before the first") }
		if kind == filename.Log && tailOf(h.disk, num).ReadTo(0, noCommit) == nil {
			m.held, bytes[num] = append(m.held, num), size
		}
	}
	for _, num := range before {
		if !slices.Contains(m.held, num) {
			h.t.Errorf("a kill has taken segment %d of %d", num, before)
		}
	}
	h.direct(next)
	rest, err := h.HoldOld(testDB, names, h.seq, since)
	must(h.t, 0, err)
	for _, name := range rest {
		if kind, _ := filename.Parse(name); kind == filename.Log {
			h.dir.Discard(name)
		}
	}
	m.limit(h.limit, bytes)
	h.begin()
	m.used = []filename.Num{h.Num()}
}
