package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
)

var _, _ backup.Source = (*lightningdb.DB)(nil), (*lightningdb.Follower)(nil)

// watched is a Store that counts bytes, and that fails from some call on.
type watched struct {
	backup.Store
	mu          sync.Mutex
	put, opened int64 // bytes of files/
	calls       int
	failFrom    int // 0 for never
}

var errDown = errors.New("the line is down")

func (w *watched) call() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.failFrom > 0 && w.calls >= w.failFrom {
		return errDown
	}
	return nil
}

func (w *watched) Put(ctx context.Context, name string, r io.Reader, size int64, mode backup.PutMode) error {
	if err := w.call(); err != nil {
		return err
	}
	err := w.Store.Put(ctx, name, r, size, mode)
	if err == nil && strings.HasPrefix(name, "files/") {
		w.mu.Lock()
		w.put += size
		w.mu.Unlock()
	}
	return err
}

func (w *watched) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := w.call(); err != nil {
		return nil, err
	}
	in, err := w.Store.Open(ctx, name)
	if err != nil || !strings.HasPrefix(name, "files/") {
		return in, err
	}
	return struct {
		io.Reader
		io.Closer
	}{readerFunc(func(p []byte) (int, error) {
		n, err := in.Read(p)
		w.mu.Lock()
		w.opened += int64(n)
		w.mu.Unlock()
		return n, err
	}), in}, nil
}

func (w *watched) List(ctx context.Context, prefix string) iter.Seq2[backup.Entry, error] {
	if err := w.call(); err != nil {
		return func(yield func(backup.Entry, error) bool) { yield(backup.Entry{}, err) }
	}
	return w.Store.List(ctx, prefix)
}

