// Package errfs is a directory that fails by rule. It stands between the engine and another directory, counts every
// call, and lets rules make chosen calls fail, fall short, lose data or wait:
//
//	fs := errfs.New(memfs.New(),
//		errfs.On(errfs.Sync).Named("*.wal").Nth(3).Fail(syscall.EIO), // the third sync of a log
//		errfs.On(errfs.Write).From(100).Short(7, syscall.ENOSPC),      // from call 100 on, 7 bytes and no more
//	)
//
// Rules see calls in the order in which they begin. Everything is safe for concurrent use. Functions of rules are
// called without locks held and may wait.
package errfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"lightningdb/internal/system/vfs"
)

// Kind is the kind of a call.
type Kind uint8

const (
	Create   Kind = iota
	Open          // Open and OpenReadWrite
	Read          // File.ReadAt
	Write         // File.WriteAt
	Sync          // File.Sync
	WriteOut      // File.WriteOut
	Allocate      // File.Allocate
	Size          // File.Size
	Close         // File.Close
	Rename
	Link
	Remove
	SyncDir
	List
	Lock
	Unlock // closing a lock
	FreeBytes
	CloseDir // FS.Close

	numKinds = iota
)

var kindNames = [numKinds]string{"create", "open", "read", "write", "sync", "write out", "allocate", "size", "close",
	"rename", "link", "remove", "sync directory", "list", "lock", "unlock", "free bytes", "close directory"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Op is one call.
type Op struct {
	Index   int // its position among all calls, from 0
	Kind    Kind
	Name    string // the file, by the name under which it was opened; empty for calls on the directory
	NewName string // the new name, for a renaming
	Offset  int64  // of a read, a write or a writing out, in bytes
	Length  int64  // of these, or the size to allocate, in bytes
}

// String is the line that the log has for op.
func (op Op) String() string {
	switch op.Kind {
	case Read, Write, WriteOut:
		return fmt.Sprintf("%v %s %d+%d", op.Kind, op.Name, op.Offset, op.Length)
	case Allocate:
		return fmt.Sprintf("%v %s %d", op.Kind, op.Name, op.Length)
	case Rename:
		return fmt.Sprintf("%v %s %s", op.Kind, op.Name, op.NewName)
	}
	if op.Name == "" {
		return op.Kind.String()
	}
	return op.Kind.String() + " " + op.Name
}

// FS is a directory that fails by rule.
type FS struct {
	inner vfs.FS

	mu     sync.Mutex
	rules  []*Rule
	counts [numKinds]int
	ops    int
	faults int
	log    io.Writer
}

// New returns inner subject to rules.
func New(inner vfs.FS, rules ...*Rule) *FS { return &FS{inner: inner, rules: rules} }

// SetRules replaces all rules for the calls that begin from now on.
func (f *FS) SetRules(rules ...*Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = rules
}

// LogTo writes a line to w for every call that ends from now on, with its error if there is one. A nil w stops the
// log. Writes to w never overlap.
func (f *FS) LogTo(w io.Writer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = w
}

// Ops is the number of calls so far, and thus the index of the next one.
func (f *FS) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ops
}

// Count is the number of calls of one kind so far.
func (f *FS) Count(kind Kind) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[kind]
}

// Faults is the number of calls so far that a rule has made fail.
func (f *FS) Faults() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faults
}

// run makes every call: it counts the call, applies the rules, and calls do unless a rule makes the call fail at
// once. If a rule makes it fail in part, do gets that rule.
func (f *FS) run(op Op, do func(fault *Rule) error) error {
	op, rules := f.begin(op)
	var fault *Rule
	for _, r := range rules {
		if r.call != nil {
			r.call(op)
		}
		if fault == nil && r.err != nil {
			fault = r
		}
	}
	var err error
	if fault == nil || fault.short > 0 && op.Kind == Write || fault.drop {
		err = do(fault)
	}
	if fault != nil {
		err = f.inject(op, fault, err)
	}
	f.end(op, fault != nil, err)
	return err
}

// inject returns the error of fault as the operating system would word it, joined with err unless that is nil.
func (f *FS) inject(op Op, fault *Rule, err error) error {
	path := op.Name
	if path == "" {
		path = f.inner.Path()
	}
	injected := vfs.WrapNoSpace(&fs.PathError{Op: op.Kind.String(), Path: path, Err: fault.err})
	if err == nil {
		return injected
	}
	return errors.Join(injected, err)
}

// begin counts the call and returns the rules that apply to it.
func (f *FS) begin(op Op) (Op, []*Rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	op.Index = f.ops
	f.ops++
	f.counts[op.Kind]++
	var apply []*Rule
	for _, r := range f.rules {
		if r.applies(op) {
			apply = append(apply, r)
		}
	}
	return op, apply
}

func (f *FS) end(op Op, fault bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fault {
		f.faults++
	}
	switch {
	case f.log == nil:
	case err == nil || errors.Is(err, io.EOF):
		fmt.Fprintln(f.log, op)
	default:
		fmt.Fprintf(f.log, "%v: %v\n", op, cause(err))
	}
}

// cause returns the innermost error, so that the logs of different directories read the same.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Path implements vfs.FS. It does not count as a call.
func (f *FS) Path() string { return f.inner.Path() }

// Close implements vfs.FS.
func (f *FS) Close() error {
	return f.run(Op{Kind: CloseDir}, func(*Rule) error { return f.inner.Close() })
}

// Create implements vfs.FS.
func (f *FS) Create(name string) (vfs.File, error) { return f.open(Create, name, f.inner.Create) }

