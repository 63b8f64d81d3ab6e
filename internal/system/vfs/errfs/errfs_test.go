package errfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/system/vfs/vfstest"

	"github.com/google/go-cmp/cmp"
)

// A layer that changed anything without a rule would make every fault test test something else.
func TestFS_withoutRulesConforms(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return New(memfs.New()) })
}

// callAll makes every kind of call once, in the order of the kinds in want, and returns their errors.
func callAll(t *testing.T, d *FS) map[Kind]error {
	t.Helper()
	errs := make(map[Kind]error)
	f := createFile(t, d, "f")
	_, errs[Create] = d.Create("g")
	_, errs[Open] = d.Open("f")
	_, errs[Read] = f.ReadAt(make([]byte, 0), 0)
	_, errs[Write] = f.WriteAt([]byte("abc"), 0)
	errs[Sync] = f.Sync()
	errs[WriteOut] = f.WriteOut(0, 3)
	errs[Allocate] = f.Allocate(10)
	_, errs[Size] = f.Size()
	errs[Close] = f.Close()
	errs[Rename] = d.Rename("f", "h")
	other := memfs.New()
	linked, err := other.Create("linked")
	if err != nil {
		t.Fatal(err)
	}
	linked.Close()
	errs[Link] = d.Link(other, "linked")
	errs[Remove] = d.Remove("keep")
	errs[SyncDir] = d.SyncDir()
	_, errs[List] = d.List()
	_, errs[FreeBytes] = d.FreeBytes()
	l, err := d.Lock("LOCK", vfs.Exclusive)
	errs[Lock] = err
	if err == nil {
		errs[Unlock] = l.Close()
	}
	errs[CloseDir] = d.Close()
	return errs
}

func createFile(t *testing.T, d *FS, name string) vfs.File {
	t.Helper()
	f, err := d.inner.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	return &file{fs: d, inner: f, name: name}
}

func newDir(t *testing.T, rules ...*Rule) *FS {
	t.Helper()
	d := New(memfs.New(), rules...)
	createFile(t, d, "keep")
	return d
}

// A call that no rule can make fail leaves its error path untested.
func TestRule_everyKindFails(t *testing.T) {
	for kind := range Kind(numKinds) {
		t.Run(kind.String(), func(t *testing.T) {
			rule := On(kind).Fail(syscall.EIO)
			d := newDir(t, rule)
			for k, err := range callAll(t, d) {
				var path *fs.PathError
				if k == kind && (!errors.Is(err, syscall.EIO) || !errors.As(err, &path)) {
					t.Errorf("%v = %v, want a path error with EIO", k, err)
				}
				if k != kind && err != nil {
					t.Errorf("%v = %v, though only %v fails", k, err, kind)
				}
			}
			if d.Faults() != 1 || rule.Applied(d) != 1 || d.Count(kind) != 1 {
				t.Errorf("%d faults, rule applied %d times, %d calls, want 1", d.Faults(), rule.Applied(d), d.Count(kind))
			}
		})
	}
}

// A handle whose close failed is gone; a layer that kept it would lock out the next open.
func TestRule_failedUnlockUnlocks(t *testing.T) {
	d := newDir(t, On(Unlock).Fail(syscall.EIO).Times(1))
	for _, want := range []error{syscall.EIO, nil} {
		l, err := d.Lock("LOCK", vfs.Exclusive)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); !errors.Is(err, want) {
			t.Errorf("Close = %v, want %v", err, want)
		}
	}
}

// Faults must end when the test says so, or recovery is never tested.
func TestSetRules_endsFaults(t *testing.T) {
	d := newDir(t, On().Fail(syscall.EIO))
	if err := d.SyncDir(); !errors.Is(err, syscall.EIO) {
		t.Errorf("SyncDir = %v, want EIO", err)
	}
	d.SetRules()
	if err := d.SyncDir(); err != nil {
		t.Errorf("SyncDir without rules = %v", err)
	}
}

// A sweep over all calls must hit each of them exactly once.
func TestRule_atEveryIndex(t *testing.T) {
	d := newDir(t)
	callAll(t, d)
	total := d.Ops()
	for i := range total {
		d := newDir(t, On().At(i).Fail(syscall.EIO))
		failed := 0
		for _, err := range callAll(t, d) {
			if errors.Is(err, syscall.EIO) {
				failed++
			}
		}
		if failed != 1 || d.Faults() != 1 {
			t.Errorf("rule at %d of %d: %d calls failed, %d faults", i, total, failed, d.Faults())
		}
	}
}

