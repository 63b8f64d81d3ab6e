package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lightningdb/cmd/internal/console"
)

// stored is what backup, list and restore say of a backup with --json.
type stored struct {
	ID       string
	Database string
	Sequence uint64
	Files    int
	Bytes    int64
	Moved    *struct{ Files, Bytes int64 }
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// backedUp makes a backup in a repository.
func backedUp(t *testing.T, dir, repository string) stored {
	t.Helper()
	return decode[stored](t, must(t, "backup", dir, repository, "--json"))
}

// A script whose prune meets another one would wait for what never ends, or give up what it has only to do later.
func TestPrune_tellsThatAnotherOneIsAtWork(t *testing.T) {
	tmp := t.TempDir()
	dir, repo := filepath.Join(tmp, "db"), filepath.Join(tmp, "backups")
	must(t, "put", dir, "a", "1")
	id := backedUp(t, dir, repo+"/").ID
	write := func(folder, text string) {
		t.Helper()
		name := filepath.Join(repo, folder, id)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("prunes", id+"\n") // of a prune in another process, whose beat changes
	write("beats", "0\n")
	got := make(chan outcome)
	go func() { got <- lightning(t, "", "prune", repo, "--keep-last", "1", "--json") }()
	for n := 1; ; n++ {
		select {
		case o := <-got:
			e := decode[console.JSONError](t, o.err)
			if o.code != console.ExitLocked || e.Error.Code != o.code || e.Error.Class != "pruning" || e.Error.Advice == "" {
				t.Errorf("%+v", o)
			}
			return
		case <-time.After(50 * time.Millisecond):
			write("beats", fmt.Sprintln(n))
		}
	}
}

// What a script reads of a copy must be one line of JSON, with the names that the manual gives, from each verb.
func TestCopies_tellScriptsInOneLine(t *testing.T) {
	tmp := t.TempDir()
	dir, repo, file := filepath.Join(tmp, "db"), filepath.Join(tmp, "backups")+"/", filepath.Join(tmp, "one.tar")
	must(t, "put", dir, "a", "1")
	first := backedUp(t, dir, repo)
	must(t, "put", dir, "b", "2")
	second := backedUp(t, dir, repo)
	for _, c := range []struct {
		args  []string
		names string // of the fields, in their order
	}{
		{[]string{"backup", dir, file}, "database sequence time files bytes seconds"},
		{[]string{"backup", dir, repo}, "id database sequence time files bytes moved shared seconds"},
		{[]string{"checkpoint", dir, filepath.Join(tmp, "checkpoint")}, "directory sequence bytes seconds"},
		{[]string{"clone", dir, filepath.Join(tmp, "clone")}, "directory sequence bytes seconds"},
		{[]string{"list", repo}, "backups"},
		{[]string{"diff", repo, first.ID, second.ID}, "only_a only_b both"},
		{[]string{"verify", repo, "--read-data"}, "backups read_data bytes seconds damage"},
		{[]string{"restore", filepath.Join(tmp, "file"), file}, "database sequence time files bytes seconds"},
		{[]string{"restore", filepath.Join(tmp, "repository"), repo, "--verify-only"},
			"id database sequence time files bytes seconds"},
		{[]string{"archive", "list", repo}, "branches"},
		{[]string{"prune", repo, "--keep-last", "1"}, "dry_run kept removed freed pieces in_use seconds"},
	} {
		out := must(t, append(c.args, "--json")...)
		var names []string
		lines := json.NewDecoder(strings.NewReader(out))
		for depth := 0; ; {
			token, err := lines.Token()
			if err != nil {
				break
			}
			if d, ok := token.(json.Delim); ok {
				depth += map[json.Delim]int{'{': 1, '[': 1, '}': -1, ']': -1}[d]
				continue
			}
			if depth == 1 {
				names = append(names, fmt.Sprint(token))
				var value json.RawMessage
				if err := lines.Decode(&value); err != nil {
					t.Fatal(c.args, err)
				}
			}
		}
		if got := strings.Join(names, " "); got != c.names || strings.Count(out, "\n") > 1 {
			t.Errorf("%s: %s, want %s\n%s", c.args[0], got, c.names, out)
		}
	}
}

// The life of a repository next to a program that runs, as an operator meets it.
func TestRepository_fromTheFirstBackupToTheRestore(t *testing.T) {
	tmp := t.TempDir()
	dir, repo := filepath.Join(tmp, "db"), filepath.Join(tmp, "backups")+"/"
	w := startWriter(t, dir)
	w.does(t, "put a 1\nget a\n", "1")
	first := backedUp(t, dir, repo)
	w.does(t, "put b 2\nget b\n", "2")
	got := lightning(t, "", "backup", dir, repo)
	if got.code != console.ExitOK || !strings.Contains(got.err, "everything up to commit 2") ||
		!strings.Contains(got.err, "moved ") {
		t.Fatalf("%+v", got)
	}
	list := decode[struct{ Backups []stored }](t, must(t, "list", repo, "--json")).Backups
	if len(list) != 2 || list[0].ID != first.ID || list[1].Sequence != 2 || first.Moved == nil || first.Sequence != 1 {
		t.Fatalf("listed %+v after %+v", list, first)
	}
	second := list[1]
	if table := must(t, "list", repo); !regexp.MustCompile(first.ID + ` .* commit 1 .*\n` + second.ID).MatchString(table) {
		t.Errorf("the list is\n%s", table)
	}
	diff := must(t, "diff", repo, first.ID, second.ID)
	if !strings.Contains(diff, "only "+first.ID+": ") || !strings.Contains(diff, "\nboth: ") {
		t.Errorf("the difference is\n%s", diff)
	}
	if got := lightning(t, "", "verify", repo, "--read-data"); !strings.Contains(got.err, "verified 2 backups") {
		t.Errorf("%+v", got)
	}
	for from, want := range map[string]string{repo: "a\t1\nb\t2\n", filepath.Join(repo, first.ID): "a\t1\n"} {
		again := filepath.Join(tmp, "again")
		if got := lightning(t, "", "restore", again, from, "--verify-only"); got.code != console.ExitOK ||
			!strings.Contains(got.err, "did not restore") {
			t.Errorf("a drill of %s: %+v", from, got)
		}
		must(t, "restore", again, from)
		if scan := must(t, "scan", again); scan != want {
			t.Errorf("from %s: %q", from, scan)
		}
		if err := os.RemoveAll(again); err != nil {
			t.Fatal(err)
		}
	}
	if got := lightning(t, "", "prune", repo, "--keep-last", "1", "--dry-run"); !strings.Contains(got.out, first.ID) ||
		!strings.Contains(got.err, "would remove 1 backup and ") {
		t.Errorf("%+v", got)
	}
	must(t, "prune", repo, "--keep-last", "1")
	list = decode[struct{ Backups []stored }](t, must(t, "list", repo, "--json")).Backups
	if len(list) != 1 || list[0].ID != second.ID {
		t.Errorf("the prune left %+v", list)
	}
}

// A restore that takes the backup of another program's database, or an old one because the newest is damaged, is a
// second disaster.
func TestRestore_asksWhichBackupIsMeant(t *testing.T) {
	tmp := t.TempDir()
	repo, to := filepath.Join(tmp, "backups")+"/", filepath.Join(tmp, "to")
	var made []stored
	for _, name := range []string{"one", "two"} {
		must(t, "put", filepath.Join(tmp, name), "k", name)
		made = append(made, backedUp(t, filepath.Join(tmp, name), repo))
	}
	got := lightning(t, "", "restore", to, repo)
	if got.code != console.ExitFailure || !strings.Contains(got.err, "backups of 2 databases") ||
		!strings.Contains(got.err, filepath.Join(repo, made[0].ID)) {
		t.Errorf("of two databases: %+v", got)
	}
	must(t, "restore", to, repo+made[0].ID)
	if got := must(t, "get", to, "k"); got != "one" {
		t.Errorf("restored %q", got)
	}
	got = lightning(t, "", "restore", to+"2", repo+"20260101T000000Z-00000000")
	if got.code != console.ExitFailure || !strings.Contains(got.err, "there is no backup") {
		t.Errorf("of none: %+v", got)
	}
	damaged := filepath.Join(repo, "backups", made[1].ID+".json")
	if err := os.WriteFile(damaged, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	got = lightning(t, "", "restore", to+"2", repo)
	if got.code != console.ExitCorrupt || !strings.Contains(got.err, made[1].ID) ||
		!strings.Contains(got.err, filepath.Join(repo, made[0].ID)) {
		t.Errorf("with one that cannot be read: %+v", got)
	}
	if got := lightning(t, "", "list", repo); got.code != console.ExitCorrupt || !strings.Contains(got.out, made[0].ID) {
		t.Errorf("list: %+v", got)
	}
	if got := lightning(t, "", "prune", repo, "--keep-last", "1"); got.code != console.ExitCorrupt ||
		!strings.Contains(got.err, "nothing was removed") {
		t.Errorf("prune: %+v", got)
	}
}

// A repository that has rotted is found by verify, before it is needed.
func TestVerify_ofARepositoryListsItsDamage(t *testing.T) {
	tmp := t.TempDir()
	dir, repo := filepath.Join(tmp, "db"), filepath.Join(tmp, "backups")+"/"
	must(t, "put", dir, "k", "v")
	backedUp(t, dir, repo)
	changed := 0
	err := filepath.WalkDir(filepath.Join(repo, "files"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			changed++
			text[0] ^= 1
			err = os.WriteFile(path, text, 0o600)
		}
		return err
	})
	if err != nil || changed == 0 {
		t.Fatal(changed, err)
	}
	must(t, "verify", repo) // names and sizes are as they were
	for _, args := range [][]string{{"verify", repo, "--read-data"}, {"check", repo, "--read-data", "--json"}} {
		got := lightning(t, "", args...)
		if got.code != console.ExitCorrupt || strings.Count(got.out, "was changed") != changed ||
			!strings.Contains(got.err, fmt.Sprintf("%d damages", changed)) {
			t.Errorf("%q: %+v", args, got)
		}
	}
	got := lightning(t, "", "restore", filepath.Join(tmp, "to"), repo)
	if got.code != console.ExitCorrupt || !strings.Contains(got.err, "take another backup") {
		t.Errorf("restore: %+v", got)
	}
}

// A wrong name must say what it is the name of, and nothing of it may be changed.
func TestRepository_refusesWhatIsNone(t *testing.T) {
	tmp := t.TempDir()
	dir, repo := filepath.Join(tmp, "db"), filepath.Join(tmp, "backups")
	must(t, "put", dir, "k", "v")
	must(t, "backup", dir, repo+"/")
	for _, c := range []struct {
		args []string
		code int
		err  string
	}{
		{[]string{"list", dir}, 1, "it is a database"},
		{[]string{"prune", dir, "--keep-last", "1"}, 1, "it is a database"},
		{[]string{"restore", filepath.Join(tmp, "to"), dir}, 1, "it is a database"},
		{[]string{"backup", dir, dir}, 1, "it is a database"},
		{[]string{"backup", dir, tmp}, 1, "name the directory that backups were made in"},
		{[]string{"list", filepath.Join(tmp, "none")}, 1, "no such file"},
		{[]string{"list", t.TempDir()}, 1, "no repository"},
		{[]string{"restore", filepath.Join(tmp, "to"), t.TempDir()}, 1, "no repository"},
		{[]string{"prune", repo}, 2, "--keep-last"},
		{[]string{"prune", repo, "--keep-last", "-1"}, 2, "none below 0"},
		{[]string{"diff", repo, "a", "b"}, 1, "`lightning list`"},
		{[]string{"backup", dir, repo, "--force"}, 2, "replaces files"},
		{[]string{"backup", dir, repo + ".tar", "--read-all"}, 2, "is for repositories"},
		{[]string{"verify", dir, "--read-data"}, 2, "reads everything"},
		{[]string{"backup", dir, ""}, 2, "name a file or a directory"},
		{[]string{"restore", filepath.Join(tmp, "to"), ""}, 2, "name both"},
		{[]string{"list", ""}, 2, "name a directory"},
	} {
		got := lightning(t, "", c.args...)
		if got.code != c.code || !strings.Contains(got.err, c.err) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%q: %d, %s", c.args, got.code, got.err)
		}
	}
	must(t, "check", dir)
	must(t, "verify", repo, "--read-data")
	if err := os.Remove(filepath.Join(repo, "lightning-repository.json")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", repo, "--read-data"}, {"verify", repo}, {"list", repo}} {
		if got := lightning(t, "", args...); got.code != console.ExitFailure {
			t.Errorf("%q without the file of settings: %+v", args, got)
		}
	}
}

// Whoever presses Ctrl-C wants to know what is there now.
func TestCopies_sayWhatAnInterruptionLeaves(t *testing.T) {
	tmp := t.TempDir()
	dir, repo, file := filepath.Join(tmp, "db"), filepath.Join(tmp, "backups")+"/", filepath.Join(tmp, "b.tar")
	must(t, "put", dir, "k", "v")
	must(t, "backup", dir, repo)
	must(t, "backup", dir, file)
	must(t, "export", dir, filepath.Join(tmp, "in.jsonl"))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&console.Interrupted{Signal: os.Interrupt})
	to := filepath.Join(tmp, "to")
	for want, args := range map[string][]string{
		"new.tar is as it was before":         {"backup", dir, filepath.Join(tmp, "new.tar")},
		"is not moved again":                  {"backup", dir, repo},
		"run it again: nothing is left":       {"restore", to, file},
		"what was copied is in " + to + ".re": {"restore", to, repo},
		"nothing is left of this attempt":     {"checkpoint", dir, to},
		"every backup is there as a whole":    {"prune", repo, "--keep-last", "1"},
		"it changes nothing":                  {"verify", repo},
		"again: it changes nothing":           {"check", dir},
		"run it again: it changes nothing":    {"count", dir},
		"a file is as it was before":          {"export", dir, filepath.Join(tmp, "new.jsonl")},
		"every entry is there":                {"compact", dir},
		"what was imported is there":          {"import", dir, filepath.Join(tmp, "in.jsonl")},
	} {
		got := lightningIn(ctx, console.Env{}, args...)
		if got.code != console.ExitInterrupted || !strings.Contains(got.err, want) {
			t.Errorf("%q: %+v", args, got)
		}
	}
	must(t, "restore", to, repo)
	must(t, "backup", dir, repo)
}
