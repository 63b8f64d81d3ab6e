package lightningdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A database that somebody writes does not stand still: what is read of it page by page would be of no moment.
func TestSalvage_refusesWhatIsInUse(t *testing.T) {
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
	db, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := db.Put(fmt.Append(nil, i), []byte("value")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Salvage(context.Background(), dir, to, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("beside a writer: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	report, err := Salvage(context.Background(), dir, to, &SalvageOptions{MemoryLimit: 1})
	if err != nil || report.Keys != 10 || len(report.Losses) > 0 || report.LastSequence != 10 || !report.Closed {
		t.Fatalf("%+v, %v", report, err)
	}
	if after := listing(t, dir); after != before {
		t.Errorf("the source was %s and is %s", before, after)
	}
	if _, err := Salvage(context.Background(), dir, to, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into a database: %v", err)
	}
	if _, err := Salvage(context.Background(), filepath.Join(dir, "none"), filepath.Join(to, "x"), nil); err == nil ||
		!errors.Is(err, ErrNoDatabase) {
		t.Errorf("without a source: %v", err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if _, err := Salvage(ended, dir, filepath.Join(t.TempDir(), "late"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	saved, err := Open(to, &Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	if v, err := saved.Get([]byte("7")); string(v) != "value" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if err := saved.Put([]byte("more"), nil); err != nil {
		t.Error(err)
	}
}

// listing is the names, lengths and times of the files in dir.
func listing(t *testing.T, dir string) (text string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range all {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%s %d %v\n", entry.Name(), info.Size(), info.ModTime())
	}
	return text
}
