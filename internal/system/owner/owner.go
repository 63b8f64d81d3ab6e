// Package owner tells a writer whether another one has come past the lock. The kernel's lock does not see that two
// mounts lead to one directory, such as a FUSE mount and the directory behind it, or an overlay and its upper
// directory. But the content of the file LOCK is the same through both. Each writer puts its own mark there when it
// opens the database, and checks that the mark still stands whenever it is about to rely on being alone.
//
// # Why that loses nothing
//
// A newcomer writes its mark before it reads anything else. The earlier writer checks its own mark
//
//   - after it has synced a commit or an edit, and before it acknowledges that: if the mark stood, the newcomer
//     reads later, and finds what was synced;
//   - after an edit has made a file unneeded, and before it removes the file: if the mark stood, the newcomer reads
//     that edit, and does not need the file either.
//
// No time limit is involved: each argument holds however long either writer is stopped between two steps. What the
// earlier writer writes after the newcomer's mark is not acknowledged and may be lost.
//
// The file is written in place and never replaced, because a mount may go on leading an old name to an old file. A
// newcomer closes it after writing, and a writer on a medium whose reads lag (vfs.FS.ReadsLag) opens it for every
// check: that is when FUSE and network file systems bring content up to date.
//
// # The mark
//
// 64 bytes of text: process id, a space, 32 random hexadecimal digits, a space, the name of the program (Program),
// spaces, a line feed. After the writer has ended it reads "closed", spaces, a line feed.
package owner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lightningdb/internal/system/vfs"
)

// ErrTakenOver says that the files of a database are no longer what its writer has left there.
var ErrTakenOver = errors.New("the database was changed past the lock, by another writer or by hand; " +
	"close this handle, have one process open the directory by one mount, and open it again")

const markBytes = 64

// Mark is a writer's own mark in the lock file. Its methods are safe for concurrent use, except Release.
type Mark struct {
	fs   vfs.FS
	name string
	text []byte
	file vfs.File
}

// Claim writes a mark into the file name, whose lock the caller holds. What tells it from every other mark is random, a
// number that no other writer has.
func Claim(fs vfs.FS, name string, random [2]uint64) (*Mark, error) {
	text := fmt.Sprintf("%d %016x%016x %s", os.Getpid(), random[0], random[1], Program())
	m := &Mark{fs: fs, name: name, text: marked(text)}
	f, err := fs.OpenReadWrite(name)
	if err != nil {
		return nil, err
	}
	_, err = f.WriteAt(m.text, 0)
	if err := errors.Join(err, f.Close()); err != nil { // where reads lag, closing brings it to the medium
		return nil, err
	}
	m.file, err = fs.OpenReadWrite(name)
	return m, err
}

// programBytes is how long the name of a program may be: what a mark has room for behind a process id of ten digits.
const programBytes = 19

// Program is the name of this program, as a word that may stand in a file for people: at most 19 bytes, printable
// ASCII without spaces. "_" stands for any other byte.
func Program() string {
	path, err := os.Executable()
	if err != nil {
		return "_"
	}
	return word(filepath.Base(path))
}

func word(name string) string {
	out := []byte(name[:min(len(name), programBytes)])
	for i, c := range out {
		if c <= ' ' || c > '~' {
			out[i] = '_'
		}
	}
	return string(out)
}

func marked(text string) []byte { return fmt.Appendf(nil, "%-*s\n", markBytes-1, text) }

// Stands reports whether the mark is there. If the file is empty, because somebody meant to help, the mark is not
// there, but that is no error. If anything else is in its place, the error is ErrTakenOver.
//
// It costs one system call and no file descriptor, except where reads lag: there it is the same as Named.
func (m *Mark) Stands() (bool, error) {
	if m.fs.ReadsLag() {
		return m.Named()
	}
	return m.isIn(m.file, markBytes)
}

// Named is Stands for the file that the name leads to now. If there is no such file, the mark is not there.
func (m *Mark) Named() (stands bool, err error) {
	f, err := m.fs.Open(m.name)
	if vfs.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return m.isIn(f, markBytes+1) // one byte more, to notice a longer file
}

// isIn looks for the mark in the first n bytes of f.
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

// Release notes in the file that its writer has ended, unless another writer has put its mark there, and closes the
// file. Nothing depends on the note: it is for people who ask which process has the database.
func (m *Mark) Release() error {
	if stands, _ := m.Stands(); stands {
		_, _ = m.file.WriteAt(marked("closed"), 0)
	}
	return m.file.Close()
}

// Unchanged returns ErrTakenOver if the file name is gone, or shorter than its writer has written it.
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
