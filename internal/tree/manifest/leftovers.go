package manifest

import (
	"fmt"
	"strings"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
)

// CheckOurs looks at a directory before its lock is taken, and reports whether there is a file of ours, or of a
// database that was being created. It refuses with ErrNotDatabase a directory of somebody else: one whose CURRENT
// another program wrote, and one without any file of ours but with others; and one that a salvage has not finished.
// Hidden files and what a file system keeps in its root do not count, and next to a database everything is tolerated.
func CheckOurs(fs vfs.FS) (ours bool, err error) {
	names, err := fs.List()
	if err != nil {
		return true, fmt.Errorf("list the database directory: %w", err)
	}
	foreign := ""
	for _, name := range names {
		switch kind, _ := filename.Parse(name); kind {
		case filename.Lock, filename.NextCurrent, filename.Status, filename.NextStatus, filename.Lease,
			filename.Reserve, filename.NextReserve:
		case filename.Unknown:
			if name == Unfinished {
				return true, errUnfinished(fs)
			}
			if !strings.HasPrefix(name, ".") && name != "lost+found" {
				foreign = name
			}
		default:
			ours = true
		}
	}
	switch {
	case ours:
		return true, CheckOwner(fs)
	case foreign != "":
		return false, fmt.Errorf("%w: %s holds other files (%s); name an empty directory or a new one",
			ErrNotDatabase, fs.Path(), foreign)
	}
	return false, nil
}

// RemoveUnnamed removes the files of ours that version, with which this store has begun, does not name: the manifest
// and the log from before, what a crash left half made, and what it kept from being removed. While there are followers,
// tables and log segments are retired instead. Files with other names are not ours and stay. next is called before each
// file.
func (s *Store) RemoveUnnamed(version *Version, names []string, next func()) (removed []string, err error) {
	named := make(map[filename.Num]bool)
	for num := range version.Files() {
		named[num] = true
	}
	followed := s.dir.HasFollowers()
	for _, name := range names {
		next()
		kind, num := filename.Parse(name)
		switch kind {
		case filename.Manifest:
			if num == s.Num() {
				continue
			}
		case filename.Log:
			if num >= version.LogStart {
				continue
			}
		case filename.Table:
			if named[num] {
				continue
			}
		default:
			continue
		}
		if followed && (kind == filename.Table || kind == filename.Log) {
			s.openOnce(name)
			s.dir.Retire(version.NextNum, name)
			continue
		}
		if err := s.dir.FS().Remove(name); err != nil && !vfs.IsNotExist(err) {
			return removed, fmt.Errorf("remove a file that nothing names: %w", err)
		}
		removed = append(removed, name)
	}
	return removed, nil
}

// openOnce opens a file that stays for now. What was killed before it had given its new file the rights that a umask
// took leaves one that nobody can read; to open it for writing gives them back. Else whoever reads all the files there
// are, as a salvage and a copy by hand do, would fail at one without meaning.
func (s *Store) openOnce(name string) {
	if f, err := s.dir.FS().OpenReadWrite(name); err == nil {
		_ = f.Close() // nothing was written
	}
}
