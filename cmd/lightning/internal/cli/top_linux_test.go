package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/ptytest"
)

// A terminal that is left without echo, or without its cursor, is of no use to somebody in a hurry.
func TestTop_restoresTheTerminalWhateverEndsIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	w := startWriter(t, dir)
	w.does(t, "put a one\nget a\n", "one")
	for name, c := range map[string]struct {
		keys   string
		signal os.Signal
		code   int
	}{
		"q":       {keys: "xq", code: console.ExitOK},
		"Ctrl-C":  {keys: "\x03", code: console.ExitOK},
		"SIGTERM": {signal: syscall.SIGTERM, code: console.ExitInterrupted},
		"SIGQUIT": {signal: syscall.SIGQUIT, code: console.ExitInterrupted},
	} {
		t.Run(name, func(t *testing.T) {
			p, window, screen := typing(t, "top", dir)
			if err := ptytest.Resize(window, 100); err != nil {
				t.Fatal(err)
			}
			screen("\x1b[?1049h\x1b[?25l")
			picture := screen("q ends")
			if !strings.Contains(picture, "(cli.test), open for") || mode(t, window)&unix.ECHO != 0 {
				t.Errorf("%q", picture)
			}
			if c.signal != nil {
				_ = p.Process.Signal(c.signal) // the exit code tells
			} else if _, err := window.WriteString(c.keys); err != nil {
				t.Fatal(err)
			}
			screen("\x1b[?25h\x1b[?1049l")
			screen("")
			const cooked = unix.ECHO | unix.ICANON | unix.ISIG
			if got := p.outcome(); got.code != c.code || mode(t, window)&cooked != cooked {
				t.Errorf("exit code %d, mode %x", got.code, mode(t, window))
			}
		})
	}
}

// mode is what a terminal does with what is typed.
func mode(t *testing.T, window *os.File) uint32 {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(window.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return m.Lflag
}
