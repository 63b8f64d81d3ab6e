package manifest

import (
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
)

// ReadWhole reads manifest num of database db, whether CURRENT names it or not. The error is that of Recover.
func ReadWhole(fs vfs.FS, num filename.Num, db [16]byte) (*Version, error) {
	return readManifest(fs, num, db, wholeFile)
}

// ReadPieces calls edit with all edits of a manifest that are whole by themselves, whatever is missing between them,
// and returns where the last of them ends. f is what is there of manifest num of database db.
func ReadPieces(f vfs.File, name string, num filename.Num, db [16]byte, edit func(*Edit)) (end int64, err error) {
	var r record.Reader
	if err := r.Open(f, name, db, num); err != nil {
		return 0, err
	}
	known := func(rec record.Record) bool { return rec.Type == typeSnapshot || rec.Type == typeEdit }
	for off := int64(record.FileHeaderSize); off >= 0; {
		rec, problem, err := r.At(off)
		if err != nil {
			return end, err
		}
		if problem != "" {
			if off, err = r.Find(off, known); err != nil {
				return end, err
			}
			continue
		}
		if e, err := decodeEdit(rec.Body); err == nil {
			edit(e)
		}
		off, end = rec.End, rec.End
	}
	return end, nil
}

// Write makes version the content of a directory that has no database: it writes manifest num and then CURRENT, both
// durably. random is a number that no other file there has.
func Write(fs vfs.FS, num filename.Num, version *Version, random uint64) error {
	log, err := create(fs, num, version, filename.Num(random>>1), func() error { return nil })
	if err != nil {
		return err
	}
	return log.Close()
}

// DecodeEdit decodes the body of a record of a manifest.
func DecodeEdit(body []byte) (*Edit, error) { return decodeEdit(body) }
