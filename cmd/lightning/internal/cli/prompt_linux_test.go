package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/ptytest"
)

// typing starts a command line in a terminal of its own, and returns the window. screen returns what has appeared on it
// since the last call, up to a text, or with none up to the end of the process.
func typing(t *testing.T, args ...string) (p *process, window *os.File, screen func(until string) string) {
	t.Helper()
	window, terminal := ptytest.Open(t)
	p = &process{Cmd: exec.Command(os.Args[0], args...)}
	p.Env = append(os.Environ(), childVariable+"=1", "TERM=xterm")
	p.Stdin, p.Stdout, p.Stderr = terminal, terminal, terminal
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	terminal.Close()
	texts := make(chan string, 1000)
	go func() {
		defer close(texts)
		for buffer := make([]byte, 4096); ; {
			n, err := window.Read(buffer)
			if err != nil {
				return // the process has ended
			}
			texts <- string(buffer[:n])
		}
	}()
	unread := ""
	return p, window, func(until string) string {
		for until == "" || !strings.Contains(unread, until) {
			select {
			case text, ok := <-texts:
				if !ok {
					return unread
				}
				unread += text
			case <-time.After(time.Minute):
				t.Fatalf("no %q on the screen: %q", until, unread)
			}
		}
		var seen string
		seen, unread, _ = strings.Cut(unread, until)
		return seen
	}
}

// A user at the prompt when the machine goes down would not see why the session ends.
func TestPrompt_saysWhichSignalEndedIt(t *testing.T) {
	p, window, screen := typing(t, "shell", t.TempDir())
	screen("lightning> ")
	if _, err := window.WriteString("get nobody\r"); err != nil {
		t.Fatal(err)
	}
	screen("key not found")
	screen("lightning> ") // it waits for the next line
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	text := screen("")
	if got := p.outcome(); got.code != console.ExitInterrupted || !strings.Contains(text, "interrupted by SIGTERM") {
		t.Errorf("exit code %d: %q", got.code, text)
	}
}

// Who looks at a running database would see what it held when the prompt was opened.
func TestPrompt_followsAWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	w := startWriter(t, dir)
	w.does(t, "put a one\nget a\n", "one")
	p, window, screen := typing(t, "shell", dir, "--read-only")
	screen("note: " + w.name() + " has the database open; showing what it had published (commit 1)")
	screen(dir + " (sequence number 1); help lists the verbs")
	for _, value := range []string{"another", "a third"} {
		screen("lightning> ")
		w.does(t, "put a '"+value+"'\nget a\n", value)
		if _, err := window.WriteString("get a\r"); err != nil {
			t.Fatal(err)
		}
		screen(value)
	}
	screen("lightning> ")
	if _, err := window.WriteString("exit\r"); err != nil {
		t.Fatal(err)
	}
	text := screen("")
	if got := p.outcome(); got.code != console.ExitOK {
		t.Errorf("exit code %d: %q", got.code, text)
	}
}
