package environment_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lightningdb"
)

var full = flag.Bool("full", false, "more rounds")

// childVariable names what a process of the test binary does instead of testing; its argument is a directory.
const childVariable = "LIGHTNING_ENVIRONMENT_CHILD"

var children = map[string]func(dir string) error{
	"race":          raceToOpen,
	"hold":          hold,
	"create":        func(dir string) error { return create(dir, 0) },
	"umask none":    func(dir string) error { return create(dir, 0o777) },
	"no streams":    writeWithoutStreams,
	"full disk":     fillDisk,
	"fill":          fillAndGoOn,
	"reserve":       openOnFullDisk,
	"fill by hand":  putUntilKilled,
	"read-only":     openOnReadOnlyMount,
	"file size":     writeOverFileLimit,
	"files":         runOutOfDescriptors,
	"two mounts":    twoMounts,
	"copied blocks": fillCopiedBlocks,
	"odd parent":    openBelowOddParent,
	"write on":      writeOn,
	"closed table":  openWithClosedTable,
}

func TestMain(m *testing.M) {
	child, ok := children[os.Getenv(childVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func command(name, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], dir)
	cmd.Env = append(os.Environ(), childVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// run runs a child to its end, which must be a good one, and returns what it printed.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// namespace gives a child a mount table of its own, and the rights to change it.
func namespace(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	return cmd
}

func needNamespaces(t *testing.T) {
	t.Helper()
	cmd := namespace(exec.Command("true"))
	if err := cmd.Run(); err != nil {
		t.Skipf("SKIPPED: this machine gives no user and mount namespaces: %v", err)
	}
}

// waiting is a child that says a line and waits for the end of its standard input.
type waiting struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

func startWaiting(t *testing.T, name, dir string) *waiting {
	t.Helper()
	cmd := command(name, dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	w := &waiting{cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() { w.end() })
	return w
}

// hear waits for the child's line.
func (w *waiting) hear(t *testing.T) string {
	t.Helper()
	line, err := w.out.ReadString('\n')
	check(t, err)
	return strings.TrimSpace(line)
}

func (w *waiting) end() error { return errors.Join(w.in.Close(), w.cmd.Wait()) }

func waitForEnd() { io.Copy(io.Discard, os.Stdin) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func small() *lightningdb.Options {
	return &lightningdb.Options{MemoryLimit: 10 << 20, LogLimit: 1 << 20}
}

// newDatabase makes a database with one key and a few files.
func newDatabase(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	check(t, create(dir, -1))
	return dir
}

// create makes a database under a mask; -1 leaves it as it is.
func create(dir string, mask int) error {
	if mask >= 0 {
		syscall.Umask(mask)
	}
	db, err := lightningdb.Open(dir, small())
	if err != nil {
		return err
	}
	err = db.Put([]byte("key"), []byte("value"))
	return errors.Join(err, db.Flush(), db.Close())
}

// expectValue opens the database in dir and looks for what create put there.
func expectValue(t *testing.T, dir string) {
	t.Helper()
	db, err := lightningdb.Open(dir, small())
	check(t, err)
	if v, err := db.Get([]byte("key")); string(v) != "value" {
		t.Errorf("key = %q, %v", v, err)
	}
	check(t, db.Close())
}

// fingerprint is the names, modes and contents of a directory. skip is left out, and so is STATUS, which an owner
// writes whenever it has something to tell.
func fingerprint(dir, skip string) (string, error) {
	var sum bytes.Buffer
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.Name() == skip || e.Name() == "STATUS" {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return "", err
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil && info.Mode().IsRegular() {
			return "", err
		}
		fmt.Fprintf(&sum, "%s %v %d %x\n", e.Name(), info.Mode(), len(data), sha256.Sum256(data))
	}
	return sum.String(), err
}
