package shell

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/text"
)

var update = flag.Bool("update", false, "write what the shell says into the transcripts")

// entered is a line of a transcript that somebody types: to the shell, or to another program with the same database.
var entered = regexp.MustCompile(`^(?:lightning(?: [^>]+)?|(elsewhere))> ?(.*)$`)

// typist types the lines of a transcript, and writes down what is on the screen.
type typist struct {
	db     *lightningdb.DB
	lines  []string
	screen *bytes.Buffer
}

// Line implements Input.
func (y *typist) Line(_ context.Context, prompt string) (string, error) {
	for len(y.lines) > 0 {
		line := y.lines[0]
		y.lines = y.lines[1:]
		found := entered.FindStringSubmatch(line)
		switch {
		case found == nil: // what the shell said when the transcript was made
			continue
		case found[1] != "":
			fmt.Fprintln(y.screen, line)
			if err := elsewhere(y.db, found[2]); err != nil {
				return "", err
			}
			continue
		}
		fmt.Fprintln(y.screen, strings.TrimRight(prompt+found[2], " "))
		return found[2], nil
	}
	return "", io.EOF
}

// elsewhere is what another user of the database does.
func elsewhere(db *lightningdb.DB, line string) error {
	words, err := text.Split(line)
	if err != nil {
		return err
	}
	switch {
	case len(words) == 3 && words[0] == "put":
		return db.Put([]byte(words[1]), []byte(words[2]))
	case len(words) == 2 && words[0] == "delete":
		return db.Delete([]byte(words[1]))
	}
	return fmt.Errorf("elsewhere: %s", line)
}

// play runs the lines of a transcript in a new database and returns what is on the screen.
func play(t *testing.T, transcript string) string {
	t.Helper()
	db := open(t, &lightningdb.Options{Retain: time.Hour})
	var screen bytes.Buffer
	s := New(Config{DB: db, Out: &screen, Notes: &screen, Limit: 3,
		Input: &typist{db: db, lines: strings.Split(transcript, "\n"), screen: &screen},
		Stats: func(out io.Writer, _ bool) error { _, err := fmt.Fprintln(out, "(levels, memory, log)"); return err },
		Failed: func(e *LineError) error {
			fmt.Fprintln(&screen, "error: "+e.Err.Error())
			return nil
		}})
	if err := s.Run(t.Context()); err != nil {
		fmt.Fprintln(&screen, "error: "+err.Error())
	}
	return screen.String()
}

// open opens a database in memory. That it closes without a complaint shows that the shell holds nothing of it.
func open(t *testing.T, o *lightningdb.Options) *lightningdb.DB {
	t.Helper()
	o.InMemory = true
	db, err := lightningdb.Open("", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// The sessions are what people see. A change here changes what they have learnt, and scripts that they wrote.
func TestShell_transcripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			transcript, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(transcript))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(transcript), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whoever types what the documentation shows must see what it shows.
func TestShell_documentationShowsATranscript(t *testing.T) {
	transcript, err := os.ReadFile("testdata/readme.txt")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, transcript) {
		t.Error("testdata/readme.txt is not in the README of the command line")
	}
}

// script runs lines as a script, and returns what it wrote.
func script(t *testing.T, db *lightningdb.DB, lines string) (out string, err error) {
	t.Helper()
	var results bytes.Buffer
	err = New(Config{DB: db, Out: &results, Notes: io.Discard,
		Input: NewScript(strings.NewReader(lines))}).Run(t.Context())
	return results.String(), err
}

// A script that went on after an error, or wrote half of a transaction, would do what nobody asked for.
func TestShell_scriptEndsAtItsFirstError(t *testing.T) {
	db := open(t, &lightningdb.Options{})
	out, err := script(t, db, "put a 1\n\n# a comment\nget a\nbegin\nput b 2\nget c\nput d 4\ncommit\n")
	var failed *LineError
	if !errors.As(err, &failed) || failed.Line != 7 || !errors.Is(err, lightningdb.ErrNotFound) || out != "1\n" {
		t.Errorf("wrote %q, %v", out, err)
	}
	if want := "line 7: get c: key not found; scan lists keys; the open transaction is rolled back"; err.Error() != want {
		t.Errorf("says %q, want %q", err, want)
	}
	if out, err := script(t, db, "scan keys"); out != "a\n" || err != nil {
		t.Errorf("left %q, %v", out, err)
	}
}

// A user who forgets the last line of a script must hear that nothing was written.
func TestShell_endInsideATransactionIsAnError(t *testing.T) {
	db := open(t, &lightningdb.Options{})
	if _, err := script(t, db, "begin\nput a 1\n"); !errors.Is(err, ErrOpenAtEnd) {
		t.Errorf("ended with %v", err)
	}
	if out, err := script(t, db, "begin\nput a 1\ncommit\nexit\nput b 1"); out != "" || err != nil {
		t.Errorf("wrote %q, %v", out, err)
	}
	if out, err := script(t, db, "scan"); out != "a\t1\n" || err != nil {
		t.Errorf("left %q, %v", out, err)
	}
}

// A long value must come in whole, and an endless line must not take the memory of the machine with it.
func TestScript_boundsALine(t *testing.T) {
	db := open(t, &lightningdb.Options{})
	long := strings.Repeat("x", 1<<20)
	if out, err := script(t, db, "put long "+long+"\nget long\ndelete long"); out != long+"\n" || err != nil {
		t.Errorf("read a line of %d bytes: wrote %d, %v", len(long), len(out), err)
	}
	if _, err := script(t, db, "put a 1\nput b "+strings.Repeat("x", maxLine)); err == nil ||
		!strings.Contains(err.Error(), "read line 2") || !strings.Contains(err.Error(), "import") {
		t.Errorf("read an endless line: %v", err)
	}
}

