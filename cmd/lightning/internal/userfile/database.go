package userfile

import (
	"errors"
	"os"
	"strings"
)

// ErrOfDatabase refuses to write a file of a database: it would be damaged, or lose its lock while it is open.
var ErrOfDatabase = errors.New("it is a file of a database, which nothing else may write")

// current is there in the directory of every database.
const current = "CURRENT"

// ofDatabase reports whether the target is a file of a database, whichever name leads to it, or would become one.
func (t target) ofDatabase() bool {
	path := t.path
	if t.into {
		path, _ = os.Readlink(path) // the file behind a descriptor; a FIFO or device has none
	}
	if path == "" {
		return false
	}
	dir, name := folderOf(path)
	if _, err := os.Lstat(dir + current); err != nil {
		return false
	}
	if isOfDatabase(name) {
		return true
	}
	if t.info == nil {
		return false
	}
	entries, _ := os.ReadDir(dir) // another spelling of a name may lead to the same file
	for _, entry := range entries {
		if !isOfDatabase(entry.Name()) {
			continue
		}
		if info, err := entry.Info(); err == nil && os.SameFile(info, t.info) {
			return true
		}
	}
	return false
}

// isOfDatabase reports whether a file of that name, in the directory of a database, is its own. See docs/format.md.
func isOfDatabase(name string) bool {
	var number string
	switch {
	case name == "LOCK", name == current, name == "STATUS", name == "RESERVE":
		return true
	case strings.HasPrefix(name, "MANIFEST-"), strings.HasPrefix(name, current+"-"),
		strings.HasPrefix(name, "STATUS-"), strings.HasPrefix(name, "FOLLOWER-"), strings.HasPrefix(name, "RESERVE-"):
		_, number, _ = strings.Cut(name, "-")
	case strings.HasSuffix(name, ".wal"), strings.HasSuffix(name, ".tbl"):
		number, _, _ = strings.Cut(name, ".")
	}
	return len(number) >= 6 && strings.Trim(number, "0123456789") == ""
}
