package lightningdb

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// A program that hands in the logger of the standard library would not find the database in its log, or would find keys
// and values there.
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

// A database that ignored the choice would take the disk, or the time, that its owner meant to save.
func TestOptions_CompressionIsThatOfTables(t *testing.T) {
	value := []byte(strings.Repeat("one of a few words, ", 40) + strings.Repeat("another of them, ", 40))
	sizeWith := func(c Compression) (size int64) {
		dir := t.TempDir()
		db, err := Open(dir, &Options{Compression: c, Durability: Process})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if err := db.Put(fmt.Appendf(nil, "key%d", i), fmt.Appendf(value, "%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(db.Compact(t.Context(), nil, nil), db.Close()); err != nil {
			t.Fatal(err)
		}
		db, err = Open(dir, &Options{Compression: NoCompression}) // every codec is read, whatever is asked for
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if got, err := db.Get([]byte("key42")); err != nil || string(got) != string(value)+"42" {
			t.Errorf("read %q, %v", got, err)
		}
		for _, level := range db.Metrics().Levels {
			size += level.Bytes
		}
		return size
	}
	none, s2, zstd, zero := sizeWith(NoCompression), sizeWith(S2), sizeWith(Zstd), sizeWith(Compression{})
	if !(zstd < s2 && s2 < none/2 && zero == s2) {
		t.Errorf("tables of %d bytes without compression, %d with S2, %d with Zstd, %d by default", none, s2, zstd, zero)
	}
}
