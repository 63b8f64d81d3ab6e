package wal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

var testDB = [16]byte{0xd8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// commit is a commit as a test knows it.
type commit struct {
	first   key.SeqNum
	count   int
	payload string
}

func (c commit) record() Record {
	return Record{First: c.first, Count: c.count, Payload: []byte(c.payload)}
}

// makeCommit returns a commit of count operations with values of valueSize bytes, different for every first.
func makeCommit(first key.SeqNum, count, valueSize int) commit {
	var b batch.Batch
	for i := range count {
		seq := first + key.SeqNum(i)
		if seq%5 == 0 {
			b.Delete(fmt.Appendf(nil, "key %d", seq))
			continue
		}
		b.Put(fmt.Appendf(nil, "key %d", seq), bytes.Repeat([]byte{byte(seq)}, valueSize))
	}
	return commit{first, count, string(b.Bytes())}
}

// replay returns the commits that Replay finds in all segments of dir from start on.
func replay(dir vfs.FS, o ReplayOptions) ([]commit, Report, error) {
	names, err := dir.List()
	if err != nil {
		return nil, Report{}, err
	}
	o.DB = testDB
	for _, name := range names {
		if kind, num := filename.Parse(name); kind == filename.Log {
			o.Segments = append(o.Segments, num)
		}
	}
	var got []commit
	report, err := Replay(dir, o, func(first key.SeqNum, b *batch.Batch) error {
		got = append(got, commit{first, b.Count(), string(b.Bytes())})
		return nil
	})
	return got, report, err
}

// mustAppend appends commits as one group.
func mustAppend(t testing.TB, s *Segment, commits ...commit) {
	t.Helper()
	var records []Record
	for _, c := range commits {
		records = append(records, c.record())
	}
	if _, err := s.Append(records...); err != nil {
		t.Fatal(err)
	}
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rotate goes on from s in a new segment.
func rotate(dir vfs.FS, s *Segment, next filename.Num) (*Segment, error) {
	b, err := Prepare(dir, next)
	if err != nil {
		return nil, err
	}
	return sealAndBegin(s, b)
}

func sealAndBegin(s *Segment, b *Blank) (*Segment, error) {
	prev, err := s.Seal(b.Num())
	if err != nil {
		return nil, errors.Join(err, b.f.Close())
	}
	return b.Begin(testDB, prev)
}

// What a commit acknowledged must be what a restart finds: every operation, in order, through all segments.
func TestReplay_returnsWhatWasAppended(t *testing.T) {
	dir := memfs.NewVolatile()
	log := mustCreate(t, dir, 3, Root(41))
	var want []commit
	next := key.SeqNum(42)
	add := func(sizes ...int) {
		var group []commit
		for _, size := range sizes {
			c := makeCommit(next, 1+int(next)%3, size)
			next += key.SeqNum(c.count)
			group = append(group, c)
		}
		mustAppend(t, log, group...)
		want = append(want, group...)
	}
	add(0)
	add(10, 20, 30)
	add(300_000, 5, 400_000, 2_000_000, 7)
	must(t, log, log.Sync())
	log = mustRotate(t, dir, log, 9)
	add(1)
	log = mustRotate(t, dir, log, 10)
	log = mustRotate(t, dir, log, 12)
	add(100, 100)
	size := log.Size()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}

	got, report, err := replay(dir, ReplayOptions{Start: 3})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("replayed %d commits, want %d, or they differ", len(got), len(want))
	}
	if report.LastSeq != next-1 || report.Segments != 4 || report.Records != int64(len(want)) || report.TornBytes != 0 {
		t.Errorf("report %+v", report)
	}
	if report.Operations != int64(next-42) || report.Bytes <= size {
		t.Errorf("report %+v", report)
	}

	got, report, err = replay(dir, ReplayOptions{Start: 12})
	if err != nil || len(got) != 2 || report.LastSeq != next-1 {
		t.Errorf("from segment 12: %d commits, %+v, %v", len(got), report, err)
	}
}

