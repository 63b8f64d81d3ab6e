package lightningdb

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// Who hands in the logger of the standard library expects to see the database in its log, without keys and values.
func TestOptions_LoggerMayBeOfSlog(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, err := Open(t.TempDir(), &Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Put([]byte("secret"), []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "flushed a memtable") || strings.Contains(text, "secret") {
		t.Errorf("the log has %q", text)
	}
}
