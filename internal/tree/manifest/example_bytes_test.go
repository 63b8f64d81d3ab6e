package manifest

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/system/vfs/memfs"
)

// Others read our files by this document: bytes that differ from it are a format that nobody knows.
func TestFormat_workedExample(t *testing.T) {
	dir := memfs.NewVolatile()
	l, err := createAlone(dir, 1, emptyVersion())
	must(t, l, err)
	must(t, l, l.Append(sampleEdits()[0]))
	document, err := os.ReadFile("../../../docs/format.md")
	must(t, document, err)
	for name, data := range recordtest.Contents(t, dir) {
		if dump := hex.Dump(data); !strings.Contains(string(document), dump) {
			t.Errorf("the document does not hold the bytes of %s:\n%s", name, dump)
		}
	}
}
