package environment_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lightningdb"
	"lightningdb/internal/format/filename"
)

func raceToOpen(dir string) error {
	waitForStart()
	db, err := lightningdb.Open(dir, small())
	switch {
	case err == nil:
		fmt.Println("won")
	case errors.Is(err, lightningdb.ErrLocked):
		fmt.Println("lost")
	default:
		return err
	}
	waitForEnd() // winners keep it until all have tried
	if db != nil {
		return db.Close()
	}
	return nil
}

// waitForStart takes one byte from standard input.
func waitForStart() { os.Stdin.Read(make([]byte, 1)) }

func hold(dir string) error {
	db, err := lightningdb.Open(dir, small())
	if err != nil {
		return err
	}
	if err := db.Put([]byte("held"), []byte("yes")); err != nil {
		return err
	}
	fmt.Println("held")
	waitForEnd()
	return db.Close()
}

// Two processes that write one database destroy it.
func TestOpen_oneOfEightProcessesWins(t *testing.T) {
	rounds := 20
	if *full {
		rounds = 200
	}
	for round := range rounds {
		dir := newDatabase(t)
		if round%2 == 1 { // every other round they race to create it
			check(t, os.RemoveAll(dir))
		}
		var racers [8]*waiting
		for i := range racers {
			racers[i] = startWaiting(t, "race", dir)
		}
		for _, w := range racers {
			_, err := w.in.(interface{ Write([]byte) (int, error) }).Write([]byte{1})
			check(t, err)
		}
		won := 0
		for _, w := range racers {
			if w.hear(t) == "won" {
				won++
			}
		}
		if won != 1 {
			t.Fatalf("round %d: %d processes have the database open for writing", round, won)
		}
		for _, w := range racers {
			check(t, w.end())
		}
		if round%2 == 0 {
			expectValue(t, dir)
		}
	}
}

// An attempt that is refused would have changed the files of the process that is writing.
func TestOpen_loserTouchesNothing(t *testing.T) {
	dir := newDatabase(t)
	link := filepath.Join(t.TempDir(), "link")
	check(t, os.Symlink(dir, link))
	twin := t.TempDir() // another directory, with the same LOCK
	w := startWaiting(t, "hold", dir)
	w.hear(t)
	check(t, os.Link(filepath.Join(dir, "LOCK"), filepath.Join(twin, "LOCK")))
	before, err := fingerprint(dir, "")
	check(t, err)
	t.Chdir(filepath.Dir(dir))
	for _, path := range []string{dir, link, "db", "./../" + filepath.Base(filepath.Dir(dir)) + "/db/", twin} {
		for _, readOnly := range []bool{false, true} {
			if readOnly && path == twin {
				continue // there is no database to read in it
			}
			o := small()
			o.ReadOnly = readOnly
			if db, err := lightningdb.Open(path, o); !errors.Is(err, lightningdb.ErrLocked) {
				t.Errorf("Open(%s, read-only %v) = %v, %v", path, readOnly, db, err)
			}
		}
	}
	after, err := fingerprint(dir, "")
	check(t, err)
	if before != after {
		t.Errorf("the losers changed\n%sto\n%s", before, after)
	}
	check(t, w.end())
	expectValue(t, dir)
}

// A killed owner would lock everybody out until somebody removes a file.
func TestOpen_killedOwnerNeverBlocks(t *testing.T) {
	dir := newDatabase(t)
	for range 5 {
		w := startWaiting(t, "hold", dir)
		w.hear(t)
		check(t, w.cmd.Process.Kill())
		if err := w.end(); err == nil {
			t.Fatal("the owner ended well")
		}
		expectValue(t, dir)
	}
}

// Removing the lock file of a running database would let a second writer in.
func TestOpen_removedLockLetsNobodyIn(t *testing.T) {
	dir := newDatabase(t)
	w := startWaiting(t, "hold", dir)
	w.hear(t)
	for _, replace := range []func(path string) error{os.Remove,
		func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) }} {
		check(t, replace(filepath.Join(dir, "LOCK")))
		before, err := fingerprint(dir, "LOCK")
		check(t, err)
		if db, err := lightningdb.Open(dir, small()); !errors.Is(err, lightningdb.ErrLocked) {
			t.Fatalf("a second writer has the database open: %v, %v", db, err)
		}
		after, err := fingerprint(dir, "LOCK")
		check(t, err)
		if before != after {
			t.Errorf("the refused process changed\n%sto\n%s", before, after)
		}
	}
	check(t, w.end())
	expectValue(t, dir)
}

// The umask of a process would open the database to everybody, or close it to its owner.
func TestCreate_modesWhateverTheUmask(t *testing.T) {
	for _, child := range []string{"create", "umask none"} {
		dir := filepath.Join(t.TempDir(), "db")
		run(t, command(child, dir))
		expectMode(t, dir, 0o700)
		entries, err := os.ReadDir(dir)
		check(t, err)
		for _, e := range entries {
			expectMode(t, filepath.Join(dir, e.Name()), 0o600)
		}
		if len(entries) < 5 {
			t.Errorf("only %d files", len(entries))
		}
		expectValue(t, dir)
	}
}

