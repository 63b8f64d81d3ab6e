package wal

import (
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

var policies = []memfs.Policy{memfs.None, memfs.All, memfs.Prefix, memfs.AllButOne, memfs.OnlyOne,
	memfs.AllButOneSector, memfs.MetadataFirst, memfs.DataFirst, memfs.RemovalsFirst, memfs.Random}

// isPrefix reports whether got is the first len(got) commits of want, at least min of them.
func isPrefix(got, want []commit, min int) bool {
	return len(got) >= min && len(got) <= len(want) && slices.Equal(got, want[:len(got)])
}

// A full disk is a promise: nothing of the group is in the log, now or after any crash, and the log goes on. The same
// commit tried again must not bring back the rest of the group that failed.
func TestAppend_fullDiskTakesTheGroupBack(t *testing.T) {
	first, second := makeCommit(1, 2, 10), makeCommit(3, 1, 20)
	group := []commit{makeCommit(4, 1, 30), makeCommit(5, 3, 300), makeCommit(8, 1, 3)}
	size := 0
	for _, c := range group {
		size += int(record.Size(prefixSize + len(c.payload)))
	}
	for kept := 0; kept < size; kept++ {
		dir := memfs.New()
		full := errfs.New(dir)
		log := mustCreate(t, full, 1, Root(0))
		mustAppend(t, log, first)
		must(t, log, log.Sync())
		mustAppend(t, log, second)
		if kept%2 == 0 { // the group tried again is then the same, byte for byte
			must(t, log, log.Sync())
		}
		full.SetRules(errfs.On(errfs.Write).Times(1).Short(kept, syscall.ENOSPC))
		_, err := log.Append(group[0].record(), group[1].record(), group[2].record())
		if !errors.Is(err, vfs.ErrNoSpace) || log.Err() != nil {
			t.Fatalf("%d bytes kept: %v, %v", kept, err, log.Err())
		}
		for _, policy := range policies {
			got, _, err := replay(dir.Image(policy, uint64(kept)), ReplayOptions{Start: 1})
			if kept%2 == 1 && slices.Equal(got, []commit{first}) {
				got = append(got, second) // it was not synced, and need not be there
			}
			if err != nil || !slices.Equal(got, []commit{first, second}) {
				t.Fatalf("%d bytes kept, image %v: %d commits, %v", kept, policy, len(got), err)
			}
		}
		mustAppend(t, log, group[0])
		got, _, err := replay(dir.Kill(), ReplayOptions{Start: 1})
		if err != nil || !slices.Equal(got, []commit{first, second, group[0]}) {
			t.Fatalf("%d bytes kept, first commit again: %d commits, %v", kept, len(got), err)
		}
	}
}

// Where overwriting takes space too (copy on write), a full disk would stop the log for good, because the group
// could not be taken back, though nothing of it had arrived.
func TestAppend_fullDiskThatCopiesOnWrite(t *testing.T) {
	first, refused := makeCommit(1, 2, 10), makeCommit(3, 1, 100)
	size := int(record.Size(prefixSize + len(refused.payload)))
	for kept := range size + 1 {
		dir := memfs.New()
		full := errfs.New(dir)
		log := mustCreate(t, full, 1, Root(0))
		mustAppend(t, log, first)
		full.SetRules(errfs.On(errfs.Write).Nth(1).Short(kept, syscall.ENOSPC), errfs.On(errfs.Write).Fail(syscall.ENOSPC))
		_, err := log.Append(refused.record())
		if whole := kept >= size; !errors.Is(err, vfs.ErrNoSpace) || (log.Err() != nil) != whole {
			t.Fatalf("%d bytes of %d kept: %v, %v", kept, size, err, log.Err())
		}
		if log.Err() != nil {
			continue
		}
		full.SetRules()
		next := makeCommit(3, 2, 30)
		mustAppend(t, log, next)
		got, _, err := replay(dir.Kill(), ReplayOptions{Start: 1})
		if err != nil || !slices.Equal(got, []commit{first, next}) {
			t.Fatalf("%d bytes kept: %d commits, %v", kept, len(got), err)
		}
	}
}

// On a medium that is really full nothing new may be needed to take a group back.
func TestAppend_worksOnWhenSpaceReturns(t *testing.T) {
	for room := int64(0); room < 200; room++ {
		dir := memfs.New()
		log := mustCreate(t, dir, 1, Root(0))
		dir.SetCapacity(log.Size() + room)
		c := makeCommit(1, 3, 100)
		if _, err := log.Append(c.record()); !errors.Is(err, vfs.ErrNoSpace) || log.Err() != nil {
			t.Fatalf("room for %d bytes: %v, %v", room, err, log.Err())
		}
		dir.SetCapacity(-1)
		mustAppend(t, log, c)
		if got, _, err := replay(dir.Kill(), ReplayOptions{Start: 1}); err != nil || !slices.Equal(got, []commit{c}) {
			t.Fatalf("room for %d bytes: %d commits, %v", room, len(got), err)
		}
	}
}

// A large record is written in pieces: a failure at any of them must leave nothing behind.
func TestAppend_largeRecordFailsWhole(t *testing.T) {
	before := makeCommit(1, 1, 10)
	large := makeCommit(2, 2, 3<<20)
	for piece := range 3 {
		dir := memfs.New()
		full := errfs.New(dir)
		log := mustCreate(t, full, 1, Root(0))
		mustAppend(t, log, before)
		full.SetRules(errfs.On(errfs.Write).Nth(piece+1).Short(5, syscall.ENOSPC))
		if _, err := log.Append(large.record()); !errors.Is(err, vfs.ErrNoSpace) || log.Err() != nil {
			t.Fatalf("piece %d: %v, %v", piece, err, log.Err())
		}
		if got, _, err := replay(dir.Kill(), ReplayOptions{Start: 1}); err != nil || !slices.Equal(got, []commit{before}) {
			t.Fatalf("piece %d: %d commits, %v", piece, len(got), err)
		}
	}
}

// After any failure but a full disk nobody knows what is on the medium: the segment must not go on.
func TestSegment_poisonedByFailures(t *testing.T) {
	c, large := makeCommit(1, 1, 10), makeCommit(2, 1, 2<<20) // the first is written before the second
	cases := map[string][]*errfs.Rule{
		"failed writing out": {errfs.On(errfs.WriteOut).Times(1).Fail(syscall.EIO)},
		"failed write":       {errfs.On(errfs.Write).Times(1).Short(40, syscall.EIO)},
		"failed sync":        {errfs.On(errfs.Sync).Times(1).Drop(syscall.EIO)},
		"full disk at sync":  {errfs.On(errfs.Sync).Times(1).Drop(syscall.ENOSPC)},
		"full disk, taking back": {errfs.On(errfs.Write).Nth(2).Short(40, syscall.ENOSPC),
			errfs.On(errfs.Write).Nth(3).Fail(syscall.ENOSPC)},
		"full disk, sync of taking back": {errfs.On(errfs.Write).Nth(2).Short(40, syscall.ENOSPC),
			errfs.On(errfs.Sync).Times(1).Drop(syscall.EIO)},
	}
	for name, rules := range cases {
		faulty := errfs.New(memfs.New())
		log := mustCreate(t, faulty, 1, Root(0))
		faulty.SetRules(rules...)
		_, err := log.Append(c.record(), large.record())
		if err == nil {
			err = log.WriteOut()
		}
		if err == nil {
			err = log.Sync()
		}
		if err == nil || log.Err() == nil {
			t.Fatalf("%s: not reported: %v, %v", name, err, log.Err())
		}
		faulty.SetRules() // the device seems well again
		synced := log.Synced()
		if _, again := log.Append(c.record()); again == nil {
			t.Errorf("%s: append succeeded afterwards", name)
		}
		if again := log.Sync(); again == nil {
			t.Errorf("%s: sync succeeded afterwards", name)
		}
		if _, again := log.Seal(0); again == nil {
			t.Errorf("%s: seal succeeded afterwards", name)
		}
		if log.Synced() != synced {
			t.Errorf("%s: synced rose", name)
		}
	}
}

// A file system may report a lost write only at the close: a seal that ignored this would let the log go on behind
// what is lost.
func TestSeal_closeErrorCounts(t *testing.T) {
	faulty := errfs.New(memfs.New())
	log := mustCreate(t, faulty, 1, Root(0))
	mustAppend(t, log, makeCommit(1, 1, 10))
	faulty.SetRules(errfs.On(errfs.Close).Fail(syscall.EIO))
	if _, err := log.Seal(0); !errors.Is(err, syscall.EIO) {
		t.Errorf("Seal: %v", err)
	}
}

// A device error while reading must never pass for the end of the log.
func TestReplay_returnsDeviceErrors(t *testing.T) {
	m := makeSample(t, false)
	count := errfs.New(m.files)
	if _, _, err := replay(count, ReplayOptions{Start: 2}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []errfs.Kind{errfs.Open, errfs.Read, errfs.Size, errfs.Close} {
		if count.Count(kind) == 0 {
			t.Errorf("no %v to fail", kind)
		}
		for n := 1; n <= count.Count(kind); n++ {
			_, _, err := replay(errfs.New(m.files, errfs.On(kind).Nth(n).Fail(syscall.EIO)), ReplayOptions{Start: 2})
			if !errors.Is(err, syscall.EIO) || errors.Is(err, corrupt.ErrCorrupt) {
				t.Errorf("%v %d failed: %v", kind, n, err)
			}
		}
	}
}

// What is not on its way to the medium when a segment is sealed holds up all commits. The last piece is still
// appended to.
func TestSegment_writesOutWholePieces(t *testing.T) {
	const piece = 1 << 20
	dir := errfs.New(memfs.New())
	log := mustCreate(t, dir, 1, Root(0))
	out := log.Size()
	dir.SetRules(errfs.On(errfs.WriteOut).Call(func(op errfs.Op) {
		if op.Offset != out || (op.Offset+op.Length)%piece != 0 {
			t.Errorf("%v, want whole pieces from %d on", op, out)
		}
		out = op.Offset + op.Length
	}))
	for i := range 9 {
		mustAppend(t, log, makeCommit(key.SeqNum(i+1), 1, 700<<10))
		if i == 6 {
			must(t, log, log.Sync())
			out = log.Size()
		}
		must(t, log, log.WriteOut())
		if left := log.Size() - out; left < 0 || left >= piece || log.ToWriteOut() != 0 {
			t.Errorf("after %d appends %d bytes are left, %d of them to be written out", i+1, left, log.ToWriteOut())
		}
	}
}

// The system reports a failed write once. A sync that ran concurrently with the call that got the report would
// acknowledge what is lost.
func TestSegment_noSyncPassesAFailedWriteOut(t *testing.T) {
	dir := errfs.New(memfs.New())
	log := mustCreate(t, dir, 1, Root(0))
	mustAppend(t, log, makeCommit(1, 1, 2<<20))
	synced := make(chan error, 1)
	dir.SetRules(errfs.On(errfs.WriteOut).Call(func(errfs.Op) {
		begun := make(chan bool)
		go func() {
			close(begun)
			synced <- log.Sync()
		}()
		<-begun
		time.Sleep(10 * time.Millisecond) // in which a sync that does not wait would come through
	}).Fail(syscall.EIO))
	if err := log.WriteOut(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("WriteOut: %v", err)
	}
	if err := <-synced; !errors.Is(err, syscall.EIO) {
		t.Errorf("a concurrent sync: %v", err)
	}
}

// What Sync acknowledged must be durable although appends go on meanwhile.
func TestSegment_syncDuringAppend(t *testing.T) {
	dir := memfs.New()
	log := mustCreate(t, dir, 1, Root(0))
	const commits = 300
	ends := make(chan int64, commits)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for end := range ends {
				if err := log.Sync(); err != nil {
					t.Error(err)
				}
				if log.Synced() < end {
					t.Errorf("synced %d after a sync that began behind %d", log.Synced(), end)
				}
			}
		})
	}
	var want []commit
	for seq := key.SeqNum(1); seq <= commits; seq++ {
		c := makeCommit(seq, 1, 50)
		end, err := log.Append(c.record())
		must(t, end, err)
		want = append(want, c)
		ends <- end
	}
	close(ends)
	group.Wait()
	got, _, err := replay(dir.Image(memfs.None, 0), ReplayOptions{Start: 1})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d commits of %d are durable, %v", len(got), commits, err)
	}
}

