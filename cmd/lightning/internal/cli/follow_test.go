package cli

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/console"
	"lightningdb/internal/system/owner"
)

// writer is a shell in a process of its own, which has a database open.
type writer struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startWriter(t *testing.T, dir string) *writer {
	t.Helper()
	w := &writer{Cmd: exec.Command(os.Args[0], "shell", dir, "-q")}
	w.Env = append(os.Environ(), childVariable+"=1")
	var out io.Reader
	var errs [2]error
	w.in, errs[0] = w.StdinPipe()
	out, errs[1] = w.StdoutPipe()
	w.out = bufio.NewReader(out)
	for _, err := range append(errs[:], w.Start()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		w.in.Close()
		if err := w.Wait(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// does carries lines out, the last of which answers want.
func (w *writer) does(t *testing.T, lines, want string) {
	t.Helper()
	if _, err := io.WriteString(w.in, lines); err != nil {
		t.Fatal(err)
	}
	if got, err := w.out.ReadString('\n'); got != want+"\n" {
		t.Fatalf("the writer says %q, %v", got, err)
	}
}

// name is what others call the writer.
func (w *writer) name() string { return fmt.Sprintf("process %d (%s)", w.Process.Pid, owner.Program()) }

// An operator who asks a running database for a key, its size or its health would be sent away, or not be told that
// it runs.
func TestFollow_commandsReadARunningDatabase(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	w := startWriter(t, dir)
	w.does(t, "put a 1\nput b 2\nget b\n", "2")
	note := "note: " + w.name() + " has the database open; showing what it had published (commit 2)\n"
	for _, c := range []struct{ args, stdin, out, err string }{
		{args: "get DB a", out: "1"},
		{args: "get DB a --json", out: `{"key":"a","value":"1"}` + "\n"},
		{args: "scan DB", out: "a\t1\nb\t2\n"},
		{args: "scan DB --reverse --limit 1", out: "b\t2\n"},
		{args: "count DB --from b", out: "1\n"},
		{args: "count DB --memory-limit 10MiB", out: "2\n"},
		{args: "export DB -", out: `{"key":"a","value":"1"}` + "\n" + `{"key":"b","value":"2"}` + "\n",
			err: "exported 2 entries"},
		{args: "verify DB", err: "verified 0 tables (0 B) and the log up to commit 2 in "},
		{args: "shell DB --read-only", stdin: "get a\nsnapshot s\nat s\ncount\n", out: "1\n2\n",
			err: "snapshot s is at sequence number 2\n"},
	} {
		args := strings.Fields(strings.ReplaceAll(c.args, "DB", dir))
		first := note
		if slices.Contains(args, "--json") {
			first = `{"note":{"class":"following","message":"` + strings.TrimSpace(note[len("note: "):]) + `"}}` + "\n"
		}
		got := lightning(t, c.stdin, args...)
		rest, found := strings.CutPrefix(got.err, first)
		if got.code != console.ExitOK || got.out != c.out || !found || !strings.HasPrefix(rest, c.err) ||
			c.err == "" && rest != "" {
			t.Errorf("%s: exit code %d\n%s%s", c.args, got.code, got.out, got.err)
		}
		got = lightning(t, c.stdin, append(args, "--quiet")...)
		if got.code != console.ExitOK || got.out != c.out || got.err != "" {
			t.Errorf("%s --quiet: exit code %d\n%s%s", c.args, got.code, got.out, got.err)
		}
	}
	w.does(t, "put a 3\nget a\n", "3")
	if got := must(t, "get", dir, "a"); got != "3" {
		t.Errorf("after another commit: %q", got)
	}
	got := lightning(t, "", "get", dir, "nobody")
	missing := "(commit 3)\nlightning: get \"nobody\": key not found; list keys with `lightning scan`\n"
	if got.code != console.ExitNotFound || !strings.HasSuffix(got.err, missing) {
		t.Errorf("a key that is not there: %+v", got)
	}
	if leases, err := filepath.Glob(filepath.Join(dir, "FOLLOWER-*")); len(leases) > 0 || err != nil {
		t.Errorf("they have left %q, %v", leases, err)
	}
}

// Two writers in one database destroy it, and one that does not know who the other is can only wait.
func TestFollow_secondWriterIsToldWhoTheFirstIs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	w := startWriter(t, dir)
	w.does(t, "add n 1\n", "1")
	for _, args := range []string{"put DB n 1", "add DB n 1", "delete DB n", "import DB -", "compact DB", "shell DB"} {
		got := lightning(t, "", strings.Fields(strings.ReplaceAll(args, "DB", dir))...)
		if got.code != console.ExitLocked || !strings.Contains(got.err, w.name()) || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%s: %+v", args, got)
		}
		if looks := strings.Contains(got.err, "--read-only"); looks != (args == "shell DB") {
			t.Errorf("%s: its advice is wrong: %s", args, got.err)
		}
	}
	_, err := lightningdb.Open(dir, &lightningdb.Options{ReadOnly: true})
	var locked *lightningdb.LockedError
	if !errors.As(err, &locked) || locked.Owner != w.name() {
		t.Errorf("%v", err)
	}
}

// commitsTold is how many commits have ended, as far as the writer has told.
func commitsTold(stats map[string]any) float64 {
	told, _ := stats["told"].(map[string]any)
	latency, _ := told["latency"].(map[string]any)
	commits, _ := latency["commit"].(map[string]any)
	n, _ := commits["count"].(float64)
	return n
}

// Numbers of a process that only follows would be taken for those of the one that works, and a script that knows one
// form would break at the other.
func TestFollow_statsSayWhatTheWriterTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	must(t, "put", dir, "a", "1")
	must(t, "compact", dir)
	alone := statsOf(t, dir)
	w := startWriter(t, dir)
	w.does(t, "put b 1\nget b\n", "1")
	followed := statsOf(t, dir)
	for end := time.Now().Add(time.Minute); commitsTold(followed) == 0 && time.Now().Before(end); {
		followed = statsOf(t, dir) // it tells in the background
	}
	for name, got := range map[string][]string{"alone": nullsIn(alone), "followed": nullsIn(followed)} {
		want := []string{"disk_limit", "recovery"}
		if name == "alone" {
			want = []string{"disk_limit", "told", "writer"}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: unknown are %q, want %q", name, got, want)
		}
	}
	if a, b := slices.Sorted(maps.Keys(alone)), slices.Sorted(maps.Keys(followed)); !slices.Equal(a, b) {
		t.Errorf("the fields are %q, and %q with a writer", a, b)
	}
	if followed["writer"] != w.name() || followed["sequence"] != 2.0 || followed["disk_bytes"].(float64) <= 0 {
		t.Errorf("%v", followed)
	}
	told := followed["told"].(map[string]any)
	commits := told["latency"].(map[string]any)["commit"].(map[string]any)
	if told["pid"] != float64(w.Process.Pid) || commits["count"] != 1.0 || commits["max_seconds"].(float64) <= 0 {
		t.Errorf("%v", told)
	}
	text := must(t, "stats", dir)
	for _, part := range []string{"last sequence number 2\n", fmt.Sprintf("process %d (cli.test), as it told ",
		w.Process.Pid), "  latency      commit  p50 ", "  log          1 segment, ", "memory of this process\n",
		"recovery\n  known to " + w.name() + " alone\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	if got := must(t, "shell", dir, "--read-only", "--json"); got != "" {
		t.Errorf("a shell without lines says %q", got)
	}
	shell := lightning(t, "stats\n", "shell", dir, "--read-only", "--json")
	if !strings.Contains(shell.out, `"writer":"`+w.name()+`"`) || shell.code != console.ExitOK {
		t.Errorf("stats of the shell: %+v", shell)
	}
}

