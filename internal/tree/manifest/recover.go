package manifest

import (
	"errors"
	"fmt"
	"math"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/record"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/vfs"
)

// ErrNoDatabase says that the directory holds no database, so that one can be created there. Use errors.Is.
var ErrNoDatabase = errors.New("no database")

// NoDatabaseError is an ErrNoDatabase that lists what must be removed before a database is created.
type NoDatabaseError struct {
	// Leftovers are the files of a first creation that was interrupted. Nothing in them was ever acknowledged.
	Leftovers []string
}

func (e *NoDatabaseError) Error() string {
	if len(e.Leftovers) == 0 {
		return ErrNoDatabase.Error()
	}
	return fmt.Sprintf("%v: its creation was interrupted", ErrNoDatabase)
}

// Is makes errors.Is(err, ErrNoDatabase) hold.
func (e *NoDatabaseError) Is(target error) bool { return target == ErrNoDatabase }

// Recover reads the manifest in force and returns the version it ends with, and its number. It changes nothing.
//
// The error is a *NoDatabaseError if there is no database; a *corrupt.Error if there is one but its manifest or CURRENT
// is damaged or missing; ErrVersionTooNew; ErrNotDatabase; or that of the device.
func Recover(fs vfs.FS) (*Version, filename.Num, error) {
	db, num, err := readCurrent(fs)
	if vfs.IsNotExist(err) {
		return nil, 0, withoutCurrent(fs)
	}
	if err != nil {
		return nil, 0, err
	}
	v, err := readManifest(fs, num, db, wholeFile)
	if vfs.IsNotExist(err) {
		err = corrupt.New(filename.Make(filename.Manifest, num), -1,
			"CURRENT names it, but it is missing; use an earlier copy of the directory")
	}
	if err != nil {
		return nil, 0, err
	}
	return v, num, nil
}

// wholeFile is the length up to which a manifest is read that nobody writes.
const wholeFile = math.MaxInt64

// ReadTo reads the manifest at place, where an edit ends, of database db, which another process writes. The error is
// status.ErrAhead if that is not there.
func ReadTo(fs vfs.FS, db [16]byte, place status.Manifest) (*Version, error) {
	v, err := readManifest(fs, place.Num, db, place.Length)
	if vfs.IsNotExist(err) {
		return nil, fmt.Errorf("%w: %w", status.ErrAhead, err)
	}
	return v, err
}

// readManifest reads manifest num of database db, up to length if it is not the whole file.
func readManifest(fs vfs.FS, num filename.Num, db [16]byte, length int64) (v *Version, err error) {
	err = openFile(fs, filename.Manifest, num, func(name string, f vfs.File, h record.FileHeader) error {
		if h.DB != db {
			return corrupt.New(name, 0, "it belongs to another database than CURRENT")
		}
		v, err = readEdits(f, name, &h, length)
		return err
	})
	return v, err
}

// openFile calls fn with the file of the given kind and number, open, and its header.
func openFile(fs vfs.FS, kind filename.Kind, num filename.Num,
	fn func(name string, f vfs.File, h record.FileHeader) error) (err error) {
	name := filename.Make(kind, num)
	f, err := fs.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	magic := record.MagicManifest
	if kind == filename.Log {
		magic = record.MagicLog
	}
	var r record.Reader
	if err := r.Open(f, name, [16]byte{}, num); err != nil {
		return err
	}
	h, err := r.FileHeader(magic)
	switch {
	case errors.Is(err, record.ErrBadHeader):
		return corrupt.New(name, 0, "the file header is damaged")
	case errors.Is(err, ErrVersionTooNew):
		return fmt.Errorf("%s: %w", name, err)
	case err != nil:
		return err
	case h.Num != num:
		return corrupt.New(name, 0, "it holds file number %d", h.Num)
	}
	return fn(name, f, h)
}

// readEdits applies the records of f, a manifest with header h, up to its end, or to length.
func readEdits(f vfs.File, name string, h *record.FileHeader, length int64) (*Version, error) {
	if h.Extra != [36]byte{} {
		return nil, corrupt.New(name, 0, "the file header holds more than it should")
	}
	var r record.Reader
	if err := r.Open(f, name, h.DB, h.Num); err != nil {
		return nil, err
	}
	b := newBuilder(&Version{DatabaseID: h.DB})
	off, chain := int64(record.FileHeaderSize), h.Sum()
	want := typeSnapshot
	for off < length {
		rec, problem, err := r.At(off)
		if err != nil {
			return nil, err
		}
		if problem == "" && rec.Chain != chain {
			problem = "the edit does not follow the one before it"
		}
		if problem != "" {
			v, err := endOfEdits(b, &r, name, off, want, problem)
			if err == nil && length != wholeFile {
				return nil, fmt.Errorf("%w: %s at offset %d of %d: %s", status.ErrAhead, name, off, length, problem)
			}
			return v, err
		}
		if rec.Type != want {
			return nil, corrupt.New(name, off, "record of type %d instead of %d", rec.Type, want)
		}
		if err := applyRecord(b, rec); err != nil {
			return nil, locate(err, name, off)
		}
		off, chain, want = rec.End, rec.Sum, typeEdit
	}
	if off != length || want == typeSnapshot {
		return nil, fmt.Errorf("%w: no edit of %s ends at offset %d", status.ErrAhead, name, length)
	}
	return finishAt(b, name)
}

