package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// last is the sequence number that c ends with.
func (c commit) last() key.SeqNum { return c.first + key.SeqNum(c.count) - 1 }

// reading is a Tail and the commits that it has read.
type reading struct {
	*Tail
	got []commit
}

// tailOf returns a tail of the log in dir that begins with segment start.
func tailOf(dir vfs.FS, start filename.Num) *reading {
	r := &reading{Tail: NewTail(dir, testDB)}
	r.Begin(start)
	return r
}

func (r *reading) readTo(last key.SeqNum) error {
	return r.ReadTo(last, func(_ filename.Num, first key.SeqNum, b *batch.Batch) error {
		r.got = append(r.got, commit{first, b.Count(), string(b.Bytes())})
		return nil
	})
}

// in makes r go on in dir, as if the files had been changed.
func (r *reading) in(dir vfs.FS) *reading {
	other := &reading{NewTail(dir, testDB), slices.Clone(r.got)}
	other.at, other.begun, other.next = r.at, r.begun, r.next
	return other
}

// check fails unless r, after err, has read no other commits than those of all up to last, and all of them or the
// files do not hold them.
func (r *reading) check(t *testing.T, what string, all []commit, last key.SeqNum, err error) {
	t.Helper()
	want := upTo(all, last)
	var damage *corrupt.Error
	switch {
	case len(r.got) > len(want) || !slices.Equal(r.got, want[:len(r.got)]):
		t.Fatalf("%s: %d commits, which are not the first of %d", what, len(r.got), len(want))
	case err == nil && len(r.got) < len(want):
		t.Fatalf("%s: %d commits instead of %d", what, len(r.got), len(want))
	case err != nil && !errors.Is(err, status.ErrAhead) && !errors.As(err, &damage):
		t.Fatalf("%s: error is not about the log: %v", what, err)
	}
}