func mustCreate(t testing.TB, dir vfs.FS, num filename.Num, prev Predecessor) *Segment {
	t.Helper()
	s, err := createDurably(dir, num, prev)
	return must(t, s, err)
}

// createDurably creates a segment as recovery does, and makes its name durable as a manifest does.
func createDurably(dir vfs.FS, num filename.Num, prev Predecessor) (*Segment, error) {
	s, err := Create(dir, num, testDB, prev)
	if err == nil {
		err = dir.SyncDir()
	}
	return s, err
}

func mustRotate(t testing.TB, dir vfs.FS, s *Segment, next filename.Num) *Segment {
	t.Helper()
	s, err := rotate(dir, s, next)
	return must(t, s, err)
}

// A record that replay refuses would make an acknowledged commit unreadable: it must be refused before.
func TestAppend_refusesWhatReplayWouldRefuse(t *testing.T) {
	log := mustCreate(t, memfs.NewVolatile(), 1, Root(0))
	good := makeCommit(1, 2, 3)
	bad := map[string][]Record{
		"gap in sequence numbers":  {{2, good.count, []byte(good.payload)}},
		"no operations":            {{1, 0, nil}},
		"more operations than fit": {{1, 2, []byte{0}}},
		"second of a group":        {good.record(), good.record()},
	}
	for name, records := range bad {
		if _, err := log.Append(records...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if log.Err() != nil || log.Size() != record.FileHeaderSize {
		t.Errorf("a refused record left traces: %v, size %d", log.Err(), log.Size())
	}
	mustAppend(t, log, good)
}

// Bytes behind the last sequence number would be numbered beyond the formats.
func TestAppend_endsAtLastSequenceNumber(t *testing.T) {
	dir := memfs.NewVolatile()
	log := mustCreate(t, dir, 1, Root(key.MaxSeqNum-3))
	mustAppend(t, log, makeCommit(key.MaxSeqNum-2, 2, 1))
	if _, err := log.Append(makeCommit(key.MaxSeqNum, 1, 1).record()); err == nil {
		t.Error("appended beyond the largest sequence number")
	}
	if got, _, err := replay(dir, ReplayOptions{Start: 1}); err != nil || len(got) != 1 {
		t.Errorf("replayed %d commits: %v", len(got), err)
	}
}

// A log of another database, or of a newer program, must be told from a damaged one, and never be replayed.
func TestReplay_refusesForeignLogs(t *testing.T) {
	dir := memfs.NewVolatile()
	log := mustCreate(t, dir, 1, Root(0))
	mustAppend(t, log, makeCommit(1, 1, 1))
	_, err := Replay(dir, ReplayOptions{DB: [16]byte{1}, Start: 1, Segments: []filename.Num{1}}, nil)
	if !errors.Is(err, corrupt.ErrCorrupt) {
		t.Errorf("another database's log: %v", err)
	}
	files := recordtest.Contents(t, dir)
	for _, field := range []int{8, 12} { // version, key id
		data := slices.Clone(files["000001.wal"])
		data[field]++
		recordtest.FixFileHeader(data)
		_, _, err := replay(recordtest.Dir{"000001.wal": data}, ReplayOptions{Start: 1})
		if !errors.Is(err, record.ErrVersionTooNew) {
			t.Errorf("header field at %d: %v", field, err)
		}
	}
}

// Another writer's segment, which has the number that this one thinks is free, would be replaced.
func TestReuse_takesNobodysName(t *testing.T) {
	dir := memfs.NewVolatile()
	for _, num := range []filename.Num{1, 2} {
		seg, err := Create(dir, num, [16]byte{1}, Root(0))
		if err != nil {
			t.Fatal(err)
		}
		if err := seg.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Reuse(dir, 1, 2); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Reuse with the number of a segment that is there = %v", err)
	}
	f, err := dir.Open(filename.Make(filename.Log, 2))
	if err != nil {
		t.Fatal(err)
	}
	var magic [8]byte
	if _, err := f.ReadAt(magic[:], 0); err != nil || magic == [8]byte{} {
		t.Errorf("segment 2 begins with %q, %v", magic, err)
	}
}
