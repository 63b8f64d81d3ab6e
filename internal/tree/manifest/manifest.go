// Package manifest remembers which tables make up the database, and what else must survive a restart: the first log
// segment still needed, the next file number, the last sequence number in tables. It owns the bytes of MANIFEST-n
// and of CURRENT. It opens no table and no log segment, and removes no file.
//
// A Version is immutable and safe for concurrent use, and so is a Store, which writes the files.
//
// # Files
//
// MANIFEST-n is a record.FileHeader and records, as package record defines them. The first record (type 1) is a
// snapshot: an edit that makes the version out of nothing. The others (type 2) are edits, see appendEdit.
//
// CURRENT is one record.FileHeader, 80 bytes, whose number is that of the manifest in force. It is never written in
// place: CURRENT-r, where r is a random number, is written and synced, then renamed, then the directory is synced. A
// program that opens the database for writing removes leftovers of that name before it reads CURRENT.
//
// # After a crash
//
// Edits are synced before anyone relies on them. So the last record may be torn, and is then ignored; the snapshot
// may not be, nor may a valid record follow a torn one. A manifest that was read is never appended to: opening the
// database for writing creates the next one.
//
// When a database is created, CURRENT comes last. A directory without CURRENT that holds no table and no record in
// any log segment is therefore an interrupted creation: nothing in it was ever acknowledged. If it holds more than
// that, CURRENT was lost, and that is damage.
package manifest

import (
	"errors"
	"fmt"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
)

// ErrVersionTooNew says that a newer version of the program wrote the database. Use errors.Is.
var ErrVersionTooNew = record.ErrVersionTooNew

// errUndecided says that the switch to a new manifest failed half way.
var errUndecided = errors.New("it is not known which manifest is in force")

// Record types. The values are on disk: never renumber, never reuse.
const (
	typeSnapshot record.Type = 1
	typeEdit     record.Type = 2
)

// log is the manifest that is being written. It is for one goroutine at a time.
type log struct {
	out *record.Appender
	buf []byte
}

// create writes manifest num with v as its snapshot and, once that is durable, makes it the one in force. The switch
// is durable when create returns, and the manifest before can be removed. After an error that matches errUndecided
// either of them may be in force; after any other error the one before still is.
//
// Another writer may be about to do the same. temp, a random number, is that of the file that is renamed to CURRENT:
// no other such file may have had it, so that a late rename finds only its own file. alone is called immediately
// before the rename; its error ends create, which returns it.
func create(fs vfs.FS, num filename.Num, v *Version, temp filename.Num, alone func() error) (*log, error) {
	l, err := newLog(fs, num, v)
	if err != nil {
		return nil, fmt.Errorf("create manifest %d: %w", num, err)
	}
	if err := setCurrent(fs, v.DatabaseID, num, temp, alone); err != nil {
		return nil, errors.Join(fmt.Errorf("switch to manifest %d: %w", num, err), l.Close())
	}
	return l, nil
}

// newLog writes manifest num with v as its snapshot, durably.
func newLog(fs vfs.FS, num filename.Num, v *Version) (*log, error) {
	name := filename.Make(filename.Manifest, num)
	f, err := fs.Create(name)
	if err != nil {
		return nil, err
	}
	h := record.FileHeader{Magic: record.MagicManifest, DB: v.DatabaseID, Num: num}
	data := h.Encode()
	if _, err := f.WriteAt(data[:], 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l := &log{out: record.NewAppender(f, name, &h)}
	if err := l.append(typeSnapshot, v.Edit()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := fs.SyncDir(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return l, nil
}

// Append appends e and makes it durable. Nothing may rely on e before it returns.
//
// If the error matches vfs.ErrNoSpace and Err is still nil, e is not in the manifest, durably so, and the manifest
// keeps working. If Err is set, it is not known whether a restart finds e: the files of both states must be kept,
// and only a new manifest decides it.
func (l *log) Append(e *Edit) error { return l.append(typeEdit, e) }

func (l *log) append(t record.Type, e *Edit) error {
	l.buf = appendEdit(l.buf[:0], e)
	if err := l.out.Begin(record.Written); err != nil {
		return err
	}
	if err := l.out.Add(t, nil, l.buf); err != nil {
		return err
	}
	if _, err := l.out.Flush(); err != nil {
		return err
	}
	return l.out.Sync()
}

// Num is the number of the manifest.
func (l *log) Num() filename.Num { return l.out.Num() }

// Size is the length of the manifest, in bytes.
func (l *log) Size() int64 { return l.out.Size() }

// Err is nil while the manifest is usable, and otherwise the failure that every call returns.
func (l *log) Err() error { return l.out.Err() }

// Close closes the file. All edits are durable already.
func (l *log) Close() error { return l.out.Close() }
