package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/metrics"
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
	repo := folderAt(t, filepath.Join(t.TempDir(), "repository"))
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

// A replay has no pauses, in which a program that deletes ranges has compacted: it would refuse what was committed.
func TestRestoreTo_ofMoreRangesThanAreRemembered(t *testing.T) {
	repo := folderAt(t, filepath.Join(t.TempDir(), "repository"))
	db, err := lightningdb.Open(filepath.Join(t.TempDir(), "db"), &lightningdb.Options{Archive: backup.NewArchive(repo),
		ArchiveInterval: 20 * time.Millisecond, Durability: lightningdb.Process})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a := &archived{t: t, repo: repo, db: db}
	long := bytes.Repeat([]byte{'k'}, 60_000)
	for round := range 3 {
		var puts, deletes lightningdb.Batch
		for i := range 60 {
			key := append(fmt.Appendf(nil, "%d %02d", round, i), long...)
			puts.Put(key, nil)
			deletes.DeleteRange(key, append(key, 0))
		}
		if err := errors.Join(db.Write(&puts), db.Write(&deletes), db.Compact(t.Context(), nil, nil)); err != nil {
			t.Fatal(err)
		}
		if round == 0 {
			a.wait() // for the base
		}
	}
	if err := db.Put([]byte("last"), nil); err != nil {
		t.Fatal(err)
	}
	a.wait()
	got, _, err := a.restored(backup.Sequence(db.Metrics().Sequence), nil)
	if _, there := got["last"]; err != nil || !there || len(got) != 1 {
		t.Errorf("%d keys, %v", len(got), err)
	}
}

// A prune that breaks the way to a point of the window, or keeps everything for ever, makes the archive worthless.
func TestPrune_keepsTheWindowOfAnArchive(t *testing.T) {
	ctx := context.Background()
	a := newArchived(t, rand.Uint64())
	defer a.close()
	var middle uint64
	for round := range 6 {
		for range 10 {
			a.commit(2000)
			if a.rng.IntN(3) == 0 {
				a.wait()
			}
		}
		a.wait()
		if round == 3 {
			time.Sleep(1100 * time.Millisecond) // the times of backups are whole seconds
			b, err := a.repo.Create(ctx, a.db, nil)
			if err != nil {
				t.Fatal(err)
			}
			middle = b.Sequence
		}
	}
	all, err := a.repo.Prune(ctx, backup.PruneOptions{Keep: backup.Keep{Last: 1}, Window: time.Hour})
	if err != nil || len(all.Removed) > 0 || all.Pieces.Files > 0 {
		t.Errorf("all is in the window: %+v, %v", all, err)
	}
	first := a.order[3]
	if _, _, err := a.restored(backup.Sequence(first), nil); err != nil && !errors.Is(err, backup.ErrNoPoint) {
		t.Errorf("after a prune with a window: %v", err)
	}
	dry, err := a.repo.Prune(ctx, backup.PruneOptions{Keep: backup.Keep{Last: 1}, DryRun: true})
	if err != nil || dry.Pieces.Files == 0 {
		t.Errorf("the dry run: %+v, %v", dry, err)
	}
	report, err := a.repo.Prune(ctx, backup.PruneOptions{Keep: backup.Keep{Last: 1}})
	if err != nil || len(report.Kept) != 1 || len(report.Removed) != 1 || report.Pieces != dry.Pieces {
		t.Errorf("it reports %+v, %v", report, err)
	}
	for _, seq := range a.order {
		got, _, err := a.restored(backup.Sequence(seq), nil)
		switch {
		case seq < middle && !errors.Is(err, backup.ErrNoPoint):
			t.Errorf("%d, before the only backup: %v", seq, err)
		case seq >= middle && (err != nil || !maps.Equal(got, a.states[seq])):
			t.Errorf("%d: %d keys of %d, %v", seq, len(got), len(a.states[seq]), err)
		}
	}
	a.close()
	a.open()
	a.commit(100)
	a.wait()
	branches, err := a.repo.Branches(ctx)
	if err != nil || len(branches) != 1 {
		t.Errorf("after a prune it does not go on with its branch: %+v, %v", branches, err)
	}
}

// A repository of which two databases are archived says so, and gives each its own.
func TestRestoreTo_ofTwoDatabases(t *testing.T) {
	a := newArchived(t, rand.Uint64())
	b := *a
	b.dir, b.now, b.states, b.order = filepath.Join(t.TempDir(), "other"), map[string]string{},
		map[uint64]map[string]string{}, nil
	b.open()
	for range 5 {
		a.commit(10)
		a.wait()
		b.commit(10)
		b.wait()
	}
	a.close()
	b.close()
	if _, _, err := a.restored(backup.Sequence(a.order[4]), nil); err == nil {
		t.Error("of two databases it took one")
	}
	branches, err := a.repo.Branches(context.Background())
	if err != nil || len(branches) != 2 {
		t.Fatalf("the branches are %+v, %v", branches, err)
	}
	for _, one := range []*archived{a, &b} {
		last := one.order[4]
		found := false
		for _, branch := range branches {
			got, _, err := one.restored(backup.Sequence(last), &backup.RestoreToOptions{Database: branch.Database})
			found = found || err == nil && maps.Equal(got, one.states[last])
		}
		if !found {
			t.Errorf("%d of %s is in none", last, one.dir)
		}
	}
}

