package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lightningdb"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/demo"
)

// sourceTree makes a small tree to load and returns it.
func sourceTree(t *testing.T, files int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range files {
		folder := filepath.Join(dir, fmt.Sprintf("folder%d", i%7))
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for j := range 40 {
			fmt.Fprintf(&text, "func name_%d_%d() { return shared%d }\n", i, j, j)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("file%d.go", i)), []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// This is the promise of the product, in one command: killed in the middle, nothing lost.
func TestDemo_losesNothing(t *testing.T) {
	t.Setenv(childVariable, "1")
	out := must(t, "demo", "--source", sourceTree(t, 300))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if last := lines[len(lines)-1]; last != "acked 300, lost 0, torn 0" {
		t.Fatalf("the last line is %q:\n%s", last, out)
	}
}

// With --db the database is there afterwards, complete; a directory in use is refused.
func TestDemo_keepsTheDatabaseAsked(t *testing.T) {
	t.Setenv(childVariable, "1")
	source, dir := sourceTree(t, 50), filepath.Join(t.TempDir(), "db")
	var report demo.Report
	if err := json.Unmarshal([]byte(must(t, "demo", "--source", source, "--db", dir, "--json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Acked != 50 || report.Lost != 0 || report.Torn != 0 || report.Entries == 0 {
		t.Errorf("%+v", report)
	}
	if got := must(t, "count", dir); got != fmt.Sprintln(report.Entries) {
		t.Errorf("%s entries in the database, %d reported", got, report.Entries)
	}
	if got := must(t, "count", dir, "--prefix", "m/"); got != "50\n" {
		t.Errorf("%s files in the database", got)
	}
	if got := lightning(t, "", "demo", "--source", source, "--db",
		dir); got.code != console.ExitFailure || !strings.Contains(got.err, "not empty") {
		t.Errorf("a database in use was not refused: %+v", got)
	}
}

// A check that cannot fail proves nothing: every kind of damage must be counted, named and turned into an exit code.
func TestDemo_noticesEveryKindOfDamage(t *testing.T) {
	t.Setenv(childVariable, "1")
	type sabotage = func(db *lightningdb.DB, path string) error // path is that of an acknowledged file
	change := func(prefix string, f func(*lightningdb.DB, []byte) error) sabotage {
		return func(db *lightningdb.DB, path string) error { return f(db, []byte(prefix+path)) }
	}
	remove := func(db *lightningdb.DB, key []byte) error { return db.Delete(key) }
	replace := func(db *lightningdb.DB, key []byte) error { return db.Put(key, []byte("7")) }
	for name, c := range map[string]struct {
		sabotage sabotage
		want     string
	}{
		"a posting is missing": {change("w/func/", remove), "lost 1, torn 1"},
		"a posting is wrong":   {change("w/func/", replace), "lost 1, torn 1"},
		"a content is missing": {change("f/", remove), "lost 1, torn 1"},
		"a metadata is wrong":  {change("m/", replace), "lost 1, torn 1"},
		"an entry too much": {func(db *lightningdb.DB, _ string) error {
			return db.Put([]byte("w/word/nowhere"), []byte("1"))
		}, "lost 0, torn 1"},
		"an entry of no kind": {func(db *lightningdb.DB, _ string) error { return db.Put([]byte("x"), []byte("1")) },
			"lost 0, torn 1"},
		"a posting too much":      {extraPosting, "lost 1, torn 1"},
		"a whole file is missing": {removeFile, "lost 1, torn 0"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, complaint strings.Builder
			a := newApp(console.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &complaint,
				Getenv: func(string) string { return "" }})
			a.afterDemoKill = func(db *lightningdb.DB, acked map[string]bool) error {
				for path := range acked {
					return c.sabotage(db, path)
				}
				return errors.New("nothing was acknowledged")
			}
			code := a.run(t.Context(), []string{"demo", "--source", sourceTree(t, 60)})
			if code != console.ExitFailure || !strings.Contains(complaint.String(), c.want) {
				t.Fatalf("exit code %d, want %q:\n%s%s", code, c.want, out.String(), complaint.String())
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if last := lines[len(lines)-1]; last != "acked 60, "+c.want {
				t.Errorf("the last line is %q", last)
			}
		})
	}
}

// extraPosting adds a word to a file that does not have it.
func extraPosting(db *lightningdb.DB, path string) error {
	return db.Put([]byte("w/unheard_of/"+path), []byte("1"))
}

// removeFile removes a file with everything that belongs to it.
func removeFile(db *lightningdb.DB, path string) error {
	var batch lightningdb.Batch
	all := db.Range(nil, nil)
	for key := range all.Keys() {
		if strings.HasSuffix(string(key), "/"+path) {
			batch.Delete(key)
		}
	}
	return errors.Join(all.Err(), db.Write(&batch))
}

// A tree without files, or a directory that does not exist, must be said at once and leave nothing behind.
func TestDemo_refusesAnEmptySource(t *testing.T) {
	for _, source := range []string{t.TempDir(), filepath.Join(t.TempDir(), "absent")} {
		got := lightning(t, "", "demo", "--source", source)
		if got.code != console.ExitFailure || strings.Contains(got.out, "acked") {
			t.Errorf("%+v", got)
		}
	}
}

// A loading process that dies of its own accord is a failure of the demo, not a kill it asked for.
func TestDemo_reportsAChildThatFails(t *testing.T) {
	got := lightning(t, "", "demo-load", filepath.Join(t.TempDir(), "db"), t.TempDir())
	if got.code != console.ExitFailure || !strings.Contains(got.err, "no source files") {
		t.Errorf("%+v", got)
	}
}
