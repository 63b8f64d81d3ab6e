package wal

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/record/recordtest"
	"lightningdb/internal/system/vfs/memfs"
)

// Others read our files by this document: bytes that differ from it are a format that nobody knows.
func TestFormat_workedExample(t *testing.T) {
	dir := memfs.NewVolatile()
	s := mustCreate(t, dir, 7, Root(41))
	var b batch.Batch
	b.Put([]byte("k"), []byte("vv"))
	b.Delete([]byte("k"))
	end, err := s.Append(Record{First: 42, Count: b.Count(), Payload: b.Bytes()})
	must(t, end, err)
	must(t, s, s.Sync())
	seal, err := s.Seal(9)
	must(t, seal, err)
	document, err := os.ReadFile("../../../docs/format.md")
	must(t, document, err)
	if dump := hex.Dump(recordtest.Contents(t, dir)["000007.wal"]); !strings.Contains(string(document), dump) {
		t.Errorf("the document does not hold the bytes of the example:\n%s", dump)
	}
}
