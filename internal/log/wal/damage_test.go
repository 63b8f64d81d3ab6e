package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/system/vfs/memfs"
)

// placed is a record as the test knows it from writing it.
type placed struct {
	off, end int64
	synced   int64 // what it says
	commit   commit
}

// sample is a log of three segments, 2, 4 and 7, and all that is known of it.
type sample struct {
	files   recordtest.Dir
	records map[filename.Num][]placed // commits only
	ends    map[filename.Num]int64    // of the seal, or of the last record
	sealed  bool                      // the last segment ends with a seal
}

var sampleSegments = []filename.Num{2, 4, 7}

// makeSample writes the sample; sealed tells whether it was closed cleanly or the process was killed.
func makeSample(t testing.TB, sealed bool) *sample {
	dir := memfs.NewVolatile()
	m := &sample{records: map[filename.Num][]placed{}, ends: map[filename.Num]int64{}, sealed: sealed}
	log := mustCreate(t, dir, 2, Root(0))
	next := key.SeqNum(1)
	add := func(sizes ...int) {
		var group []commit
		at := log.Size()
		for _, size := range sizes {
			c := makeCommit(next, 1+int(next)%2, size)
			next += key.SeqNum(c.count)
			group = append(group, c)
			end := at + record.Size(prefixSize+len(c.payload))
			m.records[log.Num()] = append(m.records[log.Num()], placed{at, end, log.Synced(), c})
			at = end
		}
		mustAppend(t, log, group...)
	}
	for _, num := range sampleSegments {
		if num != 2 {
			m.ends[log.Num()] = log.Size() + record.Size(sealBodySize)
			log = mustRotate(t, dir, log, num)
		}
		add(5)
		add(40, 9)
		must(t, log, log.Sync())
		add(300)
		add(1, 2)
		must(t, log, log.Sync())
		add(33)
		add(250, 3)
	}
	m.ends[7] = log.Size()
	if sealed {
		end, err := log.Seal(0)
		m.ends[7] = must(t, end, err).Length
	}
	m.files = recordtest.Contents(t, dir)
	return m
}

// differing is the segments that are not the same in both samples; all of them for one.
func (m *sample) differing() []filename.Num {
	if m.sealed {
		return sampleSegments[2:]
	}
	return sampleSegments
}

// all returns the commits of the whole log.
func (m *sample) all() (all []commit) {
	for _, num := range sampleSegments {
		for _, p := range m.records[num] {
			all = append(all, p.commit)
		}
	}
	return all
}

// verdict is what Replay must say about damaged files: an error, or these commits.
type verdict struct {
	damage  bool
	commits []commit
	torn    bool
}

// judge decides from what was written what Replay must say when the content of segment num is data.
func (m *sample) judge(num filename.Num, data []byte) verdict {
	name := filename.Make(filename.Log, num)
	original := m.files[name]
	intact := func(from, to int64) bool {
		return to <= int64(len(data)) && bytes.Equal(data[from:to], original[from:to])
	}
	if num != 7 || m.sealed {
		if intact(0, m.ends[num]) {
			return verdict{commits: m.all()}
		}
		if num != 7 {
			return verdict{damage: true}
		}
	}
	records := m.records[7]
	before := m.all()[:len(m.all())-len(records)]
	if !intact(0, record.FileHeaderSize) {
		survives := slices.ContainsFunc(records, func(p placed) bool { return intact(p.off, p.end) })
		sealSurvives := m.sealed && intact(records[len(records)-1].end, m.ends[7])
		return verdict{damage: survives || sealSurvives, commits: before, torn: nonZero(data, 0)}
	}
	tear := m.ends[7]
	if m.sealed {
		tear = records[len(records)-1].end
	}
	for i, p := range records {
		if !intact(p.off, p.end) {
			records, tear = records[:i], p.off
			break
		}
	}
	for _, p := range m.records[7] {
		if p.off > tear && p.synced > tear && intact(p.off, p.end) {
			return verdict{damage: true}
		}
	}
	for _, p := range records {
		before = append(before, p.commit)
	}
	return verdict{commits: before, torn: nonZero(data, tear)}
}

func nonZero(data []byte, from int64) bool {
	return from < int64(len(data)) && len(bytes.TrimLeft(data[from:], "\x00")) > 0
}

