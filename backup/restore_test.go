package backup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"lightningdb"
	"lightningdb/backup"
)

// newDatabase is a database with n keys.
func newDatabase(t testing.TB, n int) *lightningdb.DB {
	t.Helper()
	db, err := lightningdb.Open(filepath.Join(t.TempDir(), "db"), &lightningdb.Options{MemoryLimit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	fill(t, db, 0, n, "")
	return db
}

// fill puts the keys from lo to hi, each with its number and more.
func fill(t testing.TB, db *lightningdb.DB, lo, hi int, more string) {
	t.Helper()
	var b lightningdb.Batch
	for i := lo; i < hi; i++ {
		b.Put(fmt.Appendf(nil, "key %06d", i), fmt.Appendf(nil, "value %d%s", i, more))
	}
	if err := db.Write(&b); err != nil {
		t.Fatal(err)
	}
}

func stream(t testing.TB, db *lightningdb.DB) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := db.Backup(context.Background(), &out, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// mustHave checks that dir has the keys from 0 to n and no other.
func mustHave(t testing.TB, dir string, n int) {
	t.Helper()
	db, err := lightningdb.Open(dir, &lightningdb.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := 0
	for k, v := range db.Range(nil, nil).All() {
		want := fmt.Sprintf("key %06d", got)
		if string(k) != want || !bytes.HasPrefix(v, fmt.Appendf(nil, "value %d", got)) {
			t.Fatalf("%s: %q, %q: want %s", dir, k, v, want)
		}
		got++
	}
	if got != n {
		t.Errorf("%s has %d keys, want %d", dir, got, n)
	}
}

// leftIn lists what is in the directory that dir is in, but dir.
func leftIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(dir) {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestRestore_makesTheDatabase(t *testing.T) {
	db := newDatabase(t, 5000)
	whole := stream(t, db)
	fill(t, db, 5000, 6000, "")
	dir := filepath.Join(t.TempDir(), "restored")
	phases := map[string]bool{}
	info, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, &backup.RestoreOptions{
		Progress: func(phase string, done, total int64) {
			phases[phase] = true
			if done > total {
				t.Errorf("%s: %d of %d", phase, done, total)
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Files) < 3 || !phases["restore"] || !phases["verify"] || leftIn(t, dir) != nil {
		t.Errorf("%d files, phases %v, left %v", len(info.Files), phases, leftIn(t, dir))
	}
	mustHave(t, dir, 5000)
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a database: %v", err)
	}
	mustHave(t, dir, 5000)
}

// A drill leaves nothing, and needs no target; nor does it mind that the target is in use.
func TestRestore_verifyOnly(t *testing.T) {
	db := newDatabase(t, 100)
	whole := stream(t, db)
	o := &backup.RestoreOptions{VerifyOnly: true}
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), db.Path(), o); err != nil {
		t.Error(err)
	}
	_, err := backup.Restore(t.Context(), bytes.NewReader(whole[:len(whole)/2]), db.Path(), o)
	if !errors.Is(err, backup.ErrBadBackup) {
		t.Errorf("half of it: %v", err)
	}
	if left := leftIn(t, db.Path()); left != nil {
		t.Errorf("it left %v", left)
	}
}

// What does not come to its end leaves nothing, and stands in nobody's way.
func TestRestore_leavesNothingOfWhatFailed(t *testing.T) {
	whole := stream(t, newDatabase(t, 3000))
	dir := filepath.Join(t.TempDir(), "restored")
	ctx, cancel := context.WithCancel(context.Background())
	slow := io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, errors.New("the line is down")
	}))
	for what, r := range map[string]io.Reader{
		"half": bytes.NewReader(whole[:len(whole)/2]), "none": bytes.NewReader(nil),
		"another file": bytes.NewReader(make([]byte, 4096)),
	} {
		if _, err := backup.Restore(t.Context(), r, dir, nil); !errors.Is(err, backup.ErrBadBackup) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := backup.Restore(ctx, slow, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if left := leftIn(t, dir); left != nil {
		t.Errorf("it left %v", left)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the target is there: %v", err)
	}
}

// Who made the backup may not have looked. What is restored is verified before it is there.
func TestRestore_refusesDamageThatWasBackedUp(t *testing.T) {
	db := newDatabase(t, 3000)
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	whole := stream(t, db)
	var changed bytes.Buffer
	sums := ""
	in, out := tar.NewReader(bytes.NewReader(whole)), tar.NewWriter(&changed)
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		content, err2 := io.ReadAll(in)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if filepath.Ext(h.Name) == ".tbl" {
			content[len(content)/3] ^= 1
		}
		if h.Name == "SHA256SUMS" {
			content = []byte(sums)
			h.Size = int64(len(content))
		}
		sums += fmt.Sprintf("%x  %s\n", sha256.Sum256(content), h.Name)
		if err := out.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		out.Write(content)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	var damage *lightningdb.CorruptionError
	if _, err := backup.Restore(t.Context(), &changed, dir, nil); !errors.As(err, &damage) {
		t.Errorf("it was restored: %v", err)
	}
	if left := leftIn(t, dir); left != nil {
		t.Errorf("it left %v", left)
	}
}

// What a kill leaves of a restore is removed by the next one; what only has the name of that is somebody's.
func TestRestore_removesOnlyWhatARestoreLeft(t *testing.T) {
	whole := stream(t, newDatabase(t, 3000))
	dir := filepath.Join(t.TempDir(), "restored")
	staging := dir + ".restoring"
	put := func(names ...string) {
		t.Helper()
		if err := errors.Join(os.RemoveAll(staging), os.Mkdir(staging, 0o700)); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(staging, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("UNFINISHED", "000007.tbl", "LOCK")
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, nil); err != nil {
		t.Errorf("after a kill: %v", err)
	}
	mustHave(t, dir, 3000)
	drill := &backup.RestoreOptions{VerifyOnly: true}
	put("thesis.txt")
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, drill); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into somebody else's: %v", err)
	}
	if _, err := os.Stat(filepath.Join(staging, "thesis.txt")); err != nil {
		t.Error(err)
	}
	if err := errors.Join(os.RemoveAll(staging), os.CopyFS(staging, os.DirFS(dir))); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, drill); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into a database of somebody's: %v", err)
	}
	mustHave(t, staging, 3000)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
