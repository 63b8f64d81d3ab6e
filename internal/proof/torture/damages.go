package torture

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/lease"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs/memfs"
)

// victimThreshold is from how many bytes on a victim's values stay where they are.
const victimThreshold = 100

// NewVictim makes a small database with all kinds of files: tables with extents, tombstones and several versions of
// keys, a log, a manifest with edits, a delete of a range in each of these two, the page, the lease of a follower that
// was killed. It is closed cleanly or killed.
func NewVictim(pageSize int, c codec.ID, clean bool) (*Victim, error) {
	v := &Victim{FS: memfs.New(), History: new(oracle.History)}
	v.Name = fmt.Sprintf("clean %v, codec %v, page %d", clean, c, pageSize)
	v.Options = engine.Options{PageSize: pageSize, Codec: codec.By(c), MemoryLimit: engine.MinMemoryLimit, Manual: true,
		Followers: true, Random: counter(), ValueThreshold: victimThreshold}
	opts := v.Options
	opts.FS = v.FS
	s := NewSession(opts, v.History)
	defer s.Abandon()
	if err := s.Open(); err != nil {
		return nil, err
	}
	var held *engine.Snapshot
	var before key.SeqNum
	err := steps(
		putBulk("film", 2400, true), put("k001", 10, true), (*Session).Flush, // of such a file little is garbage
		putBulk("picture", 2700, true), putBulk("song", 2000, true), put("k001", 20, true), (*Session).Flush, compact,
		(*Session).Close, (*Session).Open, // with a log that holds nothing else
		many("k", 0, 20, 30, true),
		func(s *Session) error { held = s.Engine.Snapshot(); return nil },
		many("k", 5, 15, 20, true), put("large", 700, true), (*Session).Flush,
		put("k001", 50, true), remove("k002"), deleteRange("k003", "k007", true), (*Session).Flush,
		func(*Session) error { held.Close(); return nil },
		put("log0", 40, true), put("log1", 40, true), deleteRange("k010", "k012", true),
		put("log2", 40, true),
		func(s *Session) error { before = s.History.Last(); return nil },
		put("log3", 40, true))(s)
	if err == nil {
		_, err = lease.Take(v.FS, opts.Random())
	}
	if err == nil && s.valueFiles() < 2 {
		err = errors.New("there are too few value files")
	}
	if v := s.version(); err == nil && v.Ranges.Len() == 0 {
		err = errors.New("the manifest has no delete of a range")
	}
	if err != nil {
		return nil, err
	}
	v.Certain = before // of a killed database: the last record is proved by none after it
	if clean {
		if err := s.Close(); err != nil {
			return nil, err
		}
		v.Certain = s.History.Last()
	}
	v.killed = !clean
	v.FS = v.FS.Kill()
	return v, nil
}

// DamageKind calls try for every damage of one kind to one file: names are all files, data is the content of the one
// called name. cutLog says that the damage may take whole commits off the end of a log.
type DamageKind func(names []string, name string, data []byte,
	try func(what string, cutLog bool, damage func(fs *memfs.FS) error))

// usedOfPage is how much of the page is damaged, in bytes. Nothing rests on what is behind it: zeros, and the reports.
const usedOfPage = 256

// TryAll does every damage of a kind to every file, each to its own copy of v, until stop returns true. fail is told of
// every wrong answer.
func (v *Victim) TryAll(kind DamageKind, stop func() bool, fail func(where string, err error)) (DamageStats, error) {
	var stats DamageStats
	intact := v.FS.Kill()
	v.FS = intact
	names, err := intact.List()
	if err != nil {
		return stats, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == "LOCK" })
	contents := make(map[string][]byte)
	for _, name := range names {
		data, err := Contents(intact, name)
		if err != nil {
			return stats, err
		}
		if name == filename.Make(filename.Status, 0) {
			data = data[:min(len(data), usedOfPage)]
		}
		contents[name] = data
	}
	for _, name := range names {
		kind(names, name, contents[name], func(what string, cutLog bool, damage func(fs *memfs.FS) error) {
			if stop() {
				return
			}
			err := v.Try(&stats, cutLog && v.killed && strings.HasSuffix(name, ".wal"), damage)
			if err != nil {
				fail(fmt.Sprintf("%s, %s (%d bytes), %s", v.Name, name, len(contents[name]), what), err)
			}
		})
	}
	return stats, nil
}

// FlipBytes flips one bit in every stride-th byte; which one depends on the byte and on turn, so that eight turns flip
// all of them.
func FlipBytes(stride, turn int) DamageKind {
	return func(_ []string, name string, data []byte, try func(string, bool, func(*memfs.FS) error)) {
		for off := 0; off < len(data); off += stride {
			bit := (off + off/8 + turn) % 8
			try(fmt.Sprintf("bit %d of byte %d", bit, off), false, func(fs *memfs.FS) error {
				return Flip(fs, name, int64(off), 1<<bit)
			})
		}
	}
}

// ChangeLengths cuts files at every step-th length, and makes them longer.
func ChangeLengths(step int) DamageKind {
	return func(_ []string, name string, data []byte, try func(string, bool, func(*memfs.FS) error)) {
		size := len(data)
		for n := 0; n < size; n += step {
			try(fmt.Sprintf("cut at %d", n), true, func(fs *memfs.FS) error { return Replace(fs, name, data[:n]) })
		}
		for _, n := range []int{1, 7, 100, 512, 4096} {
			longer := func(b byte) []byte { return append(data[:size:size], strings.Repeat(string([]byte{b}), n)...) }
			try(fmt.Sprintf("%d zeros more", n), false, func(fs *memfs.FS) error { return Replace(fs, name, longer(0)) })
			try(fmt.Sprintf("%d bytes more", n), false, func(fs *memfs.FS) error { return Replace(fs, name, longer(0xa5)) })
		}
	}
}

// SwapFiles removes each file, puts each other one in its place, and lets the two change places.
func SwapFiles() DamageKind {
	return func(names []string, name string, _ []byte, try func(string, bool, func(*memfs.FS) error)) {
		try("removed", true, func(fs *memfs.FS) error { return fs.Remove(name) })
		for _, other := range names {
			if other == name {
				continue
			}
			try("replaced by "+other, true, func(fs *memfs.FS) error {
				data, err := Contents(fs, other)
				if err != nil {
					return err
				}
				return Replace(fs, name, data)
			})
			try("swapped with "+other, true, func(fs *memfs.FS) error {
				return errors.Join(fs.Rename(name, "aside"), fs.Rename(other, name), fs.Rename("aside", other))
			})
		}
	}
}