// check replays the sample with other content of segment num and compares with the verdict.
func (m *sample) check(t *testing.T, what string, num filename.Num, data []byte) {
	t.Helper()
	files := m.files.With(filename.Make(filename.Log, num), data)
	want := m.judge(num, data)
	got, report, err := replay(files, ReplayOptions{Start: 2})
	switch {
	case err != nil && !errors.Is(err, corrupt.ErrCorrupt) && !errors.Is(err, record.ErrVersionTooNew):
		t.Fatalf("%s of segment %d: error is not about damage: %v", what, num, err)
	case (err != nil) != want.damage:
		t.Fatalf("%s of segment %d: error %v, want damage %v", what, num, err, want.damage)
	case err == nil && !slices.Equal(got, want.commits):
		t.Fatalf("%s of segment %d: %d commits, want %d of %d", what, num, len(got), len(want.commits), len(m.all()))
	case err == nil && (report.TornBytes > 0) != want.torn:
		t.Fatalf("%s of segment %d: %d torn bytes reported, want some: %v", what, num, report.TornBytes, want.torn)
	}
}

// forEachSample runs test for a log that was closed cleanly and for one whose writer was killed.
func forEachSample(t *testing.T, test func(t *testing.T, m *sample)) {
	for _, sealed := range []bool{false, true} {
		t.Run(fmt.Sprintf("sealed=%v", sealed), func(t *testing.T) { test(t, makeSample(t, sealed)) })
	}
}

// A log cut anywhere must give a prefix or an error, never a part of a commit, and never a hole.
func TestReplay_truncatedAtEveryLength(t *testing.T) {
	forEachSample(t, func(t *testing.T, m *sample) {
		for _, num := range m.differing() {
			data := m.files[filename.Make(filename.Log, num)]
			for n := range len(data) {
				m.check(t, fmt.Sprintf("truncation to %d bytes", n), num, data[:n])
			}
		}
	})
}

// One wrong bit must never change, hide or reorder a commit that the log itself proves to have been durable.
func TestReplay_everyBitFlipped(t *testing.T) {
	forEachSample(t, func(t *testing.T, m *sample) {
		for _, num := range m.differing() {
			data := slices.Clone(m.files[filename.Make(filename.Log, num)])
			for i := range data {
				for bit := range 8 {
					data[i] ^= 1 << bit
					m.check(t, fmt.Sprintf("flip of bit %d of byte %d", bit, i), num, data)
					data[i] ^= 1 << bit
				}
			}
		}
	})
}

// A lost or misdirected sector in the middle must not pass for the end of the log.
func TestReplay_everySectorOverwritten(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 512)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	patterns := map[string][]byte{"zeros": make([]byte, 512), "ones": bytes.Repeat([]byte{0xff}, 512), "noise": noise}
	forEachSample(t, func(t *testing.T, m *sample) {
		for _, num := range sampleSegments {
			original := m.files[filename.Make(filename.Log, num)]
			for at := 0; at < len(original); at += 512 {
				for name, pattern := range patterns {
					data := slices.Clone(original)
					copy(data[at:], pattern)
					m.check(t, fmt.Sprintf("overwriting offset %d with %s", at, name), num, data)
				}
			}
		}
	})
}

// Bytes behind the end (old content of reused blocks, preallocated zeros) must not pass for records.
func TestReplay_anythingAppended(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	forEachSample(t, func(t *testing.T, m *sample) {
		last := m.files["000007.wal"]
		tails := map[string][]byte{
			"zeros":                     make([]byte, 4096),
			"noise":                     noise,
			"itself":                    slices.Repeat(last, 4),
			"records of itself":         slices.Repeat(last[record.FileHeaderSize:], 4),
			"records of the one before": slices.Repeat(m.files["000004.wal"][record.FileHeaderSize:], 4),
		}
		step := 1
		if m.sealed { // what follows a seal is not even looked at
			step = 37
		}
		for name, tail := range tails {
			for n := 1; n <= 4096; n += step {
				m.check(t, fmt.Sprintf("appending %d bytes of %s", n, name), 7, slices.Concat(last, tail[:n]))
			}
		}
		for _, num := range sampleSegments[:2] {
			data := m.files[filename.Make(filename.Log, num)]
			m.check(t, "appending noise", num, slices.Concat(data, noise))
		}
	})
}

