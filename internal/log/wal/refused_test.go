package wal

import (
	"bytes"
	"errors"
	"slices"
	"syscall"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// put returns a commit of one operation.
func put(seq key.SeqNum, k string, value []byte) commit {
	var b batch.Batch
	b.Put([]byte(k), value)
	return commit{seq, 1, string(b.Bytes())}
}

// alike is a log whose file holds, behind the first commit, the very bytes with which the next group will end.
type alike struct {
	log      *Segment
	files    *memfs.FS
	disk     *errfs.FS
	start    ReplayOptions
	first    commit
	refused  func() error // writes that group
	writes   int          // how many writes it takes
	lastSize int          // at least the size of the last write, in bytes
}

// aheadOf is a log that was allocated ahead: the file goes on with zeros.
func aheadOf(t *testing.T) *alike {
	l := &alike{files: memfs.New(), first: put(1, "first", nil), start: ReplayOptions{Start: 1}}
	l.disk = errfs.New(l.files)
	l.log = mustCreate(t, l.disk, 1, Root(0))
	l.log.AllocateAhead()
	l.begin(t)
	return l
}

func (l *alike) begin(t *testing.T) {
	mustAppend(t, l.log, l.first)
	must(t, l.log, l.log.Sync())
}

// append makes c the group, written in the given way.
func (l *alike) append(way record.Way, c commit) {
	l.writes, l.lastSize = 1, int(record.Size(prefixSize+len(c.payload)))+record.HeaderSize
	l.refused = func() error {
		_, err := l.log.append(way, []Record{c.record()})
		return err
	}
}

func zerosAhead(way record.Way) func(*testing.T) *alike {
	return func(t *testing.T) *alike {
		l := aheadOf(t)
		l.append(way, put(2, "zeros", make([]byte, 100)))
		return l
	}
}

// paddingAhead has only the padding of the record left to write: it is too large for one write.
func paddingAhead(t *testing.T) *alike {
	l := aheadOf(t)
	l.append(record.Written, put(2, "large", bytes.Repeat([]byte("x"), 1<<20+1)))
	l.writes, l.lastSize = 3, 8+record.HeaderSize
	return l
}

// sealAhead has a seal for the group: it ends with the number of the next segment, most of which is zeros.
func sealAhead(t *testing.T) *alike {
	l := aheadOf(t)
	l.append(record.Written, commit{payload: "a number"})
	l.refused = func() error {
		_, err := l.log.Seal(2)
		return err
	}
	return l
}

// sameBefore has a segment that was used before for the same value in the same place.
func sameBefore(way record.Way) func(*testing.T) *alike {
	return func(t *testing.T) *alike {
		value := bytes.Repeat([]byte("x"), 1000)
		l := &alike{files: memfs.New(), first: put(3, "first", nil), start: ReplayOptions{Start: 5}}
		old := mustCreate(t, l.files, 1, Root(0))
		mustAppend(t, old, put(1, "first", nil))
		mustAppend(t, old, put(2, "same", value))
		end, err := old.Seal(0)
		must(t, end, err)
		l.disk = errfs.New(l.files)
		b, err := Reuse(l.disk, 1, 5)
		l.log, err = must(t, b, err).Begin(testDB, Root(2))
		must(t, l.log, err)
		l.log.AllocateAhead()
		l.begin(t)
		l.append(way, put(4, "same", value))
		return l
	}
}

// A commit that a full disk refused would be there after a restart, or a seal that leads nowhere: its end was never
// written, but the file held the same bytes there before.
func TestAppend_refusedThoughTheFileEndsAlike(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T) *alike{
		"zeros": zerosAhead(record.Written), "zeros, stored": zerosAhead(record.Stored),
		"padding": paddingAhead, "seal": sealAhead,
		"same before": sameBefore(record.Written), "same before, stored": sameBefore(record.Stored),
	} {
		t.Run(name, func(t *testing.T) {
			for kept := range prepare(t).lastSize + 1 {
				checkRefused(t, prepare(t), kept)
			}
		})
	}
}

// checkRefused lets only kept bytes of the last write of the group into a full disk.
func checkRefused(t *testing.T, l *alike, kept int) {
	t.Helper()
	l.disk.SetRules(errfs.On(errfs.Write).Nth(l.writes).Short(kept, syscall.ENOSPC))
	if err := l.refused(); !errors.Is(err, vfs.ErrNoSpace) || l.log.Err() != nil {
		t.Fatalf("%d bytes kept: %v, %v", kept, err, l.log.Err())
	}
	for _, policy := range policies {
		got, _, err := replay(l.files.Image(policy, uint64(kept)), l.start)
		if err != nil || !slices.Equal(got, []commit{l.first}) {
			t.Fatalf("%d bytes kept, image %v: %d commits, %v", kept, policy, len(got), err)
		}
	}
	next := put(l.first.first+1, "next", nil)
	mustAppend(t, l.log, next)
	got, _, err := replay(l.files.Kill(), l.start)
	if err != nil || !slices.Equal(got, []commit{l.first, next}) {
		t.Fatalf("%d bytes kept, the next commit: %d commits, %v", kept, len(got), err)
	}
}

// A commit whose end a full disk refused would come back through a power cut, with the end of the next commit as its
// own.
func TestAppend_whatFollowsDoesNotCompleteWhatWasRefused(t *testing.T) {
	value := bytes.Repeat([]byte("x"), 3000)
	first, refused, next := put(1, "first", nil), put(2, "key a", value), put(2, "key b", value)
	dir := memfs.New()
	full := errfs.New(dir)
	log := mustCreate(t, full, 1, Root(0))
	log.AllocateAhead()
	mustAppend(t, log, first)
	must(t, log, log.Sync())
	full.SetRules(errfs.On(errfs.Write).Nth(1).Short(1024, syscall.ENOSPC))
	if _, err := log.Append(refused.record()); !errors.Is(err, vfs.ErrNoSpace) || log.Err() != nil {
		t.Fatal(err, log.Err())
	}
	mustAppend(t, log, next)
	for seed := range uint64(dir.UnsyncedSectors()) {
		got, _, err := replay(dir.Image(memfs.AllButOneSector, seed), ReplayOptions{Start: 1})
		if err != nil || !isPrefix(got, []commit{first, next}, 1) {
			t.Fatalf("without sector %d: %d commits, %v", seed, len(got), err)
		}
	}
}