// What a kill leaves under a umask is a table without any rights. Where a follower keeps it from being removed, the
// next salvage of the directory would fail at it, and so would a copy by hand.
func TestOpen_givesRightsBackToWhatAFollowerKeeps(t *testing.T) {
	dir, err := os.MkdirTemp("", "closed") // t.TempDir is closed to other users
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o777))
	cmd := command("closed table", filepath.Join(dir, "db"))
	if os.Getuid() == 0 { // who may read everything
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	program, err := os.ReadFile(os.Args[0])
	check(t, err)
	cmd.Path = filepath.Join(dir, "program") // the other user may not enter the directory of this one
	check(t, os.WriteFile(cmd.Path, program, 0o700))
	check(t, os.Chmod(cmd.Path, 0o755))
	cmd.Dir = dir
	run(t, cmd)
}

// openWithClosedTable opens a database with a table that nothing names, while somebody follows it.
func openWithClosedTable(dir string) error {
	if err := create(dir, 0); err != nil {
		return err
	}
	follower, err := lightningdb.OpenFollower(dir, nil)
	if err != nil {
		return err
	}
	defer follower.Close()
	names := []string{"000900.tbl", "000001.wal"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0); err != nil {
			return err
		}
	}
	db, err := lightningdb.Open(dir, small())
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := os.ReadFile(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("what the follower kept: %w", err)
		}
	}
	return nil
}

func expectMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %v, want %v", filepath.Base(path), got, want)
	}
}

// Whoever may write into the directory could have any file of the user overwritten.
func TestOpen_followsNoPlantedLink(t *testing.T) {
	names := []string{"CURRENT", "LOCK"}
	first, last := nextNumber(t), 0
	if last = first + 4; *full {
		first, last = 1, first+30
	}
	for n := first; n < last; n++ {
		names = append(names, fmt.Sprintf("MANIFEST-%06d", n), fmt.Sprintf("%06d.wal", n), fmt.Sprintf("%06d.tbl", n))
	}
	for _, name := range names {
		for _, inside := range []bool{false, true} {
			dir := newDatabase(t)
			canary := filepath.Join(t.TempDir(), "canary")
			if inside { // where the handle of the directory would not stop it
				canary = filepath.Join(dir, "canary")
			}
			check(t, os.WriteFile(canary, []byte("canary"), 0o644))
			os.Remove(filepath.Join(dir, name)) // it need not exist
			target := canary
			if inside {
				target = "canary"
			}
			check(t, os.Symlink(target, filepath.Join(dir, name)))
			err := create(dir, -1) // opens, writes, flushes, closes
			if data, err := os.ReadFile(canary); string(data) != "canary" || err != nil {
				t.Fatalf("link at %s: the canary is %q, %v", name, data, err)
			}
			if err != nil && !strings.Contains(err.Error(), strings.TrimSuffix(name, ".tmp")) {
				t.Errorf("link at %s: the error does not name it: %v", name, err)
			}
			expectMode(t, canary, 0o644)
		}
	}
}

// nextNumber is above the numbers of all files of a new database.
func nextNumber(t *testing.T) (next int) {
	t.Helper()
	entries, err := os.ReadDir(newDatabase(t))
	check(t, err)
	for _, e := range entries {
		_, num := filename.Parse(e.Name())
		next = max(next, int(num)+1)
	}
	return next
}

// A database whose directory is moved or removed would go on elsewhere, or begin an empty one in its place.
func TestOpen_directoryMovedOrRemoved(t *testing.T) {
	dir := newDatabase(t)
	db, err := lightningdb.Open(dir, small())
	check(t, err)
	moved := dir + ".moved"
	check(t, os.Rename(dir, moved))
	check(t, db.Put([]byte("moved"), []byte("along")))
	check(t, db.Flush())
	check(t, db.Close())
	if _, err := os.Lstat(dir); err == nil {
		t.Error("there is something in the place of the moved directory")
	}
	expectValue(t, moved)

	db, err = lightningdb.Open(moved, small())
	check(t, err)
	check(t, os.RemoveAll(moved))
	err = errors.Join(db.Put([]byte("k"), []byte("v")), db.Flush(), db.Close())
	if err == nil {
		t.Error("a removed database flushed and closed without an error")
	}
	if _, err := os.Lstat(moved); err == nil {
		t.Error("there is something in the place of the removed directory")
	}
}

// What a program prints would land in a file of the database.
func TestOpen_withoutStandardStreams(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	run(t, command("no streams", dir))
	expectValue(t, dir)
	entries, err := os.ReadDir(dir)
	check(t, err)
	for _, e := range entries {
		if data, err := os.ReadFile(filepath.Join(dir, e.Name())); err != nil || strings.Contains(string(data), printed) {
			t.Errorf("%s holds what was printed, or %v", e.Name(), err)
		}
	}
}

const printed = "a line on standard error"

func writeWithoutStreams(dir string) error {
	for fd := range 3 {
		if err := syscall.Close(fd); err != nil {
			return err
		}
	}
	db, err := lightningdb.Open(dir, small())
	if err != nil {
		return err
	}
	for fd := range 3 { // goes nowhere
		syscall.Write(fd, []byte(printed))
	}
	err = db.Put([]byte("key"), []byte("value"))
	for fd := range 3 {
		syscall.Write(fd, []byte(printed))
	}
	return errors.Join(err, db.Flush(), db.Close())
}
