package wal

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/system/vfs/memfs"
)

// checkReplay replays dir and checks what every replay promises, whatever the bytes.
func checkReplay(t *testing.T, dir recordtest.Dir, o ReplayOptions) {
	t.Helper()
	got, report, err := replay(dir, o)
	if err != nil {
		if !errors.Is(err, corrupt.ErrCorrupt) && !errors.Is(err, record.ErrVersionTooNew) {
			t.Fatalf("error is not about damage: %v", err)
		}
		return
	}
	next, operations := report.LastSeq+1, int64(0)
	for _, c := range slices.Backward(got) {
		if next -= key.SeqNum(c.count); c.first != next {
			t.Fatalf("commit at %d, want %d", c.first, next)
		}
		if _, err := batch.Decode([]byte(c.payload), c.count); err != nil {
			t.Fatal(err)
		}
		operations += int64(c.count)
	}
	if report.Records != int64(len(got)) || report.Operations != operations || report.LastSeq >= key.MaxSeqNum {
		t.Fatalf("report %+v for %d commits", report, len(got))
	}
}

// FuzzReplay gives any bytes as the only segment, and as the last of three.
func FuzzReplay(f *testing.F) {
	m := makeSample(f, true)
	f.Add(m.files["000002.wal"])
	f.Add(m.files["000007.wal"])
	f.Add(m.files["000007.wal"][:700])
	f.Fuzz(func(t *testing.T, data []byte) {
		checkReplay(t, recordtest.Dir{"000002.wal": data}, ReplayOptions{Start: 2})
		checkReplay(t, m.files.With("000007.wal", data), ReplayOptions{Start: 2})
		checkReplay(t, recordtest.Dir{"000002.wal": data}, ReplayOptions{})
	})
}

// FuzzReplayBody gives any bytes as the body of a record with a right checksum in the right place, which only a fault
// before the log, or an attacker, can write.
func FuzzReplayBody(f *testing.F) {
	dir := memfs.NewVolatile()
	s, err := Create(dir, 2, testDB, Root(0))
	must(f, s, err)
	header := recordtest.Contents(f, dir)["000002.wal"]
	chain := s.out.Sum()
	var p [prefixSize]byte
	c := makeCommit(1, 3, 9)
	putPrefix(&p, prefix{synced: record.FileHeaderSize, seq: 1, count: 3})
	f.Add(byte(typeCommit), slices.Concat(p[:], []byte(c.payload)))
	putPrefix(&p, prefix{synced: record.FileHeaderSize})
	f.Add(byte(typeSeal), binary.LittleEndian.AppendUint64(p[:], 3))
	f.Add(byte(typeSeal), binary.LittleEndian.AppendUint64(p[:], 2))
	f.Fuzz(func(t *testing.T, typ byte, body []byte) {
		data := recordtest.AppendRecord(slices.Clone(header), testDB, 2, chain, record.Type(typ), body)
		checkReplay(t, recordtest.Dir{"000002.wal": data, "000003.wal": nil}, ReplayOptions{Start: 2})
	})
}
