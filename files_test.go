package lightningdb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
	negative := &SalvageOptions{MemoryLimit: -1}
	if _, err := Salvage(context.Background(), dir, filepath.Join(t.TempDir(), "no"), negative); err == nil ||
		!strings.Contains(err.Error(), "SalvageOptions.MemoryLimit must not be negative") {
		t.Errorf("a negative limit: %v", err)
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

// What is written into the damaged database may be what makes it worse, by whatever path it comes there.
func TestSalvage_neverWritesIntoItsSource(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "dir")
	db, err := Open(dir, nil)
	if err == nil {
		err = errors.Join(db.Put([]byte("k"), nil), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	link, deep := filepath.Join(root, "link"), filepath.Join(root, "deep")
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(dir, link), os.Symlink(filepath.Join(dir, "sub"), deep)); err != nil {
		t.Skip("no links: ", err)
	}
	before := listing(t, dir)
	for _, c := range [][2]string{{dir, dir}, {dir, filepath.Join(dir, "a", "b")}, {dir, filepath.Join(link, "new")},
		{link, filepath.Join(dir, "new")}, {dir, link}, {dir, filepath.Join(deep, "new")}, {dir, deep},
		{link, filepath.Join(link, "a", "b")}} {
		if _, err := Salvage(context.Background(), c[0], c[1], nil); err == nil || !strings.Contains(err.Error(), "inside") {
			t.Errorf("from %s to %s: %v", c[0], c[1], err)
		}
		if after := listing(t, dir); after != before {
			t.Fatalf("from %s to %s: the source was %s and is %s", c[0], c[1], before, after)
		}
	}
	if _, err := Salvage(context.Background(), link, dir+"-new", nil); err != nil {
		t.Errorf("beside it: %v", err)
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
