package backup_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/target"
)

// besideDisk is the directories of the system. It calls do before each call, to itself or to a directory.
type besideDisk struct {
	target.System
	do func()
}

func (d besideDisk) Open(dir string, create bool) (vfs.FS, error) {
	d.do()
	f, err := d.System.Open(dir, create)
	if err != nil {
		return nil, err
	}
	return errfs.New(f, errfs.On().Call(func(errfs.Op) { d.do() })), nil
}

func (d besideDisk) List(dir string) ([]string, error) {
	d.do()
	return d.System.List(dir)
}

func (d besideDisk) Rename(from, to string) error {
	d.do()
	return d.System.Rename(from, to)
}

func (d besideDisk) Remove(dir string) error {
	d.do()
	return d.System.Remove(dir)
}

// Of two restores to one target one wins, and the other is refused and leaves nothing, wherever one comes between what
// the other one looks at and what it does then. The first one stops before its call n, until the second has come to its
// call m; that one stops there until the first has ended.
func TestRestore_besideAnother(t *testing.T) {
	db := newDatabase(t, 30)
	whole := stream(t, db)
	repository := folderAt(t, filepath.Join(t.TempDir(), "repository"))
	made := create(t, repository, db, nil)
	fromStream := func(dir string, o *backup.RestoreOptions) error {
		_, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, o)
		return err
	}
	fromRepository := func(dir string, o *backup.RestoreOptions) error {
		return repository.Restore(t.Context(), made.ID, dir, o)
	}
	pairs, dirs := 0, t.TempDir()
	for n, more := 1, true; more; n++ {
		for m, reached := 1, true; reached; m += 1 + m/8 { // of the calls of one that is refused all, of others some
			r := &twoRestores{dir: filepath.Join(dirs, fmt.Sprint(n, "-", m), "restored"), n: n, m: m}
			r.run(fromStream, fromRepository)
			reached, more = r.secondReached, r.firstReached
			r.judge(t)
			mustHave(t, r.dir, 30)
			if left := leftIn(t, r.dir); left != nil {
				t.Errorf("calls %d and %d: left is %v", n, m, left)
			}
			if pairs++; t.Failed() {
				t.FailNow()
			}
		}
	}
	if pairs < 300 {
		t.Errorf("only %d pairs", pairs)
	}
	t.Log(pairs, "pairs")
}

// twoRestores run at once to dir. The errors are theirs.
type twoRestores struct {
	dir           string
	n, m          int
	firstReached  bool // call n
	secondReached bool // call m
	first, second error
}

func (r *twoRestores) run(one, other func(dir string, o *backup.RestoreOptions) error) {
	stopped, resume, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	calls := 0
	second := func() {
		defer close(ended)
		r.second = other(r.dir, interrupted(func() {
			if calls++; calls == r.m {
				r.secondReached = true
				close(stopped)
				<-resume
			}
		}))
	}
	own := 0
	r.first = one(r.dir, interrupted(func() {
		if own++; own != r.n {
			return
		}
		r.firstReached = true
		go second()
		select {
		case <-stopped:
		case <-ended:
		}
	}))
	close(resume)
	if r.firstReached {
		<-ended
	}
}

// interrupted makes a restore call do before each of its calls, one at a time.
func interrupted(do func()) *backup.RestoreOptions {
	var mu sync.Mutex
	o := new(backup.RestoreOptions)
	o.In(besideDisk{do: func() {
		mu.Lock()
		defer mu.Unlock()
		do()
	}}, backup.Verify)
	return o
}

// judge demands that one of them has won.
func (r *twoRestores) judge(t *testing.T) {
	t.Helper()
	refused := func(err error) bool { return errors.Is(err, lightningdb.ErrLocked) || errors.Is(err, fs.ErrExist) }
	switch {
	case !r.firstReached && r.first == nil:
	case r.firstReached && r.first == nil && refused(r.second):
	case r.firstReached && r.second == nil && refused(r.first):
	default:
		t.Errorf("calls %d and %d: the first: %v; the second: %v", r.n, r.m, r.first, r.second)
	}
}
