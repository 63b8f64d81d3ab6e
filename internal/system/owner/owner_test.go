package owner

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// lagging is a directory whose open files show what they held when they were opened.
type lagging struct{ vfs.FS }

func (lagging) ReadsLag() bool { return true }

func (d lagging) OpenReadWrite(name string) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	old := make([]byte, size)
	f.ReadAt(old, 0)
	return &laggingFile{f, old}, err
}

type laggingFile struct {
	vfs.File
	old []byte
}

func (f *laggingFile) ReadAt(p []byte, off int64) (int, error) {
	return strings.NewReader(string(f.old)).ReadAt(p, off)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newDirectory(t *testing.T) *memfs.FS {
	t.Helper()
	d := memfs.NewVolatile()
	f, err := d.Create("LOCK")
	check(t, err)
	check(t, f.Close())
	return d
}

// A writer that does not see a newcomer's mark goes on to acknowledge what the newcomer will never read.
func TestMark_newcomerIsSeen(t *testing.T) {
	base := newDirectory(t)
	for name, d := range map[string]vfs.FS{"coherent": base, "lagging": lagging{base}} {
		t.Run(name, func(t *testing.T) {
			first, err := Claim(d, "LOCK", [2]uint64{1, 2})
			check(t, err)
			if stands, err := first.Stands(); !stands || err != nil {
				t.Fatalf("the mark stands: %v, %v", stands, err)
			}
			second, err := Claim(d, "LOCK", [2]uint64{1, 3})
			check(t, err)
			pid := fmt.Sprint(os.Getpid())
			for call, look := range map[string]func() (bool, error){"Stands": first.Stands, "Named": first.Named} {
				if _, err := look(); !errors.Is(err, ErrTakenOver) || !strings.Contains(err.Error(), pid) {
					t.Errorf("%s = %v", call, err)
				}
			}
			check(t, first.Release())
			if stands, err := second.Named(); !stands || err != nil {
				t.Errorf("the end of the first took the mark of the second away: %v, %v", stands, err)
			}
			check(t, second.Release())
			if _, err := second.Named(); !errors.Is(err, ErrTakenOver) {
				t.Errorf("after the end, the mark is still there: %v", err)
			}
		})
	}
}

// A mark that is longer or shorter than others is no mark to whoever compares them, and the name of a program may be
// anything: one with a line feed or an escape of the terminal would end up in messages.
func TestMark_namesItsProgram(t *testing.T) {
	d := newDirectory(t)
	m, err := Claim(d, "LOCK", [2]uint64{1, 2})
	check(t, err)
	f, err := d.Open("LOCK")
	check(t, err)
	text := make([]byte, markBytes+1)
	n, _ := f.ReadAt(text, 0)
	want := fmt.Sprintf("%-63s\n", fmt.Sprintf("%d %016x%016x %s", os.Getpid(), 1, 2, Program()))
	if string(text[:n]) != want {
		t.Errorf("the mark is %q, want %q", text[:n], want)
	}
	if stands, err := m.Named(); !stands || err != nil {
		t.Errorf("it stands: %v, %v", stands, err)
	}
	check(t, m.Release())
	for name, want := range map[string]string{"lightning": "lightning", "my prog\n\x1b[1m\x7f\xff": "my_prog__[1m__",
		"": "", "a-name-of-twenty-byte": "a-name-of-twenty-by", "é": "__"} {
		if got := word(name); got != want {
			t.Errorf("the program %q is called %q, want %q", name, got, want)
		}
	}
	longest := marked(fmt.Sprintf("%d %032x %s", uint32(1<<32-1), 0, word(strings.Repeat("n", 100))))
	if len(longest) != markBytes {
		t.Errorf("the longest mark has %d bytes", len(longest))
	}
}

// Somebody who removes or empties the lock file, to help, would stop a database that nobody else writes.
func TestMark_goneIsNoNewcomer(t *testing.T) {
	d := newDirectory(t)
	m, err := Claim(d, "LOCK", [2]uint64{1, 2})
	check(t, err)
	check(t, d.Remove("LOCK"))
	if stands, err := m.Named(); stands || err != nil {
		t.Errorf("without a file Named = %v, %v", stands, err)
	}
	f, err := d.Create("LOCK")
	check(t, err)
	check(t, f.Close())
	if stands, err := m.Named(); stands || err != nil {
		t.Errorf("of an empty file Named = %v, %v", stands, err)
	}
}

// A writer would go on writing to a manifest or log segment that is no longer the database's, and nobody would read
// that.
func TestUnchanged_noticesAnotherFile(t *testing.T) {
	d := newDirectory(t)
	f, err := d.OpenReadWrite("LOCK")
	check(t, err)
	_, err = f.WriteAt(make([]byte, 100), 0)
	check(t, err)
	check(t, Unchanged(d, "LOCK", 100))
	for name, written := range map[string]int64{"LOCK": 101, "gone": 0} {
		if err := Unchanged(d, name, written); !errors.Is(err, ErrTakenOver) {
			t.Errorf("Unchanged(%s, %d) = %v", name, written, err)
		}
	}
}
