// Package owner tells a writer whether another one has come past the lock. The kernel's lock does not see two mounts of
// one directory (a FUSE mount and the directory behind it, an overlay and its upper directory) as one; the content of the
// file LOCK is the same through both. Each writer puts a mark of its own there when it opens the database, and looks
// whether that still stands whenever it is about to rely on being alone.
//
// # Why that loses nothing
//
// A newcomer writes its mark before it reads anything else. The writer before it looks at the mark
//
//   - after it has synced a commit or an edit, and before it says so: if the mark stood, the newcomer's reading begins
//     later, and finds what was synced;
//   - after an edit has made a file unneeded, and before it removes the file: if the mark stood, the newcomer reads that
//     edit, and does not need the file either.
//
// No time passes for it: each argument holds however long either of them is stopped between two steps. What is written
// after the newcomer's mark is not acknowledged and may be lost.
//
// The file is written in place and never replaced, because a mount may keep leading an old name to an old file. A newcomer
// closes it after writing, and a writer on a medium whose reads lag (vfs.FS.ReadsLag) opens it for every look: that is
// when FUSE and network file systems bring content up to date.
//
// # The mark
//
// 64 bytes of text: process id, a space, 32 hexadecimal digits of random, spaces, a line feed. After the writer's end it
// reads "closed", spaces, a line feed.
package owner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"lightningdb/internal/system/vfs"
)

// ErrTakenOver is what errors.Is finds when the files of a database are not any more what its writer has left there.
var ErrTakenOver = errors.New("the database was changed past the lock, by another writer or by hand; " +
	"close this handle, have one process open the directory by one mount, and open it again")

const markBytes = 64

// Mark is a writer's own mark in the lock file. Its methods are safe for concurrent use, but for Release.
type Mark struct {
	fs   vfs.FS
	name string
	text []byte
	file vfs.File
}

// Claim writes a mark that consists of the process id and random, a number that no other writer has, into file name,
// whose lock the caller holds.
func Claim(fs vfs.FS, name string, random [2]uint64) (*Mark, error) {
	m := &Mark{fs: fs, name: name, text: marked(fmt.Sprintf("%d %016x%016x", os.Getpid(), random[0], random[1]))}
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(m.text, 0)
	if err := errors.Join(err, f.Close()); err != nil { // the closing brings it to a medium whose reads lag
		return nil, err
	}
	m.file, err = fs.OpenReadWrite(name)
	return m, err
}

func marked(text string) []byte { return fmt.Appendf(nil, "%-*s\n", markBytes-1, text) }

// Stands reports whether the mark is there. If the file is empty, because somebody meant to help, it is not, without an
// error. The error is ErrTakenOver if anything else is in its place.
//
// It costs one call of the system, and no file descriptor. Where reads lag it is Named.
func (m *Mark) Stands() (bool, error) {
	if m.fs.ReadsLag() {
		return m.Named()
	}
	return m.isIn(m.file, markBytes)
}

// Named is Stands for the file that the name leads to now. The file may be missing, like its content.
func (m *Mark) Named() (stands bool, err error) {
	f, err := m.fs.Open(m.name)
	if vfs.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return m.isIn(f, markBytes+1) // beyond the end, so that the length is asked for too
}

// isIn looks at the first n bytes of f.
func (m *Mark) isIn(f vfs.File, n int) (bool, error) {
	var buf [markBytes + 1]byte
	n, err := f.ReadAt(buf[:n], 0)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return false, err
	case n == 0:
		return false, nil
	case !bytes.Equal(buf[:n], m.text):
		return false, fmt.Errorf("%w (%s says: %.40q)", ErrTakenOver, m.name, bytes.TrimSpace(buf[:n]))
	}
	return true, nil
}

// Release says in the file that its writer has ended, unless another one has marked it meanwhile, and closes it. Nothing
// depends on it: it is for whoever asks who has the database.
func (m *Mark) Release() error {
	if stands, _ := m.Stands(); stands {
		_, _ = m.file.WriteAt(marked("closed"), 0)
	}
	return m.file.Close()
}

// Unchanged returns ErrTakenOver if file name does not reach as far as its writer has written it, or is gone.
func Unchanged(fs vfs.FS, name string, written int64) (err error) {
	f, err := fs.Open(name)
	if vfs.IsNotExist(err) {
		return fmt.Errorf("%w (%s is gone)", ErrTakenOver, name)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	length, err := f.Size()
	if err == nil && length < written {
		err = fmt.Errorf("%w (%s has %d bytes, not %d)", ErrTakenOver, name, length, written)
	}
	return err
}
