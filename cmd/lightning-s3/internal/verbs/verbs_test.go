package verbs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/backup/s3"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/internal/proof/fake"
)

const secret = "a-secret-that-nobody-may-see"

// world is a bucket, a file with its keys, and a database.
type world struct {
	t            *testing.T
	server       *fake.Server
	dir, keys    string
	place        string // of the repository
	stdout, said string // of the last run
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, server: new(fake.Server).Start(), dir: t.TempDir(), place: "s3://" + fake.Name + "/of/orders"}
	t.Cleanup(w.server.Close)
	w.keys = filepath.Join(w.dir, "keys")
	text := "[default]\naws_access_key_id = AKIATEST\naws_secret_access_key = " + secret + "\n"
	if err := os.WriteFile(w.keys, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// fill commits n keys.
func (w *world) fill(n int) {
	w.t.Helper()
	db, err := lightningdb.Open(w.path("db"), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range n {
		if err := db.Put(fmt.Appendf(nil, "key %d", i), []byte("value")); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// run runs a command line, which must exit with a code, and never shows the secret.
func (w *world) run(want int, args ...string) string {
	w.t.Helper()
	var stdout, stderr strings.Builder
	env := console.Env{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Getenv: func(name string) string {
		return map[string]string{"AWS_ENDPOINT_URL": w.server.URL(), "AWS_REGION": "us-east-1"}[name]
	}}
	code := Run(context.Background(), append(args, "--credentials-file", w.keys), env)
	w.stdout, w.said = stdout.String(), stderr.String()
	if code != want {
		w.t.Fatalf("%q exited with %d, want %d\n%s%s", args, code, want, w.stdout, w.said)
	}
	if strings.Contains(w.stdout+w.said, secret) {
		w.t.Errorf("%q shows the secret", args)
	}
	return w.stdout
}

// parse reads the result of a run with --json.
func parse[T any](w *world, text string) (result T) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		w.t.Fatalf("%q: %v", text, err)
	}
	return result
}

// Every verb does in a bucket what it says.
func TestRun_everyVerb(t *testing.T) {
	w := newWorld(t)
	w.fill(100)
	first := parse[repositories.Result](w, w.run(0, "backup", w.path("db"), w.place, "--json"))
	w.fill(200)
	second := parse[repositories.Result](w, w.run(0, "backup", w.path("db"), w.place, "--json"))
	if second.Sequence <= first.Sequence || second.Files == 0 || second.Moved == nil ||
		second.Moved.Files+second.Shared.Files != second.Files {
		t.Errorf("%+v, then %+v", first, second)
	}
	if out := w.run(0, "list", w.place); strings.Count(out, "\n") != 2 || !strings.HasPrefix(out, first.ID) {
		t.Errorf("list: %s", out)
	}
	v := parse[repositories.Verification](w, w.run(0, "verify", w.place, "--read-data", "--json"))
	if v.Backups != 2 || v.Bytes == 0 {
		t.Errorf("verify: %+v", v)
	}
	if out := w.run(0, "diff", w.place, first.ID, second.ID); !strings.Contains(out, "both: ") {
		t.Errorf("diff: %s", out)
	}
	w.run(0, "restore", w.path("first"), w.place+"/"+first.ID)
	w.run(0, "restore", w.path("drill"), w.place, "--verify-only")
	w.run(0, "restore", w.path("newest"), w.place)
	for dir, want := range map[string]int{"first": 100, "newest": 200} {
		db, err := lightningdb.Open(w.path(dir), &lightningdb.Options{ReadOnly: true, MustExist: true})
		if err != nil {
			t.Fatal(err)
		}
		last, err := db.Has(fmt.Appendf(nil, "key %d", want-1))
		more, err2 := db.Has(fmt.Appendf(nil, "key %d", want))
		if !last || more || err != nil || err2 != nil {
			t.Errorf("%s: %t, %t, %v, %v", dir, last, more, err, err2)
		}
		_ = db.Close()
	}
	if _, err := os.Stat(w.path("drill")); err == nil {
		t.Error("a drill has restored")
	}
	dry := parse[struct{ Removed, Kept []repositories.Listed }](w,
		w.run(0, "prune", w.place, "--keep-last", "1", "--dry-run", "--json"))
	if len(dry.Removed) != 1 || len(dry.Kept) != 1 {
		t.Errorf("dry run: %+v", dry)
	}
	w.run(0, "prune", w.place, "--keep-last", "1")
	if out := w.run(0, "list", w.place); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, second.ID) {
		t.Errorf("after the prune: %s", out)
	}
}

// Scripts branch on the codes, and people do what the message says.
func TestRun_exitCodes(t *testing.T) {
	w := newWorld(t)
	w.fill(10)
	w.run(console.ExitUsage, "backup", w.path("db"), "backups/orders")
	w.run(console.ExitUsage, "prune", w.place)
	w.run(console.ExitUsage, "list", "s3://")
	w.run(console.ExitFailure, "list", w.place)
	w.run(console.ExitFailure, "backup", w.path("db"), "s3://another/orders")
	if !strings.Contains(w.said, "create it first") {
		t.Errorf("no bucket: %s", w.said)
	}
	w.run(console.ExitFailure, "backup", w.path("none"), w.place)
	made := parse[repositories.Result](w, w.run(0, "backup", w.path("db"), w.place, "--json"))
	w.run(console.ExitFailure, "restore", w.path("x"), w.place+"/20200101T000000Z-00000000")
	if !strings.Contains(w.said, "`lightning-s3 list`") {
		t.Errorf("no backup of that ID: %s", w.said)
	}
	w.run(console.ExitFailure, "restore", w.path("db"), w.place)
	for _, key := range w.server.Keys() {
		if strings.Contains(key, "/files/") {
			w.server.Remove(key)
			break
		}
	}
	w.run(console.ExitCorrupt, "verify", w.place)
	if !strings.Contains(w.stdout, made.ID) {
		t.Errorf("verify lists %q", w.stdout)
	}
	w.run(console.ExitCorrupt, "restore", w.path("y"), w.place)
	w.server.SetFault(func(fake.Request) fake.Fault { return fake.Denied })
	w.run(console.ExitFailure, "list", w.place)
	if !strings.Contains(w.said, "refuses these keys") {
		t.Errorf("denied: %s", w.said)
	}
}

// archived commits the values 1 to n of key k, each of which goes to the archive, and returns the time after each.
func (w *world) archived(n int) (times []time.Time) {
	w.t.Helper()
	bucket, err := s3.Open(w.t.Context(), s3.Options{Endpoint: w.server.URL(), Region: "us-east-1", Bucket: fake.Name,
		Prefix: "of/orders", CredentialsFile: w.keys})
	if err != nil {
		w.t.Fatal(err)
	}
	repo, err := backup.Open(w.t.Context(), bucket)
	if err != nil {
		w.t.Fatal(err)
	}
	db, err := lightningdb.Open(w.path("db"), &lightningdb.Options{Archive: backup.NewArchive(repo),
		ArchiveInterval: 10 * time.Millisecond})
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 1; i <= n; i++ {
		if err := db.Put([]byte("k"), fmt.Append(nil, i)); err != nil {
			w.t.Fatal(err)
		}
		for db.Metrics().Archive.Sequence < uint64(i) {
			time.Sleep(time.Millisecond)
		}
		times = append(times, time.Now())
		time.Sleep(20 * time.Millisecond) // so that moments of the archive tell them apart
	}
	if err := db.Close(); err != nil {
		w.t.Fatal(err)
	}
	return times
}

// value is what key k has in a directory.
func (w *world) value(dir string) string {
	w.t.Helper()
	db, err := lightningdb.Open(w.path(dir), &lightningdb.Options{ReadOnly: true, MustExist: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	v, err := db.Get([]byte("k"))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(v)
}

// An archive in a bucket that can be written and not read is of no use on the day.
func TestRestore_toAPointOfAnArchiveInABucket(t *testing.T) {
	w := newWorld(t)
	times := w.archived(4)
	list := parse[struct {
		Branches []struct{ ID, Database string }
	}](w, w.run(0, "archive", "list", w.place, "--json"))
	if len(list.Branches) != 1 {
		t.Fatalf("%+v", list)
	}
	if out := w.run(0, "archive", "list", w.place); !strings.HasPrefix(out, list.Branches[0].ID+"  commits ") {
		t.Errorf("the table is %q", out)
	}
	w.run(0, "restore", w.path("second"), w.place, "--to-sequence", "2", "--branch", list.Branches[0].ID)
	w.run(0, "restore", w.path("third"), w.place, "--to-time", times[2].Format(time.RFC3339Nano))
	if a, b := w.value("second"), w.value("third"); a != "2" || b != "3" {
		t.Errorf("restored %s and %s", a, b)
	}
	for flag, say := range map[string]string{"99": "`lightning-s3 archive list`", "x": "invalid value"} {
		code := map[string]int{"99": console.ExitFailure, "x": console.ExitUsage}[flag]
		w.run(code, "restore", w.path("none"), w.place, "--to-sequence", flag)
		if !strings.Contains(w.said, say) {
			t.Errorf("--to-sequence %s: %s", flag, w.said)
		}
	}
	made := parse[repositories.Result](w, w.run(0, "backup", w.path("db"), w.place, "--json"))
	w.run(console.ExitUsage, "restore", w.path("none"), w.place+"/"+made.ID, "--to-sequence", "2")
	w.run(0, "prune", w.place, "--keep-last", "1", "--window", "1d")
	w.run(0, "restore", w.path("again"), w.place, "--to-sequence", "2", "--verify-only")
	w.run(0, "prune", w.place, "--keep-last", "1", "--window", "1ms")
	if !strings.Contains(w.said, " of the archive and ") {
		t.Errorf("the prune says %s", w.said)
	}
	w.run(console.ExitFailure, "restore", w.path("again"), w.place, "--to-sequence", "2")
}

// A restore that takes the backup of another program's database is a second disaster.
func TestRestore_asksWhichBackupIsMeant(t *testing.T) {
	w := newWorld(t)
	w.fill(10)
	one := parse[repositories.Result](w, w.run(0, "backup", w.path("db"), w.place, "--json"))
	if err := os.RemoveAll(w.path("db")); err != nil {
		t.Fatal(err)
	}
	w.fill(20)
	w.run(0, "backup", w.path("db"), w.place)
	w.run(console.ExitFailure, "restore", w.path("to"), w.place)
	if !strings.Contains(w.said, "there are backups of 2 databases") || !strings.Contains(w.said, w.place+"/"+one.ID) {
		t.Errorf("it says %s", w.said)
	}
	w.run(0, "restore", w.path("to"), w.place+"/"+one.ID)
}

// Whoever presses Ctrl-C wants to know what is there now, and scripts read it as JSON.
func TestRun_saysWhatAnInterruptionLeaves(t *testing.T) {
	w := newWorld(t)
	w.fill(10)
	w.run(0, "backup", w.path("db"), w.place)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&console.Interrupted{Signal: os.Interrupt})
	for _, args := range [][]string{{"backup", w.path("db"), w.place}, {"restore", w.path("to"), w.place},
		{"restore", w.path("to"), w.place, "--to-sequence", "1"}, {"list", w.place}, {"verify", w.place},
		{"prune", w.place, "--keep-last", "1"}, {"archive", "list", w.place}} {
		var stderr strings.Builder
		env := console.Env{Stdout: io.Discard, Stderr: &stderr, Getenv: func(name string) string {
			return map[string]string{"AWS_ENDPOINT_URL": w.server.URL(), "AWS_REGION": "us-east-1"}[name]
		}}
		code := Run(ctx, append(args, "--json", "--credentials-file", w.keys), env)
		said := parse[console.JSONError](w, stderr.String()).Error
		if code != console.ExitInterrupted || said.Code != code || !strings.HasPrefix(said.Advice, "run it again") ||
			!strings.Contains(said.Advice, ": ") {
			t.Errorf("%q: %d, %+v", args, code, said)
		}
	}
	w.run(0, "verify", w.place, "--read-data")
}

// A bucket that two writers would damage is not written to.
func TestRun_refusesAnUnsafeBucket(t *testing.T) {
	w := newWorld(t)
	w.fill(10)
	w.server.IgnoreConditions = true
	w.run(console.ExitFailure, "backup", w.path("db"), w.place)
	if keys := w.server.Keys(); len(keys) > 0 || !strings.Contains(w.said, "cannot keep two writers apart") {
		t.Errorf("%s; there is %q", w.said, keys)
	}
}

// A database that another process has open is backed up as that one has published it.
func TestRun_followsAWriter(t *testing.T) {
	w := newWorld(t)
	db, err := lightningdb.Open(w.path("db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Put([]byte("key"), []byte("value")); err != nil {
		t.Fatal(err)
	}
	made := parse[repositories.Result](w, w.run(0, "backup", w.path("db"), w.place, "--json"))
	if made.Sequence == 0 {
		t.Errorf("%+v", made)
	}
}
