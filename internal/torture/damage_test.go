package torture

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"lightningdb/internal/codec"
	"lightningdb/internal/engine"
	"lightningdb/internal/key"
	"lightningdb/internal/oracle"
	"lightningdb/internal/vfs/memfs"
)

// maxAllocate bounds what a damaged length may make a database of a few kilobytes allocate, in bytes.
const maxAllocate = 8 << 20

// newVictim makes a small database with all kinds of files: tables with extents, tombstones and several versions of
// keys, a log, a manifest with edits. It is closed cleanly or killed.
func newVictim(t *testing.T, c codec.ID, clean bool) *Victim {
	t.Helper()
	v := &Victim{FS: memfs.New(), History: new(oracle.History)}
	v.Options = engine.Options{PageSize: 512, Codec: c, MemoryLimit: engine.MinMemoryLimit, Manual: true,
		Random: counter()}
	opts := v.Options
	opts.FS = v.FS
	s := NewSession(opts, v.History)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(s.Open())
	check(many("k", 0, 20, 30, true)(s))
	held := s.Engine.Snapshot()
	check(many("k", 5, 15, 20, true)(s))
	check(put("large", 700, true)(s))
	check(s.Flush())
	check(put("k001", 50, true)(s))
	check(remove("k002")(s))
	check(s.Flush())
	held.Close()
	var before key.SeqNum
	for i := range 4 {
		before = s.History.Last()
		check(put(fmt.Sprintf("log%d", i), 40, true)(s))
	}
	if clean {
		check(s.Close())
		v.Certain = s.History.Last()
		v.FS = v.FS.Kill()
	} else {
		v.Certain = before // the last record is proved by none after it
		v.FS = v.FS.Kill()
		s.Abandon()
	}
	return v
}

// damage runs one kind of damage on every file of several databases. do calls try for each damage it can think of.
func damage(t *testing.T, atLeast int, do func(names []string, name string, data []byte,
	try func(what string, cutLog bool, damage func(fs *memfs.FS) error))) {
	var total DamageStats
	for _, c := range []codec.ID{codec.None, codec.S2} {
		for _, clean := range []bool{true, false} {
			v := newVictim(t, c, clean)
			var stats DamageStats
			intact := v.FS.Kill()
			names, err := intact.List()
			if err != nil {
				t.Fatal(err)
			}
			names = slices.DeleteFunc(names, func(name string) bool { return name == "LOCK" })
			shown := 0
			for _, name := range names {
				data, err := Contents(intact, name)
				if err != nil {
					t.Fatal(err)
				}
				do(names, name, data, func(what string, cutLog bool, damage func(fs *memfs.FS) error) {
					err := v.Try(&stats, cutLog && !clean && strings.HasSuffix(name, ".wal"), damage)
					if shown++; err != nil && shown < 10 {
						t.Errorf("clean %v, codec %v, %s (%d bytes), %s: %v", clean, c, name, len(data), what, err)
					}
					if err == nil {
						shown--
					}
				})
			}
			t.Logf("clean %v, codec %v: %v", clean, c, stats)
			total.Add(stats)
		}
	}
	t.Logf("damage: %v", total)
	if total.Opens < atLeast || total.AtOpen == 0 {
		t.Errorf("%d damaged databases, %d of them noticed: the test tests nothing", total.Opens, total.AtOpen)
	}
	if total.PeakAllocate > maxAllocate {
		t.Errorf("a damaged database made Open allocate %d bytes", total.PeakAllocate)
	}
}

// A flipped bit on the medium would turn into a wrong value, a missing key, or a crash of the program.
func TestDamage_everyFlippedByte(t *testing.T) {
	damage(t, 10_000/slowdown, func(_ []string, name string, data []byte, try func(string, bool, func(*memfs.FS) error)) {
		for off := range data {
			if off%slowdown != 0 && !*full {
				continue
			}
			bits := []int{(off + off/8) % 8}
			if *full {
				bits = []int{0, 1, 2, 3, 4, 5, 6, 7}
			}
			for _, bit := range bits {
				try(fmt.Sprintf("bit %d of byte %d", bit, off), false, func(fs *memfs.FS) error {
					return Flip(fs, name, int64(off), 1<<bit)
				})
			}
		}
	})
}

// A file that lost its end, or got a longer one, would pass for whole.
func TestDamage_everyLength(t *testing.T) {
	damage(t, 1_000/slowdown, func(_ []string, name string, data []byte, try func(string, bool, func(*memfs.FS) error)) {
		size := len(data)
		step := 7 * slowdown
		if *full {
			step = 1
		}
		for n := 0; n < size; n += step {
			try(fmt.Sprintf("cut at %d", n), true, func(fs *memfs.FS) error { return Replace(fs, name, data[:n]) })
		}
		for _, n := range []int{1, 7, 100, 512, 4096} {
			longer := func(b byte) []byte { return append(data[:size:size], strings.Repeat(string([]byte{b}), n)...) }
			try(fmt.Sprintf("%d zeros more", n), false, func(fs *memfs.FS) error { return Replace(fs, name, longer(0)) })
			try(fmt.Sprintf("%d bytes more", n), false, func(fs *memfs.FS) error { return Replace(fs, name, longer(0xa5)) })
		}
	})
}

// Files that changed places, or are gone, would be read as if nothing had happened.
func TestDamage_swappedAndMissingFiles(t *testing.T) {
	damage(t, 50, func(names []string, name string, _ []byte, try func(string, bool, func(*memfs.FS) error)) {
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
				if err := fs.Rename(name, "aside"); err != nil {
					return err
				}
				if err := fs.Rename(other, name); err != nil {
					return err
				}
				return fs.Rename("aside", other)
			})
		}
	})
}
