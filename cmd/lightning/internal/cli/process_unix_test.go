//go:build unix

package cli

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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
