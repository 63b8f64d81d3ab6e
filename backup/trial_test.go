package backup_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
)

// trialWriter names, in the environment, the directory of the database that this process writes until it is killed.
const trialWriter = "LIGHTNING_TRIAL_WRITER"

// folderAt opens the repository in dir.
func folderAt(t *testing.T, dir string) *backup.Repository {
	t.Helper()
	repo, err := backup.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// openArchived opens the database in dir, which archives into repo. It has a small log, so that flushes come by.
func openArchived(t *testing.T, dir string, repo *backup.Repository) *lightningdb.DB {
	t.Helper()
	db, err := lightningdb.Open(dir, &lightningdb.Options{
		Archive: backup.NewArchive(repo), ArchiveInterval: 5 * time.Millisecond, MemoryLimit: 10 << 20, LogLimit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// count adds one to the counter of db: so the state after commit n has the counter n.
func count(t *testing.T, db *lightningdb.DB) {
	t.Helper()
	if err := db.Add([]byte("count"), 1); err != nil {
		t.Fatal(err)
	}
}

// waitForArchive waits until every commit of db is in the archive, which has no gap.
func waitForArchive(t *testing.T, db *lightningdb.DB) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		m := db.Metrics()
		if m.Archive.Gaps != 0 || time.Now().After(end) {
			t.Fatalf("of the commits up to %d the archive has %+v", m.Sequence, m.Archive)
		}
		if m.Archive.Sequence == m.Sequence {
			return
		}
	}
}

// countsAt restores some states of the only branch of database, the first and the last among them, and looks whether
// each has the counter of its commit.
func countsAt(t *testing.T, repo *backup.Repository, database string) (last uint64) {
	t.Helper()
	all, err := repo.Branches(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var branches []backup.Branch
	for _, b := range all {
		if database == "" || b.Database == database {
			branches = append(branches, b)
		}
	}
	if len(branches) != 1 {
		t.Fatalf("there are %d branches: %+v", len(branches), branches)
	}
	b := branches[0]
	for _, seq := range []uint64{b.First, (b.First + b.Last) / 2, b.Last} {
		dir := filepath.Join(t.TempDir(), "restored")
		o := &backup.RestoreToOptions{Database: b.Database}
		if _, err := backup.RestoreTo(context.Background(), repo, dir, backup.Sequence(seq), o); err != nil {
			t.Fatal(err)
		}
		db, err := lightningdb.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		value, err := db.Get([]byte("count"))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := lightningdb.Int64(value); err != nil || uint64(n) != seq {
			t.Errorf("the state after commit %d has the counter %d, %v", seq, n, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Last
}

// Kills of a real process. Without what the log holds over them, and without the place by which the next process knows
// its own branch, commits that were acknowledged would be missing in the archive, or be there twice.
func TestArchive_hasWhatWasAcknowledgedBeforeKills(t *testing.T) {
	if dir := os.Getenv(trialWriter); dir != "" {
		db := openArchived(t, dir, folderAt(t, dir+".repository"))
		for {
			count(t, db)
			fmt.Println("acknowledged", db.Metrics().Sequence)
		}
	}
	dir := filepath.Join(t.TempDir(), "db")
	var acknowledged uint64
	for kill := range 4 {
		acknowledged = max(acknowledged, killedWriter(t, dir, 50+100*kill))
	}
	repo := folderAt(t, dir+".repository")
	db := openArchived(t, dir, repo)
	count(t, db)
	waitForArchive(t, db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if last := countsAt(t, repo, ""); last <= acknowledged {
		t.Errorf("the archive ends at commit %d, acknowledged were those up to %d", last, acknowledged)
	}
}

// killedWriter runs this test in a process that writes dir, kills it after a number of commits, and returns the last
// one that was acknowledged.
func killedWriter(t *testing.T, dir string, commits int) (acknowledged uint64) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), trialWriter+"="+dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "acknowledged %d", &acknowledged); n != 1 {
			t.Errorf("the writer: %s", lines.Text())
			continue
		}
		if seen++; seen == commits {
			if err := c.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
	}
	if err := c.Wait(); err == nil || seen < commits {
		t.Fatalf("the writer ended by itself after %d commits, %v", seen, err)
	}
	return acknowledged
}

// A repository that is moved away while a program runs, and comes back: without trying again, and without the log that
// is held, the archive would end there, or begin anew with a gap.
func TestArchive_goesOnWhenItsRepositoryComesBack(t *testing.T) {
	home := t.TempDir()
	place := filepath.Join(home, "repository")
	repo := folderAt(t, place)
	db := openArchived(t, filepath.Join(home, "db"), repo)
	defer db.Close()
	count(t, db)
	waitForArchive(t, db)
	if err := os.Rename(place, place+".away"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		count(t, db)
	}
	for end := time.Now().Add(30 * time.Second); db.Metrics().Archive.LastError == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the archive does not tell that its repository is gone")
		}
	}
	if _, err := os.Stat(place); err == nil {
		t.Error("something was put where the repository had been")
	}
	if err := os.Rename(place+".away", place); err != nil {
		t.Fatal(err)
	}
	waitForArchive(t, db)
	if last := countsAt(t, repo, ""); last != 21 {
		t.Errorf("the archive ends at commit %d of 21", last)
	}
}

// Two databases that archive into one repository at the same time: pieces of one in the branch of the other would be
// found only when somebody restores.
func TestArchive_ofTwoDatabasesKeepsThemApart(t *testing.T) {
	home := t.TempDir()
	repo := folderAt(t, filepath.Join(home, "repository"))
	var dbs []*lightningdb.DB
	for i := range 2 {
		dbs = append(dbs, openArchived(t, filepath.Join(home, fmt.Sprint("db", i)), repo))
	}
	for range 50 {
		for _, db := range dbs {
			count(t, db)
		}
	}
	for _, db := range dbs {
		waitForArchive(t, db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	branches, err := repo.Branches(context.Background())
	if err != nil || len(branches) != 2 {
		t.Fatalf("there are %d branches of two databases, %v", len(branches), err)
	}
	for _, b := range branches {
		if last := countsAt(t, repo, b.Database); last != 50 {
			t.Errorf("the archive of %s ends at commit %d of 50", b.Database, last)
		}
	}
}
