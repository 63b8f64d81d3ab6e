//go:build linux || darwin

package userfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

// A link that is replaced would leave the file it pointed at unchanged, and its readers would get old data.
func TestWrite_followsLinks(t *testing.T) {
	for name, c := range map[string]struct {
		link   string // what "link" in DIR/here points at
		target string // what is to be written
		exists bool
	}{
		"relative":                 {"../there/file", "there/file", true},
		"absolute":                 {"DIR/there/file", "there/file", true},
		"of a link":                {"again", "there/file", true},
		"through a linked folder":  {"folder/../file", "file", true}, // folder is DIR/there, and its parent DIR
		"to what is not there yet": {"../there/new", "there/new", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, d := range []string{"here", "there"} {
				if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			link(t, "../there/file", filepath.Join(dir, "here/again"))
			link(t, "../there", filepath.Join(dir, "here/folder"))
			path, target := filepath.Join(dir, "here/link"), filepath.Join(dir, c.target)
			link(t, strings.Replace(c.link, "DIR", dir, 1), path)
			if c.exists {
				create(t, target, "old")
				if err := Write(t.Context(), path, Options{}, says("new")); !errors.Is(err, fs.ErrExist) {
					t.Errorf("not asked: %v", err)
				}
			}
			if err := Write(t.Context(), path, Options{Replace: c.exists}, says("new")); err != nil {
				t.Fatal(err)
			}
			if got := content(t, target); got != "new" {
				t.Errorf("the target has %q", got)
			}
			if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
				t.Errorf("the link is %v, %v", info, err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(target), ".*")); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
	dir := t.TempDir()
	link(t, "two", filepath.Join(dir, "one"))
	link(t, "one", filepath.Join(dir, "two"))
	if err := Write(t.Context(), filepath.Join(dir, "one"), Options{Replace: true}, says("new")); err == nil {
		t.Error("a circle of links was written")
	}
}

// Who may read a file is its owner's decision, except for what must be private.
func TestWrite_keepsTheMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, c := range []struct {
		o    Options
		want fs.FileMode
	}{{Options{Replace: true}, 0o640}, {Options{Replace: true, Private: true}, 0o600}} {
		create(t, path, "old")
		if err := Write(t.Context(), path, c.o, says("new")); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != c.want {
			t.Errorf("%+v: %v, %v", c.o, info.Mode(), err)
		}
	}
	if err := Write(t.Context(), path+".new", Options{}, says("new")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path + ".new"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new file: %v, %v", info.Mode(), err)
	}
}

// node makes a FIFO, or a device or socket of the kind named, and skips the test where that is not allowed.
func node(t *testing.T, kind string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "node") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "node")
	switch kind {
	case "fifo":
		err = syscall.Mkfifo(path, 0o600)
	case "device": // the same as the null device
		err = unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
		if file, openErr := os.OpenFile(path, os.O_WRONLY, 0); err == nil && openErr != nil {
			err = openErr
		} else if err == nil {
			err = file.Close()
		}
	case "block device": // of a number that no driver has
		err = unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(4000, 1)))
	case "socket":
		var listener net.Listener
		if listener, err = net.Listen("unix", path); err == nil {
			t.Cleanup(func() { listener.Close() })
		}
	}
	if err != nil {
		t.Skipf("this system does not give a %s: %v", kind, err)
	}
	return path
}

// The null device of a whole system was replaced by a file, by one command of its administrator.
func TestWrite_neverReplacesANode(t *testing.T) {
	for _, kind := range []string{"fifo", "device", "block device", "socket"} {
		for _, linked := range []bool{false, true} {
			t.Run(kind, func(t *testing.T) {
				path := node(t, kind)
				before, err := os.Lstat(path)
				if err != nil {
					t.Fatal(err)
				}
				name := path
				if linked {
					name = filepath.Join(t.TempDir(), "link")
					link(t, path, name)
				}
				got := make(chan string, 1)
				if kind == "fifo" {
					go func() { text, _ := os.ReadFile(path); got <- string(text) }()
				}
				err = Write(t.Context(), name, Options{Replace: true, Private: true}, says("new"))
				if writable := kind == "fifo" || kind == "device"; writable != (err == nil) {
					t.Errorf("%v", err)
				}
				if kind == "fifo" {
					if text := <-got; text != "new" {
						t.Errorf("the reader got %q", text)
					}
				}
				after, err := os.Lstat(path)
				if err != nil || !os.SameFile(before, after) || before.Mode() != after.Mode() {
					t.Errorf("it was %v and is %v, %v", before, after, err)
				}
				noneLeft(t, filepath.Dir(path), 1)
			})
		}
	}
}

// A disk is not to be written over because its name was typed.
func TestWrite_takesABlockDeviceOnlyWhenAsked(t *testing.T) {
	path := node(t, "block device")
	if err := Write(t.Context(), path, Options{}, says("new")); !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
}

// Nobody reads the FIFO, or its reader has stopped: the command must end when it is told to.
func TestWrite_intoASilentFIFOEndsWithTheContext(t *testing.T) {
	stop := errors.New("told to stop")
	path := node(t, "fifo")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(stop) })
	if err := Write(ctx, path, Options{}, says("new")); !errors.Is(err, stop) {
		t.Errorf("without a reader: %v", err)
	}
	if _, _, err := Read(ctx, path); !errors.Is(err, stop) {
		t.Errorf("without a writer: %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel = context.WithCancelCause(t.Context())
	err = Write(ctx, path, Options{}, func(out io.Writer) error {
		cancel(stop)
		return says(strings.Repeat("x", 1<<20))(out)
	})
	if !errors.Is(err, stop) {
		t.Errorf("a reader that does not read: %v", err)
	}
}

// Output that goes to the end of a log by a descriptor must not replace the log.
func TestWrite_appendsToADescriptor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	path := filepath.Join(t.TempDir(), "log")
	create(t, path, "old ")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	name := "/proc/self/fd/" + strconv.Itoa(int(file.Fd()))
	if err := Write(t.Context(), name, Options{Replace: true}, says("new")); err != nil || content(t, path) != "old new" {
		t.Errorf("%v, %q", err, content(t, path))
	}
	noneLeft(t, filepath.Dir(path), 1)
}

// Whoever has a file of the database open and writes to its descriptor damages it like any other.
func TestWrite_refusesTheDescriptorOfADatabaseFile(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	dir := t.TempDir()
	create(t, filepath.Join(dir, "CURRENT"), "MANIFEST-000001")
	path := filepath.Join(dir, "000001.wal")
	create(t, path, "records")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	name := "/proc/self/fd/" + strconv.Itoa(int(file.Fd()))
	err = Write(t.Context(), name, Options{}, says("new"))
	if !errors.Is(err, ErrOfDatabase) || content(t, path) != "records" {
		t.Errorf("%v, %q", err, content(t, path))
	}
}
