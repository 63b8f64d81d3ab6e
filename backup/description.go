package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
)

// Bounds of what is read of a repository before anything is believed.
const (
	maxDescription = 256 << 20           // bytes: a million files
	maxFiles       = checkpoint.MaxFiles // of a backup
	maxBytes       = checkpoint.MaxBytes // of all files of a backup together
)

// repositoryFormat is the one that is written, and the newest that is read.
const repositoryFormat = 1

// abandoned is what stands in the place of a backup whose Create was given up by a Prune: it will never be there.
const abandoned = "abandoned\n"

// description is the file of a backup, in JSON, to which encode adds a checksum.
type description struct {
	Format   int       `json:"format"`
	ID       string    `json:"id"`       // as in the name of the file
	Database string    `json:"database"` // id of the database that was copied, in hexadecimal
	Sequence uint64    `json:"sequence"` // of the newest commit in it
	Time     time.Time `json:"time"`     // when it was begun
	Files    files     `json:"files"`
}

// storedFile is a file of a backup.
type storedFile struct {
	Name   string `json:"name"`   // in the directory of the database
	Size   int64  `json:"size"`   // bytes
	Digest string `json:"digest"` // SHA-256 of its content, in hexadecimal
	Upload string `json:"upload"` // of the Create that has stored it: 16 hexadecimal digits
	ID     string `json:"id,omitempty"`
	Shared bool   `json:"shared,omitempty"` // it is a file of the database, with this name and ID in other backups too
}

// files is read from JSON no further than its bound.
type files []storedFile

// UnmarshalJSON is that of json.Unmarshaler.
func (f *files) UnmarshalJSON(text []byte) error {
	return checkpoint.UnmarshalList(text, (*[]storedFile)(f))
}

// place is where the content of a file is stored.
func (f *storedFile) place() string {
	return placePrefix + f.Digest[:2] + "/" + f.Digest + "-" + f.Upload
}

const placePrefix = "files/"

// parsePlace is the inverse of place.
func parsePlace(name string) (f storedFile, ok bool) {
	f.Digest, f.Upload, ok = strings.Cut(name[strings.LastIndexByte(name, '/')+1:], "-")
	ok = ok && isHex(f.Digest, 64) && isHex(f.Upload, 16) && f.place() == name
	return f, ok
}

// isHex reports whether s is n hexadecimal digits, none of them a capital.
func isHex(s string, n int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(s) == n && hex.EncodeToString(b) == s
}

const (
	idTime    = "20060102T150405Z"
	idLength  = len(idTime) + 1 + 8
	backupDir = "backups/"
)

// newID names a backup, or a Prune, that begins now.
func newID(now time.Time, random uint64) string {
	return fmt.Sprintf("%s-%08x", now.UTC().Format(idTime), uint32(random))
}

func isID(id string) bool {
	if len(id) != idLength || id[len(idTime)] != '-' || !isHex(id[len(idTime)+1:], 8) {
		return false
	}
	t, err := time.Parse(idTime, id[:len(idTime)])
	return err == nil && t.Format(idTime) == id[:len(idTime)]
}

// descriptionName is the name of the file of a backup.
func descriptionName(id string) string { return backupDir + id + ".json" }

// parseDescriptionName is the inverse of descriptionName.
func parseDescriptionName(name string) (id string, ok bool) {
	id = strings.TrimSuffix(strings.TrimPrefix(name, backupDir), ".json")
	return id, isID(id) && descriptionName(id) == name
}

// encode is the file of a backup.
func (d *description) encode() ([]byte, error) {
	text, err := json.MarshalIndent(d, "", "\t")
	if err != nil {
		return nil, err
	}
	return seal(bytes.TrimSuffix(text, []byte("\n}"))), nil
}

// seal ends the JSON of a backup, which has all but its last brace, with the checksum of these bytes. Without it a file
// that has lost a part of its list would be one of fewer files, and a Prune would remove those that it does not name.
func seal(text []byte) []byte {
	return fmt.Appendf(bytes.Clone(text), "%s%x%s", sealBegin, sha256.Sum256(text), sealEnd)
}

const (
	sealBegin = ",\n\t\"checksum\": \""
	sealEnd   = "\"\n}\n"
)

// isSealed reports whether text is what seal has made.
func isSealed(text []byte) bool {
	n := len(text) - len(sealBegin) - 2*sha256.Size - len(sealEnd)
	return n >= 0 && bytes.Equal(seal(text[:n]), text)
}

// decode reads the file of a backup, which may say anything.
func decode(text []byte, id string) (*description, error) {
	var format struct {
		Format int `json:"format"`
	}
	d := new(description)
	err := json.Unmarshal(text, &format)
	if err == nil && format.Format > repositoryFormat {
		return nil, newer("backup "+id, format.Format)
	}
	if err == nil && !isSealed(text) {
		err = errors.New("its checksum is wrong or missing")
	}
	if err == nil {
		err = json.Unmarshal(text, d)
	}
	if err != nil {
		return nil, bad("backup %s: %v", id, err)
	}
	if d.Format < 1 || d.ID != id || !isHex(d.Database, 32) {
		return nil, bad("backup %s: it says format %d, id %q, database %q", id, d.Format, d.ID, d.Database)
	}
	return d, d.checkFiles()
}

func newer(what string, format int) error {
	return fmt.Errorf("%s is of format %d, and this program reads those up to %d: use a newer one",
		what, format, repositoryFormat)
}

// checkFiles refuses what no backup of a database has.
func (d *description) checkFiles() error {
	listed, total := make(checkpoint.Listed, len(d.Files)), int64(0)
	for _, f := range d.Files {
		if err := listed.Add(f.Name, f.Size, &total); err != nil {
			return fmt.Errorf("backup %s: %w", d.ID, err)
		}
		if !isHex(f.Digest, 64) || !isHex(f.Upload, 16) || f.ID != "" && !isHex(f.ID, 16) {
			return bad("backup %s: %s has digest %q, upload %q, id %q", d.ID, f.Name, f.Digest, f.Upload, f.ID)
		}
	}
	if !listed[filename.Make(filename.Current, 0)] {
		return bad("backup %s has no %s", d.ID, filename.Make(filename.Current, 0))
	}
	return nil
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadBackup, fmt.Sprintf(format, args...))
}

// total is how many bytes the files have.
func (d *description) total() (n int64) {
	for _, f := range d.Files {
		n += f.Size
	}
	return n
}

// Backup is what is known of a backup without its files.
type Backup struct {
	ID       string
	Database string    // id of the database that was copied, in hexadecimal
	Sequence uint64    // of the newest commit in it
	Time     time.Time // when it was begun
	Amount             // its files
}

// Amount is an amount of files.
type Amount struct {
	Files int
	Bytes int64
}

func (a *Amount) add(size int64) {
	a.Files++
	a.Bytes += size
}

func (d *description) backup() Backup {
	return Backup{ID: d.ID, Database: d.Database, Sequence: d.Sequence, Time: d.Time,
		Amount: Amount{len(d.Files), d.total()}}
}

// description reads the file of a backup. The error is fs.ErrNotExist if there is none of that id, or it was abandoned.
func (r *Repository) description(ctx context.Context, id string) (*description, error) {
	if !isID(id) {
		return nil, noBackup(id)
	}
	text, err := read(ctx, r.store, descriptionName(id), maxDescription)
	switch {
	case vfs.IsNotExist(err) || err == nil && string(text) == abandoned:
		return nil, noBackup(id)
	case err != nil:
		return nil, fmt.Errorf("backup %s: %w", id, err)
	}
	return decode(text, id)
}
