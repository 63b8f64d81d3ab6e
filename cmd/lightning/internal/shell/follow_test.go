package shell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lightningdb"
)

// What another program has committed would be missing at a prompt that was opened before, or a state that was kept
// would move along with it.
func TestShell_followsAWriter(t *testing.T) {
	const transcript = `elsewhere> put a 1
lightning> get a
1
elsewhere> put a 2
lightning> get a
2
lightning> snapshot before
snapshot before is at sequence number 2
elsewhere> delete a
elsewhere> put b 3
lightning> scan
b	3
lightning> at before
lightning @2> get a
2
lightning @2> at now
lightning> count
1
lightning> at 1
error: at 1: of a database that another process has open there is only the newest state here; keep it with snapshot
lightning> put b 4
error: put b: another process has the database open: here it can only be read
lightning> delete b
error: delete b: another process has the database open: here it can only be read
lightning> add b 4
error: add b: another process has the database open: here it can only be read
lightning> begin readonly
error: begin: another process has the database open: here it can only be read
lightning> commit
error: no transaction is open: begin one first
elsewhere> put c 4
lightning> stats
sequence number 5
`
	db, follower := followed(t)
	var screen bytes.Buffer
	s := New(Config{DB: Following{follower}, Out: &screen, Notes: &screen,
		Input: &typist{db: db, lines: strings.Split(transcript, "\n"), screen: &screen},
		Stats: func(out io.Writer, _ bool) error {
			_, err := fmt.Fprintln(out, "sequence number", follower.Sequence())
			return err
		},
		Failed: func(e *LineError) error { fmt.Fprintln(&screen, "error: "+e.Err.Error()); return nil }})
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(transcript, screen.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, keys, _ := s.Complete("get ", 4); len(keys) != 2 || keys[0] != "b " || keys[1] != "c " {
		t.Errorf("keys to complete: %q", keys)
	}
}

// A line that cannot see what was committed would show what is old for what is new.
func TestShell_saysThatItCannotRefresh(t *testing.T) {
	db, follower := followed(t)
	var screen bytes.Buffer
	s := New(Config{DB: Following{follower}, Out: &screen, Notes: &screen,
		Input: NewScript(strings.NewReader("get a\nscan\ncount\nsnapshot\nstats\n")),
		Stats: func(io.Writer, bool) error { t.Error("statistics of a state that nobody knows"); return nil },
		Failed: func(e *LineError) error {
			fmt.Fprintln(&screen, e.Err)
			return nil
		}})
	if err := follower.Close(); err != nil { // what is not refreshed any more
		t.Fatal(err)
	}
	if err := db.Put([]byte("a"), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for n, verb := range []string{"get a: ", "scan: ", "count: ", "snapshot: ", "stats: "} {
		lines := strings.Split(screen.String(), "\n")
		if len(lines) != 6 || !strings.HasPrefix(lines[n], verb+"refresh: ") {
			t.Fatalf("%s%q", verb, lines)
		}
	}
}

// followed returns a database in a directory and a follower of it. That they close without a complaint shows that the
// shell holds nothing of them.
func followed(t *testing.T) (*lightningdb.DB, *lightningdb.Follower) {
	t.Helper()
	dir := t.TempDir()
	db, err := lightningdb.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	follower, err := lightningdb.OpenFollower(dir, &lightningdb.FollowerOptions{Interval: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := follower.Close(); err != nil && !errors.Is(err, lightningdb.ErrClosed) {
			t.Error(err)
		}
	})
	return db, follower
}
