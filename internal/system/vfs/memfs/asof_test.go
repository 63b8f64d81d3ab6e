package memfs_test

import (
	"testing"

	"lightningdb/internal/system/vfs/memfs"
)

// A recorded sync would be believed to cover writes and names that came while it was under way.
func TestSyncAsOf_coversWhatWasDoneBefore(t *testing.T) {
	d := memfs.New()
	f, err := d.Create("early")
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string, off int64) {
		t.Helper()
		if _, err := f.WriteAt([]byte(text), off); err != nil {
			t.Fatal(err)
		}
	}
	write("before", 0)
	began := d.Ops()
	write("AFTER!", 0)
	write("longer", 600)
	if err := d.Rename("early", "late"); err != nil {
		t.Fatal(err)
	}
	if err := f.(interface{ SyncAsOf(int) error }).SyncAsOf(began); err != nil {
		t.Fatal(err)
	}
	if err := d.SyncDirAsOf(began); err != nil {
		t.Fatal(err)
	}
	img := d.Image(memfs.None, 0)
	names, err := img.List()
	if err != nil || len(names) != 1 || names[0] != "early" {
		t.Fatalf("names %v, %v: want that of before the renaming", names, err)
	}
	g, err := img.Open("early")
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 6)
	if size, err := g.Size(); size != 6 || err != nil {
		t.Errorf("size %d, %v", size, err)
	}
	if _, err := g.ReadAt(got, 0); string(got) != "before" || err != nil {
		t.Errorf("content %q, %v", got, err)
	}
	all := d.Image(memfs.All, 0)
	if names, err := all.List(); err != nil || len(names) != 1 || names[0] != "late" {
		t.Errorf("with everything kept: names %v, %v", names, err)
	}
}