// A figure that nobody told would be one of this process, or a zero, under the writer's name.
func TestFollow_statsOfAWriterThatToldNothing(t *testing.T) {
	var parts []string
	for _, s := range writerSections("process 7 (x)", lightningdb.Metrics{}, nil) {
		parts = append(parts, s.title, s.lines[0])
	}
	if got := strings.Join(parts, "|"); !strings.HasPrefix(got, "memory of this process|in use") ||
		!strings.HasSuffix(got, "|log|known to process 7 (x) alone|recovery|known to process 7 (x) alone") {
		t.Errorf("%q", got)
	}
}

func statsOf(t *testing.T, dir string) (stats map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(must(t, "stats", dir, "--json")), &stats); err != nil {
		t.Fatal(err)
	}
	return stats
}

// nullsIn are the names of what is null in stats, or in each level, sorted.
func nullsIn(stats map[string]any) (names []string) {
	for name, value := range stats {
		if value == nil {
			names = append(names, name)
		}
	}
	for name, value := range stats["levels"].([]any)[0].(map[string]any) {
		if value == nil {
			names = append(names, "levels."+name)
		}
	}
	slices.Sort(names)
	return names
}

// Damage in a database that nobody may stop would be found only after it has stopped.
func TestFollow_verifyFindsDamageUnderAWriter(t *testing.T) {
	dir, tables := damagedDatabase(t)
	startWriter(t, dir).does(t, "put z 1\nget z\n", "1")
	got := lightning(t, "", "verify", dir)
	if got.code != console.ExitCorrupt || strings.Count(got.out, "\n") != 2 || !strings.Contains(got.err, "2 damages, in "+
		tables[0]+", "+tables[1]) {
		t.Errorf("exit code %d\n%s%s", got.code, got.out, got.err)
	}
	got = lightning(t, "", "verify", dir, "--json")
	var result struct {
		Commits  *int64 `json:"log_commits"`
		Sequence uint64 `json:"sequence"`
		Damage   []any  `json:"damage"`
	}
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || result.Commits != nil || result.Sequence != 3 ||
		len(result.Damage) != 2 {
		t.Errorf("%v: %s", err, got.out)
	}
}

// A database that another process has open and tells nothing about, as one of a version before does, is locked: a
// script must not take it for damaged, or for none.
func TestFollow_withoutWhatIsPublishedItIsLocked(t *testing.T) {
	if testing.Short() {
		t.Skip("a follower waits for two seconds")
	}
	dir := filepath.Join(t.TempDir(), "db")
	w := startWriter(t, dir)
	w.does(t, "put a 1\nget a\n", "1")
	if err := os.Remove(filepath.Join(dir, "STATUS")); err != nil {
		t.Fatal(err)
	}
	got := lightning(t, "", "get", dir, "a")
	if got.code != console.ExitLocked || !strings.Contains(got.err, w.name()) ||
		!strings.Contains(got.err, "it cannot be followed: ") || strings.Count(got.err, "\n") != 1 {
		t.Errorf("%+v", got)
	}
}
