package wal

import (
	"testing"
	"time"

	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs/memfs"
)

// A follower whose segment is used again has lost its place, and under a busy writer it would do so again and again.
func TestRecycle_waitsForFollowers(t *testing.T) {
	disk := memfs.NewVolatile()
	random := uint64(0)
	now := func() time.Duration { return 0 }
	dir := directory.New(directory.Options{
		FS: disk, Gate: calls.NewGate(), Followers: true, Clock: now,
		Random:    func() uint64 { random += 2; return random },
		Failed:    func(err error) { t.Errorf("writes have ended: %v", err) },
		Discarded: func() {},
	})
	defer dir.Close()
	dir.SetCurrent(func() error { return nil })
	must(t, dir, dir.Lock())
	_, err := dir.Claim()
	must(t, dir, err)
	log := NewLog(dir, LogOptions{SegmentLimit: 1 << 20, Clock: now, Wake: func() {}})
	must(t, log, log.Begin(testDB, 0))
	defer log.Close()
	l, err := lease.Take(disk, 2)
	must(t, l, err)

	c := makeCommit(1, 1, 10)
	_, err = log.Append([]Record{c.record()}, false)
	must(t, log, err)
	first := log.Num()
	must(t, log, log.Rotate())
	const since filename.Num = 9
	log.RetireBefore(log.Num(), since, true)
	expect := func(what string, spare bool) {
		t.Helper()
		log.Recycle(true)
		_, err := disk.FileSize(filename.Make(filename.Log, first))
		if log.HasSpare() != spare || (err != nil) != spare {
			t.Errorf("%s: a spare segment %v, the old one: %v", what, log.HasSpare(), err)
		}
	}
	expect("a new lease", false)
	tailOf(disk, first).must(t, "its follower", []commit{c}, 1)
	must(t, l, l.Renew(since-1))
	expect("of the version before", false)
	must(t, l, l.Renew(since))
	expect("of the version that does not need it", true)
}
