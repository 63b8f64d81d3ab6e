package environment_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lightningdb"
)

// A database on a medium that cannot be written could not be read, or a reader would try to repair it.
func TestReadOnlyMount_isReadAndNeverChanged(t *testing.T) {
	needNamespaces(t)
	dir := newDatabase(t)
	before, err := fingerprint(dir, "")
	check(t, err)
	run(t, namespace(command("read-only", dir)))
	after, err := fingerprint(dir, "")
	check(t, err)
	if before != after {
		t.Errorf("the medium changed\n%sto\n%s", before, after)
	}
}

func openOnReadOnlyMount(dir string) error {
	if err := syscall.Mount(dir, dir, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind mount: %w", err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	if db, err := lightningdb.Open(dir, small()); !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("open for writing = %v, %v", db, err)
	}
	o := small()
	o.ReadOnly = true
	db, err := lightningdb.Open(dir, o)
	if err != nil {
		return err
	}
	if v, err := db.Get([]byte("key")); string(v) != "value" {
		return fmt.Errorf("key = %q, %v", v, err)
	}
	return db.Close()
}

// A full disk would lose what was acknowledged, stop reads, or stop writes for good.
func TestFullDisk_writesResumeWhenThereIsSpace(t *testing.T) {
	needNamespaces(t)
	t.Log(run(t, namespace(command("full disk", t.TempDir()))))
}

// fillDisk mounts a small disk on dir, has a process fill it and go on, kills that, and looks at what it has left. The
// disk ends with the namespace, so all of it happens here.
func fillDisk(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	child := command("fill", dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	var full, acked int
	_, said := fmt.Fscan(out, &full, &acked)
	err = errors.Join(said, child.Process.Kill())
	child.Wait() // killed
	if err != nil {
		return err
	}
	fmt.Printf("full after %d puts, killed after %d", full, acked)
	return checkPuts(filepath.Join(dir, "db"), acked)
}

// fillAndGoOn reports the number of puts when the disk was full and at the end, and goes on until it is killed.
func fillAndGoOn(dir string) error {
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		return err
	}
	db, err := lightningdb.Open(filepath.Join(dir, "db"), small())
	if err != nil {
		return err
	}
	n, err := putUntilError(db, 0, 1<<20)
	if !errors.Is(err, lightningdb.ErrNoSpace) {
		return fmt.Errorf("the full disk shows as %v after %d puts", err, n)
	}
	if errors.Is(err, lightningdb.ErrReadOnly) || errors.Is(err, lightningdb.ErrCommitUnknown) {
		return fmt.Errorf("the full disk stopped writes for good: %w", err)
	}
	atFull := n
	if err := expectPuts(db, n); err != nil {
		return fmt.Errorf("with the disk full: %w", err)
	}
	if err := os.Remove(ballast); err != nil {
		return err
	}
	if err := db.Flush(); err != nil { // does not wait until the flusher tries again
		return fmt.Errorf("flush with space again: %w", err)
	}
	if n, err = putUntilError(db, n, n+100); err != nil {
		return fmt.Errorf("put %d with space again: %w", n, err)
	}
	if err := expectPuts(db, n); err != nil {
		return err
	}
	fmt.Println(atFull, n)
	for {
		if err := db.Put([]byte("more"), nil); err != nil {
			return err
		}
	}
}

func put(n int) (key, value []byte) {
	value = make([]byte, 3000)
	for i, x := 0, uint32(n+1); i < len(value); i++ { // incompressible enough
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		value[i] = byte(x)
	}
	return fmt.Appendf(nil, "%08d", n), value
}

// putUntilError puts from, from+1, ... before to, and returns the first that was not acknowledged.
func putUntilError(db *lightningdb.DB, from, to int) (int, error) {
	for n := from; n < to; n++ {
		if err := db.Put(put(n)); err != nil {
			return n, err
		}
	}
	return to, nil
}

func expectPuts(db *lightningdb.DB, n int) error {
	for i := range n {
		k, want := put(i)
		if v, err := db.Get(k); err != nil || !bytes.Equal(v, want) {
			return fmt.Errorf("put %d of %d: %d bytes, %w", i, n, len(v), err)
		}
	}
	return nil
}

// A limit of file sizes would kill the process, or be taken for damage.
func TestFileSizeLimit_isAnErrorThatPasses(t *testing.T) {
	run(t, command("file size", filepath.Join(t.TempDir(), "db")))
}

