package cli

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/cmd/internal/console"
)

// archived makes a database whose key k has had the values 1 to n, all of which are in the archive of a repository, and
// returns the time after each.
func archived(t *testing.T, dir, repository string, n int) (times []time.Time) {
	t.Helper()
	repo, err := backup.OpenFolder(repository)
	if err != nil {
		t.Fatal(err)
	}
	db, err := lightningdb.Open(dir, &lightningdb.Options{Archive: backup.NewArchive(repo),
		ArchiveInterval: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		if err := db.Put([]byte("k"), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		for db.Metrics().Archive.Sequence < uint64(i) {
			time.Sleep(time.Millisecond)
		}
		times = append(times, time.Now())
		time.Sleep(20 * time.Millisecond) // so that moments of the archive tell them apart
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return times
}

// Somebody deleted the wrong customers at 14:03, and wants the state of 14:02.
func TestRestore_toAPointOfTheArchive(t *testing.T) {
	tmp := t.TempDir()
	dir, repo, to := filepath.Join(tmp, "db"), filepath.Join(tmp, "backups"), filepath.Join(tmp, "to")
	times := archived(t, dir, repo, 4)
	list := decode[struct{ Branches []branchTold }](t, must(t, "archive", "list", repo, "--json")).Branches
	if len(list) != 1 || list[0].Last != 4 || list[0].Cause != "begin" || list[0].Pieces == 0 {
		t.Fatalf("%+v", list)
	}
	if table := must(t, "archive", "list", repo); !strings.Contains(table, " to 4 ") ||
		!strings.HasPrefix(table, list[0].ID) {
		t.Errorf("the table is\n%s", table)
	}
	must(t, "verify", repo, "--read-data")
	for want, flags := range map[string][]string{
		"2": {"--to-sequence", "2", "--branch", list[0].ID},
		"3": {"--to-time", times[2].Format(time.RFC3339Nano), "--database", list[0].Database},
	} {
		got := lightning(t, "", append([]string{"restore", to, repo}, flags...)...)
		if got.code != console.ExitOK || !strings.Contains(got.err, " of the archive, up to commit "+want) {
			t.Errorf("%q: %+v", flags, got)
			continue
		}
		if got := must(t, "get", to, "k"); got != want {
			t.Errorf("%q: restored %q", flags, got)
		}
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
	}
	must(t, "restore", to, repo, "--to-sequence", "4", "--verify-only")
	if _, err := os.Stat(to); err == nil {
		t.Error("a drill has restored")
	}
}

// A window that is not kept loses the hours in which the accident was; one that keeps all fills the disk.
func TestPrune_keepsTheWindowOfAnArchive(t *testing.T) {
	tmp := t.TempDir()
	dir, repo, to := filepath.Join(tmp, "db"), filepath.Join(tmp, "backups"), filepath.Join(tmp, "to")
	archived(t, dir, repo, 3)
	backedUp(t, dir, repo)
	prune := func(flags ...string) (r struct {
		Removed []stored
		Pieces  struct{ Files, Bytes int64 }
	}) {
		t.Helper()
		args := append([]string{"prune", repo, "--keep-last", "1", "--json"}, flags...)
		if err := json.Unmarshal([]byte(must(t, args...)), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := prune("--window", "14d"); len(r.Removed) > 0 || r.Pieces.Files > 0 {
		t.Errorf("of the last days went %+v", r)
	}
	must(t, "restore", to, repo, "--to-sequence", "2", "--verify-only")
	if r := prune("--dry-run", "--window", "1ms"); len(r.Removed) != 1 || r.Pieces.Files == 0 || r.Pieces.Bytes == 0 {
		t.Errorf("before the last moment would go %+v", r)
	}
	must(t, "restore", to, repo, "--to-sequence", "2", "--verify-only")
	got := lightning(t, "", "prune", repo, "--keep-last", "1", "--window", "1ms")
	if got.code != console.ExitOK || !regexp.MustCompile(`removed 1 backup, \d+ pieces? \(.*\) of the archive and `).
		MatchString(got.err) {
		t.Errorf("%+v", got)
	}
	if got := lightning(t, "", "restore", to, repo, "--to-sequence", "2"); got.code != console.ExitFailure {
		t.Errorf("what is older than the window: %+v", got)
	}
	for _, wrong := range []string{"0", "-1d", "d", "1.5d", "soon", "0d", "70000d"} {
		got := lightning(t, "", "prune", repo, "--keep-last", "1", "--window="+wrong)
		if got.code != console.ExitUsage || !strings.Contains(got.err, "like 14d or 36h") {
			t.Errorf("%s: %+v", wrong, got)
		}
	}
}

// branchTold is what archive list says of a branch with --json.
type branchTold struct {
	Database, ID, Cause, Damage string
	Last                        uint64
	Pieces                      int
}

// What an archive cannot do must be said by name: nothing half is better than the wrong state.
func TestArchive_refusesWhatItHasNot(t *testing.T) {
	tmp := t.TempDir()
	dir, repo, to := filepath.Join(tmp, "db"), filepath.Join(tmp, "backups"), filepath.Join(tmp, "to")
	archived(t, dir, repo, 2)
	file := filepath.Join(tmp, "file.tar")
	must(t, "backup", dir, file)
	for _, c := range []struct {
		args []string
		code int
		err  string
	}{
		{[]string{"restore", to, repo, "--to-sequence", "99"}, 1, "`lightning archive list`"},
		{[]string{"restore", to, repo, "--to-time", "1999-12-31"}, 1, "`lightning archive list`"},
		{[]string{"restore", to, repo, "--to-time", "noon"}, 2, "want a time like"},
		{[]string{"restore", to, repo, "--to-sequence", "1", "--to-time", "1999-12-31"}, 2, "exclude each other"},
		{[]string{"restore", to, repo, "--branch", "x"}, 2, "for points in time"},
		{[]string{"restore", to, file, "--to-sequence", "1"}, 2, "from a repository only"},
		{[]string{"archive", "show", repo}, 2, "archive list REPOSITORY"},
		{[]string{"archive", "list", dir}, 1, "it is a database"},
	} {
		got := lightning(t, "", c.args...)
		if got.code != c.code || !strings.Contains(got.err, c.err) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%q: %d, %s", c.args, got.code, got.err)
		}
	}
	err := filepath.WalkDir(filepath.Join(repo, "archive"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.WriteFile(path, []byte("rotten"), 0o600)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := lightning(t, "", "archive", "list", repo); got.code != console.ExitCorrupt ||
		!strings.Contains(got.out, "damaged: ") {
		t.Errorf("rotten: %+v", got)
	}
}