// A segment that is missing, or stands in for another, must be noticed: the commits in it were acknowledged.
func TestReplay_segmentsDroppedDuplicatedSwapped(t *testing.T) {
	forEachSample(t, func(t *testing.T, m *sample) {
		expectDamage := func(what string, files recordtest.Dir) {
			t.Helper()
			if _, _, err := replay(files, ReplayOptions{Start: 2}); !errors.Is(err, corrupt.ErrCorrupt) {
				t.Errorf("%s: %v", what, err)
			}
		}
		for a := range m.files {
			expectDamage("without "+a, m.files.Without(a))
			for b := range m.files {
				if a == b {
					continue
				}
				replaced := m.files.With(a, m.files[b])
				expectDamage(a+" replaced by "+b, replaced)
				expectDamage(a+" and "+b+" swapped", replaced.With(b, m.files[a]))
			}
			got, _, err := replay(m.files.With("000009.wal", m.files[a]), ReplayOptions{Start: 2})
			if err != nil || !slices.Equal(got, m.all()) {
				t.Errorf("copy of %s as another segment: %d commits, %v", a, len(got), err)
			}
		}
		if _, _, err := replay(m.files, ReplayOptions{}); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("a log that the manifest does not know of: %v", err)
		}
		if _, _, err := replay(m.files, ReplayOptions{Start: 4}); err != nil {
			t.Errorf("from the second segment: %v", err)
		}
	})
}

// Right checksums over impossible content (a fault before the log, or an attacker) must not be applied.
func TestReplay_impossibleContentWithRightChecksums(t *testing.T) {
	le := binary.LittleEndian
	body := int64(record.FileHeaderSize + record.HeaderSize)
	cases := map[string]func(data []byte){
		"unknown type":            func(d []byte) { d[record.FileHeaderSize+12] = 9 },
		"type zero":               func(d []byte) { d[record.FileHeaderSize+12] = 0 },
		"synced beyond itself":    func(d []byte) { le.PutUint64(d[body:], record.FileHeaderSize+8) },
		"synced below the header": func(d []byte) { le.PutUint64(d[body:], 0) },
		"sequence gap":            func(d []byte) { le.PutUint64(d[body+8:], 2) },
		"sequence repeated":       func(d []byte) { le.PutUint64(d[body+8:], 0) },
		"no operations":           func(d []byte) { le.PutUint32(d[body+16:], 0) },
		"too many operations":     func(d []byte) { le.PutUint32(d[body+16:], 1<<31) },
		"one operation more":      func(d []byte) { le.PutUint32(d[body+16:], le.Uint32(d[body+16:])+1) },
		"reserved bytes":          func(d []byte) { d[body+20] = 1 },
		"unknown kind":            func(d []byte) { d[body+24] = 77 },
	}
	m := makeSample(t, false)
	first := m.records[2][0]
	for name, change := range cases {
		data := slices.Clone(m.files["000002.wal"])
		change(data)
		recordtest.FixRecord(data, testDB, first.off, first.end)
		_, _, err := replay(recordtest.Dir{"000002.wal": data[:first.end]}, ReplayOptions{Start: 2})
		var damage *corrupt.Error
		if !errors.As(err, &damage) || damage.Offset != first.off || damage.File != "000002.wal" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A length from disk must not decide how much memory is taken.
func TestReplay_hostileLengths(t *testing.T) {
	m := makeSample(t, false)
	last := m.records[7][len(m.records[7])-1]
	rest := uint32(last.end - last.off - record.HeaderSize)
	lengths := []uint32{0, 1, 23, rest + 1, 1 << 20, record.MaxBodySize, record.MaxBodySize + 1, 1<<31 - 1, 1<<32 - 1}
	for _, length := range lengths {
		data := slices.Clone(m.files["000007.wal"])
		binary.LittleEndian.PutUint32(data[last.off+4:], length)
		files := m.files.With("000007.wal", data)
		allocated := testing.AllocsPerRun(1, func() {
			got, _, err := replay(files, ReplayOptions{Start: 2})
			if err != nil || len(got) != len(m.all())-1 {
				t.Errorf("length %d: %d commits, %v", length, len(got), err)
			}
		})
		if allocated > 1000 {
			t.Errorf("length %d: %v allocations", length, allocated)
		}
	}
}

// One sector may hold the header of the first segment and all of its records: without it, the log would pass for one
// that was never begun.
func TestReplay_firstSegmentWithoutHeaderIsDamage(t *testing.T) {
	dir := memfs.NewVolatile()
	log := mustCreate(t, dir, 1, Root(0))
	mustAppend(t, log, makeCommit(1, 1, 10))
	must(t, log, log.Sync())
	size := len(recordtest.Contents(t, dir)["000001.wal"])
	for _, data := range [][]byte{nil, make([]byte, 10), make([]byte, size), bytes.Repeat([]byte{0xa5}, size)} {
		_, _, err := replay(recordtest.Dir{"000001.wal": data}, ReplayOptions{Start: 1})
		if !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%d bytes, none of them as written: %v", len(data), err)
		}
	}
}

// A file of overlapping would-be records must not keep Open busy for hours.
func TestReplay_boundsTheSearchBehindATornTail(t *testing.T) {
	const size = 1 << 20
	dir := memfs.NewVolatile()
	mustCreate(t, dir, 1, Root(0))
	data := slices.Concat(recordtest.Contents(t, dir)["000001.wal"], make([]byte, size))
	data[record.FileHeaderSize] = 1 // the tear
	le := binary.LittleEndian
	for off := record.FileHeaderSize + 64; off+64 < len(data); off += 64 {
		le.PutUint32(data[off+4:], uint32(len(data)-off-record.HeaderSize-8))
		data[off+12] = byte(typeCommit)
		le.PutUint64(data[off+16:], 1)
		le.PutUint64(data[off+24:], uint64(off))
		le.PutUint64(data[off+32:], record.FileHeaderSize+8)
	}
	_, _, err := replay(recordtest.Dir{"000001.wal": data}, ReplayOptions{Start: 1})
	if !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("error %v", err)
	}
}

