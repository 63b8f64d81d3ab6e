package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
)

// archived is a database that is archived, and what is known of it: its content after each commit.
type archived struct {
	t      *testing.T
	dir    string
	repo   *backup.Repository
	db     *lightningdb.DB
	rng    *rand.Rand
	now    map[string]string
	states map[uint64]map[string]string // by sequence number of the last operation
	order  []uint64
}

func newArchived(t *testing.T, seed uint64) *archived {
	repo, err := backup.OpenFolder(filepath.Join(t.TempDir(), "repository"))
	if err != nil {
		t.Fatal(err)
	}
	a := &archived{t: t, dir: filepath.Join(t.TempDir(), "db"), repo: repo, rng: rand.New(rand.NewPCG(seed, 1)),
		now: make(map[string]string), states: make(map[uint64]map[string]string)}
	a.open()
	return a
}

func (a *archived) options() *lightningdb.Options {
	return &lightningdb.Options{Archive: backup.NewArchive(a.repo), ArchiveInterval: 20 * time.Millisecond,
		MemoryLimit: 10 << 20, LogLimit: 1 << 20, ArchiveRetention: 64 << 20}
}

func (a *archived) open() {
	a.t.Helper()
	db, err := lightningdb.Open(a.dir, a.options())
	if err != nil {
		a.t.Fatal(err)
	}
	a.db = db
	a.t.Cleanup(func() { db.Close() })
}

func (a *archived) close() {
	a.t.Helper()
	if err := a.db.Close(); err != nil {
		a.t.Fatal(err)
	}
}

// commit commits a batch of random operations.
func (a *archived) commit(size int) {
	a.t.Helper()
	var b lightningdb.Batch
	next := maps.Clone(a.now)
	for range 1 + a.rng.IntN(8) {
		key := fmt.Sprintf("key %02d", a.rng.IntN(60))
		switch a.rng.IntN(4) {
		case 0:
			b.Delete([]byte(key))
			delete(next, key)
		case 1:
			b.Append([]byte(key), []byte("+"))
			next[key] += "+"
		default:
			value := fmt.Sprintf("%d %s", a.rng.Uint32(), bytes.Repeat([]byte{'x'}, a.rng.IntN(size)))
			b.Put([]byte(key), []byte(value))
			next[key] = value
		}
	}
	if err := a.db.Write(&b); err != nil {
		a.t.Fatal(err)
	}
	a.now = next
	a.states[b.Sequence()] = next
	a.order = append(a.order, b.Sequence())
}

// wait waits until everything is archived.
func (a *archived) wait() {
	a.t.Helper()
	for begun := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		m := a.db.Metrics()
		if m.Archive.Sequence >= m.Sequence {
			return
		}
		if time.Since(begun) > time.Minute {
			a.t.Fatalf("after a minute: %+v", m.Archive)
		}
	}
}

// content is everything in a database.
func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	db, err := lightningdb.Open(dir, &lightningdb.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := make(map[string]string)
	err = db.View(context.Background(), func(tx *lightningdb.Tx) error {
		for k, v := range tx.Range(nil, nil).All() {
			all[string(k)] = string(v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// restored restores a point, and returns what is there.
func (a *archived) restored(p backup.Point, o *backup.RestoreToOptions) (map[string]string, *backup.RestoredTo, error) {
	dir := filepath.Join(a.t.TempDir(), "restored")
	done, err := backup.RestoreTo(context.Background(), a.repo, dir, p, o)
	if err != nil {
		return nil, nil, err
	}
	return content(a.t, dir), done, nil
}

// check restores n random points, and compares each with what was there.
func (a *archived) check(n int) {
	a.t.Helper()
	for range n {
		seq := a.order[a.rng.IntN(len(a.order))]
		got, done, err := a.restored(backup.Sequence(seq), nil)
		if err != nil {
			a.t.Errorf("sequence number %d: %v", seq, err)
		} else if done.Sequence != seq || !maps.Equal(got, a.states[seq]) {
			a.t.Errorf("sequence number %d: it restored %d, with %d keys of %d", seq, done.Sequence, len(got),
				len(a.states[seq]))
		}
	}
}

// A point that cannot be restored as it was is worse than none.
func TestRestoreTo_hundredRandomPoints(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	a := newArchived(t, seed)
	for part := range 5 {
		for range 40 {
			a.commit(20_000)
			if a.rng.IntN(20) == 0 {
				if err := errors.Join(a.db.Flush(), a.db.Compact(context.Background(), nil, nil)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if part%2 == 0 {
			a.wait()
		}
		a.close()
		a.open()
	}
	a.wait()
	branches, err := a.repo.Branches(context.Background())
	if err != nil || len(branches) != 1 || branches[0].Last != a.order[len(a.order)-1] {
		t.Errorf("the branches are %+v, %v", branches, err)
	}
	a.order = a.order[1:] // the first commits may be older than the first base
	for len(a.order) > 0 && a.order[0] < branches[0].First {
		a.order = a.order[1:]
	}
	a.check(100)
}
