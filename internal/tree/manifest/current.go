package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
)

// ErrNotDatabase says that the directory holds files of another program under our names. Use errors.Is.
var ErrNotDatabase = errors.New("not a Lightning DB database")

const nameCurrent = "CURRENT"

// setCurrent puts manifest num of database db into force. temp numbers the file that is renamed to CURRENT.
func setCurrent(fs vfs.FS, db [16]byte, num, temp filename.Num, alone func() error) error {
	next := filename.Make(filename.NextCurrent, temp)
	f, err := fs.Create(next)
	if err != nil {
		return err
	}
	data := encodeCurrent(db, num)
	if _, err = f.WriteAt(data[:], 0); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := alone(); err != nil {
		return err
	}
	err = fs.Rename(next, nameCurrent)
	if err == nil {
		err = fs.SyncDir()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUndecided, err)
	}
	return nil
}

func encodeCurrent(db [16]byte, num filename.Num) [record.FileHeaderSize]byte {
	h := record.FileHeader{Magic: record.MagicCurrent, DB: db, Num: num}
	return h.Encode()
}

// Unfinished is the name of a file that is in a directory to which a salvage or a copy writes a new database, until
// that is complete.
const Unfinished = "UNFINISHED"

func errUnfinished(fs vfs.FS) error {
	return fmt.Errorf("%w: the salvage or copy into %s was interrupted, unless it still runs: remove the "+
		"directory, and begin again", ErrNotDatabase, fs.Path())
}

// CheckOwner returns ErrNotDatabase if another program wrote CURRENT, or a salvage has not finished. In every other
// case it returns nil, even if CURRENT is missing or damaged: Recover reports that. It is for looking at a directory
// before its lock is taken.
func CheckOwner(fs vfs.FS) error {
	if _, err := fs.FileSize(Unfinished); err == nil {
		return errUnfinished(fs)
	}
	if _, _, err := readCurrent(fs); errors.Is(err, ErrNotDatabase) {
		return err
	}
	return nil
}

// readCurrent reads CURRENT: which database this is, and which manifest is in force. The error satisfies
// vfs.IsNotExist if there is no CURRENT.
func readCurrent(fs vfs.FS) (db [16]byte, num filename.Num, err error) {
	f, err := fs.Open(nameCurrent)
	if err != nil {
		return db, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return db, 0, err
	}
	data := make([]byte, min(size, record.FileHeaderSize+1))
	if n, err := f.ReadAt(data, 0); n < len(data) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return db, 0, fmt.Errorf("read %s: %w", nameCurrent, err)
	}
	return decodeCurrent(data)
}

// foreignCurrent reports whether data is what other programs write into a file of this name: the name of one of
// their files.
func foreignCurrent(data []byte) bool {
	name := strings.TrimSuffix(string(data), "\n")
	for _, prefix := range []string{"MANIFEST", "OPTIONS", "marker"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			return !strings.ContainsFunc(rest, func(r rune) bool {
				return !(r == '-' || r == '.' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z')
			})
		}
	}
	return false
}

// decodeCurrent decodes the content of CURRENT.
func decodeCurrent(data []byte) (db [16]byte, num filename.Num, err error) {
	h, err := record.DecodeFileHeader(record.MagicCurrent, data)
	switch {
	case errors.Is(err, record.ErrBadHeader) && foreignCurrent(data):
		return db, 0, fmt.Errorf("%w: CURRENT says %q, as another program would write it", ErrNotDatabase, data)
	case errors.Is(err, record.ErrBadHeader) || err == nil && len(data) != record.FileHeaderSize:
		return db, 0, corrupt.New(nameCurrent, 0,
			"it does not name a manifest; use an earlier copy of the directory")
	case err != nil:
		return db, 0, fmt.Errorf("%s: %w", nameCurrent, err)
	case h.Extra != [36]byte{} || !bytes.Equal(data, encodeBytes(h.DB, h.Num)):
		return db, 0, corrupt.New(nameCurrent, 0, "it holds more than a manifest's number")
	}
	return h.DB, h.Num, nil
}

func encodeBytes(db [16]byte, num filename.Num) []byte {
	b := encodeCurrent(db, num)
	return b[:]
}