// workload is the life of a log as the engine would lead it, and what the log has acknowledged.
type workload struct {
	start  Predecessor // of the first segment
	acked  int         // commits acknowledged as durable
	tried  []commit    // commits handed to the log, in order
	rooted bool        // the first segment exists: the manifest may name it

	old []filename.Num // segments of an earlier log, to be used again
}

// laterRoot is the first segment of a log that uses older segments again.
const laterRoot = 10

// root is the number of the first segment.
func (w *workload) root() filename.Num {
	if w.old != nil {
		return laterRoot
	}
	return 1
}

// leaveOld makes the log that is used again: its records have the sequence numbers, and some of them the places, of
// those to come.
func (w *workload) leaveOld(dir vfs.FS) error {
	for _, num := range []filename.Num{1, 2, 3} {
		log, err := createDurably(dir, num, Root(0))
		if err != nil {
			return err
		}
		for _, size := range []int{10, 600, 3, 700, 20, 300} {
			c := makeCommit(log.lastSeq+1, 1, size)
			if _, err := log.Append(c.record()); err != nil {
				return err
			}
		}
		if _, err := log.Seal(0); err != nil {
			return err
		}
		w.old = append(w.old, num)
	}
	return nil
}

// rotate goes on from log in a new segment, or in one that is used again.
func (w *workload) rotate(dir vfs.FS, log *Segment) (*Segment, error) {
	next := log.Num() + 2
	if len(w.old) == 0 {
		return rotate(dir, log, next)
	}
	b, err := Reuse(dir, w.old[0], next)
	if err != nil {
		return nil, err
	}
	w.old = w.old[1:]
	return sealAndBegin(log, b)
}

