package backup_test

import (
	"path/filepath"
	"testing"

	"lightningdb/backup"
	"lightningdb/backup/storetest"
)

// Every Store keeps what Store says: on it rests that no backup loses a file.
func TestFolder_isAStore(t *testing.T) {
	for what, s := range map[string]backup.Store{
		"links":    backup.NewFolder(filepath.Join(t.TempDir(), "a", "b")),
		"no links": backup.NewFolderWithoutLinks(filepath.Join(t.TempDir(), "c")),
		"memory":   backup.NewMemory(),
	} {
		t.Run(what, func(t *testing.T) { storetest.Run(t, s) })
	}
}
