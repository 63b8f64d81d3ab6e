// Package vfs is the outside world of the engine: one flat directory of files, behind an interface so small that a
// simulated one can take its place in every test. Package memfs is one that forgets what was not synced, and package
// errfs is one that fails by rule. All input and output of the engine goes through it.
//
// Names are plain file names inside the directory, never paths. Implementations are safe for concurrent use.
package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// FS is one directory.
type FS interface {
	// Create makes a new, empty file for reading and writing, with mode 0600 whatever the umask. If the name exists,
	// be it a file or anything else, the error is fs.ErrExist. The name is durable only after SyncDir.
	Create(name string) (File, error)

	// Open opens an existing regular file for reading only. It follows no symbolic link.
	Open(name string) (File, error)

	// OpenReadWrite opens an existing regular file for reading and writing. It follows no symbolic link.
	OpenReadWrite(name string) (File, error)

	// Remove unlinks a file. The removal is durable only after SyncDir.
	Remove(name string) error

	// Rename renames a file to newName and atomically replaces what was there. It is durable only after SyncDir.
	Rename(oldName, newName string) error

	// Link gives the regular file name of from the same name here as well: one file with two names, neither of which is
	// the first. The name is durable only after SyncDir. If it exists, the error is fs.ErrExist. It matches
	// errors.ErrUnsupported if there are no such links between the two directories; then the file can be copied.
	Link(from FS, name string) error

	// List returns the names in the directory, sorted.
	List() ([]string, error)

	// FileSize is the length of a regular file in bytes, as the directory knows it. It does not open the file.
	FileSize(name string) (int64, error)

	// SyncDir makes all creations, renames and removals so far durable, but no contents.
	SyncDir() error

	// Lock takes the kernel's lock on the named file, which it creates if needed and possible. An exclusive lock
	// excludes every other lock, a shared one only exclusive locks, within and across processes and whatever path
	// led to the directory. The error is ErrLocked if the lock is taken. The lock ends with Close or with the
	// process.
	Lock(name string, mode LockMode) (io.Closer, error)

	// FreeBytes is the space on the medium that this process's files may still take, in bytes.
	FreeBytes() (uint64, error)

	// ReadsLag reports whether an open file may show old bytes after another process has written to it and closed
	// it, as over FUSE or a network. A file that is opened after that shows the new ones.
	ReadsLag() bool

	// Path is the name of the directory in messages.
	Path() string

	// Close releases the directory. Files opened through it stay usable.
	Close() error
}

// File is an open file. ReadAt and WriteAt follow io.ReaderAt and io.WriterAt: a short count always comes with an
// error. Concurrent calls are safe if their ranges do not overlap.
type File interface {
	io.ReaderAt
	io.WriterAt

	// Close closes the file without making anything durable. Its error counts, because a write may fail only here.
	Close() error

	// Size is the file's length in bytes.
	Size() (int64, error)

	// Sync makes the content and the length durable, but not the name. After a failed Sync nothing may be assumed
	// about any earlier write to the file, even if a later Sync succeeds.
	Sync() error

	// WriteOut makes the system begin to write the n bytes at off to the medium, and waits for those of the n bytes
	// before them that are being written. For a file that is written from front to back in pieces, this keeps the
	// medium's queue short, in which the syncs of other files wait too. It makes nothing durable and may do nothing,
	// but its error counts like that of a Sync.
	WriteOut(off, n int64) error

	// Allocate extends the file to at least size bytes, with real blocks behind every byte, so that a later write
	// inside it cannot fail for lack of space. New bytes read as zero. It never shrinks the file.
	Allocate(size int64) error

	// StoreAt is WriteAt for a file that is written from front to back, where Allocate went ahead and no Sync waits
	// for the bytes. It may copy them into a mapping of the file, which costs a fraction of a system call. Readers
	// see them, a kill of the process leaves them, and a later Sync covers them, all as after WriteAt. After an
	// error, more bytes than the first n may have been stored.
	StoreAt(p []byte, off int64) (n int, err error)
}

// LockMode says which other locks a lock allows.
type LockMode uint8

const (
	Exclusive LockMode = iota // none: for a writer
	Shared                    // other shared ones: for readers
)

// ErrLocked says that another holder has the lock. The error is a *LockedError.
var ErrLocked = errors.New("database is locked")

// LockedError is ErrLocked with who has the lock.
type LockedError struct {
	Owner string // as far as it is known, like "process 4711 (myprogram)", or "a process that reads it"
}

func (e *LockedError) Error() string { return fmt.Sprintf("%v (owner: %s)", ErrLocked, e.Owner) }

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// ErrNoSpace says that the medium or a quota is full. Implementations wrap ENOSPC, EDQUOT and EFBIG so that both
// this error and the errno match.
var ErrNoSpace = errors.New("no space left for the database")

// OpenDirOptions says how OpenDir opens a directory. The zero value opens an existing one for reading and writing.
type OpenDirOptions struct {
	// Create makes the directory and missing parents, with mode 0700 whatever the umask, and makes their names
	// durable. A directory that exists keeps its mode.
	Create bool

	// DurableIf names a file of the directory. If that exists, the name of the directory has been made durable before.
	// It may be empty.
	DurableIf string

	// ReadOnly refuses every change with an error that matches fs.ErrPermission, and needs no permission to write:
	// nothing is created, not even the lock file.
	ReadOnly bool
}

// IsNotExist reports whether err says that a file is not there.
func IsNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
