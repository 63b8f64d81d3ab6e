// Package trial is what the tests of the examples share: databases, and the middle of a test that runs in a process of
// its own and is killed with SIGKILL, or what the system has instead, to show what is left of a database then.
package trial

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lightningdb"
)

const (
	variable = "LIGHTNING_EXAMPLE_DIR" // in the environment of a child: the directory that it works in
	mark     = "child says: "          // begins the lines that are the child's, and not of package testing
	bound    = time.Minute             // for a child to say what it is waited for
)

// Open opens the database in dir, or one in memory if that is empty, until the test ends. o may be nil.
func Open(t *testing.T, dir string, o *lightningdb.Options) *lightningdb.DB {
	t.Helper()
	if o == nil {
		o = new(lightningdb.Options)
	}
	o.InMemory = dir == ""
	db, err := lightningdb.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Kill runs work, which must not end by itself, on dir in another process, and kills that process once work has said
// n lines. It returns all that was said, perhaps a little more. The test calls it before it does anything that must
// not be done twice: the child is the same test, begun anew.
func Kill(t *testing.T, dir string, n int, work func(dir string, say func(line string)) error) (said []string) {
	t.Helper()
	if dir := os.Getenv(variable); dir != "" {
		err := work(dir, func(line string) { fmt.Println(mark + line) })
		fmt.Println("the child ended by itself:", err)
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), variable+"="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var other []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line, ok := strings.CutPrefix(lines.Text(), mark)
		if !ok {
			other = append(other, line)
			continue
		}
		if said = append(said, line); len(said) == n {
			c.Process.Kill() // what is said until it is dead counts as well
		}
	}
	if err := c.Wait(); err == nil || len(said) < n {
		t.Fatalf("the child said %d lines of %d, and then %q: %v", len(said), n, other, err)
	}
	return said
}
