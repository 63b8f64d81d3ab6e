// Package vfs is the outside world of the engine: one flat directory of files, behind an interface small enough
// that a simulated one (package memfs: forgets what was not synced; package errfs: fails by rule) can stand in
// for it in every test. All input and output of the engine goes through it.
//
// Names are plain file names inside the directory, never paths. Implementations are safe for concurrent use.
package vfs

import (
	"errors"
	"io"
	"io/fs"
)

// FS is one directory.
type FS interface {
	// Create makes a new, empty file for reading and writing, mode 0600 whatever the umask. A name that exists,
	// as anything, is an error (fs.ErrExist). The name is durable only after SyncDir.
	Create(name string) (File, error)

	// Open opens an existing regular file for reading only. It follows no symbolic link.
	Open(name string) (File, error)

	// OpenReadWrite opens an existing regular file for reading and writing. It follows no symbolic link.
	OpenReadWrite(name string) (File, error)

	// Remove unlinks a file. The removal is durable only after SyncDir.
	Remove(name string) error

	// Rename moves a file over newName, replacing it atomically. It is durable only after SyncDir.
	Rename(oldName, newName string) error

	// List returns the names in the directory, sorted.
	List() ([]string, error)

	// FileSize is the length of a regular file in bytes, as the directory knows it, without opening the file.
	FileSize(name string) (int64, error)

	// SyncDir makes all creations, renames and removals so far durable. It says nothing about contents.
	SyncDir() error

	// Lock takes the kernel's lock on the named file, which it creates if needed and possible. Exclusive
	// locks exclude every other lock, shared ones only exclusive locks, within and across processes and
	// however the directory was named. ErrLocked if it is taken. The lock ends with Close or with the process.
	Lock(name string, mode LockMode) (io.Closer, error)

	// FreeBytes is the space left for this process's files on the medium, in bytes.
	FreeBytes() (uint64, error)

	// ReadsLag reports whether an open file may show old bytes after somebody else has written to it and closed it, as
	// over FUSE or a network. A file that is opened after that shows them.
	ReadsLag() bool

	// Path names the directory in messages.
	Path() string

	// Close releases the directory. Files opened through it stay usable.
	Close() error
}

// File is an open file. ReadAt and WriteAt follow io.ReaderAt and io.WriterAt: a short count always comes with
// an error. Concurrent calls are safe where their ranges do not overlap.
type File interface {
	io.ReaderAt
	io.WriterAt

	// Close closes the file without making anything durable. Its error counts: a write may fail only here.
	Close() error

	// Size is the file's length in bytes.
	Size() (int64, error)

	// Sync makes the content and the length durable, but not the name. After a failed Sync nothing may be
	// assumed about any earlier write to the file, even if a later Sync succeeds.
	Sync() error

	// WriteOut has the system begin to write the n bytes at off to the medium, and waits until those of the n bytes
	// before them that are on their way have arrived. For a file written from front to back in pieces it keeps the queue
	// of the medium short, in which the syncs of other files wait too. It makes nothing durable, and may do nothing; but
	// its error counts like that of a Sync.
	WriteOut(off, n int64) error

	// Allocate extends the file to at least size bytes, with real blocks behind every byte, so that a later
	// write inside it cannot fail for want of space. New bytes read as zero. It never shrinks the file.
	Allocate(size int64) error

	// StoreAt is WriteAt for a file that is written from front to back, where Allocate went ahead and no Sync waits for
	// the bytes. It may copy them into a mapping of the file, which costs a fraction of a call of the system. For readers,
	// for a kill of the process and for a later Sync it is the same. With an error, bytes behind the first n may be stored
	// too.
	StoreAt(p []byte, off int64) (n int, err error)
}

// LockMode says who else may hold the lock.
type LockMode uint8

const (
	Exclusive LockMode = iota // this holder alone: a writer
	Shared                    // any number of readers, no writer
)

// ErrLocked is what errors.Is finds when another holder has the lock. The message names the owner if it can.
var ErrLocked = errors.New("database is locked")

// ErrNoSpace is what errors.Is finds when the medium or a quota is full. Implementations wrap ENOSPC, EDQUOT
// and EFBIG so that both this error and the errno match.
var ErrNoSpace = errors.New("no space left for the database")

// IsNotExist reports whether err says that a file is not there.
func IsNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
