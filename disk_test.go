package lightningdb

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// directoryBytes is the size of all files in dir.
func directoryBytes(t *testing.T, dir string) (total int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

// An operator whose disk fills up would be shown half of what is on it, and not that a forgotten cursor holds the rest.
func TestMetrics_showAllThatIsOnTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		db, err := Open(dir, &Options{
			MemoryLimit: 10 << 20, Compression: NoCompression, Durability: Process,
			ValueThreshold: math.MaxInt, // what the newest tables refer to is pinned by no cursor
		})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		check := func(when string) Metrics {
			t.Helper()
			synctest.Wait()
			m := db.Metrics()
			if want := directoryBytes(t, dir); m.DiskBytes != want {
				t.Errorf("%s: the metrics show %d bytes, the directory %d", when, m.DiskBytes, want)
			}
			if m.PinnedFiles > m.ObsoleteFiles || (m.PinnedFiles == 0) != (m.PinnedBytes == 0) {
				t.Errorf("%s: %d files pinned, %d bytes, %d obsolete", when, m.PinnedFiles, m.PinnedBytes, m.ObsoleteFiles)
			}
			return m
		}
		check("new")
		churn(t, db, 1)
		check("written")
		c := db.Range(nil, nil).Cursor() // standing from now on
		c.First()
		var kept int64
		for _, l := range db.Metrics().Levels {
			kept += l.Bytes
		}
		churn(t, db, 2)
		m := check("while a cursor stands")
		if m.PinnedBytes < kept/2 || m.PinnedFiles == 0 {
			t.Errorf("a cursor keeps %d bytes of tables, and the metrics show %d in %d files", kept, m.PinnedBytes,
				m.PinnedFiles)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		after := check("after it was closed")
		if after.PinnedFiles != 0 || after.ObsoleteFiles != 0 || after.DiskBytes > m.DiskBytes-m.PinnedBytes {
			t.Errorf("%d files are pinned, %d obsolete; %d bytes, of %d before", after.PinnedFiles, after.ObsoleteFiles,
				after.DiskBytes, m.DiskBytes)
		}
	})
}

// churn overwrites a thousand rows several times.
func churn(t *testing.T, db *DB, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 17))
	value := make([]byte, 4<<10)
	for i := range 4000 {
		value[i%len(value)] = byte(r.Uint32())
		if err := db.Put(fmt.Appendf(nil, "%04d", r.IntN(1000)), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(db.Flush(), db.Compact(t.Context(), nil, nil)); err != nil {
		t.Fatal(err)
	}
}

// An operator who is refused would look for the data that fills the disk, and it is held by a follower in another
// process.
func TestDiskLimit_namesTheFollowerThatKeepsSpace(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 60 MB")
	}
	dir := t.TempDir()
	db, err := Open(dir, &Options{MemoryLimit: 10 << 20, Compression: NoCompression, Durability: Process, DiskLimit: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	put := func(i int) error { return db.Put(fmt.Appendf(nil, "%04d", i%2000), make([]byte, 8<<10)) }
	for i := range 2000 {
		if err := put(i); err != nil {
			t.Fatal(err)
		}
	}
	f, err := OpenFollower(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer f.Snapshot().Close()
	for i := 0; err == nil && i < 20_000; i++ {
		err = put(i)
	}
	if !errors.Is(err, ErrNoSpace) || !strings.Contains(err.Error(), "a follower ") {
		t.Errorf("with a snapshot of a follower: %v", err)
	}
}
