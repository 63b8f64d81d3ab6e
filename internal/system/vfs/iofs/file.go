package iofs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"lightningdb/internal/system/vfs"
)

// maxWholeBytes bounds a file that is read whole. No table of a database comes near it.
const maxWholeBytes = 1 << 30

// pieceBytes is how much of such a file is read at a time: memory is taken for what is there, whatever the file system
// says about its length.
const pieceBytes = 1 << 20

// file is an open file. Its length is that of the moment of opening.
type file struct {
	name   string
	size   int64
	at     io.ReaderAt
	behind io.Closer // nil if everything was read when it was opened
	closed atomic.Bool
}

// open returns f, which has size bytes, and takes it over, even if it fails.
func open(name string, f fs.File, size int64) (vfs.File, error) {
	out := &file{name: name, size: size, behind: f}
	switch r := f.(type) {
	case io.ReaderAt:
		out.at = r
	case io.ReadSeeker:
		out.at = &seeking{file: r}
	default:
		pieces, err := readWhole(f, size)
		if err != nil {
			err = pathError("read", name, err)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		out.at, out.behind = pieces, nil
	}
	return out, nil
}

// readWhole reads all of f, which says that it has size bytes.
func readWhole(f io.Reader, size int64) (whole, error) {
	if size < 0 || size > maxWholeBytes {
		return nil, fmt.Errorf("it has %d bytes, and its file system reads it only as a whole, for which %d are the most; "+
			"unpack it, or store it where it can be read at any offset", size, int64(maxWholeBytes))
	}
	var pieces whole
	for left := size; left > 0; left -= pieceBytes {
		piece := make([]byte, min(left, pieceBytes))
		if _, err := io.ReadFull(f, piece); err != nil {
			return nil, unexpected(err)
		}
		pieces = append(pieces, piece)
	}
	// The end must be read, too: an archive compares its checksum only there.
	switch n, err := io.ReadFull(f, make([]byte, 1)); {
	case n > 0:
		return nil, fmt.Errorf("it has more than the %d bytes that its file system says", size)
	case err != io.EOF:
		return nil, err
	}
	return pieces, nil
}

// unexpected is err of a read before the end that the file system has told.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// whole is the content of a file, in pieces of pieceBytes; the last may be shorter.
type whole [][]byte

// ReadAt implements io.ReaderAt for ranges that are inside the file.
func (w whole) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		piece := w[off/pieceBytes]
		copied := copy(p[n:], piece[off%pieceBytes:])
		n += copied
		off += int64(copied)
	}
	return n, nil
}

// seeking reads a file at an offset by going there.
type seeking struct {
	mu   sync.Mutex // held while it goes and reads
	file io.ReadSeeker
}

// ReadAt implements io.ReaderAt.
func (s *seeking) ReadAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.file.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	return io.ReadFull(s.file, p)
}

// ReadAt implements vfs.File. What lies beyond the end is not asked for: file systems answer that differently.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case f.closed.Load():
		return 0, pathError("read", f.name, fs.ErrClosed)
	case off < 0:
		return 0, pathError("read", f.name, fs.ErrInvalid)
	case len(p) == 0:
		return 0, nil
	case off >= f.size:
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), f.size-off)]
	n, err := f.at.ReadAt(want, off)
	switch {
	case n == len(want) && len(want) < len(p):
		return n, io.EOF
	case n == len(want):
		return n, nil
	case err == nil || errors.Is(err, io.ErrUnexpectedEOF):
		return n, io.EOF // it has become shorter
	}
	return n, err
}

// Size implements vfs.File.
func (f *file) Size() (int64, error) {
	if f.closed.Load() {
		return 0, pathError("stat", f.name, fs.ErrClosed)
	}
	return f.size, nil
}

// Close implements vfs.File.
func (f *file) Close() error {
	if f.closed.Swap(true) {
		return pathError("close", f.name, fs.ErrClosed)
	}
	if f.behind == nil {
		return nil
	}
	return f.behind.Close()
}

// WriteAt implements vfs.File, and is refused, as are all changes.
func (f *file) WriteAt([]byte, int64) (int, error) { return 0, refused("write", f.name) }

// StoreAt implements vfs.File.
func (f *file) StoreAt([]byte, int64) (int, error) { return 0, refused("write", f.name) }

// Sync implements vfs.File.
func (f *file) Sync() error { return refused("sync", f.name) }

// WriteOut implements vfs.File.
func (f *file) WriteOut(_, _ int64) error { return refused("write out", f.name) }

// Allocate implements vfs.File.
func (f *file) Allocate(int64) error { return refused("allocate", f.name) }
