package environment_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"lightningdb"
)

// reserved are options with a reserve of 8 MiB.
func reserved() *lightningdb.Options {
	o := small()
	o.DiskLimit = 64 << 20
	return o
}

// A full disk would be the end of a database: too full to open it, and too full to delete from it.
func TestFullDisk_deletesAndOpensWithAReserve(t *testing.T) {
	needNamespaces(t)
	t.Log(run(t, namespace(command("reserve", t.TempDir()))))
}

// openOnFullDisk mounts a small disk on dir, has a process write there, fills the disk from outside to the last byte,
// kills the process, and goes on with what it has left.
func openOnFullDisk(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=40m"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	path := filepath.Join(dir, "db")
	child := command("fill by hand", path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	var acked int
	_, said := fmt.Fscan(out, &acked)
	if said == nil {
		said = fill(filepath.Join(dir, "ballast"))
	}
	err = errors.Join(said, child.Process.Kill())
	child.Wait() // killed
	if err != nil {
		return err
	}
	return deleteOnFullDisk(path, acked)
}

// putUntilKilled puts some MB, reports how many puts that were, and waits to be killed.
func putUntilKilled(path string) error {
	db, err := lightningdb.Open(path, reserved())
	if err != nil {
		return err
	}
	n, err := putUntilError(db, 0, 4000)
	if err != nil {
		return err
	}
	fmt.Println(n)
	select {}
}

// deleteOnFullDisk opens the database of n puts, fills what its reserve has left of the disk, deletes, and puts again.
func deleteOnFullDisk(path string, n int) error {
	db, err := lightningdb.Open(path, reserved())
	if err != nil {
		return fmt.Errorf("open on the full disk: %w", err)
	}
	if err := expectPuts(db, n); err != nil {
		return err
	}
	more, err := putUntilError(db, n, 1<<20)
	if !errors.Is(err, lightningdb.ErrNoSpace) || errors.Is(err, lightningdb.ErrReadOnly) {
		return fmt.Errorf("%d puts on the full disk end with %w", more-n, err)
	}
	if m := db.Metrics().Disk; m.Reserve != 0 || m.Refusing == "" {
		return fmt.Errorf("puts are refused, and the metrics show %+v", m)
	}
	kept := more / 8
	for i := kept; i < more; i++ {
		k, _ := put(i)
		if err := db.Delete(k); err != nil {
			return fmt.Errorf("delete %d of %d on the full disk: %w", i, more, err)
		}
	}
	deadline := time.Now().Add(time.Minute)
	for err = db.Put(put(kept)); errors.Is(err, lightningdb.ErrNoSpace) && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond) // until compactions have returned the space, and the reserve is made again
		err = db.Put(put(kept))
	}
	if err != nil {
		return fmt.Errorf("put after the deletes: %w; %+v", err, db.Metrics().Disk)
	}
	if m := db.Metrics().Disk; m.Reserve == 0 || m.Refusing != "" {
		return fmt.Errorf("puts are accepted, and the metrics show %+v", m)
	}
	fmt.Printf("%d puts, %d more on the full disk, and all but %d deleted there\n", n, more-n, kept)
	return errors.Join(expectPuts(db, kept+1), db.Close(), checkPuts(path, kept+1))
}