// A segment from another life of the database fits by its number and by its sequence numbers, but not by what it
// follows.
func TestReplay_refusesSegmentOfAnotherHistory(t *testing.T) {
	write := func(value int) recordtest.Dir {
		dir := memfs.NewVolatile()
		log := mustCreate(t, dir, 1, Root(0))
		mustAppend(t, log, makeCommit(1, 1, value))
		log = mustRotate(t, dir, log, 2)
		mustAppend(t, log, makeCommit(2, 1, 5))
		return recordtest.Contents(t, dir)
	}
	one, other := write(10), write(11)
	mixed := one.With("000002.wal", other["000002.wal"])
	if _, _, err := replay(mixed, ReplayOptions{Start: 1}); !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("error %v", err)
	}
}

// A segment that was begun proves that the one before is complete, even while it holds nothing itself.
func TestReplay_emptySegmentProvesItsPredecessor(t *testing.T) {
	dir := memfs.NewVolatile()
	log := mustCreate(t, dir, 1, Root(0))
	mustAppend(t, log, makeCommit(1, 1, 10))
	end := log.Size()
	mustRotate(t, dir, log, 2)
	files := recordtest.Contents(t, dir)
	if _, _, err := replay(files, ReplayOptions{Start: 1}); err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int64{record.FileHeaderSize, end - 1, end, end + 1} {
		damaged := files.With("000001.wal", files["000001.wal"][:cut])
		if _, _, err := replay(damaged, ReplayOptions{Start: 1}); !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("predecessor cut to %d bytes: %v", cut, err)
		}
	}
}

// A recovery that was interrupted leaves a root behind: nothing is lost with it, unless someone wrote into it.
func TestReplay_rootsBehindTheLog(t *testing.T) {
	dir := memfs.NewVolatile()
	log := mustCreate(t, dir, 1, Root(0))
	mustAppend(t, log, makeCommit(1, 1, 10))
	mustCreate(t, dir, 5, Root(1))
	root := mustCreate(t, dir, 8, Root(1))
	got, _, err := replay(dir, ReplayOptions{Start: 1})
	if err != nil || len(got) != 1 {
		t.Errorf("%d commits, %v", len(got), err)
	}
	mustAppend(t, root, makeCommit(2, 1, 10))
	if _, _, err := replay(dir, ReplayOptions{Start: 1}); !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("a root in use that the manifest does not name: %v", err)
	}
	if got, _, err := replay(dir, ReplayOptions{Start: 8}); err != nil || len(got) != 1 {
		t.Errorf("from the root: %d commits, %v", len(got), err)
	}
}
