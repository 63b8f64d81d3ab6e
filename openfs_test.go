package lightningdb

import (
	"archive/zip"
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"lightningdb/internal/system/vfs/memfs"
)

// shipped is a database as a program brings one along: made on a little-endian machine, compressed, and closed. Its
// files have what TestOpenFS_readsWhatWasEmbedded demands of them.
//
//go:embed testdata/shipped
var shipped embed.FS

// closedFiles returns the files of a database that was closed, or of one that was not.
func closedFiles(t *testing.T, killed bool) map[string][]byte {
	t.Helper()
	disk := memfs.New()
	db, err := Open("", &Options{fs: disk, MemoryLimit: 10 << 20, LogLimit: 1 << 20, Compression: Zstd})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for i := range shippedKeys {
		mustPut(t, db, shippedKey(i), shippedValue(i))
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	mustPut(t, db, shippedKey(7), "newer")
	if err := db.Delete([]byte(shippedKey(8))); err != nil {
		t.Fatal(err)
	}
	if err := db.Put([]byte("large"), bytes.Repeat([]byte("large"), 500_000)); err != nil {
		t.Fatal(err)
	}
	if !killed {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return filesOf(t, disk.Kill())
}

func filesOf(t *testing.T, disk *memfs.FS) map[string][]byte {
	t.Helper()
	names, err := disk.List()
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for _, name := range names {
		f, err := disk.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		size, err := f.Size()
		if err != nil {
			t.Fatal(err)
		}
		files[name] = make([]byte, size)
		if _, err := f.ReadAt(files[name], 0); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

const shippedKeys = 300

func shippedKey(i int) string   { return fmt.Sprintf("key%04d", i) }
func shippedValue(i int) string { return fmt.Sprintf("value %d", i) }

// fileSystems shows files in a directory "data/db", in every kind of file system that OpenFS knows to read.
func fileSystems(t *testing.T, files map[string][]byte) map[string]fs.FS {
	t.Helper()
	dir, mapped := t.TempDir(), fstest.MapFS{}
	deflated, stored := zipped(t, files, zip.Deflate), zipped(t, files, zip.Store)
	for name, content := range files {
		mapped["data/db/"+name] = &fstest.MapFile{Data: content}
	}
	if err := os.CopyFS(dir, mapped); err != nil {
		t.Fatal(err)
	}
	return map[string]fs.FS{"DirFS": os.DirFS(dir), "MapFS": mapped, "zip": deflated, "zip, stored": stored,
		"sub": mustSub(t, mapped), "seekers": limitedFS{mapped, seekOnly}, "streams": limitedFS{mapped, streamOnly}}
}

// mustSub is files as a part of others.
func mustSub(t *testing.T, files fs.FS) fs.FS {
	t.Helper()
	sub, err := fs.Sub(prefixed{files}, "outer")
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// prefixed has everything below "outer".
type prefixed struct{ fs.FS }

func (p prefixed) Open(name string) (fs.File, error) {
	return p.FS.Open(strings.TrimPrefix(strings.TrimPrefix(name, "outer"), "/"))
}

func zipped(t *testing.T, files map[string][]byte, method uint16) *zip.Reader {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for name, content := range files {
		f, err := w.CreateHeader(&zip.FileHeader{Name: "data/db/" + name, Method: method})
		if err == nil {
			_, err = f.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// limitedFS has files that can do less than those of the file system behind it.
type limitedFS struct {
	fs.FS
	limit func(fs.File) fs.File
}

func (l limitedFS) Open(name string) (fs.File, error) {
	f, err := l.FS.Open(name)
	if err != nil {
		return nil, err
	}
	if _, ok := f.(fs.ReadDirFile); ok {
		return f, nil
	}
	return l.limit(f), nil
}

func seekOnly(f fs.File) fs.File {
	return struct {
		fs.File
		io.Seeker
	}{f, f.(io.Seeker)}
}

func streamOnly(f fs.File) fs.File { return struct{ fs.File }{f} }

// A program that ships a database would find another one in it, or none, depending on how it was packed, or whether it
// was closed when it was.
func TestOpenFS_readsTheSameFromEveryFileSystem(t *testing.T) {
	for state, killed := range map[string]bool{"closed": false, "with a log": true} {
		for kind, fsys := range fileSystems(t, closedFiles(t, killed)) {
			t.Run(kind+", "+state, func(t *testing.T) {
				db, err := OpenFS(fsys, "data/db", &Options{MemoryLimit: 10 << 20})
				if err != nil {
					t.Fatal(err)
				}
				checkShipped(t, db)
				if replayed := db.Recovery().Records > 0; replayed != killed {
					t.Errorf("records were replayed: %v", replayed)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
				if _, err := db.Get([]byte("large")); !errors.Is(err, ErrClosed) {
					t.Errorf("after Close: %v", err)
				}
			})
		}
	}
}

// checkShipped reads all of db in every way that there is, and tries to write.
func checkShipped(t *testing.T, db *DB) {
	t.Helper()
	if err := db.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	var readers sync.WaitGroup
	for n := range 4 {
		readers.Go(func() {
			for i := n; i < shippedKeys; i += 4 {
				want, wantErr := shippedValue(i), error(nil)
				switch i {
				case 7:
					want = "newer"
				case 8:
					want, wantErr = "", ErrNotFound
				}
				if v, err := db.Get([]byte(shippedKey(i))); string(v) != want || !errors.Is(err, wantErr) {
					t.Errorf("%s = %q, %v", shippedKey(i), v, err)
				}
			}
		})
	}
	readers.Wait()
	if v, err := db.Get([]byte("large")); err != nil || len(v) != 2_500_000 || !bytes.HasSuffix(v, []byte("large")) {
		t.Errorf("large has %d bytes, %v", len(v), err)
	}
	err := db.View(t.Context(), func(tx *Tx) error {
		all := tx.Range(nil, nil)
		forward, backward := slices.Collect(all.Keys()), slices.Collect(all.Reverse().Keys())
		if len(forward) != shippedKeys || len(backward) != shippedKeys { // one deleted, one large
			t.Errorf("%d keys forward, %d backward", len(forward), len(backward))
		}
		c := tx.Range(nil, nil).Cursor()
		defer c.Close()
		if !c.Seek([]byte("key0008")) || string(c.Key()) != "key0009" {
			t.Errorf("Seek leads to %q", c.Key())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	snapshot := db.Snapshot()
	if _, err := snapshot.Get([]byte("large")); err != nil {
		t.Error(err)
	}
	snapshot.Close()
	if m := db.Metrics(); m.DiskBytes == 0 || m.DurableSequence == 0 {
		t.Errorf("metrics without anything: %d bytes, sequence %d", m.DiskBytes, m.DurableSequence)
	}
	requireErrors(t, "of a shipped database", ErrReadOnly, map[string]error{
		"Put": db.Put([]byte("a"), nil), "Delete": db.Delete([]byte("a")), "Add": db.Add([]byte("a"), 1),
		"Flush": db.Flush(), "Sync": db.Sync(), "Compact": db.Compact(t.Context(), nil, nil),
		"Update": db.Update(t.Context(), func(tx *Tx) error { return tx.Put([]byte("a"), nil) }),
	})
}

// What a program embeds is written on one machine and read on others, of another word size and byte order.
func TestOpenFS_readsWhatWasEmbedded(t *testing.T) {
	db, err := OpenFS(shipped, "testdata/shipped", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	checkShipped(t, db)
}

// Damage, a missing file, or a wrong name must be an error that says so, whatever the files come from: never a panic,
// nor fewer keys.
func TestOpenFS_tellsWhatIsWrong(t *testing.T) {
	files := closedFiles(t, false)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if name == "LOCK" || name == "STATUS" || strings.HasSuffix(name, ".wal") {
			continue // nothing reads them, or they are behind the end of the log
		}
		content := files[name]
		for what, damaged := range map[string][]byte{
			"missing": nil, "empty": {}, "cut": content[:len(content)/2], "flipped": flipped(content),
		} {
			changed := make(map[string][]byte, len(files))
			for n, c := range files {
				changed[n] = c
			}
			if changed[name] = damaged; damaged == nil {
				delete(changed, name)
			}
			for kind, fsys := range fileSystems(t, changed) {
				db, err := OpenFS(fsys, "data/db", nil)
				if err == nil {
					err = errors.Join(db.Verify(t.Context(), nil), db.Close())
				}
				if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNotDatabase) && !errors.Is(err, ErrNoDatabase) {
					t.Errorf("%s, %s %s: %v", kind, name, what, err)
				}
			}
		}
	}
}

// flipped is content with a bit changed in the middle.
func flipped(content []byte) []byte {
	out := bytes.Clone(content)
	out[len(out)/2] ^= 1
	return out
}

// An archive that was damaged itself must not look like a database that was.
func TestOpenFS_damagedArchive(t *testing.T) {
	files := closedFiles(t, false)
	archive := zipped(t, files, zip.Store)
	for _, f := range archive.File {
		f.CRC32++
	}
	if _, err := OpenFS(archive, "data/db", nil); !errors.Is(err, zip.ErrChecksum) {
		t.Errorf("wrong checksums of an archive: %v", err)
	}
}

// What is asked for by mistake is refused by its name.
func TestOpenFS_refusesWhatCannotBe(t *testing.T) {
	files := fstest.MapFS{"data/db/file": {Data: []byte("text")}, "plain": {Data: []byte("text")}}
	for _, c := range []struct {
		name, dir string
		fsys      fs.FS
		options   *Options
		want      error
	}{
		{"no such directory", "data/missing", files, nil, ErrNoDatabase},
		{"nothing at all", ".", fstest.MapFS{}, nil, ErrNoDatabase},
		{"somebody's files", "data/db", files, nil, ErrNoDatabase},
		{"a slash in front", "/data", files, nil, fs.ErrInvalid},
		{"no path", "", files, nil, fs.ErrInvalid},
		{"a file", "plain", files, nil, nil},
		{"a wrong option", "data/db", files, &Options{MemoryLimit: -1}, nil},
		{"no file system", ".", nil, nil, nil},
	} {
		db, err := OpenFS(c.fsys, c.dir, c.options)
		if err == nil {
			db.Close()
		}
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Who opens for reading what another program writes by OpenFS has no lock; but it must not harm the writer, and a table
// that goes away under it is an error.
func TestOpenFS_locksNobodyOut(t *testing.T) {
	writer := openTemp(t, nil)
	mustPut(t, writer, "key", "value")
	before, err := os.ReadDir(writer.Path())
	requireNil(t, err)
	db, err := OpenFS(os.DirFS(filepath.Dir(writer.Path())), filepath.Base(writer.Path()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := db.Get([]byte("key")); string(v) != "value" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	mustPut(t, writer, "key", "other")
	if err := errors.Join(db.Close(), writer.Flush()); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadDir(writer.Path()); err != nil || len(after) < len(before) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
}

// A link that leads nowhere must not look like a file that somebody has removed.
func TestOpenFS_saysThatALinkLeadsNowhere(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, nil)
	if err == nil {
		err = errors.Join(db.Put([]byte("k"), nil), db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	current := filepath.Join(dir, "CURRENT")
	if err := os.Remove(current); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", current); err != nil {
		t.Skip("no links: ", err)
	}
	_, err = OpenFS(os.DirFS(dir), ".", nil)
	if err == nil || strings.Contains(err.Error(), "missing") ||
		!strings.Contains(err.Error(), "a link that leads to no file") {
		t.Errorf("%v", err)
	}
}
