//go:build unix

package cli

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"lightningdb/cmd/internal/console"
)

// process is a command line in a process of its own.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
}

// start starts a command line in a process of its own, which ends with the test.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0], args...)}
	p.Env = append(os.Environ(), childVariable+"=1")
	p.Stdout, p.Stderr = &p.out, &p.err
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

// outcome waits for the end.
func (p *process) outcome() outcome {
	_ = p.Wait() // the exit code says it
	return outcome{p.ProcessState.ExitCode(), p.out.String(), p.err.String()}
}

// fifo makes a FIFO in a directory of its own.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("needs FIFOs: ", err)
	}
	return path
}

// A device or FIFO that is replaced by a file is gone for every program of the system.
func TestExport_writesIntoAFIFO(t *testing.T) {
	dir, path := filepath.Join(t.TempDir(), "db"), fifo(t)
	must(t, "put", dir, "a", "1")
	p := start(t, "export", dir, path, "--force")
	text, err := os.ReadFile(path)
	if err != nil || string(text) != `{"key":"a","value":"1"}`+"\n" {
		t.Errorf("the reader got %q, %v", text, err)
	}
	if got := p.outcome(); got.code != console.ExitOK {
		t.Errorf("%+v", got)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the FIFO is %v, %v", info, err)
	}
}

// Entries that come through a FIFO are as good as those of a file.
func TestImport_readsFromAFIFO(t *testing.T) {
	dir, path := filepath.Join(t.TempDir(), "db"), fifo(t)
	p := start(t, "import", dir, path)
	if err := os.WriteFile(path, []byte(`{"key":"a","value":"1"}`+"\n"), 0); err != nil {
		t.Fatal(err)
	}
	if got := p.outcome(); got.code != console.ExitOK {
		t.Errorf("%+v", got)
	}
	if got := must(t, "get", dir, "a"); got != "1" {
		t.Errorf("%q", got)
	}
}

// A program that is told to stop must say so, and be gone: an init system kills it otherwise, and nobody knows why.
func TestSignals_everyVerbSaysSo(t *testing.T) {
	tmp := t.TempDir()
	dir, source := filepath.Join(tmp, "db"), filepath.Join(tmp, "in.jsonl")
	line := `{"key":"%06d","value":"` + strings.Repeat("v", 1000) + "\"}\n"
	var text strings.Builder
	for i := range 2000 { // more than a pipe holds
		fmt.Fprintf(&text, line, i)
	}
	if err := os.WriteFile(source, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, "import", dir, source)
	for _, args := range []string{"import DB -", "put DB k -", "shell DB", "scan DB", "export DB -", "export DB FIFO",
		"import DB FIFO", "get DB large"} {
		for _, sig := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
			if testing.Short() && sig == os.Interrupt {
				continue
			}
			t.Run(args+" "+sig.String(), func(t *testing.T) {
				must(t, "put", dir, "large", strings.Repeat("v", 1<<20))
				path := fifo(t)
				words := strings.Fields(strings.NewReplacer("DB", dir, "FIFO", path).Replace(args))
				p := &process{Cmd: exec.Command(os.Args[0], words...)}
				p.Env = append(os.Environ(), childVariable+"=1")
				p.Stderr = &p.err
				in, err := p.StdinPipe() // nobody writes
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				out, err := p.StdoutPipe() // and nobody reads but the first byte
				if err != nil {
					t.Fatal(err)
				}
				if err := p.Start(); err != nil {
					t.Fatal(err)
				}
				defer p.Process.Kill()
				if err := hasBegun(t, args, path, in, out); err != nil {
					t.Fatal(err)
				}
				if err := p.Process.Signal(sig); err != nil {
					t.Fatal(err)
				}
				want := map[os.Signal]string{syscall.SIGTERM: "interrupted by SIGTERM", os.Interrupt: "interrupted by SIGINT"}[sig]
				if got := p.outcome(); got.code != console.ExitInterrupted || !strings.Contains(got.err, want) {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// hasBegun waits until a command reads or writes: before it catches signals, one would end it without a word.
func hasBegun(t *testing.T, args, fifo string, in io.Writer, out io.Reader) error {
	var err error
	switch args {
	case "import DB FIFO":
		for { // fails until somebody has it open for reading
			file, openErr := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			if openErr == nil {
				t.Cleanup(func() { file.Close() }) // not before: it waits for more
				return nil
			}
			runtime.Gosched()
		}
	case "export DB FIFO":
		file, openErr := os.Open(fifo)
		if openErr != nil {
			return openErr
		}
		t.Cleanup(func() { file.Close() })
		out = file
		fallthrough
	case "scan DB", "export DB -", "get DB large":
		_, err = out.Read(make([]byte, 1))
	default: // more than a pipe holds
		_, err = io.WriteString(in, strings.Repeat("\n", 1<<20))
	}
	return err
}