// Conditions that select other calls than they say make a test pass for the wrong reason.
func TestRule_conditions(t *testing.T) {
	for name, test := range map[string]struct {
		rule *Rule
		want string // one letter per write: fails or succeeds, three to "a.wal" and "b.tbl" in turn
	}{
		"all":            {On(Write), "ffffff"},
		"any kind":       {On(), "ffffff"},
		"other kind":     {On(Sync), "ssssss"},
		"name":           {On(Write).Named("*.wal"), "fsfsfs"},
		"nth":            {On(Write).Nth(3), "ssfsss"},
		"nth of a name":  {On(Write).Named("*.tbl").Nth(2), "sssfss"},
		"times":          {On(Write).Times(2), "ffssss"},
		"from":           {On(Write).From(4), "ssssff"},
		"from, times":    {On(Write).From(1).Times(1), "sfssss"},
		"at":             {On(Write).At(5), "sssssf"},
		"at, other kind": {On(Sync).At(5), "ssssss"},
		"bad pattern":    {On(Write).Named("["), "ssssss"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDir(t, test.rule.Fail(syscall.EIO))
			files := []vfs.File{createFile(t, d, "a.wal"), createFile(t, d, "b.tbl")}
			got := ""
			for i := range 6 {
				if _, err := files[i%2].WriteAt([]byte("x"), 0); err != nil {
					got += "f"
				} else {
					got += "s"
				}
			}
			if got != test.want {
				t.Errorf("writes %s, want %s", got, test.want)
			}
		})
	}
	d := newDir(t, On(Rename).Named("new").Fail(syscall.EIO))
	if err := d.Rename("keep", "new"); !errors.Is(err, syscall.EIO) {
		t.Errorf("a rule for the new name of a renaming: %v", err)
	}
}

// A short write leaves its beginning in the file; whoever takes it for none, or for a whole one, is wrong.
func TestRule_shortWrite(t *testing.T) {
	d := newDir(t, On(Write).Short(3, syscall.ENOSPC).Times(1))
	f := createFile(t, d, "f")
	n, err := f.WriteAt([]byte("abcdef"), 0)
	if n != 3 || !errors.Is(err, vfs.ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("WriteAt = %d, %v, want 3, no space", n, err)
	}
	if size, _ := f.Size(); size != 3 {
		t.Errorf("the file has %d bytes, want 3", size)
	}
	if n, err := f.WriteAt([]byte("de"), 3); n != 2 || err != nil {
		t.Errorf("the next WriteAt = %d, %v", n, err)
	}
}

// The failed sync whose repetition "succeeds" without the data has cost other databases acknowledged commits.
func TestRule_dropLosesUnsyncedData(t *testing.T) {
	mem := memfs.New()
	d := New(mem, On().Drop(syscall.EIO).Nth(1))
	f, err := d.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("abc"), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("first Sync = %v, want EIO", err)
	}
	if err := errors.Join(f.Sync(), d.SyncDir()); err != nil {
		t.Errorf("second Sync = %v", err)
	}
	if got := content(t, mem); got != "abc" {
		t.Errorf("readers see %q", got)
	}
	if got := content(t, mem.Image(memfs.None, 0)); got != "\x00\x00\x00" {
		t.Errorf("after a power cut: %q, want zeros", got)
	}
}

func content(t *testing.T, d vfs.FS) string {
	t.Helper()
	f, err := d.Open("f")
	if err != nil {
		t.Fatal(err)
	}
	size, _ := f.Size()
	buf := make([]byte, size)
	if _, err := f.ReadAt(buf, 0); err != nil {
		t.Fatal(err)
	}
	return string(buf)
}

// A test that asks for lost data on a directory that cannot lose any must not believe that it did.
func TestRule_dropNeedsMemfs(t *testing.T) {
	d := New(New(memfs.New()), On().Drop(syscall.EIO))
	f, err := d.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "cannot drop") {
		t.Errorf("Sync = %v", err)
	}
}

// Tests stop the engine inside a call to look at it; the others must go on meanwhile.
func TestRule_callMayWaitAndUseTheDirectory(t *testing.T) {
	entered, release := make(chan Op), make(chan struct{})
	d := newDir(t, On(Sync).Call(func(op Op) { entered <- op; <-release }))
	f := createFile(t, d, "f")
	done := make(chan error)
	go func() { done <- f.Sync() }()
	if op := <-entered; op.Kind != Sync || op.Name != "f" || op.Index != 0 {
		t.Errorf("the call is %+v", op)
	}
	if _, err := d.List(); err != nil {
		t.Errorf("List during a waiting Sync: %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("Sync after waiting: %v", err)
	}
}

// The transcript is what reviewers compare with the promise "sync the file, then the directory, then refer to it".
func TestLogTo_writesEveryCall(t *testing.T) {
	d := newDir(t, On(SyncDir).Fail(syscall.EIO))
	var log bytes.Buffer
	d.LogTo(&log)
	callAll(t, d)
	d.LogTo(nil)
	_, _ = d.List() // fails, is not logged
	want := `create g
open f
read f 0+0
write f 0+3
sync f
write out f 0+3
allocate f 10
size f
close f
rename f h
link linked
remove keep
sync directory: input/output error
list
free bytes
lock LOCK
unlock LOCK
close directory
`
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
	if got := fmt.Sprint(Kind(99)); got != "kind(99)" {
		t.Errorf("unknown kind is %q", got)
	}
}