func open(t testing.TB, s backup.Store) *backup.Repository {
	t.Helper()
	r, err := backup.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func create(t testing.TB, r *backup.Repository, from backup.Source, o *backup.CreateOptions) *backup.Created {
	t.Helper()
	b, err := r.Create(t.Context(), from, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCreate_movesOnlyWhatIsNew(t *testing.T) {
	db := newDatabase(t, 20_000)
	w := &watched{Store: backup.NewFolder(filepath.Join(t.TempDir(), "repository"))}
	r := open(t, w)
	var done, total int64
	first := create(t, r, db, &backup.CreateOptions{Progress: func(d, of int64) {
		if d < done {
			t.Errorf("%d bytes after %d", d, done)
		}
		done, total = d, of
	}})
	if first.Moved.Bytes != w.put || first.Moved.Bytes < 200_000 || done != total || total != first.Bytes {
		t.Errorf("the first moved %d bytes, and says %d; progress %d of %d", w.put, first.Moved.Bytes, done, total)
	}
	w.put = 0
	fill(t, db, 20_000, 20_100, "")
	second := create(t, r, db, nil)
	if second.Moved.Bytes != w.put || w.put > first.Bytes/10 || second.Shared.Bytes+second.Moved.Bytes != second.Bytes {
		t.Errorf("the second moved %d bytes of %d, and says %+v", w.put, second.Bytes, second)
	}
	w.put = 0
	third := create(t, r, db, &backup.CreateOptions{ReadAll: true})
	if w.put > first.Bytes/10 || third.Shared.Files < second.Shared.Files {
		t.Errorf("all that was read moved %d bytes: %+v", w.put, third)
	}
	diff, err := r.Diff(t.Context(), first.ID, second.ID)
	if err != nil || diff.OnlyB != second.Moved || diff.Both != second.Shared || diff.OnlyA.Files == 0 {
		t.Errorf("Diff = %+v, %v; moved %+v, shared %+v", diff, err, second.Moved, second.Shared)
	}
	backups, err := r.List(t.Context())
	if err != nil || len(backups) != 3 || !slices.Contains(backups, first.Backup) {
		t.Errorf("List = %+v, %v", backups, err)
	}
	if err := r.Verify(t.Context(), &backup.VerifyOptions{ReadData: true}); err != nil {
		t.Error(err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if err := r.Restore(t.Context(), first.ID, dir, nil); err != nil {
		t.Error(err)
	}
	mustHave(t, dir, 20_000)
}

// contentOf is all of a database.
func contentOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	db, err := lightningdb.Open(dir, &lightningdb.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	content := make(map[string]string)
	for k, v := range db.Range(nil, nil).All() {
		content[string(k)] = string(v)
	}
	return content
}

// Whatever was backed up and pruned in between, each backup is the state that the database had then.
func TestRepository_restoresEachStateThatWasBackedUp(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	db := newDatabase(t, 0)
	r, err := backup.OpenFolder(filepath.Join(t.TempDir(), "repository"))
	if err != nil {
		t.Fatal(err)
	}
	now, states := map[string]string{}, map[string]map[string]string{}
	for range 30 {
		change(t, db, rng, now)
		states[create(t, r, db, nil).ID] = maps.Clone(now)
		if rng.IntN(3) == 0 {
			report, err := r.Prune(t.Context(), backup.PruneOptions{Keep: backup.Keep{Last: 1 + rng.IntN(8)}})
			if err != nil || len(report.Kept)+len(report.Removed) != len(states) {
				t.Fatalf("%+v, %v", report, err)
			}
			for _, b := range report.Removed {
				delete(states, b.ID)
			}
		}
		if rng.IntN(3) > 0 {
			continue
		}
		backups, err := r.List(t.Context())
		if err != nil || len(backups) != len(states) {
			t.Fatalf("%d backups of %d: %v", len(backups), len(states), err)
		}
		id := backups[rng.IntN(len(backups))].ID
		dir := filepath.Join(t.TempDir(), "restored")
		if err := r.Restore(t.Context(), id, dir, nil); err != nil {
			t.Fatal(err)
		}
		if got := contentOf(t, dir); !maps.Equal(got, states[id]) {
			t.Fatalf("backup %s has %d keys that are not the %d that were", id, len(got), len(states[id]))
		}
	}
	if err := r.Verify(t.Context(), &backup.VerifyOptions{ReadData: true}); err != nil {
		t.Error(err)
	}
}

// change changes a database and its model.
func change(t testing.TB, db *lightningdb.DB, rng *rand.Rand, model map[string]string) {
	t.Helper()
	var b lightningdb.Batch
	for range rng.IntN(2000) {
		k := fmt.Sprintf("key %05d", rng.IntN(5000))
		if rng.IntN(4) == 0 {
			b.Delete([]byte(k))
			delete(model, k)
			continue
		}
		v := strings.Repeat(fmt.Sprint(rng.IntN(1000)), 1+rng.IntN(20))
		if rng.IntN(50) == 0 {
			v = strings.Repeat(v, 200) // to a value file
		}
		b.Put([]byte(k), []byte(v))
		model[k] = v
	}
	err := db.Write(&b)
	if err == nil && rng.IntN(5) == 0 {
		err = db.Compact(t.Context(), nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A restore whose Store fails at any call leaves no database. The next one goes on with the files that are whole.
func TestRestore_goesOnAfterAFailureAtEveryCall(t *testing.T) {
	db := newDatabase(t, 1000)
	for lo := 1000; lo < 3000; lo += 200 { // many files
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
		fill(t, db, lo, lo+200, "")
	}
	folder := backup.NewFolder(filepath.Join(t.TempDir(), "repository"))
	made := create(t, open(t, folder), db, nil)
	for n, reused := 1, false; ; n++ {
		dir := filepath.Join(t.TempDir(), "restored")
		w := &watched{Store: folder}
		r := open(t, w)
		w.calls, w.failFrom = 0, n
		err := r.Restore(t.Context(), made.ID, dir, nil)
		if err == nil {
			if !reused {
				t.Error("no file was used again")
			}
			return
		}
		if !errors.Is(err, errDown) || n > 100 {
			t.Fatalf("call %d: %v", n, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("call %d: the target is there: %v", n, err)
		}
		w.failFrom, w.opened = 0, 0
		if err := r.Restore(t.Context(), made.ID, dir, nil); err != nil {
			t.Errorf("after a failure at call %d: %v", n, err)
		}
		reused = reused || w.opened < made.Bytes
		mustHave(t, dir, 3000)
		if left := leftIn(t, dir); left != nil {
			t.Errorf("call %d: left is %v", n, left)
		}
	}
}

// What is left of a restore may be of another backup, cut, or changed. Only what is whole is used.
func TestRestore_believesNothingThatIsLeft(t *testing.T) {
	db := newDatabase(t, 3000)
	r := open(t, backup.NewFolder(filepath.Join(t.TempDir(), "repository")))
	made := create(t, r, db, nil)
	whole := filepath.Join(t.TempDir(), "whole")
	if err := r.Restore(t.Context(), made.ID, whole, nil); err != nil {
		t.Fatal(err)
	}
	tables, _ := filepath.Glob(filepath.Join(whole, "*.tbl"))
	if len(tables) == 0 {
		t.Fatal("there is no table")
	}
	table := filepath.Base(tables[0])
	for what, leave := range map[string]func(staging string) error{
		"a changed byte": func(s string) error { return flip(filepath.Join(s, table)) },
		"a cut file":     func(s string) error { return os.Truncate(filepath.Join(s, table), 10) },
		"another table":  func(s string) error { return os.WriteFile(filepath.Join(s, "999999.tbl"), []byte("x"), 0o600) },
		"a log":          func(s string) error { return os.WriteFile(filepath.Join(s, "999999.wal"), []byte("x"), 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "restored")
		staging := filepath.Join(dir+".restoring", "database")
		err := os.CopyFS(staging, os.DirFS(whole))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir+".restoring", "UNFINISHED"), nil, 0o600)
		}
		if err = errors.Join(err, leave(staging)); err != nil {
			t.Fatal(err)
		}
		if err := r.Restore(t.Context(), made.ID, dir, nil); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		mustHave(t, dir, 3000)
		if _, err := os.Stat(filepath.Join(dir, "999999.tbl")); err == nil {
			t.Errorf("%s: it is in the database", what)
		}
	}
}

// A restore that was killed before its rename has left a database. It is not in the way of the next one; somebody
// else's is.
func TestRestore_takesOverWhatIsCompleteAndNothingElse(t *testing.T) {
	db := newDatabase(t, 3000)
	r := open(t, backup.NewFolder(filepath.Join(t.TempDir(), "repository")))
	made := create(t, r, db, nil)
	dir := filepath.Join(t.TempDir(), "restored")
	if err := r.Restore(t.Context(), made.ID, dir, nil); err != nil {
		t.Fatal(err)
	}
	err := os.Mkdir(dir+".restoring", 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir+".restoring", "UNFINISHED"), nil, 0o600)
	}
	if err = errors.Join(err, os.Rename(dir, filepath.Join(dir+".restoring", "database"))); err != nil {
		t.Fatal(err)
	}
	if err := r.Restore(t.Context(), made.ID, dir, nil); err != nil {
		t.Errorf("after a complete one: %v", err)
	}
	mustHave(t, dir, 3000) // and is another database from now on, because that has opened it
	if err := os.Rename(dir, dir+".restoring"); err != nil {
		t.Fatal(err)
	}
	if err := r.Restore(t.Context(), made.ID, dir, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over somebody's database: %v", err)
	}
	mustHave(t, dir+".restoring", 3000)
}

// What was copied over hours would be copied again because somebody was in a hurry at the end.
func TestRestore_keepsWhatWasCopiedIfTheVerificationIsInterrupted(t *testing.T) {
	db := newDatabase(t, 3000)
	r := open(t, backup.NewFolder(filepath.Join(t.TempDir(), "repository")))
	made := create(t, r, db, nil)
	for _, drill := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "restored")
		ctx, cancel := context.WithCancel(t.Context())
		err := r.Restore(ctx, made.ID, dir, &backup.RestoreOptions{VerifyOnly: drill,
			Progress: func(phase string, _, _ int64) {
				if phase == "verify" {
					cancel()
				}
			}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted: %v", err)
		}
		tables, _ := filepath.Glob(filepath.Join(dir+".restoring", "*", "*.tbl"))
		if drill != (len(tables) == 0) || drill == isUnfinished(dir+".restoring") {
			t.Errorf("drill %v: it left %q", drill, tables)
		}
		if err := r.Restore(t.Context(), made.ID, dir, nil); err != nil {
			t.Errorf("drill %v: after it: %v", drill, err)
		}
		mustHave(t, dir, 3000)
	}
}

// The last line of a list is taken for the newest backup, also after two in a hurry.
func TestList_isInTheOrderOfTheCommits(t *testing.T) {
	db := newDatabase(t, 1)
	r := open(t, backup.NewFolder(filepath.Join(t.TempDir(), "repository")))
	for i := range 8 {
		fill(t, db, i, i+1, "")
		create(t, r, db, nil)
	}
	all, err := r.List(t.Context())
	if err != nil || len(all) != 8 {
		t.Fatal(len(all), err)
	}
	for i, b := range all[1:] {
		if b.Sequence <= all[i].Sequence || b.Time.Before(all[i].Time) {
			t.Errorf("commit %d of %v is listed behind %d of %v", b.Sequence, b.Time, all[i].Sequence, all[i].Time)
		}
	}
}

// isUnfinished reports whether nobody takes a directory for a database.
func isUnfinished(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "UNFINISHED"))
	return err == nil
}

// A kill while a restore verifies would leave what passes for a database, verified or not, and what no later restore
// dares to remove.
func TestRestore_isNoDatabaseUntilItWasVerified(t *testing.T) {
	db := newDatabase(t, 3000)
	r := open(t, backup.NewFolder(filepath.Join(t.TempDir(), "repository")))
	made := create(t, r, db, nil)
	for what, restore := range map[string]func(dir string, o *backup.RestoreOptions) error{
		"a repository": func(dir string, o *backup.RestoreOptions) error {
			return r.Restore(t.Context(), made.ID, dir, o)
		},
		"a stream": func(dir string, o *backup.RestoreOptions) error {
			_, err := backup.Restore(t.Context(), bytes.NewReader(stream(t, db)), dir, o)
			return err
		},
	} {
		dir := filepath.Join(t.TempDir(), "restored")
		verified, unfinished := 0, true
		err := restore(dir, &backup.RestoreOptions{Progress: func(phase string, _, _ int64) {
			if phase == "verify" {
				verified++
				unfinished = unfinished && isUnfinished(dir+".restoring")
			}
		}})
		if err != nil || verified == 0 || !unfinished || isUnfinished(dir) {
			t.Errorf("%s: told %d times, with the mark: %v, %v", what, verified, unfinished, err)
		}
		mustHave(t, dir, 3000)
	}
}

// flip changes a byte of a file.
func flip(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	content[len(content)/2] ^= 1
	return os.WriteFile(name, content, 0o600)
}

// Backups that are whole do not bring back the last hour, if what was archived since is damaged.
func TestVerify_readsTheArchive(t *testing.T) {
	place := filepath.Join(t.TempDir(), "repository")
	r := open(t, backup.NewFolder(place))
	db, err := lightningdb.Open(filepath.Join(t.TempDir(), "db"), &lightningdb.Options{Archive: backup.NewArchive(r),
		ArchiveInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 20 || db.Metrics().Archive.Pieces < 3; i++ {
		if err := db.Put([]byte("key"), fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	all := &backup.VerifyOptions{ReadData: true}
	var done, total int64
	all.Progress = func(d, t int64) { done, total = d, t }
	if err := r.Verify(t.Context(), all); err != nil || done != total {
		t.Errorf("verify: %v, %d bytes of %d", err, done, total)
	}
	pieces, _ := filepath.Glob(filepath.Join(place, "archive", "*", "*", "*"))
	for _, piece := range pieces {
		content, err := os.ReadFile(piece)
		if err != nil {
			t.Fatal(err)
		}
		if err := flip(piece); err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(t.Context(), nil); err != nil {
			t.Errorf("without reading: %v", err)
		}
		if err := r.Verify(t.Context(), all); !errors.Is(err, backup.ErrBadPiece) ||
			!strings.Contains(err.Error(), filepath.Base(piece)) {
			t.Errorf("%s was changed, and verify says: %v", piece, err)
		}
		if err := os.WriteFile(piece, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What is wrong in a repository is named, with the backup and the file, and never restored. What is missing is there
// again after the next backup.
func TestVerify_namesAllDamage(t *testing.T) {
	db := newDatabase(t, 3000)
	repository := filepath.Join(t.TempDir(), "repository")
	r := open(t, backup.NewFolder(repository))
	made := create(t, r, db, nil)
	stored, _ := filepath.Glob(filepath.Join(repository, "files", "*", "*"))
	largest := slices.MaxFunc(stored, func(a, b string) int { return int(size(t, a) - size(t, b)) })
	original, err := os.ReadFile(largest)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what     string
		readData bool
		do       func() error
	}{
		{"is missing", false, func() error { return os.Remove(largest) }},
		{"bytes of", false, func() error { return os.WriteFile(largest, original[:100], 0o600) }},
		{"bytes of", false, func() error { return os.WriteFile(largest, append(original, 0), 0o600) }},
		{"was changed", true, func() error { return flip(largest) }},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		err := r.Verify(t.Context(), &backup.VerifyOptions{ReadData: c.readData})
		if !errors.Is(err, backup.ErrBadBackup) || !strings.Contains(err.Error(), made.ID) ||
			!strings.Contains(err.Error(), filepath.Base(largest)) || !strings.Contains(err.Error(), c.what) {
			t.Errorf("%s: verify: %v", c.what, err)
		}
		dir := filepath.Join(t.TempDir(), "restored")
		if err := r.Restore(t.Context(), made.ID, dir, nil); !errors.Is(err, backup.ErrBadBackup) {
			t.Errorf("%s: restore: %v", c.what, err)
		}
		if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) > 0 {
			t.Errorf("%s: it left %v, %v", c.what, left, err)
		}
		if !c.readData { // it shows without being read, so the next backup brings it back for both
			create(t, r, db, nil)
			if err := r.Verify(t.Context(), &backup.VerifyOptions{ReadData: true}); err != nil {
				t.Errorf("%s, after another backup: %v", c.what, err)
			}
		}
		if err := os.WriteFile(largest, original, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func size(t testing.TB, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// A folder of something else is never taken for a repository, and what is not ours in one never removed.
func TestRepository_touchesNothingThatIsNotOurs(t *testing.T) {
	db := newDatabase(t, 100)
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.OpenFolder(other); !errors.Is(err, backup.ErrNotRepository) {
		t.Errorf("OpenFolder: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "a", "repository")
	r, err := backup.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.List(t.Context()); !errors.Is(err, backup.ErrNotRepository) {
		t.Errorf("List of nothing: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it was made to be looked at: %v", err)
	}
	create(t, r, db, nil)
	foreign := []string{"thesis.txt", "files/00/thesis", "backups/x.json", "leases/x", "uploads/x", "beats/.x", "prunes/y"}
	for _, name := range foreign {
		name := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	report, err := r.Prune(t.Context(), backup.PruneOptions{Keep: backup.Keep{Last: 1}, DryRun: true})
	if err != nil || report.Freed.Files > 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := r.Verify(t.Context(), nil); err == nil {
		t.Error("Verify says nothing")
	} else {
		for _, name := range foreign {
			if !strings.Contains(err.Error(), name+" is no file") {
				t.Errorf("Verify does not name %s: %v", name, err)
			}
		}
	}
}

// A dry run says what would be, and does nothing.
func TestPrune_dryRunRemovesNothing(t *testing.T) {
	db := newDatabase(t, 100)
	r := open(t, backup.NewFolder(filepath.Join(t.TempDir(), "repository")))
	create(t, r, db, nil)
	fill(t, db, 100, 200, "")
	last := create(t, r, db, nil)
	keep := backup.Keep{Last: 1}
	dry, err := r.Prune(t.Context(), backup.PruneOptions{Keep: keep, DryRun: true})
	if backups, _ := r.List(t.Context()); err != nil || len(backups) != 2 || dry.Freed.Files == 0 {
		t.Errorf("%d backups, %+v, %v", len(backups), dry, err)
	}
	done, err := r.Prune(t.Context(), backup.PruneOptions{Keep: keep})
	if err != nil || done.Freed != dry.Freed || len(done.Removed) != 1 || done.Kept[0] != last.Backup {
		t.Errorf("%+v, %v; dry %+v", done, err, dry)
	}
	if _, err := r.Prune(t.Context(), backup.PruneOptions{}); err == nil {
		t.Error("nothing would be kept")
	}
}

// Damage is not handed on: the backups before stay, and the new one is refused.
func TestCreate_refusesDamage(t *testing.T) {
	db := newDatabase(t, 3000)
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	tables, _ := filepath.Glob(filepath.Join(db.Path(), "*.tbl"))
	if len(tables) == 0 {
		t.Fatal("there is no table")
	}
	content, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/3] ^= 1
	file, err := os.OpenFile(tables[0], os.O_WRONLY, 0)
	if err == nil {
		_, err = io.Copy(file, bytes.NewReader(content)) // in place: the database has it open
	}
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	r := open(t, backup.NewFolder(filepath.Join(t.TempDir(), "repository")))
	var damage *lightningdb.CorruptionError
	if _, err := r.Create(t.Context(), db, nil); !errors.As(err, &damage) {
		t.Errorf("create: %v", err)
	}
	if backups, err := r.List(t.Context()); err != nil || len(backups) > 0 {
		t.Errorf("%v, %v", backups, err)
	}
}