// Open implements vfs.FS.
func (f *FS) Open(name string) (vfs.File, error) { return f.open(Open, name, f.inner.Open) }

// OpenReadWrite implements vfs.FS.
func (f *FS) OpenReadWrite(name string) (vfs.File, error) {
	return f.open(Open, name, f.inner.OpenReadWrite)
}

func (f *FS) open(kind Kind, name string, open func(string) (vfs.File, error)) (vfs.File, error) {
	var inner vfs.File
	err := f.run(Op{Kind: kind, Name: name}, func(*Rule) (err error) {
		inner, err = open(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &file{fs: f, inner: inner, name: name}, nil
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	return f.run(Op{Kind: Remove, Name: name}, func(*Rule) error { return f.inner.Remove(name) })
}

// Rename implements vfs.FS.
func (f *FS) Rename(oldName, newName string) error {
	op := Op{Kind: Rename, Name: oldName, NewName: newName}
	return f.run(op, func(*Rule) error { return f.inner.Rename(oldName, newName) })
}

// Link implements vfs.FS.
func (f *FS) Link(from vfs.FS, name string) error {
	return f.run(Op{Kind: Link, Name: name}, func(*Rule) error { return f.inner.Link(from, name) })
}

// Inner implements vfs.Wrapper.
func (f *FS) Inner() vfs.FS { return f.inner }

// List implements vfs.FS.
func (f *FS) List() (names []string, err error) {
	err = f.run(Op{Kind: List}, func(*Rule) (err error) {
		names, err = f.inner.List()
		return err
	})
	return names, err
}

// FileSize implements vfs.FS. It does not count as a call and cannot fail by rule: nothing depends on what it says.
func (f *FS) FileSize(name string) (int64, error) { return f.inner.FileSize(name) }

// SyncDir implements vfs.FS.
func (f *FS) SyncDir() error {
	return f.run(Op{Kind: SyncDir}, func(*Rule) error { return f.inner.SyncDir() })
}

// ReadsLag implements vfs.FS. It does not count as a call: it asks nothing of the directory.
func (f *FS) ReadsLag() bool { return f.inner.ReadsLag() }

// FreeBytes implements vfs.FS.
func (f *FS) FreeBytes() (free uint64, err error) {
	err = f.run(Op{Kind: FreeBytes}, func(*Rule) (err error) {
		free, err = f.inner.FreeBytes()
		return err
	})
	return free, err
}

// Lock implements vfs.FS.
func (f *FS) Lock(name string, mode vfs.LockMode) (io.Closer, error) {
	var inner io.Closer
	err := f.run(Op{Kind: Lock, Name: name}, func(*Rule) (err error) {
		inner, err = f.inner.Lock(name, mode)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &lock{f, inner, name}, nil
}

type lock struct {
	fs    *FS
	inner io.Closer
	name  string
}

func (l *lock) Close() error { return l.fs.release(Op{Kind: Unlock, Name: l.name}, l.inner) }

// release closes c, even if a rule makes the call fail: as in the kernel, the handle is gone either way.
func (f *FS) release(op Op, c io.Closer) error {
	closed := false
	err := f.run(op, func(*Rule) error { closed = true; return c.Close() })
	if !closed {
		_ = c.Close() // the call returns the injected error
	}
	return err
}

type file struct {
	fs    *FS
	inner vfs.File
	name  string
}

func (f *file) Close() error { return f.fs.release(Op{Kind: Close, Name: f.name}, f.inner) }

func (f *file) Size() (size int64, err error) {
	err = f.fs.run(Op{Kind: Size, Name: f.name}, func(*Rule) (err error) {
		size, err = f.inner.Size()
		return err
	})
	return size, err
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	op := Op{Kind: Read, Name: f.name, Offset: off, Length: int64(len(p))}
	err = f.fs.run(op, func(*Rule) (err error) {
		n, err = f.inner.ReadAt(p, off)
		return err
	})
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	return f.write(f.inner.WriteAt, p, off)
}

// StoreAt is a Write for the rules.
func (f *file) StoreAt(p []byte, off int64) (n int, err error) {
	return f.write(f.inner.StoreAt, p, off)
}

func (f *file) write(write func([]byte, int64) (int, error), p []byte, off int64) (n int, err error) {
	op := Op{Kind: Write, Name: f.name, Offset: off, Length: int64(len(p))}
	err = f.fs.run(op, func(fault *Rule) (err error) {
		if fault != nil {
			p = p[:min(fault.short, len(p))]
		}
		n, err = write(p, off)
		return err
	})
	return n, err
}

func (f *file) WriteOut(off, n int64) error {
	op := Op{Kind: WriteOut, Name: f.name, Offset: off, Length: n}
	return f.fs.run(op, func(*Rule) error { return f.inner.WriteOut(off, n) })
}

func (f *file) Allocate(size int64) error {
	op := Op{Kind: Allocate, Name: f.name, Length: size}
	return f.fs.run(op, func(*Rule) error { return f.inner.Allocate(size) })
}

// Sync loses what was not synced before if a Drop rule makes it fail.
func (f *file) Sync() error {
	return f.fs.run(Op{Kind: Sync, Name: f.name}, func(fault *Rule) error {
		if fault == nil {
			return f.inner.Sync()
		}
		d, ok := f.inner.(interface{ DropUnsynced() error })
		if !ok {
			return fmt.Errorf("%s: the directory under the rules cannot drop unsynced data", f.name)
		}
		return d.DropUnsynced()
	})
}