// What was interrupted must be neither a database nor in the way.
func TestRestoreTo_beginsAgain(t *testing.T) {
	a := newArchived(t, rand.Uint64())
	for range 10 {
		a.commit(1000)
		a.wait()
	}
	a.close()
	last := a.order[9]
	dir := filepath.Join(t.TempDir(), "restored")
	ctx, cancel := context.WithCancel(context.Background())
	o := &backup.RestoreToOptions{RestoreOptions: backup.RestoreOptions{Progress: func(phase string, _, _ int64) {
		if phase == "replay" {
			cancel()
		}
	}}}
	if _, err := backup.RestoreTo(ctx, a.repo, dir, backup.Sequence(last), o); !errors.Is(err, context.Canceled) {
		t.Fatalf("canceled: %v", err)
	}
	if _, err := lightningdb.Open(dir+".restoring", nil); err == nil {
		t.Error("what was interrupted is a database")
	}
	done, err := backup.RestoreTo(context.Background(), a.repo, dir, backup.Sequence(last), nil)
	if err != nil || done.Sequence != last || !maps.Equal(content(t, dir), a.states[last]) {
		t.Errorf("again: %+v, %v", done, err)
	}
}

// stuck is a Store whose calls do not end before their context does.
type stuck struct {
	backup.Store
	now atomic.Bool
}

// Put is that of Store.
func (s *stuck) Put(ctx context.Context, name string, r io.Reader, size int64, mode backup.PutMode) error {
	if s.now.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Store.Put(ctx, name, r, size, mode)
}

// Whoever watches a program from another process, as stats and top do, must see that the archive does not follow, also
// while nothing is committed and a put hangs, and that it does again.
func TestArchive_isToldToFollowers(t *testing.T) {
	a := newArchived(t, rand.Uint64())
	a.close()
	s := &stuck{Store: backup.NewFolder(filepath.Join(t.TempDir(), "slow"))}
	repo, err := backup.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	a.repo = repo
	a.open()
	f, err := lightningdb.OpenFollower(a.dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	told := func(what string, as func(m *metrics.Archive) bool) {
		t.Helper()
		for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			w, err := f.Writer()
			if err == nil && as(&w.Metrics.Archive) {
				return
			}
			if time.Since(begun) > time.Minute {
				t.Fatalf("%s is not told: %+v, %v", what, w.Metrics.Archive, err)
			}
		}
	}
	a.commit(10)
	a.wait()
	last := a.order[len(a.order)-1]
	told("that all is archived", func(m *metrics.Archive) bool {
		return m.Sequence == last && m.LagOperations == 0 && m.Lag == 0 && m.Branch != ""
	})
	s.now.Store(true)
	a.commit(10)
	told("a lag of two seconds", func(m *metrics.Archive) bool {
		return m.Sequence == last && m.LagOperations > 0 && m.Lag > 2*time.Second
	})
	a.close()
	s.now.Store(false)
	a.open()
	last = a.order[len(a.order)-1]
	told("that it has caught up", func(m *metrics.Archive) bool {
		return m.Sequence == last && m.LagOperations == 0 && m.Lag == 0
	})
	a.close()
}

// A repository that is gone must not hold up a commit, nor Close, nor lose what the retention holds.
func TestArchive_neverHoldsUpACommit(t *testing.T) {
	a := newArchived(t, rand.Uint64())
	a.close()
	s := &stuck{Store: backup.NewFolder(filepath.Join(t.TempDir(), "slow"))}
	repo, err := backup.Open(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	a.repo = repo
	a.open()
	a.commit(10)
	a.wait()
	s.now.Store(true)
	begun := time.Now()
	for range 200 {
		a.commit(10_000)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("200 commits took %v", took)
	}
	time.Sleep(100 * time.Millisecond)
	if m := a.db.Metrics(); m.Archive.Lag == 0 || m.Archive.LagOperations == 0 || m.Archive.Sequence >= m.Sequence {
		t.Errorf("it does not lag: %+v", m.Archive)
	}
	begun = time.Now()
	a.close()
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("Close took %v", took)
	}
	s.now.Store(false)
	a.open()
	a.wait()
	branches, err := a.repo.Branches(context.Background())
	if err != nil || len(branches) != 1 || branches[0].Last != a.order[len(a.order)-1] {
		t.Errorf("what was held is not there: %+v, %v", branches, err)
	}
	a.order = a.order[len(a.order)-150:]
	a.check(3)
	a.close()
}