// must is check for files that hold everything.
func (r *reading) must(t *testing.T, what string, all []commit, last key.SeqNum) {
	t.Helper()
	err := r.readTo(last)
	r.check(t, what, all, last, err)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// upTo returns the commits of all that end with last or before.
func upTo(all []commit, last key.SeqNum) []commit {
	n := 0
	for n < len(all) && all[n].last() <= last {
		n++
	}
	return all[:n]
}

// ends are the sequence numbers that may be published: 0, and where a commit ends.
func ends(all []commit) (ends []key.SeqNum) {
	ends = []key.SeqNum{0}
	for _, c := range all {
		ends = append(ends, c.last())
	}
	return ends
}

// A follower would miss a commit, or see one twice, at the end of a segment or of what was published.
func TestTail_readsEveryCommitOnce(t *testing.T) {
	forEachSample(t, func(t *testing.T, m *sample) {
		all := m.all()
		end := all[len(all)-1].last()
		one := tailOf(m.files, 2)
		for _, a := range ends(all) {
			one.must(t, fmt.Sprintf("one by one, to %d", a), all, a)
			for _, b := range ends(all) {
				r := tailOf(m.files, 2)
				for _, last := range []key.SeqNum{a, b, b, end} {
					if last >= a {
						r.must(t, fmt.Sprintf("to %d, then to %d", a, b), all, last)
					}
				}
				r.must(t, "backwards", all, end) // nothing is published any less
				if err := r.readTo(a); err != nil || len(r.got) != len(all) {
					t.Fatalf("back to %d: %d commits, %v", a, len(r.got), err)
				}
			}
		}
		for _, num := range sampleSegments {
			r := tailOf(m.files, num)
			if err := r.readTo(end); err != nil || !slices.Equal(r.got, all[len(all)-len(r.got):]) ||
				r.got[0] != m.records[num][0].commit || r.Num() != 7 {
				t.Errorf("from segment %d: %d commits, %v", num, len(r.got), err)
			}
		}
	})
}

// behind returns the sample with something else behind the commit p of segment num.
func (m *sample) behind(num filename.Num, p placed, what []byte) recordtest.Dir {
	name := filename.Make(filename.Log, num)
	files := m.files.With(name, slices.Concat(m.files[name][:p.end], what))
	for _, later := range sampleSegments {
		if later > num {
			files = files.Without(filename.Make(filename.Log, later))
		}
	}
	return files
}

// What lies behind the published commits may be half written, or be taken back: a follower would show what never was.
func TestTail_looksAtNothingBehindWhatIsPublished(t *testing.T) {
	noise := make([]byte, 300)
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	m := makeSample(t, false)
	all := m.all()
	end := all[len(all)-1].last()
	for _, num := range sampleSegments {
		for _, p := range m.records[num] {
			next := m.files[filename.Make(filename.Log, num)][p.end:]
			for name, what := range map[string][]byte{
				"nothing": nil, "zeros": make([]byte, 300), "ones": bytes.Repeat([]byte{0xff}, 300), "noise": noise,
				"half a header": next[:min(len(next), 16)], "half a record": next[:min(len(next), record.HeaderSize+9)],
				"more commits": next,
			} {
				r := tailOf(m.behind(num, p, what), 2)
				r.must(t, name, all, p.commit.last())
				r.in(m.files).must(t, name+" before", all, end)
			}
		}
	}
}

// A group that a full disk has refused leaves parts of it, which others overwrite.
func TestTail_passesOverWhatWasTakenBack(t *testing.T) {
	first, refused, second := makeCommit(1, 2, 10), makeCommit(3, 1, 40), put(3, "another", []byte("value"))
	size := int(record.Size(prefixSize + len(refused.payload)))
	for kept := range size {
		dir := memfs.NewVolatile()
		full := errfs.New(dir)
		log := mustCreate(t, full, 1, Root(0))
		log.AllocateAhead()
		mustAppend(t, log, first)
		r := tailOf(dir, 1)
		look := func(errfs.Op) { r.must(t, "while it is refused", []commit{first}, 2) }
		full.SetRules(errfs.On(errfs.Write).Call(look), errfs.On(errfs.Write).Times(1).Short(kept, syscall.ENOSPC))
		if _, err := log.Append(refused.record()); !errors.Is(err, vfs.ErrNoSpace) || log.Err() != nil {
			t.Fatalf("%d bytes kept: %v, %v", kept, err, log.Err())
		}
		full.SetRules()
		r.must(t, "afterwards", []commit{first}, 2)
		mustAppend(t, log, second)
		r.must(t, "another in its place", []commit{first, second}, 3)
	}
}

// A follower that reads a segment which is damaged, cut, or something else by now must never show another commit than
// was written.
func TestTail_everyDamage(t *testing.T) {
	m := makeSample(t, true)
	all := m.all()
	end := all[len(all)-1].last()
	begun := []*reading{tailOf(m.files, 2)}
	for _, last := range []key.SeqNum{all[0].last(), m.records[4][0].commit.last(), m.records[7][3].commit.last()} {
		r := tailOf(m.files, 2)
		r.must(t, "before", all, last)
		begun = append(begun, r)
	}
	try := func(what string, num filename.Num, data []byte) {
		files := m.files.With(filename.Make(filename.Log, num), data)
		for _, before := range begun {
			r := before.in(files)
			err := r.readTo(end)
			r.check(t, what, all, end, err)
			r.in(m.files).must(t, what+", repaired", all, end)
		}
	}
	for _, num := range sampleSegments {
		original := m.files[filename.Make(filename.Log, num)]
		data := slices.Clone(original)
		for n := range data {
			try(fmt.Sprintf("segment %d cut to %d", num, n), num, original[:n])
			for _, flip := range []byte{1, 0xff} {
				data[n] ^= flip
				try(fmt.Sprintf("segment %d, byte %d", num, n), num, data)
				data[n] = original[n]
			}
		}
		for _, other := range sampleSegments {
			try(fmt.Sprintf("%d is %d", num, other), num, m.files[filename.Make(filename.Log, other)])
		}
	}
}

// A segment that is missing or whose number is taken by another log is no damage: the writer does not need it any more.
func TestTail_whatIsNotThereIsAhead(t *testing.T) {
	m := makeSample(t, true)
	all := m.all()
	end := all[len(all)-1].last()
	other := [16]byte{7}
	for name, r := range map[string]*reading{
		"no segment":       tailOf(m.files, 3),
		"first missing":    tailOf(m.files.Without("000002.wal"), 2),
		"next missing":     tailOf(m.files.Without("000004.wal"), 2),
		"last missing":     tailOf(m.files.Without("000007.wal"), 2),
		"first is another": tailOf(m.files.With("000002.wal", m.files["000004.wal"]), 2),
		"next is another":  tailOf(m.files.With("000004.wal", m.files["000002.wal"]), 2),
		"first is blank":   tailOf(m.files.With("000002.wal", make([]byte, 500)), 2),
		"next is blank":    tailOf(m.files.With("000004.wal", make([]byte, 500)), 2),
		"next is empty":    tailOf(m.files.With("000004.wal", nil), 2),
		"another database": {Tail: func() *Tail { t := NewTail(m.files, other); t.Begin(2); return t }()},
	} {
		err := r.readTo(end)
		r.check(t, name, all, end, err)
		if !errors.Is(err, status.ErrAhead) || errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := tailOf(m.files, 2)
	for range 3 { // the log has ended: what is behind is in another one
		if err := r.readTo(end + 1); !errors.Is(err, status.ErrAhead) || !slices.Equal(r.got, all) {
			t.Errorf("behind the last seal: %d commits, %v", len(r.got), err)
		}
	}
}

// A record, or a segment, of a log that was taken back may fit by its place and its numbers, and is valid in itself.
func TestTail_takesNothingOfAnotherHistory(t *testing.T) {
	write := func(value string) recordtest.Dir {
		dir := memfs.NewVolatile()
		log := mustCreate(t, dir, 1, Root(0))
		mustAppend(t, log, put(1, "key", []byte(value)))
		mustAppend(t, log, put(2, "key", []byte("same")))
		log = mustRotate(t, dir, log, 2)
		mustAppend(t, log, put(3, "key", []byte("same")))
		return recordtest.Contents(t, dir)
	}
	one, other := write("one"), write("two")
	all := []commit{put(1, "key", []byte("one")), put(2, "key", []byte("same")), put(3, "key", []byte("same"))}
	tailOf(one, 1).must(t, "as it is", all, 3)
	second := record.FileHeaderSize + record.Size(prefixSize+len(all[0].payload))
	spliced := slices.Concat(one["000001.wal"][:second], other["000001.wal"][second:])
	for name, files := range map[string]recordtest.Dir{
		"record":  one.With("000001.wal", spliced),
		"segment": one.With("000002.wal", other["000002.wal"]),
	} {
		r := tailOf(files, 1)
		if err := r.readTo(3); !errors.Is(err, status.ErrAhead) || name == "record" && len(r.got) != 1 {
			t.Errorf("a %s of another history: %d commits, %v", name, len(r.got), err)
		}
	}
}

// A commit that goes past the log leaves no seal; the log begins anew behind it.
func TestTail_goesOnAtARoot(t *testing.T) {
	dir := memfs.NewVolatile()
	before := []commit{makeCommit(1, 2, 10), makeCommit(3, 1, 10)}
	after := []commit{makeCommit(10, 1, 5), makeCommit(11, 3, 9)}
	log := mustCreate(t, dir, 2, Root(0))
	mustAppend(t, log, before...)
	r := tailOf(dir, 2)
	r.must(t, "before", before, 3)
	root := mustCreate(t, dir, 5, Root(9))
	for range 2 {
		if err := r.readTo(9); !errors.Is(err, status.ErrAhead) {
			t.Errorf("behind the log: %v", err)
		}
	}
	r.Begin(5)
	if err := r.readTo(4); err != nil || r.at.LastSeq != 9 {
		t.Errorf("a root that begins behind what is published: at %d, %v", r.at.LastSeq, err)
	}
	mustAppend(t, root, after...)
	r.must(t, "after", slices.Concat(before, after), 9)
	r.must(t, "after", slices.Concat(before, after), 13)
}

// An error must not cost the follower its place: it would be ahead until the writer flushes.
func TestTail_goesOnAfterAnError(t *testing.T) {
	m := makeSample(t, true)
	all := m.all()
	end := all[len(all)-1].last()
	for at := 0; ; at++ {
		disk := errfs.New(m.files, errfs.On().At(at).Fail(syscall.EMFILE))
		r := tailOf(disk, 2)
		err := r.readTo(end)
		if disk.Faults() == 0 {
			if at < 12 || err != nil {
				t.Errorf("%d calls, %v", at, err)
			}
			break
		}
		if !errors.Is(err, syscall.EMFILE) {
			t.Fatalf("call %d: %v", at, err)
		}
		r.must(t, fmt.Sprintf("after the error of call %d", at), all, end)
	}
	cause := errors.New("no memory")
	for n := range all {
		r := tailOf(m.files, 2)
		seen := 0
		err := r.ReadTo(end, func(filename.Num, key.SeqNum, *batch.Batch) error {
			if seen == n {
				return cause
			}
			seen++
			return nil
		})
		r.got = slices.Clone(all[:seen])
		if !errors.Is(err, cause) {
			t.Fatalf("commit %d: %v", n, err)
		}
		r.must(t, "after an error of the caller", all, end)
	}
	r := tailOf(m.files.Without("000004.wal"), 2)
	for range 2 {
		if err := r.readTo(end); !errors.Is(err, status.ErrAhead) {
			t.Errorf("without the next segment: %v", err)
		}
	}
	r.in(m.files).must(t, "once it is there", all, end)
}

// reused is a log whose segment 2 becomes segment 6 while the writer goes on.
type reused struct {
	disk *errfs.FS
	log  *Segment // 4
	all  []commit
}

func newReused(t *testing.T) *reused {
	u := &reused{disk: errfs.New(memfs.NewVolatile())}
	u.log = mustCreate(t, u.disk, 2, Root(0))
	u.append(t, 3)
	u.log = mustRotate(t, u.disk, u.log, 4)
	u.append(t, 2)
	return u
}

func (u *reused) append(t *testing.T, n int) {
	for range n {
		next := key.SeqNum(1)
		if len(u.all) > 0 {
			next = u.all[len(u.all)-1].last() + 1
		}
		u.all = append(u.all, makeCommit(next, 1+int(next)%3, 20))
		mustAppend(t, u.log, u.all[len(u.all)-1])
	}
}

// goOn uses segment 2 again and writes more than it had held.
func (u *reused) goOn(t *testing.T) {
	blank, err := Reuse(u.disk, 2, 6)
	must(t, blank, err)
	u.append(t, 1)
	u.log, err = sealAndBegin(u.log, blank)
	must(t, u.log, err)
	u.append(t, 4)
}

// A follower that reads a segment while the writer makes another one of it would show commits of the wrong place.
func TestTail_isInASegmentThatIsUsedAgain(t *testing.T) {
	for mid := range 4 {
		for at := 0; ; at++ {
			u := newReused(t)
			last := ends(u.all)[mid]
			r := tailOf(u.disk, 2)
			r.must(t, "before", u.all, last)
			published := u.all[len(u.all)-1].last()
			begin := u.disk.Ops()
			during := errfs.On().At(begin + at).Call(func(errfs.Op) {
				r := r.in(u.disk)
				err := r.readTo(published)
				r.check(t, fmt.Sprintf("from %d, within call %d", last, at), u.all, published, err)
			})
			u.disk.SetRules(during)
			u.goOn(t)
			u.disk.SetRules()
			u.finish(t, r)
			if during.Applied(u.disk) == 0 {
				break
			}
		}
	}
}

// The other way round: the writer does all of it within a call of the follower.
func TestTail_aSegmentIsUsedAgainWithinARead(t *testing.T) {
	for mid := range 4 {
		for at := 0; ; at++ {
			u := newReused(t)
			last := ends(u.all)[mid]
			r := tailOf(u.disk, 2)
			r.must(t, "before", u.all, last)
			published := u.all[len(u.all)-1].last()
			during := errfs.On().At(u.disk.Ops() + at).Call(func(errfs.Op) { u.disk.SetRules(); u.goOn(t) })
			u.disk.SetRules(during)
			err := r.readTo(published)
			r.check(t, fmt.Sprintf("from %d, call %d", last, at), u.all, published, err)
			if during.Applied(u.disk) == 0 {
				break
			}
			u.finish(t, r)
		}
	}
}

// finish reads the rest of the log, from a later segment if r is ahead.
func (u *reused) finish(t *testing.T, r *reading) {
	t.Helper()
	end := u.all[len(u.all)-1].last()
	err := r.readTo(end)
	r.check(t, "afterwards", u.all, end, err)
	if err != nil {
		r.Begin(4)
		r.got = slices.Clone(u.all[:3]) // they are in tables by now
		r.must(t, "from the next segment", u.all, end)
	}
}

// Keys and batches of any size must come through, whatever the reader's buffer holds.
func TestTail_largeCommits(t *testing.T) {
	dir := memfs.NewVolatile()
	log := mustCreate(t, dir, 1, Root(0))
	var all []commit
	seq := key.SeqNum(1)
	for n, size := range []int{10, 64 << 10, 64 << 10, 255 << 10, 3, 256 << 10, 257 << 10, 0, 3 << 20, 64 << 10, 5} {
		var b batch.Batch
		longest := bytes.Repeat([]byte{byte(n)}, 64<<10-1)
		b.Put(longest, make([]byte, size))
		b.Delete(longest)
		b.Put([]byte("key"), bytes.Repeat([]byte{byte(n)}, size))
		all = append(all, commit{seq, 3, string(b.Bytes())})
		mustAppend(t, log, all[n])
		seq += 3
		if n%4 == 3 {
			log = mustRotate(t, dir, log, log.Num()+1)
		}
	}
	end := all[len(all)-1].last()
	tailOf(dir, 1).must(t, "at once", all, end)
	r := tailOf(dir, 1)
	for _, last := range ends(all) {
		r.must(t, "one by one", all, last)
	}
}

// Right checksums over impossible content must end the reading: a loop of segments would keep a follower busy for ever.
func TestTail_impossibleContentWithRightChecksums(t *testing.T) {
	m := makeSample(t, false)
	all := m.all()
	end := all[len(all)-1].last()
	le := binary.LittleEndian
	name := "000002.wal"
	seal := m.ends[2] - record.Size(sealBodySize)
	for what, change := range map[string]func(d []byte){
		"names itself":     func(d []byte) { le.PutUint64(d[m.ends[2]-8:], 2) },
		"names an earlier": func(d []byte) { le.PutUint64(d[m.ends[2]-8:], 1) },
		"another sequence": func(d []byte) { d[seal+record.HeaderSize+8]++ },
		"counts":           func(d []byte) { d[seal+record.HeaderSize+16]++ },
		"unknown type":     func(d []byte) { d[seal+12] = 9 },
	} {
		data := slices.Clone(m.files[name])
		change(data)
		recordtest.FixRecord(data, testDB, seal, m.ends[2])
		r := tailOf(m.files.With(name, data), 2)
		err := r.readTo(end)
		r.check(t, what, all, end, err)
		var damage *corrupt.Error
		if !errors.As(err, &damage) || damage.File != name || damage.Offset != seal {
			t.Errorf("%s: %v", what, err)
		}
	}
	half := m.records[2][0].commit.last() - 1
	if err := tailOf(m.files, 2).readTo(half); half == 0 || !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("half a commit is published: %v", err)
	}
}
