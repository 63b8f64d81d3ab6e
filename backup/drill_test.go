package backup_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
)

var drillSize = flag.Int64("drill", 8, "MiB of the database of TestDrill; 1024 is the long form")

// drilled is a database of random values that is backed up again and again, and a model of it.
type drilled struct {
	db       *lightningdb.DB
	versions []uint32 // of each entry
	random   *rand.Rand
}

const drillValue = 1000 // bytes of a value

// appendEntry appends a key, and what its version has as value: bytes that nothing can compress.
func appendEntry(key, value []byte, i int, version uint32) (k, v []byte) {
	key = binary.BigEndian.AppendUint64(key, uint64(i))
	random := rand.NewPCG(uint64(i), uint64(version))
	for len(value) < drillValue {
		value = binary.BigEndian.AppendUint64(value, random.Uint64())
	}
	return key, value
}

// put writes entries with a new version.
func (d *drilled) put(t *testing.T, entries []int) {
	t.Helper()
	var b lightningdb.Batch
	for n, i := range entries {
		d.versions[i]++
		b.Put(appendEntry(nil, nil, i, d.versions[i]))
		if b.Len() == 1000 || n == len(entries)-1 {
			if err := d.db.Write(&b); err != nil {
				t.Fatal(err)
			}
			b.Reset()
		}
	}
}

// change replaces one entry in a hundred, anywhere.
func (d *drilled) change(t *testing.T) {
	t.Helper()
	d.put(t, d.random.Perm(len(d.versions))[:len(d.versions)/100])
}

// check compares a database that was restored.
func (d *drilled) check(t *testing.T, dir string) {
	t.Helper()
	db, err := lightningdb.Open(dir, &lightningdb.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var key, value []byte
	i, found := 0, db.Range(nil, nil)
	for k, v := range found.All() {
		if i == len(d.versions) {
			t.Fatal("it has more entries")
		}
		key, value = appendEntry(key[:0], value[:0], i, d.versions[i])
		if !bytes.Equal(k, key) || !bytes.Equal(v, value) {
			t.Fatalf("entry %d is another one", i)
		}
		i++
	}
	if err := found.Err(); err != nil || i != len(d.versions) {
		t.Errorf("%d entries of %d, %v", i, len(d.versions), err)
	}
}

// An hourly backup that moves everything each time fills disk and network until somebody turns it off; a restore of
// which nobody knows how long it takes is the second surprise of the day. It prints the table of docs/operations.md.
func TestDrill_movesWhatChangedAndRestoresAll(t *testing.T) {
	temp := t.TempDir()
	db, err := lightningdb.Open(filepath.Join(temp, "db"),
		&lightningdb.Options{MemoryLimit: 64 << 20, Durability: lightningdb.Process})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	entries := int(*drillSize << 20 / drillValue)
	d := &drilled{db: db, versions: make([]uint32, entries), random: rand.New(rand.NewPCG(1, 2))}
	all := make([]int, entries)
	for i := range all {
		all[i] = i
	}
	d.put(t, all)
	if err := db.Compact(t.Context(), nil, nil); err != nil { // as a database that is at rest
		t.Fatal(err)
	}
	var table strings.Builder
	row := func(what string, begun time.Time, moved int64) {
		fmt.Fprintf(&table, "| %s | %.1f MiB | %.2f s |\n", what, float64(moved)/(1<<20), time.Since(begun).Seconds())
	}
	r := open(t, backup.NewFolder(filepath.Join(temp, "repository")))
	var made, first *backup.Created
	for n := 1; n <= 10; n++ {
		begun := time.Now()
		made = create(t, r, db, nil)
		switch n {
		case 1:
			first = made
			row("first backup", begun, made.Moved.Bytes)
		case 2, 10:
			row(fmt.Sprintf("backup %d, after 1 %% of change", n), begun, made.Moved.Bytes)
		}
		if n > 1 && made.Moved.Bytes > first.Moved.Bytes/2 {
			t.Errorf("backup %d moved %d bytes; the first one, of everything, %d", n, made.Moved.Bytes, first.Moved.Bytes)
		}
		if n < 10 {
			d.change(t)
		}
	}
	restored, cloned := filepath.Join(temp, "restored"), filepath.Join(temp, "clone")
	begun := time.Now()
	if err := r.Restore(t.Context(), made.ID, restored, nil); err != nil {
		t.Fatal(err)
	}
	row("restore of the last one, verified", begun, made.Bytes)
	begun = time.Now()
	if _, err := db.Checkpoint(t.Context(), cloned, nil); err != nil {
		t.Fatal(err)
	}
	row("clone, by hard links", begun, 0)
	d.check(t, restored)
	d.check(t, cloned)
	t.Logf("%d MiB:\n\n| what | moved | time |\n|---|---:|---:|\n%s", *drillSize, table.String())
}