func writeOverFileLimit(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	db, err := lightningdb.Open(dir, small())
	if err != nil {
		return err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	limit := old
	limit.Cur = 200 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	n, err := putUntilError(db, 0, 1000)
	if !errors.Is(err, lightningdb.ErrNoSpace) || errors.Is(err, lightningdb.ErrReadOnly) {
		return fmt.Errorf("put %d at the limit = %w", n, err)
	}
	if err := expectPuts(db, n); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	if n, err = putUntilError(db, n, n+500); err != nil {
		return fmt.Errorf("put %d without the limit: %w", n, err)
	}
	return errors.Join(expectPuts(db, n), db.Close(), checkPuts(dir, n))
}

// checkPuts opens a database and looks for the first n puts.
func checkPuts(dir string, n int) error {
	db, err := lightningdb.Open(dir, small())
	if err != nil {
		return err
	}
	return errors.Join(expectPuts(db, n), db.Close())
}

// A program that runs out of descriptors would lose data, or the database for good.
func TestDescriptorLimit_isAnErrorThatPasses(t *testing.T) {
	step := 24
	if *full {
		step = 4
	}
	for limit := 16; limit <= 64; limit += step {
		cmd := command("files", filepath.Join(t.TempDir(), "db"))
		cmd.Env = append(cmd.Env, fmt.Sprintf("LIMIT=%d", limit))
		t.Log(limit, run(t, cmd))
	}
}

func runOutOfDescriptors(dir string) error {
	var limit uint64
	if _, err := fmt.Sscan(os.Getenv("LIMIT"), &limit); err != nil {
		return err
	}
	db, err := lightningdb.Open(dir, small())
	if err != nil {
		return err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		return err
	}
	tight := old
	tight.Cur = limit
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &tight); err != nil {
		return err
	}
	var taken []*os.File // all descriptors that are left
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	n, failed := putUntilError(db, 0, 2000)
	if failed == nil || !errors.Is(failed, syscall.EMFILE) {
		return fmt.Errorf("%d puts without a descriptor end with %v", n, failed)
	}
	if err := expectPuts(db, n); err != nil {
		return fmt.Errorf("without a descriptor: %w", err)
	}
	if _, err := lightningdb.Open(dir+"2", small()); err == nil || strings.Contains(err.Error(), "corrupt") {
		return fmt.Errorf("open without a descriptor = %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		return err
	}
	for _, f := range taken {
		f.Close()
	}
	if err := db.Flush(); err != nil { // does not wait until the flusher tries again
		return fmt.Errorf("flush with descriptors again, after %w: %w", failed, err)
	}
	again, err := putUntilError(db, n, n+300)
	if err != nil {
		return fmt.Errorf("put %d with descriptors again: %w", again, err)
	}
	fmt.Printf("%d descriptors taken, %d puts without, %d in the end", len(taken), n, again)
	return errors.Join(expectPuts(db, again), db.Close(), checkPuts(dir, again))
}

// Where an overwritten block takes new space, in btrfs, and in XFS after the log was copied by reference, a full disk
// would stop writes for good.
func TestFullDisk_whereOverwritingTakesSpace(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: it fills a disk of 320 MB")
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: only root mounts a file system in a file")
	}
	for _, kind := range []string{"btrfs", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			if _, err := exec.LookPath("mkfs." + kind); err != nil {
				t.Skipf("SKIPPED: %v", err)
			}
			cmd := command("copied blocks", t.TempDir())
			cmd.Env = append(cmd.Env, "KIND="+kind)
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS} // the mount ends with the process
			out := run(t, cmd)
			if strings.HasPrefix(out, "SKIPPED") {
				t.Skip(out)
			}
			t.Log(out)
		})
	}
}

func fillCopiedBlocks(dir string) error {
	image, disk, kind := filepath.Join(dir, "image"), filepath.Join(dir, "disk"), os.Getenv("KIND")
	err := errors.Join(syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		os.WriteFile(image, nil, 0o600), os.Truncate(image, 320<<20), os.Mkdir(disk, 0o700))
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"mkfs." + kind, "-q", image}, {"mount", "-o", "loop", image, disk}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			fmt.Printf("SKIPPED: this machine does not do it: %v: %v %s", args, err, out)
			return nil
		}
	}
	for _, durability := range []lightningdb.Durability{lightningdb.Sync, lightningdb.Process} {
		if err := fillAndResume(disk, durability); err != nil {
			return fmt.Errorf("%s, durability %v: %w", kind, durability, err)
		}
	}
	return nil
}

// fillAndResume fills the disk of a database whose log has been copied by reference, and goes on when there is space.
func fillAndResume(disk string, durability lightningdb.Durability) error {
	dir, ballast := filepath.Join(disk, fmt.Sprint("db", durability)), filepath.Join(disk, "ballast")
	o := small()
	o.Durability, o.LogLimit = durability, 24<<20 // so that the disk is full before the log is
	db, err := lightningdb.Open(dir, o)
	if err != nil {
		return err
	}
	n, err := putUntilError(db, 0, 500)
	if err != nil {
		return err
	}
	logs, _ := filepath.Glob(filepath.Join(dir, "*.wal"))
	for i, log := range logs {
		exec.Command("cp", "--reflink=always", log, fmt.Sprint(dir, ".copy", i)).Run() // where it cannot, it needs not
	}
	if err := fill(ballast); err != nil {
		return err
	}
	atFull := n
	for range 3 { // what is left of one refused put is in the way of the next
		atFull, err = putUntilError(db, atFull, 1<<20)
		if !errors.Is(err, lightningdb.ErrNoSpace) || errors.Is(err, lightningdb.ErrReadOnly) ||
			errors.Is(err, lightningdb.ErrCommitUnknown) {
			return fmt.Errorf("the full disk shows as %w after %d puts", err, atFull)
		}
	}
	if err := errors.Join(expectPuts(db, atFull), os.Remove(ballast)); err != nil {
		return err
	}
	syscall.Sync() // a file system may give space back only then
	if err := db.Flush(); err != nil {
		return fmt.Errorf("flush with space again: %w", err)
	}
	if n, err = putUntilError(db, atFull, atFull+100); err != nil {
		return fmt.Errorf("put %d with space again: %w", n, err)
	}
	fmt.Printf("durability %v: full after %d puts, %d in the end\n", durability, atFull, n)
	return errors.Join(db.Close(), checkPuts(dir, n))
}

// fill writes a file until not one more block fits.
func fill(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for _, piece := range []int{1 << 20, 4 << 10} {
		for err = nil; err == nil; {
			_, err = f.Write(bytes.Repeat([]byte("ballast!"), piece/8))
		}
		f.Sync()
	}
	return f.Close()
}