// endOfEdits returns the version that b holds, if the manifest may end at off, where there is no valid record.
func endOfEdits(b *builder, r *record.Reader, name string, off int64, want record.Type,
	problem string) (*Version, error) {
	if want == typeSnapshot {
		return nil, corrupt.New(name, off, "the snapshot is damaged: %s", problem)
	}
	if err := checkTorn(r, name, off, problem); err != nil {
		return nil, err
	}
	return finishAt(b, name)
}

func finishAt(b *builder, name string) (*Version, error) {
	v, err := b.finish()
	if err != nil {
		return nil, locate(err, name, -1)
	}
	return v, nil
}

func applyRecord(b *builder, rec record.Record) error {
	e, err := decodeEdit(rec.Body)
	if err != nil {
		return err
	}
	return b.apply(e)
}

// locate adds to err the place of the record.
func locate(err error, name string, off int64) error {
	var damage *corrupt.Error
	if errors.As(err, &damage) {
		return corrupt.New(name, off, "%s", damage.What)
	}
	return fmt.Errorf("%s at offset %d: %w", name, off, err)
}

// checkTorn reports damage if a valid record follows off: edits are synced one by one, so only the last can be torn.
func checkTorn(r *record.Reader, name string, off int64, problem string) error {
	later, err := r.Find(off, func(rec record.Record) bool { return rec.Type == typeEdit })
	if err != nil {
		return err
	}
	if later >= 0 {
		return corrupt.New(name, off, "%s, though another edit follows at offset %d", problem, later)
	}
	return nil
}

// withoutCurrent returns the error of a directory without CURRENT: no database, or damage.
func withoutCurrent(fs vfs.FS) error {
	names, err := fs.List()
	if err != nil {
		return err
	}
	none := &NoDatabaseError{}
	for _, name := range names {
		kind, num := filename.Parse(name)
		if kind == filename.Unknown || kind == filename.Lock {
			continue
		}
		used, err := holdsData(fs, kind, num)
		if err != nil {
			return err
		}
		if used {
			return corrupt.New(nameCurrent, -1,
				"it is missing, but %s holds data; use an earlier copy of the directory", name)
		}
		none.Leftovers = append(none.Leftovers, name)
	}
	return none
}

// holdsData reports whether a file shows that the database was in use.
func holdsData(fs vfs.FS, kind filename.Kind, num filename.Num) (bool, error) {
	switch kind {
	case filename.Table:
		return true, nil
	case filename.Log:
		return holdsRecords(fs, num)
	case filename.Manifest:
		return holdsHistory(fs, num)
	}
	return false, nil
}

// holdsRecords reports whether log segment num holds a record. Its header is durable before the first one.
func holdsRecords(fs vfs.FS, num filename.Num) (bool, error) {
	at := int64(-1)
	err := openFile(fs, filename.Log, num, func(name string, f vfs.File, h record.FileHeader) error {
		var r record.Reader
		if err := r.Open(f, name, h.DB, num); err != nil {
			return err
		}
		var err error
		at, err = r.Find(record.FileHeaderSize-1, func(record.Record) bool { return true })
		return err
	})
	return at >= 0, ignoreDamage(err)
}

// holdsHistory reports whether manifest num speaks of tables or commits.
func holdsHistory(fs vfs.FS, num filename.Num) (bool, error) {
	var v *Version
	err := openFile(fs, filename.Manifest, num, func(name string, f vfs.File, h record.FileHeader) error {
		var err error
		v, err = readEdits(f, name, &h, wholeFile)
		return err
	})
	return v != nil && v.LastSeq > 0, ignoreDamage(err)
}

// ignoreDamage drops an error that only says that the file is incomplete: such a file was never in use.
func ignoreDamage(err error) error {
	if errors.Is(err, corrupt.ErrCorrupt) {
		return nil
	}
	return err
}
