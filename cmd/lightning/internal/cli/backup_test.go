package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lightningdb/cmd/internal/console"
)

// A backup of a running database, and what becomes of it, as an operator meets them.
func TestBackup_ofARunningDatabaseIsRestored(t *testing.T) {
	tmp := t.TempDir()
	dir, file, again := filepath.Join(tmp, "db"), filepath.Join(tmp, "b.tar"), filepath.Join(tmp, "again")
	w := startWriter(t, dir)
	w.does(t, "put a 1\nput b 2\nget b\n", "2")
	got := lightning(t, "", "backup", dir, file)
	if got.code != console.ExitOK || !strings.Contains(got.err, "backed up") ||
		!strings.Contains(got.err, "up to commit 2") {
		t.Fatalf("%+v", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	w.does(t, "put a 3\nget a\n", "3")
	got = lightning(t, "", "backup", dir, file)
	if got.code != console.ExitFailure || !strings.Contains(got.err, "--force") {
		t.Errorf("over another one: %+v", got)
	}
	got = lightning(t, "", "restore", dir, file)
	if got.code != console.ExitFailure || !strings.Contains(got.err, "empty or not there") {
		t.Errorf("over the database: %+v", got)
	}
	got = lightning(t, "", "restore", again, file, "--verify-only")
	if _, err := os.Stat(again); got.code != console.ExitOK || err == nil {
		t.Errorf("a drill: %+v, %v", got, err)
	}
	var result struct {
		Database string
		Sequence uint64
		Files    int
		Bytes    int64
	}
	if err := json.Unmarshal([]byte(must(t, "restore", again, file, "--json")), &result); err != nil ||
		result.Sequence != 2 || result.Files < 2 || result.Bytes == 0 || len(result.Database) != 32 {
		t.Errorf("%+v, %v", result, err)
	}
	if got := must(t, "scan", again); got != "a\t1\nb\t2\n" {
		t.Errorf("restored: %q", got)
	}
	must(t, "check", again)
	stream := lightning(t, "", "backup", again, "-")
	piped := filepath.Join(tmp, "piped")
	if got := lightning(t, stream.out, "restore", piped, "-"); got.code != console.ExitOK {
		t.Errorf("through a pipe: %+v", got)
	}
	if got := must(t, "get", piped, "b"); got != "2" {
		t.Errorf("through a pipe: %q", got)
	}
	got = lightning(t, stream.out[:len(stream.out)/2], "restore", filepath.Join(tmp, "half"), "-")
	if got.code != console.ExitCorrupt || !strings.Contains(got.err, "no whole backup") ||
		!strings.Contains(got.err, "take another backup") {
		t.Errorf("half of it: %+v", got)
	}
}

func TestCheckpoint_ofARunningDatabase(t *testing.T) {
	tmp := t.TempDir()
	dir, to := filepath.Join(tmp, "db"), filepath.Join(tmp, "copy")
	w := startWriter(t, dir)
	w.does(t, "put a 1\nget a\n", "1")
	got := lightning(t, "", "checkpoint", dir, to)
	if got.code != console.ExitOK || !strings.Contains(got.err, "everything up to commit 1") {
		t.Fatalf("%+v", got)
	}
	must(t, "put", to, "a", "2")
	w.does(t, "get a\n", "1")
	if got := must(t, "get", to, "a"); got != "2" {
		t.Errorf("the copy has %q", got)
	}
	var result struct {
		Directory string
		Sequence  uint64
		Bytes     int64
	}
	second := filepath.Join(tmp, "second")
	if err := json.Unmarshal([]byte(must(t, "clone", to, second, "--json")), &result); err != nil ||
		result.Sequence != 2 || result.Directory != second || result.Bytes == 0 {
		t.Errorf("%+v, %v", result, err)
	}
	got = lightning(t, "", "clone", to, second)
	if got.code != console.ExitFailure || !strings.Contains(got.err, "empty or not there") {
		t.Errorf("over another one: %+v", got)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&console.Interrupted{Signal: os.Interrupt})
	third := filepath.Join(tmp, "third")
	if got := lightningIn(ctx, console.Env{}, "checkpoint", to, third); got.code != console.ExitInterrupted {
		t.Errorf("interrupted: %+v", got)
	}
	must(t, "checkpoint", to, third)
}
