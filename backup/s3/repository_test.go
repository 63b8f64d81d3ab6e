package s3

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/internal/proof/fake"
)

// fill commits n keys, each with a value of a few hundred bytes.
func fill(t *testing.T, db *lightningdb.DB, from, n int) {
	t.Helper()
	for i := range n {
		key := fmt.Sprintf("key %06d", from+i)
		if err := db.Put([]byte(key), []byte(strings.Repeat(key, 30))); err != nil {
			t.Fatal(err)
		}
	}
}

// mustHave checks that a directory has exactly what fill has committed.
func mustHave(t *testing.T, dir string, n int) {
	t.Helper()
	db, err := lightningdb.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	i := 0
	err = db.View(context.Background(), func(tx *lightningdb.Tx) error {
		for k, v := range tx.Range(nil, nil).All() {
			want := fmt.Sprintf("key %06d", i)
			if string(k) != want || string(v) != strings.Repeat(want, 30) {
				return fmt.Errorf("%q has %.20q", k, v)
			}
			i++
		}
		return nil
	})
	if err != nil || i != n {
		t.Errorf("%d keys of %d, %v", i, n, err)
	}
}

func open(t *testing.T) (db *lightningdb.DB, dir string) {
	t.Helper()
	dir = t.TempDir()
	db, err := lightningdb.Open(filepath.Join(dir, "db"), &lightningdb.Options{Durability: lightningdb.Process})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, dir
}

// A backup in a bucket is restored with every key of its moment, through a bucket that fails one request in ten.
func TestRepository_inABucket(t *testing.T) {
	s := start(t, &fake.Server{Fault: func(r fake.Request) fake.Fault {
		if r.N%10 != 5 {
			return fake.None
		}
		if r.Conditional {
			return fake.FailAfter
		}
		return []fake.Fault{fake.SlowDown, fake.Internal, fake.CutRequest, fake.CutAnswer, fake.FailAfter}[r.N/10%5]
	}})
	backUpAndRestore(t, untried(t, s))
}

// backUpAndRestore makes three backups in a bucket, prunes one, and restores the others.
func backUpAndRestore(t *testing.T, b *Bucket) {
	ctx := context.Background()
	repo, err := backup.Open(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	db, dir := open(t)
	var ids []string
	for i := range 3 {
		fill(t, db, 1000*i, 1000)
		created, err := repo.Create(ctx, db, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ids = append(ids, created.ID); i > 0 && created.Shared.Files == 0 {
			t.Errorf("backup %d moved everything: %+v", i, created)
		}
	}
	report, err := repo.Prune(ctx, backup.PruneOptions{Keep: backup.Keep{Last: 2}})
	if err != nil || len(report.Removed) != 1 || report.Freed.Files == 0 {
		t.Errorf("prune: %+v, %v", report, err)
	}
	if err := repo.Verify(ctx, &backup.VerifyOptions{ReadData: true}); err != nil {
		t.Error(err)
	}
	for i, id := range ids[1:] {
		to := filepath.Join(dir, id)
		if err := repo.Restore(ctx, id, to, nil); err != nil {
			t.Fatal(err)
		}
		mustHave(t, to, 1000*(i+2))
	}
}

// A bucket that hangs holds up its backup and nothing else: commits go on as fast as without.
func TestRepository_aHangingBucketHoldsUpNoCommit(t *testing.T) {
	s := start(t, &fake.Server{})
	b := untried(t, s)
	b.timeout = time.Minute
	repo, err := backup.Open(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	db, _ := open(t)
	fill(t, db, 0, 2000)
	hanging := make(chan struct{}, 1)
	s.SetFault(func(r fake.Request) fake.Fault {
		if r.Kind != fake.Put || !strings.Contains(r.Key, "/files/") {
			return fake.None
		}
		select {
		case hanging <- struct{}{}:
		default:
		}
		return fake.HangBefore
	})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := repo.Create(ctx, db, nil)
		ended <- err
	}()
	select {
	case <-hanging:
	case err := <-ended:
		t.Fatal(err)
	}
	begun := time.Now()
	fill(t, db, 2000, 2000)
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("2000 commits took %v", took)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	s.SetFault(nil)
	created, err := repo.Create(context.Background(), db, nil)
	if err != nil || created.Sequence < 4000 {
		t.Errorf("the next backup: %+v, %v", created, err)
	}
}

// Two processes that make and prune backups in one bucket at once leave each other's whole.
func TestRepository_twoWritersInOneBucket(t *testing.T) {
	ctx := context.Background()
	s := start(t, &fake.Server{})
	db, dir := open(t)
	fill(t, db, 0, 300)
	done := make(chan error, 2)
	for range 2 {
		repo, err := backup.Open(ctx, untried(t, s))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for range 2 {
				if _, err := repo.Create(ctx, db, nil); err != nil && !errors.Is(err, backup.ErrLeaseLost) {
					done <- err
					return
				}
				_, err := repo.Prune(ctx, backup.PruneOptions{Keep: backup.Keep{Last: 2}})
				if err != nil && !errors.Is(err, backup.ErrPruning) && !errors.Is(err, backup.ErrPruneStopped) {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	repo, err := backup.Open(ctx, untried(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.Verify(ctx, &backup.VerifyOptions{ReadData: true}); err != nil {
		t.Error(err)
	}
	backups, err := repo.List(ctx)
	if err != nil || len(backups) == 0 {
		t.Fatalf("%v, %v", backups, err)
	}
	to := filepath.Join(dir, "restored")
	if err := repo.Restore(ctx, backups[len(backups)-1].ID, to, nil); err != nil {
		t.Fatal(err)
	}
	mustHave(t, to, 300)
}
