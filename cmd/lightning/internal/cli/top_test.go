package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/watch"
	"lightningdb/monitor"
)

// objects are what top writes with those flags.
func objects(t *testing.T, args ...string) (all []watch.Object) {
	t.Helper()
	for line := range strings.Lines(must(t, append([]string{"top"}, args...)...)) {
		var o watch.Object
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, o)
	}
	return all
}

// Somebody who asks what a busy program does would get the figures of nobody, or of its whole life.
func TestTop_writesWhatHappens(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for reports")
	}
	dir := filepath.Join(t.TempDir(), "db")
	db, err := lightningdb.Open(dir, &lightningdb.Options{Durability: lightningdb.Process})
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			case <-time.After(time.Millisecond):
			}
			if err := db.Put([]byte("k"), []byte("v")); err != nil {
				stopped <- err
				return
			}
		}
	}()
	end := time.Now().Add(time.Minute)
	for {
		got := objects(t, dir, "--count", "2", "--json", "--interval", "1100ms")
		if len(got) != 2 || got[0].Rates != nil || got[1].Path != dir || got[1].Ended != nil {
			t.Fatalf("%+v", got)
		}
		if o := got[1]; o.Told != nil && o.Rates != nil && o.Rates.Commits > 0 && o.Told.Pid == os.Getpid() &&
			o.Latency != nil && o.Latency.Commit.Count > 0 && o.Told.Latency.Commit.Count > o.Latency.Commit.Count {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("nothing happens: %+v", got)
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	got := lightning(t, "", "top", dir, "--count", "1", "--json")
	if got.code != console.ExitFailure || !strings.Contains(got.err, `"class":"no-writer"`) || got.out != "" {
		t.Errorf("of a closed database: %+v", got)
	}
}

// Whoever watches a program on another machine would get no figures, or those of nobody.
func TestTop_showsWhatAProgramTellsOverHTTP(t *testing.T) {
	db, err := lightningdb.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m, err := monitor.New(db, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	server := httptest.NewServer(m)
	defer server.Close()
	for range 7 {
		if err := db.Put([]byte("k"), []byte("v")); err != nil {
			t.Fatal(err)
		}
	}
	top := func(args ...string) (stdout, stderr string, err error) {
		cmd := exec.Command(os.Args[0], append([]string{"top", server.URL}, args...)...)
		cmd.Env = append(os.Environ(), childVariable+"=1")
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		err = cmd.Run()
		return out.String(), said.String(), err
	}
	for _, args := range [][]string{{"--count", "1", "--json"}, {"--count", "1"}} { // the same, where no terminal is
		out, said, err := top(args...)
		if o := decode[watch.Object](t, out); err != nil || said != "" || o.Told == nil || o.Told.Commits != 7 ||
			o.Told.Pid != os.Getpid() {
			t.Errorf("%v: %s, %s, %v", args, out, said, err)
		}
	}
	server.Close()
	out, said, err := top("--count", "1", "--json")
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != console.ExitFailure || out != "" ||
		!strings.Contains(said, `"class":"no-answer"`) {
		t.Errorf("where nobody answers: %s, %s, %v", out, said, err)
	}
}

// A picture of a writer that is gone would be taken for one of a writer that rests.
func TestTop_noticesThatTheWriterHasEnded(t *testing.T) {
	dir := t.TempDir()
	mark := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "LOCK"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const nobody = 1 << 30
	mark(fmt.Sprint(os.Getpid(), " 00000000000000000000000000000000 x"))
	if got := ended(dir, os.Getpid()); got != "" {
		t.Errorf("a writer that is there: %q", got)
	}
	if got := ended(dir, nobody); got != "there is no process 1073741824 here" {
		t.Errorf("one that was killed: %q", got)
	}
	mark("closed   \n")
	if got := ended(dir, os.Getpid()); got != "it has closed the database" {
		t.Errorf("one that has closed it: %q", got)
	}
}

// What cannot be drawn, or never ends where a script waits for it, must be refused.
func TestTop_refusesWrongFlags(t *testing.T) {
	for _, flags := range []string{"--interval 99ms", "--interval -1s", "--count -1"} {
		got := lightning(t, "", append([]string{"top", t.TempDir()}, strings.Fields(flags)...)...)
		if got.code != console.ExitUsage {
			t.Errorf("%s: %+v", flags, got)
		}
	}
}
