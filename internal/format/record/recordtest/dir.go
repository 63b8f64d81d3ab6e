// Package recordtest has what tests of file formats share: directories of given bytes, to damage them, and right
// checksums over wrong content.
package recordtest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
)

// Dir is a directory of given files that can only be opened, read and listed.
type Dir map[string][]byte

// Contents returns the files of fs.
func Contents(t testing.TB, fs vfs.FS) Dir {
	t.Helper()
	names, err := fs.List()
	if err != nil {
		t.Fatal(err)
	}
	d := Dir{}
	for _, name := range names {
		f, err := fs.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		d[name], err = io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// With returns d with other content of one file. d stays as it is.
func (d Dir) With(name string, data []byte) Dir {
	d = maps.Clone(d)
	d[name] = data
	return d
}

// Without returns d without one file. d stays as it is.
func (d Dir) Without(name string) Dir {
	d = maps.Clone(d)
	delete(d, name)
	return d
}

// Open implements vfs.FS.
func (d Dir) Open(name string) (vfs.File, error) {
	data, ok := d[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return file{bytes.NewReader(data)}, nil
}

// List implements vfs.FS.
func (d Dir) List() ([]string, error) { return slices.Sorted(maps.Keys(d)), nil }

// FileSize implements vfs.FS.
func (d Dir) FileSize(name string) (int64, error) {
	data, ok := d[name]
	if !ok {
		return 0, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return int64(len(data)), nil
}

// Path implements vfs.FS.
func (d Dir) Path() string { return "(bytes)" }

// Close implements vfs.FS.
func (d Dir) Close() error { return nil }

// The rest of vfs.FS is refused.

func (d Dir) Create(string) (vfs.File, error)              { return nil, fs.ErrPermission }
func (d Dir) OpenReadWrite(string) (vfs.File, error)       { return nil, fs.ErrPermission }
func (d Dir) Remove(string) error                          { return fs.ErrPermission }
func (d Dir) Rename(string, string) error                  { return fs.ErrPermission }
func (d Dir) Link(vfs.FS, string) error                    { return fs.ErrPermission }
func (d Dir) SyncDir() error                               { return fs.ErrPermission }
func (d Dir) Lock(string, vfs.LockMode) (io.Closer, error) { return nil, fs.ErrPermission }
func (d Dir) ReadsLag() bool                               { return false }
func (d Dir) FreeBytes() (uint64, error)                   { return 0, fs.ErrPermission }

// file is an open file of a Dir.
type file struct{ *bytes.Reader }

func (f file) Size() (int64, error)               { return f.Reader.Size(), nil }
func (f file) Close() error                       { return nil }
func (f file) Sync() error                        { return fs.ErrPermission }
func (f file) Allocate(int64) error               { return fs.ErrPermission }
func (f file) WriteAt([]byte, int64) (int, error) { return 0, fs.ErrPermission }
func (f file) StoreAt([]byte, int64) (int, error) { return 0, fs.ErrPermission }
func (f file) WriteOut(int64, int64) error        { return fs.ErrPermission }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// FixFileHeader gives the file header at the front of data a right checksum.
func FixFileHeader(data []byte) {
	binary.LittleEndian.PutUint32(data[76:], crc32.Checksum(data[:76], castagnoli))
}

// FixRecord gives the record at data[off:end], of database db, a right checksum.
func FixRecord(data []byte, db [16]byte, off, end int64) {
	sum := crc32.Update(crc32.Checksum(db[:], castagnoli), castagnoli, data[off+4:end])
	binary.LittleEndian.PutUint32(data[off:], sum)
}

// AppendRecord appends a record with a right checksum to data, which ends where it is to begin.
func AppendRecord(data []byte, db [16]byte, num uint64, chain uint32, t record.Type, body []byte) []byte {
	off, le := len(data), binary.LittleEndian
	data = append(data, make([]byte, record.Size(len(body)))...)
	le.PutUint32(data[off+4:], uint32(len(body)))
	le.PutUint32(data[off+8:], chain)
	data[off+12] = byte(t)
	le.PutUint64(data[off+16:], num)
	le.PutUint64(data[off+24:], uint64(off))
	copy(data[off+record.HeaderSize:], body)
	FixRecord(data, db, int64(off), int64(len(data)))
	return data
}
