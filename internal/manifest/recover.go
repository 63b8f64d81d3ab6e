package manifest

import (
	"errors"
	"fmt"

	"lightningdb/internal/corrupt"
	"lightningdb/internal/filename"
	"lightningdb/internal/record"
	"lightningdb/internal/vfs"
)

// ErrNoDatabase is what errors.Is finds when the directory holds no database: it can be created there.
var ErrNoDatabase = errors.New("no database")

// NoDatabaseError is the error that says ErrNoDatabase, and what must be removed before a database is created.
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
	v, err := readManifest(fs, num, db)
	if vfs.IsNotExist(err) {
		err = corrupt.New(filename.Make(filename.Manifest, num), -1,
			"CURRENT names it, but it is missing; restore a backup, or salvage the tables into a new directory")
	}
	if err != nil {
		return nil, 0, err
	}
	return v, num, nil
}

// readManifest reads manifest num of database db.
func readManifest(fs vfs.FS, num filename.Num, db [16]byte) (v *Version, err error) {
	name := filename.Make(filename.Manifest, num)
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var r record.Reader
	if err := r.Open(f, name, db, num); err != nil {
		return nil, err
	}
	h, err := r.FileHeader(record.MagicManifest)
	switch {
	case errors.Is(err, record.ErrBadHeader):
		return nil, corrupt.New(name, 0, "the file header is damaged")
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case h.DB != db || h.Num != num || h.Extra != [36]byte{}:
		return nil, corrupt.New(name, 0, "it is not the manifest that CURRENT names")
	}
	return readEdits(&r, name, &h)
}

// readEdits applies the records of the manifest with header h, which r reads, up to its end.
func readEdits(r *record.Reader, name string, h *record.FileHeader) (*Version, error) {
	b := newBuilder(&Version{DatabaseID: h.DB})
	off, chain := int64(record.FileHeaderSize), h.Sum()
	want := typeSnapshot
	for {
		rec, problem, err := r.At(off)
		if err != nil {
			return nil, err
		}
		if problem == "" && rec.Chain != chain {
			problem = "the edit does not follow the one before it"
		}
		if problem != "" {
			if want == typeSnapshot {
				return nil, corrupt.New(name, off, "the snapshot is damaged: %s", problem)
			}
			if err := checkTorn(r, name, off, problem); err != nil {
				return nil, err
			}
			return finish(b, name)
		}
		if rec.Type != want {
			return nil, corrupt.New(name, off, "record of type %d instead of %d", rec.Type, want)
		}
		if err := applyRecord(b, rec); err != nil {
			return nil, locate(err, name, off)
		}
		off, chain, want = rec.End, rec.Sum, typeEdit
	}
}

func applyRecord(b *builder, rec record.Record) error {
	e, err := decodeEdit(rec.Body)
	if err != nil {
		return err
	}
	return b.apply(e)
}

func finish(b *builder, name string) (*Version, error) {
	v, err := b.finish()
	if err != nil {
		return nil, locate(err, name, -1)
	}
	return v, nil
}

// locate adds to err where the record stands.
func locate(err error, name string, off int64) error {
	var damage *corrupt.Error
	if errors.As(err, &damage) {
		return corrupt.New(name, off, "%s", damage.What)
	}
	return fmt.Errorf("%s at offset %d: %w", name, off, err)
}

// checkTorn reports damage if a valid record stands behind off: edits are synced one by one.
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

// withoutCurrent decides what a directory without CURRENT is.
func withoutCurrent(fs vfs.FS) error {
	names, err := fs.List()
	if err != nil {
		return err
	}
	none := &NoDatabaseError{}
	for _, name := range names {
		kind, _ := filename.Parse(name)
		used := false
		switch kind {
		case filename.Unknown, filename.Lock:
			continue
		case filename.Table:
			used = true
		case filename.Log:
			used, err = holdsMoreThanHeader(fs, name)
		}
		if err != nil {
			return err
		}
		if used {
			return corrupt.New(nameCurrent, -1,
				"it is missing, but %s holds data; restore CURRENT from a backup, or salvage into a new directory", name)
		}
		none.Leftovers = append(none.Leftovers, name)
	}
	return none
}

// holdsMoreThanHeader reports whether anything but zeros stands behind the header of a log segment.
func holdsMoreThanHeader(fs vfs.FS, name string) (more bool, err error) {
	f, err := fs.Open(name)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var r record.Reader
	if err := r.Open(f, name, [16]byte{}, 0); err != nil {
		return false, err
	}
	used, err := r.UsedEnd(record.FileHeaderSize)
	return used > record.FileHeaderSize, err
}