// A scan of a large database must end when its user wants it to, and the session must not.
func TestShell_interruptEndsTheLineOnly(t *testing.T) {
	db := open(t, &lightningdb.Options{Durability: lightningdb.Process})
	var batch lightningdb.Batch
	for i := range 5000 {
		batch.Put(fmt.Appendf(nil, "%04d", i), nil)
	}
	if err := db.Write(&batch); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	var failures []string
	interrupt := errors.New("interrupt")
	lines := 0
	s := New(Config{DB: db, Out: &out, Notes: io.Discard, Input: NewScript(strings.NewReader("count\nscan\ncount\n")),
		Failed: func(e *LineError) error { failures = append(failures, e.Error()); return nil },
		Interruptible: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			if lines++; lines < 3 {
				cancel(interrupt)
			}
			return ctx, func() { cancel(nil) }
		}})
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"line 1: count: interrupt", "line 2: scan: interrupt"}
	if diff := cmp.Diff(want, failures); diff != "" || !strings.HasSuffix(out.String(), "5000\n") {
		t.Errorf("(-want +got):\n%s%s", diff, lastLine(out.String()))
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Completion that offers what cannot be typed, or hides what is there, is worse than none.
func TestShell_completesVerbsKeysAndNames(t *testing.T) {
	db := open(t, &lightningdb.Options{})
	s := New(Config{DB: db, Out: io.Discard, Notes: io.Discard})
	defer s.close()
	for _, line := range []string{`put user:1 a`, `put "user two" b`, `put user\xff c`, `put other d`, `snapshot before`,
		`delete other`, `bucket create app`, `bucket create app/users`, `bucket create 'app/u\/b'`, `begin`,
		`savepoint first`} {
		if err := s.carryOut(t.Context(), line); err != nil {
			t.Fatal(err)
		}
	}
	for line, want := range map[string][]string{
		"":               nil, // all verbs, below
		"sn":             {"snapshot ", "snapshots "},
		"get user":       {`get "user two" `, `get user:1 `, `get user\xff `},
		`get "user t`:    {`get "user two" `},
		"delete other":   {},
		"put user:1 u":   {},
		"delete a user:": {"delete a user:1 "},
		"scan pr":        {"scan prefix "},
		"scan prefix us": {`scan prefix "user two" `, `scan prefix user:1 `, `scan prefix user\xff `},
		"count l":        {},
		"begin s":        {"begin snapshot-isolation "},
		"at ":            {"at before ", "at now "},
		"release b":      {"release before "},
		"rollback ":      {"rollback to "},
		"rollback to f":  {"rollback to first "},
		"help savep":     {"help savepoint "},
		"nonsense ":      {},
		"use a":          {"use app "},
		"use app/":       {`use app/u\\/b `, "use app/users "},
		`use 'app/u\/`:   {`use app/u\\/b `},
		"bucket d":       {"bucket drop "},
		"bucket drop ap": {"bucket drop app "},
		"scan --bucket ": {"scan --bucket app "},
		"buckets app/us": {"buckets app/users "},
		"at before x":    {},
	} {
		head, candidates, tail := s.Complete(line+"|rest", len([]rune(line)))
		var got []string
		for _, c := range candidates {
			got = append(got, head+c)
		}
		if line == "" {
			if len(got) != len(verbs()) {
				t.Errorf("an empty line offers %q", got)
			}
			continue
		}
		if strings.Join(got, "|") != strings.Join(want, "|") || tail != "|rest" {
			t.Errorf("%q: %q and %q, want %q", line, got, tail, want)
		}
	}
}

// Completion reads keys. If the transaction took that for its own reading, it would conflict over keys nobody looked
// at.
func TestShell_completionCausesNoConflict(t *testing.T) {
	db := open(t, &lightningdb.Options{})
	if _, err := script(t, db, "put a 1\nput b 1"); err != nil {
		t.Fatal(err)
	}
	s := New(Config{DB: db, Out: io.Discard, Notes: io.Discard})
	defer s.close()
	for _, line := range []string{"begin", "put c 1"} {
		if err := s.carryOut(t.Context(), line); err != nil {
			t.Fatal(err)
		}
	}
	if _, candidates, _ := s.Complete("get ", 4); len(candidates) != 2 {
		t.Fatalf("offers %q", candidates)
	}
	if err := db.Put([]byte("a"), []byte("2")); err != nil {
		t.Fatal(err)
	}
	if err := s.carryOut(t.Context(), "commit"); err != nil {
		t.Error(err)
	}
}

// Lines have values in them. A history that others can read gives them away.
func TestTerminal_historyIsReadByItsOwnerOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	if err := os.WriteFile(file, []byte("get a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	terminal, err := NewTerminal(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"put a secret", "", "put b " + strings.Repeat("x", maxHistoryLine), "put c \xff",
		"scan"} {
		terminal.remember(line)
	}
	if err := terminal.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	got, err := os.ReadFile(file)
	if want := "get a\nput a secret\nscan\n"; err != nil || string(got) != want {
		t.Errorf("the history is %q, %v; want %q", got, err, want)
	}
	if again, err := NewTerminal(file, nil); err != nil || again.Close() != nil {
		t.Errorf("what was written is not read: %v", err)
	}
}