// run writes commits of several sizes, some of them synced, in groups, over three segments, until something fails.
func (w *workload) run(dir vfs.FS) error {
	log, err := createDurably(dir, w.root(), Root(0))
	if err != nil {
		return err
	}
	w.rooted = true
	log.AllocateAhead()
	next := key.SeqNum(1)
	for i, size := range []int{10, 600, 3, -1, 700, 20, 0, 1500, -1, -1, 5, 40} {
		if size < 0 {
			if log, err = w.rotate(dir, log); err != nil {
				return err
			}
			log.AllocateAhead()
			w.acked = len(w.tried)
			continue
		}
		var group []Record
		for n := range 1 + i%3 {
			c := makeCommit(next, 1+n, size)
			next += key.SeqNum(c.count)
			w.tried = append(w.tried, c)
			group = append(group, c.record())
		}
		write := log.Append
		if i%2 == 1 {
			write = log.Store
		}
		if _, err := write(group...); err != nil {
			return err
		}
		if i%2 == 0 {
			if err := log.Sync(); err != nil {
				return err
			}
			w.acked = len(w.tried)
		}
	}
	end, err := log.Seal(0)
	if err == nil {
		w.acked, w.start = len(w.tried), end
	}
	return err
}

// Cut the power at every step, in every way: all that was acknowledged is there, nothing is there in part, and
// nothing is there that follows something lost. An interrupted recovery changes nothing about that.
func TestLog_survivesPowerCutsAnywhere(t *testing.T) {
	cutEverywhere(t, func(vfs.FS, *workload) error { return nil })
}

