package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"lightningdb/cmd/internal/console"
)

// Scripts of the shell run unattended: their results, messages and exit codes are what others build on.
func TestShell_scripts(t *testing.T) {
	for name, steps := range map[string][]step{
		"creates, changes and reads": {
			{args: "shell DB", stdin: "put a 1\nbegin\nput b \"2 3\"\ncommit\nscan\n", out: "a\t1\nb\t2 3\n",
				err: "committed; the sequence number is 2"},
			{args: "shell DB --durability process -q", stdin: "add n 41\nadd n 1\nexit\nput late 1", out: "41\n42\n"},
			{args: "scan DB --keys-only", out: "a\nb\nn\n"},
		},
		"ends at the first error": {
			{args: "shell DB", stdin: "put a 1\nbegin\nput b 1\nget nobody\nput c 1\n", code: 1,
				err: "lightning: line 4: get nobody: key not found; scan lists keys; the open transaction is rolled back; " +
					"what the lines before it committed is there"},
			{args: "shell DB", stdin: "begin\nput b 1\n", code: 1, err: "rolled back, nothing of it was written; commit " +
				"before the end"},
			{args: "shell DB", stdin: "\"", code: 1, err: "line 1: a quote is not closed"},
			{args: "scan DB", out: "a\t1\n"},
		},
		"has no limit for scans": {
			{args: "shell DB", stdin: numbered("put k%d x\n") + "scan keys\n", out: numbered("k%d\n")},
		},
		"reads the past that it kept": {
			{args: "shell DB --retain 1h", stdin: "put a 1\nput a 2\nat 1\nget a\nat now\nget a\n", out: "1\n2\n"},
			{args: "shell DB --retain 1h", stdin: "at 1\nget a\n", out: "1\n"},
			{args: "shell DB --retain -1s", code: 2, err: "negative"},
		},
		"has the flags of the commands": {
			{args: "shell DB --json", stdin: "put --hex ff 00\nadd n 3\nget n --as int\nget --hex ff --json\n" +
				"scan --keys-only\ncount --prefix n\n",
				out: `{"value":3}` + "\n" + `{"key":"n","value":3}` + "\n" + `{"key":"ff","value":"00","encoding":"hex"}` + "\n" +
					`{"key":"n"}` + "\n" + `{"key":"/w==","encoding":"base64"}` + "\n" + `{"count":1}` + "\n"},
			{args: "shell DB --as int", stdin: "scan\nquit\n", out: "n\t3\n\\xff\t\\x00\n"},
			{args: "shell DB --json", stdin: "gett\n", code: 1, err: `"class":"script"`},
			{args: "get DB n --as int", out: "3\n"},
			{args: "get DB n --as int --json", out: `{"key":"n","value":3}` + "\n"},
			{args: "scan DB --as int", out: "n\t3\n\\xff\t\\x00\n"},
			{args: "get DB --as int --hex ff", code: 1, err: "it is no counter, which has 8"},
			{args: "get DB n --as number", code: 2, err: "want text or int"},
		},
		"changes nothing when told so": {
			{args: "shell DB --read-only", stdin: "scan", code: 1, err: "no database"},
			{args: "put DB a 1"},
			{args: "shell DB --read-only", stdin: "get a\ncount\n", out: "1\n1\n"},
			{args: "shell DB --read-only", stdin: "put a 2\n", code: 1, err: "line 1: put a: "},
			{args: "shell DB --read-only --durability sync", code: 2, err: "exclude each other"},
			{args: "get DB a", out: "1"},
		},
	} {
		t.Run(name, func(t *testing.T) { play(t, steps) })
	}
}

// numbered is a line for each number with two digits.
func numbered(format string) (lines string) {
	for i := 10; i < 100; i++ {
		lines += fmt.Sprintf(format, i)
	}
	return lines
}

// A user who asks to go on wants the other lines done, and still has to hear that not all were.
func TestShell_keepGoingNamesEveryLine(t *testing.T) {
	dir := t.TempDir()
	got := lightning(t, "get x\nput a 1\nnonsense\nget a\n", "shell", dir, "--keep-going")
	want := "line 1: get x: key not found; scan lists keys\nline 3: there is no verb nonsense; see help\n" +
		"lightning: 2 lines of the script failed; they are named above; all others are done\n"
	if got.code != console.ExitFailure || got.out != "1\n" || got.err != want {
		t.Errorf("exit code %d\n%s%s", got.code, got.out, got.err)
	}
	got = lightning(t, "get x\nget a\n", "shell", dir, "--keep-going", "--json")
	want = `{"line":1,"message":"get x: key not found; scan lists keys"}` + "\n" +
		`{"error":{"code":1,"class":"failure",` +
		`"message":"1 line of the script failed","advice":"they are named above; all others are done"}}` + "\n"
	if got.code != console.ExitFailure || got.out != `{"key":"a","value":"1"}`+"\n" || got.err != want {
		t.Errorf("exit code %d\n%s%s", got.code, got.out, got.err)
	}
}

// A pipe that nobody writes to must not hold the lock of the database when the program is told to stop.
func TestShell_interruptEndsAScript(t *testing.T) {
	in, pipe := io.Pipe()
	defer pipe.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan outcome, 1)
	dir := t.TempDir()
	go func() {
		defer in.Close() // who still writes would wait for ever
		result <- lightningIn(ctx, console.Env{Stdin: in}, "shell", dir)
	}()
	if _, err := io.WriteString(pipe, "put a 1\nbegin\nput b 1\n"); err != nil {
		t.Fatalf("it ended by itself: %v\n%+v", err, <-result)
	}
	cancel(errors.New("told to stop"))
	select {
	case got := <-result:
		if got.code != console.ExitInterrupted || !strings.Contains(got.err, "told to stop") {
			t.Errorf("exit code %d: %s", got.code, got.err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not stop")
	}
}
