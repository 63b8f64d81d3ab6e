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
	"lightningdb/internal/system/vfs"
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
		if err := errors.Join(os.RemoveAll(staging), os.MkdirAll(filepath.Join(staging, "database"), 0o700)); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(staging, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("UNFINISHED", "LOCK", "database/UNFINISHED", "database/000007.tbl", "database/LOCK")
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, nil); err != nil {
		t.Errorf("after a kill: %v", err)
	}
	mustHave(t, dir, 3000)
	drill := &backup.RestoreOptions{VerifyOnly: true}
	put("thesis.txt")
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, drill); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into somebody else's: %v", err)
	}
	if left, err := os.ReadDir(staging); err != nil || len(left) != 2 || left[1].Name() != "thesis.txt" {
		t.Errorf("somebody else's has %v now: %v", left, err)
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

// A kill at any moment of a restore, also while it verifies, leaves nothing that the next one does not know as what a
// restore has left: that goes through, of a stream and of a repository.
func TestRestore_killedAtAnyMoment(t *testing.T) {
	db := newDatabase(t, 3000)
	whole := stream(t, db)
	repository := open(t, backup.NewFolder(filepath.Join(t.TempDir(), "repository")))
	made := create(t, repository, db, nil)
	for what, restore := range map[string]func(dir string, o *backup.RestoreOptions) error{
		"a stream": func(dir string, o *backup.RestoreOptions) error {
			_, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, o)
			return err
		},
		"a repository": func(dir string, o *backup.RestoreOptions) error {
			return repository.Restore(t.Context(), made.ID, dir, o)
		},
	} {
		base := t.TempDir()
		left, phases := 0, map[string]bool{}
		kill := func(phase string, _, _ int64) { // what is there now is what a kill leaves
			phases[phase] = true
			left++
			to := filepath.Join(base, fmt.Sprint(left))
			if err := os.CopyFS(to, os.DirFS(filepath.Join(base, "0"))); err != nil {
				t.Fatal(err)
			}
		}
		dir := func(n int) string { return filepath.Join(base, fmt.Sprint(n), "restored") }
		if err := os.Mkdir(filepath.Join(base, "0"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := restore(dir(0), &backup.RestoreOptions{Progress: kill}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for n := 1; n <= left; n++ {
			if _, err := os.Stat(dir(n)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, killed at moment %d: the target is there: %v", what, n, err)
			}
			_, err := lightningdb.Open(dir(n)+".restoring", &lightningdb.Options{MustExist: true})
			if !errors.Is(err, lightningdb.ErrNotDatabase) {
				t.Errorf("%s, killed at moment %d: what is left is opened: %v", what, n, err)
			}
			if err := restore(dir(n), nil); err != nil {
				t.Errorf("%s, after a kill at moment %d: %v", what, n, err)
				continue
			}
			mustHave(t, dir(n), 3000)
			if names := leftIn(t, dir(n)); names != nil {
				t.Errorf("%s, after a kill at moment %d: left is %v", what, n, names)
			}
		}
		if left < 4 || !phases["restore"] || !phases["verify"] {
			t.Errorf("%s: %d moments in phases %v: it was hardly tried", what, left, phases)
		}
	}
}

// Somebody may put something in the target while it is restored. That is refused, and what was restored is of use for
// the next one.
func TestRestore_whenTheTargetIsTakenMeanwhile(t *testing.T) {
	whole := stream(t, newDatabase(t, 3000))
	dir := filepath.Join(t.TempDir(), "restored")
	take := func(phase string, _, _ int64) {
		if phase == "verify" {
			err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir,
		&backup.RestoreOptions{Progress: take}); err == nil {
		t.Error("it was restored over somebody's file")
	}
	if _, err := os.Stat(filepath.Join(dir, "thesis.txt")); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, nil); err != nil {
		t.Errorf("the next one: %v", err)
	}
	mustHave(t, dir, 3000)
	if left := leftIn(t, dir); left != nil {
		t.Errorf("left is %v", left)
	}
}

// A checkpoint that has failed leaves a LOCK where it was to be. That is not in the way of a restore, unless somebody
// holds it: then something is about to be made there.
func TestRestore_whereSomethingHasFailed(t *testing.T) {
	db := newDatabase(t, 300)
	whole := stream(t, db)
	dir := filepath.Join(t.TempDir(), "restored")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Checkpoint(ended, dir, nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	taken, err := vfs.OpenDir(dir, vfs.OpenDirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := taken.Lock("LOCK", vfs.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, nil); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("while the lock is held: %v", err)
	}
	if err := errors.Join(lock.Close(), taken.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), bytes.NewReader(whole), dir, nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	mustHave(t, dir, 300)
	if left := leftIn(t, dir); left != nil {
		t.Errorf("left is %v", left)
	}
}