// The same where segments are used again: what they held before must not come back as if it were new.
func TestLog_ofUsedSegmentsSurvivesPowerCutsAnywhere(t *testing.T) {
	cutEverywhere(t, func(dir vfs.FS, w *workload) error { return w.leaveOld(dir) })
}

// cutEverywhere cuts the power at every step of a workload that begins after prepare.
func cutEverywhere(t *testing.T, prepare func(vfs.FS, *workload) error) {
	probe := memfs.New()
	var w workload
	must(t, w, prepare(probe, &w))
	prepared := probe.Ops()
	must(t, w, w.run(probe))
	images := 0
	for op := prepared; op <= probe.Ops(); op++ {
		for _, during := range []bool{false, true} {
			var w workload
			dir := memfs.New()
			must(t, dir, prepare(dir, &w))
			if during {
				dir.CrashDuring(op)
			} else {
				dir.CrashAt(op)
			}
			root := w.root()
			_ = w.run(dir)
			for _, policy := range policies {
				for seed := range uint64(max(4, min(24, dir.UnsyncedSectors()))) {
					image := dir.Image(policy, seed)
					images++
					w.check(t, image, root, op, policy, seed)
					if t.Failed() {
						return
					}
				}
			}
		}
	}
	t.Logf("%d images at %d operations", images, probe.Ops()-prepared)
}

func (w *workload) check(t *testing.T, image *memfs.FS, root filename.Num, op int, policy memfs.Policy, seed uint64) {
	o := ReplayOptions{}
	if w.rooted {
		o.Start = root
	} else if root > 1 {
		return // the old log still counts
	}
	got, report, err := replay(image, o)
	if err != nil || !isPrefix(got, w.tried, w.acked) {
		t.Errorf("operation %d, image %v/%d: %d commits of %d, %d acknowledged: %v",
			op, policy, seed, len(got), len(w.tried), w.acked, err)
		return
	}
	if seed > 1 {
		return
	}
	for cut := range 5 {
		again := image.Image(memfs.All, 0)
		again.CrashDuring(again.Ops() + cut)
		_, _ = createDurably(again, 100, Root(report.LastSeq))
		for _, policy := range []memfs.Policy{memfs.All, memfs.None, memfs.MetadataFirst} {
			second, _, err := replay(again.Image(policy, seed), o)
			if err != nil || !slices.Equal(second, got) {
				t.Errorf("operation %d, image %v/%d, recovery cut at %d: %d commits, then %d: %v",
					op, policy, seed, cut, len(got), len(second), err)
			}
		}
	}
}
