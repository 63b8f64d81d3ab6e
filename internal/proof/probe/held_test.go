package probe

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// stubbornVariable has the directory of a process that keeps a file without a name.
const stubbornVariable = "LIGHTNING_PROBE_STUBBORN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(stubbornVariable); dir != "" {
		keepRemoved(filepath.Join(dir, "removed"))
		return
	}
	os.Exit(m.Run())
}

// keepRemoved writes a file, removes it, says so, and keeps it until its standard input ends.
func keepRemoved(path string) {
	f, err := os.Create(path)
	if err == nil {
		_, err = f.Write(make([]byte, 70_000))
	}
	if err = errors.Join(err, os.Remove(path)); err != nil {
		panic(err)
	}
	os.Stdout.WriteString("!")
	io.Copy(io.Discard, os.Stdin)
	f.Close()
}

// What a process keeps of removed files would be missing in the sum, or a file be counted before and after its rename.
func TestHeldBy_countsAlsoWhatHasNoName(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "named"), make([]byte, 10_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "named"), filepath.Join(dir, "again")); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), stubbornVariable+"="+dir)
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_, said := io.ReadFull(out, make([]byte, 1))
	h, err := HeldBy(command.Process.Pid, dir)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	want := Held{Files: 2, Length: 80_000, Blocks: h.Blocks, Removed: 70_000}
	if said != nil || err != nil || h != want || h.Blocks < 80_000 || h.Blocks > 200_000 {
		t.Errorf("%+v: %v, %v", h, said, err)
	}
	in.Close()
	if err := command.Wait(); err != nil { // it goes on after it was looked at
		t.Error(err)
	}
	if h, err := HeldBy(0, dir+".later"); h.Length != 0 || err != nil { // a process may be slow to begin
		t.Errorf("before there is a directory: %+v, %v", h, err)
	}
	if h, err := HeldBy(0, dir); h.Length != 10_000 || h.Removed != 0 || err != nil {
		t.Errorf("with nobody: %+v, %v", h, err)
	}
}
