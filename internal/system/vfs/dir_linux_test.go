package vfs_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lightningdb/internal/system/vfs"

	"golang.org/x/sys/unix"
)

// children are what the test binary does instead of testing when it is started with childVariable set to a name.
// They get the directory as argument, and report with a line on standard output or by failing.
var children = map[string]func(dir string) error{
	"hold exclusive": func(dir string) error { return holdLock(dir, vfs.OpenDirOptions{}, vfs.Exclusive) },
	"hold shared": func(dir string) error {
		return holdLock(dir, vfs.OpenDirOptions{ReadOnly: true}, vfs.Shared)
	},
	"race":                      raceForLock,
	"no permissions":            createWithUmask(0o777),
	"all permissions":           createWithUmask(0),
	"standard streams":          createWithoutStreams,
	"file size limit":           writeOverLimit,
	"nobody":                    openAsNobody,
	"killed under a umask":      openWhatAUmaskClosed,
	"directories under a umask": openDirectoriesThatAUmaskClosed,
	"blind parent":              createInUnreadable,
	"store and die":             storeAndDie,
	"store through":             storeThrough,
}

const childVariable = "VFS_TEST_CHILD"

func TestMain(m *testing.M) {
	child, ok := children[os.Getenv(childVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func startChild(t *testing.T, name, dir string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0], dir)
	// The race detector sleeps a second before a program ends, unless it is told not to.
	cmd.Env = append(os.Environ(), childVariable+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // children that wait do so for its end
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // the test may have waited
	})
	return cmd, bufio.NewReader(stdout)
}

// runChild runs a child to its end and fails the test if it failed.
func runChild(t *testing.T, name, dir string) {
	t.Helper()
	cmd, stdout := startChild(t, name, dir)
	var out bytes.Buffer
	_, err := stdout.WriteTo(&out)
	check(t, err)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("child %q: %v %s", name, err, out.String())
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holdLock takes the lock, says so, and keeps it until standard input ends.
func holdLock(dir string, o vfs.OpenDirOptions, mode vfs.LockMode) error {
	d, err := vfs.OpenDir(dir, o)
	if err != nil {
		return err
	}
	if _, err := d.Lock("LOCK", mode); err != nil {
		return err
	}
	if mode == vfs.Exclusive {
		f, err := d.OpenReadWrite("LOCK")
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(fmt.Appendf(nil, "%d %032x program   \n", os.Getpid(), 0), 0); err != nil { // as a writer does
			return err
		}
	}
	fmt.Println("locked")
	_, err = bufio.NewReader(os.Stdin).ReadString('\n')
	if err.Error() != "EOF" {
		return err
	}
	return nil
}

func raceForLock(dir string) error {
	d, err := vfs.OpenDir(dir, vfs.OpenDirOptions{})
	if err != nil {
		return err
	}
	_, err = d.Lock("LOCK", vfs.Exclusive)
	switch {
	case err == nil:
		fmt.Println("won")
	case errors.Is(err, vfs.ErrLocked):
		fmt.Println("lost")
	default:
		return err
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // winners keep the lock until all have tried
	return nil
}

func waitFor(t *testing.T, out *bufio.Reader, want string) {
	t.Helper()
	if line, err := out.ReadString('\n'); strings.TrimSpace(line) != want {
		t.Fatalf("child says %q, %v, want %q", line, err, want)
	}
}

func wantLocked(t *testing.T, d vfs.FS, mode vfs.LockMode, owner string) {
	t.Helper()
	l, err := d.Lock("LOCK", mode)
	if err == nil {
		l.Close()
	}
	if !errors.Is(err, vfs.ErrLocked) || !strings.Contains(err.Error(), owner) {
		t.Fatalf("Lock = %v, want ErrLocked naming %q", err, owner)
	}
}

// Two writers in one directory destroy it; an owner that died must not keep everybody out.
func TestLock_otherProcess(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir, vfs.OpenDirOptions{})
	cmd, out := startChild(t, "hold exclusive", dir)
	waitFor(t, out, "locked")
	owner := fmt.Sprintf("process %d (program)", cmd.Process.Pid)
	wantLocked(t, d, vfs.Exclusive, owner)
	wantLocked(t, d, vfs.Shared, owner)
	wantLocked(t, openDir(t, dir, vfs.OpenDirOptions{ReadOnly: true}), vfs.Shared, owner)
	check(t, cmd.Process.Kill())
	_ = cmd.Wait() // "signal: killed"
	l, err := d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	check(t, l.Close())
}

// A writer deletes files under a reader that it does not see.
func TestLock_readerInOtherProcess(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir, vfs.OpenDirOptions{})
	l, err := d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	check(t, l.Close())
	_, out := startChild(t, "hold shared", dir)
	waitFor(t, out, "locked")
	wantLocked(t, d, vfs.Exclusive, "reads it")
	l, err = d.Lock("LOCK", vfs.Shared)
	check(t, err)
	check(t, l.Close())
}

// Two winners of one race are two writers.
func TestLock_oneWinnerOfARace(t *testing.T) {
	for range 5 {
		dir := t.TempDir()
		won := 0
		var outs []*bufio.Reader
		for range 6 {
			_, out := startChild(t, "race", dir)
			outs = append(outs, out)
		}
		for _, out := range outs {
			line, err := out.ReadString('\n')
			check(t, err)
			if line == "won\n" {
				won++
			}
		}
		if won != 1 {
			t.Fatalf("%d processes won the lock", won)
		}
	}
}

// The same directory under another name is the same database.
func TestLock_otherPathSameProcess(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "db")
	d := openDir(t, dir, vfs.OpenDirOptions{Create: true})
	l, err := d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	defer l.Close()

	check(t, os.Symlink("db", filepath.Join(base, "link")))
	check(t, os.Mkdir(filepath.Join(base, "twin"), 0o700))
	check(t, os.Link(filepath.Join(dir, "LOCK"), filepath.Join(base, "twin", "LOCK")))
	t.Chdir(base)
	for _, path := range []string{"db", "link", "twin", base + "/../" + filepath.Base(base) + "/db"} {
		wantLocked(t, openDir(t, path, vfs.OpenDirOptions{}), vfs.Exclusive, fmt.Sprint(os.Getpid()))
	}
}

// Text of an earlier owner must not decide; what the file says is the writer's business, not the lock's.
func TestLock_fileContentIsInformationOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "LOCK")
	check(t, os.WriteFile(path, []byte("1234567890123\n"), 0o600))
	d := openDir(t, dir, vfs.OpenDirOptions{})
	shared, err := d.Lock("LOCK", vfs.Shared)
	check(t, err)
	wantLockText(t, path, "1234567890123\n")
	check(t, shared.Close())
	l, err := d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	wantLockText(t, path, "1234567890123\n")
	check(t, l.Close())
	wantLockText(t, path, "1234567890123\n")
}

func wantLockText(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); string(got) != want || err != nil {
		t.Fatalf("lock file holds %q, %v, want %q", got, err, want)
	}
}

// A lock on a file that nobody else can find any more excludes nobody: the next one must see the new file, and
// anything planted in its place must be refused.
func TestLock_refusesWhatIsNoFile(t *testing.T) {
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			dir, canary := t.TempDir(), filepath.Join(t.TempDir(), "canary")
			check(t, os.WriteFile(canary, []byte("alive"), 0o600))
			check(t, plant(filepath.Join(dir, "LOCK"), canary))
			if _, err := openDir(t, dir, vfs.OpenDirOptions{}).Lock("LOCK", vfs.Exclusive); err == nil {
				t.Error("locked")
			}
			wantLockText(t, canary, "alive")
		})
	}
}

// plants put something that is no regular file at path; links lead to canary.
var plants = map[string]func(path, canary string) error{
	"link out of the directory": func(path, canary string) error { return os.Symlink(canary, path) },
	"link inside the directory": func(path, _ string) error {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), "inside"), nil, 0o600); err != nil {
			return err
		}
		return os.Symlink("inside", path)
	},
	"dangling link": func(path, _ string) error { return os.Symlink("nowhere", path) },
	"pipe":          func(path, _ string) error { return unix.Mkfifo(path, 0o600) },
	"directory":     func(path, _ string) error { return os.Mkdir(path, 0o700) },
	"socket": func(path, _ string) error {
		return unix.Mknod(path, unix.S_IFSOCK|0o600, 0)
	},
}

// A link planted where we write hands our data, or somebody's file, to an attacker; a pipe hangs the opening.
func TestOpen_refusesWhatIsNoFile(t *testing.T) {
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			dir, canary := t.TempDir(), filepath.Join(t.TempDir(), "canary")
			check(t, os.WriteFile(canary, []byte("alive"), 0o600))
			check(t, plant(filepath.Join(dir, "f"), canary))
			d := openDir(t, dir, vfs.OpenDirOptions{})
			timeout := time.AfterFunc(10*time.Second, func() { panic("opening hangs") })
			defer timeout.Stop()
			if _, err := d.Open("f"); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("Open = %v", err)
			}
			if _, err := d.OpenReadWrite("f"); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("OpenReadWrite = %v", err)
			}
			if _, err := d.Create("f"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("Create = %v", err)
			}
			if name == "directory" {
				if err := d.Remove("f"); !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("Remove = %v", err)
				}
			} else {
				check(t, d.Remove("f"))
			}
			wantLockText(t, canary, "alive")
		})
	}
}

func createWithUmask(mask int) func(string) error {
	return func(dir string) error {
		syscall.Umask(mask)
		d, err := vfs.OpenDir(filepath.Join(dir, "a", "b"), vfs.OpenDirOptions{Create: true})
		if err != nil {
			return err
		}
		if _, err := d.Create("f"); err != nil {
			return err
		}
		_, err = d.Lock("LOCK", vfs.Exclusive)
		return err
	}
}

// With the modes left to the umask, either everybody can read the database or its owner cannot.
func TestOpenDir_modesWhateverTheUmask(t *testing.T) {
	for _, child := range []string{"no permissions", "all permissions"} {
		dir := t.TempDir()
		runChild(t, child, dir)
		for name, want := range map[string]fs.FileMode{"a": 0o700, "a/b": 0o700, "a/b/f": 0o600, "a/b/LOCK": 0o600} {
			info, err := os.Stat(filepath.Join(dir, name))
			check(t, err)
			if info.Mode().Perm() != want {
				t.Errorf("%s: %s has mode %v, want %v", child, name, info.Mode().Perm(), want)
			}
		}
	}
}

// createWithoutStreams writes a file as a program does that has closed its standard streams, and prints.
func createWithoutStreams(dir string) error {
	stdout, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 100)
	if err != nil {
		return err
	}
	d, err := vfs.OpenDir(dir, vfs.OpenDirOptions{}) // before, so that it takes none of the three
	if err != nil {
		return err
	}
	for fd := range 3 {
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	var files []vfs.File
	for i := range 5 {
		f, err := d.Create(fmt.Sprint(i))
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	if _, err := d.Lock("LOCK", vfs.Exclusive); err != nil {
		return err
	}
	for fd := range 3 {
		_, _ = unix.Write(fd, []byte("printed")) // must not arrive in a file
	}
	for _, f := range files {
		if size, err := f.Size(); size != 0 || err != nil {
			_, _ = fmt.Fprintf(os.NewFile(uintptr(stdout), ""), "a file received what was printed, %v\n", err)
			os.Exit(1)
		}
	}
	return nil
}

// A panic message printed into a table has destroyed databases before.
func TestCreate_neverOnStandardStreams(t *testing.T) {
	dir := t.TempDir()
	runChild(t, "standard streams", dir)
	text, err := os.ReadFile(filepath.Join(dir, "LOCK"))
	if err != nil || strings.Contains(string(text), "printed") {
		t.Errorf("lock file holds %q, %v", text, err)
	}
}

func writeOverLimit(dir string) error {
	limit := unix.Rlimit{Cur: 300_000, Max: 300_000}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	d, err := vfs.OpenDir(dir, vfs.OpenDirOptions{})
	if err != nil {
		return err
	}
	f, err := d.Create("f")
	if err != nil {
		return err
	}
	n, err := f.WriteAt(make([]byte, 1000), 299_500) // os.File does not count what was written before the failure
	if n > 500 || !errors.Is(err, vfs.ErrNoSpace) || !errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("WriteAt across the limit = %d, %w", n, err)
	}
	if err := f.Allocate(400_000); !errors.Is(err, vfs.ErrNoSpace) || !errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("Allocate over the limit: %w", err)
	}
	return nil
}

// A full disk is the one failure the engine recovers from by itself: it must be recognised, and a short write
// must not pass for a whole one.
func TestWriteAt_noSpace(t *testing.T) { runChild(t, "file size limit", t.TempDir()) }

// Every errno that means "full" must be recognised, and nothing else.
func TestWrapNoSpace(t *testing.T) {
	for _, errno := range []error{unix.ENOSPC, unix.EDQUOT, unix.EFBIG} {
		err := vfs.WrapNoSpace(&fs.PathError{Op: "write", Path: "f", Err: errno})
		if !errors.Is(err, vfs.ErrNoSpace) || !errors.Is(err, errno) || !strings.Contains(err.Error(), "write f") {
			t.Errorf("%v is wrapped as %v", errno, err)
		}
		if again := vfs.WrapNoSpace(err); again != err {
			t.Errorf("wrapped twice: %v", again)
		}
	}
	for _, err := range []error{nil, unix.EIO, fs.ErrClosed} {
		if got := vfs.WrapNoSpace(err); got != err {
			t.Errorf("%v is wrapped as %v", err, got)
		}
	}
}

// Opening for reading must work on a medium that cannot be written, and leave it as it was.
func TestOpenDir_readOnlyChangesNothing(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, "f"), []byte("abc"), 0o600))
	d := openDir(t, dir, vfs.OpenDirOptions{ReadOnly: true})
	_, create := d.Create("g")
	_, write := d.OpenReadWrite("f")
	_, lock := d.Lock("LOCK", vfs.Exclusive)
	for call, err := range map[string]error{"Create": create, "OpenReadWrite": write, "exclusive Lock": lock,
		"Remove": d.Remove("f"), "Rename": d.Rename("f", "g"), "SyncDir": d.SyncDir()} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s = %v, want ErrPermission", call, err)
		}
	}
	l, err := d.Lock("LOCK", vfs.Shared)
	check(t, err)
	check(t, l.Close())
	if names, err := d.List(); len(names) != 1 || err != nil {
		t.Errorf("List = %v, %v, want f only", names, err)
	}
	if _, err := vfs.OpenDir(dir, vfs.OpenDirOptions{ReadOnly: true, Create: true}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("OpenDir to create read-only = %v", err)
	}
}

// A program that tidies up the lock file of a running database would let a second writer in.
func TestLock_outlivesTheRemovalOfItsFile(t *testing.T) {
	for name, readOnly := range map[string]bool{"against a writer": false, "against a reader": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			startChildAndWait(t, "hold exclusive", dir, "locked\n")
			check(t, os.Remove(filepath.Join(dir, "LOCK")))
			mode := vfs.Exclusive
			if readOnly {
				mode = vfs.Shared
			}
			d := openDir(t, dir, vfs.OpenDirOptions{ReadOnly: readOnly})
			for range 2 { // the second time there is a lock file again
				if _, err := d.Lock("LOCK", mode); !errors.Is(err, vfs.ErrLocked) {
					t.Fatalf("lock while the owner of the removed file has its own = %v, want ErrLocked", err)
				}
			}
		})
	}
}

// A writer would change what a process reads from a directory without a lock file.
func TestLock_readerWithoutLockFileExcludesWriters(t *testing.T) {
	dir := t.TempDir()
	r, err := openDir(t, dir, vfs.OpenDirOptions{ReadOnly: true}).Lock("LOCK", vfs.Shared)
	check(t, err)
	d := openDir(t, dir, vfs.OpenDirOptions{})
	if _, err := d.Lock("LOCK", vfs.Exclusive); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("lock while a reader has one = %v, want ErrLocked", err)
	}
	check(t, r.Close())
	l, err := d.Lock("LOCK", vfs.Exclusive)
	check(t, err)
	check(t, l.Close())
}

func startChildAndWait(t *testing.T, name, dir, want string) {
	t.Helper()
	_, out := startChild(t, name, dir)
	if line, err := out.ReadString('\n'); line != want {
		t.Fatalf("child %q says %q, %v", name, line, err)
	}
}

// openAsNobody opens, as a user without rights, a directory that it may only read.
func openAsNobody(dir string) error {
	if err := unix.Setgid(65534); err != nil {
		return err
	}
	if err := unix.Setuid(65534); err != nil {
		return err
	}
	d, err := vfs.OpenDir(dir, vfs.OpenDirOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	if _, err := d.Lock("LOCK", vfs.Shared); err != nil {
		return err
	}
	if _, err := d.Open("f"); err != nil {
		return err
	}
	d, err = vfs.OpenDir(dir, vfs.OpenDirOptions{Create: true})
	if err != nil {
		return err
	}
	if _, err := d.Lock("LOCK", vfs.Exclusive); !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("Lock for writing = %w", err)
	}
	if _, err := d.Create("g"); !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("Create = %w", err)
	}
	_, err = vfs.OpenDir(filepath.Join(dir, "sub"), vfs.OpenDirOptions{Create: true})
	if !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("creating a directory = %w", err)
	}
	return nil
}

// dirForOthers returns a directory for a child that becomes a user without rights, as only root can; else it skips the
// test.
func dirForOthers(t *testing.T, mode os.FileMode) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can become a user without rights")
	}
	dir, err := os.MkdirTemp("/tmp", "vfs") // nobody else may pass into t.TempDir
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, mode))
	return dir
}

// A user who may only read must be able to, and must be told clearly that writing is not possible.
func TestOpenDir_withoutPermission(t *testing.T) {
	dir := dirForOthers(t, 0o755)
	for _, name := range []string{"LOCK", "f"} {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte("1\n"), 0o644))
	}
	runChild(t, "nobody", dir)
}

// A directory that is missing, or is a file, must not be opened as an empty database.
func TestOpenDir_notADirectory(t *testing.T) {
	dir := t.TempDir()
	if _, err := vfs.OpenDir(filepath.Join(dir, "missing"), vfs.OpenDirOptions{}); !vfs.IsNotExist(err) {
		t.Errorf("OpenDir of a missing directory = %v", err)
	}
	check(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for _, o := range []vfs.OpenDirOptions{{}, {Create: true}} {
		if _, err := vfs.OpenDir(filepath.Join(dir, "file"), o); err == nil {
			t.Errorf("OpenDir of a file with %+v succeeded", o)
		}
		if _, err := vfs.OpenDir(filepath.Join(dir, "file", "sub"), o); err == nil {
			t.Errorf("OpenDir below a file with %+v succeeded", o)
		}
	}
}

// An open database must not follow its path to another directory.
func TestOpenDir_staysWithTheDirectory(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "db")
	d := openDir(t, dir, vfs.OpenDirOptions{Create: true})
	check(t, os.Rename(dir, filepath.Join(base, "moved")))
	check(t, os.Mkdir(dir, 0o700))
	_, err := d.Create("f")
	check(t, err)
	if _, err := os.Stat(filepath.Join(base, "moved", "f")); err != nil {
		t.Error(err)
	}
	check(t, d.SyncDir())
}

// A program that starts another one while it closes a database could not open it again: until the exec, the child holds
// copies of all descriptors.
func TestLock_endsWithCloseThoughTheDescriptorWasCopied(t *testing.T) {
	dir := t.TempDir()
	fs, err := vfs.OpenDir(dir, vfs.OpenDirOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	lock, err := fs.Lock("LOCK", vfs.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	copied := 0
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range open {
		target, _ := os.Readlink("/proc/self/fd/" + entry.Name())
		if target != filepath.Join(dir, "LOCK") {
			continue
		}
		var fd int
		fmt.Sscan(entry.Name(), &fd)
		second, err := unix.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(second)
		copied++
	}
	if copied == 0 {
		t.Fatal("the lock's descriptor was not found")
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := fs.Lock("LOCK", vfs.Exclusive)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	again.Close()
}

// A database could not be created where the user may make a directory but not look around, though its name can be made
// durable in another way; and one that exists would be refused for the sake of a sync that nothing needs.
func TestOpenDir_parentThatCannotBeRead(t *testing.T) {
	dir := dirForOthers(t, 0o300)
	check(t, os.Chown(dir, 65534, 65534))
	runChild(t, "blind parent", dir)
}

func createInUnreadable(dir string) error {
	if err := errors.Join(unix.Setgid(65534), unix.Setuid(65534)); err != nil {
		return err
	}
	for range 2 {
		d, err := vfs.OpenDir(filepath.Join(dir, "db"), vfs.OpenDirOptions{Create: true})
		if err != nil {
			return err
		}
		if _, err := d.List(); err != nil {
			return err
		}
	}
	return nil
}

// openWhatAUmaskClosed opens, as a user without rights, files of his own that have no rights either.
func openWhatAUmaskClosed(dir string) error {
	if err := errors.Join(unix.Setgid(65534), unix.Setuid(65534)); err != nil {
		return err
	}
	dir = filepath.Join(dir, "database")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"LOCK", "read", "written"} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	looking, err := vfs.OpenDir(dir, vfs.OpenDirOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	if _, err := looking.Open("read"); !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("Open without changing anything = %w", err)
	}
	d, err := vfs.OpenDir(dir, vfs.OpenDirOptions{})
	if err != nil {
		return err
	}
	_, err1 := d.Lock("LOCK", vfs.Exclusive)
	_, err2 := d.Open("read")
	_, err3 := d.OpenReadWrite("written")
	return errors.Join(err1, err2, err3)
}

// openDirectoriesThatAUmaskClosed opens, as a user without rights, directories that were made under a umask and never
// settled: the database's own, and one above it. What is not such a directory stays as it is.
func openDirectoriesThatAUmaskClosed(dir string) error {
	if err := errors.Join(unix.Setgid(65534), unix.Setuid(65534)); err != nil {
		return err
	}
	for n, umask := range []int{0o777, 0o700, 0o277} {
		unix.Umask(umask)
		made := filepath.Join(dir, fmt.Sprint("made", n))
		above := filepath.Join(dir, fmt.Sprint("above", n))
		if err := errors.Join(os.Mkdir(made, 0o700), os.Mkdir(above, 0o700)); err != nil {
			return err
		}
		for _, path := range []string{made, filepath.Join(above, "two", "three")} {
			d, err := vfs.OpenDir(path, vfs.OpenDirOptions{Create: true})
			if err == nil {
				_, err = d.Create("file")
			}
			if err == nil {
				d, err = vfs.OpenDir(path, vfs.OpenDirOptions{Create: true})
			}
			if err == nil {
				_, err = d.Open("file")
			}
			if err != nil {
				return fmt.Errorf("umask %o, %s: %w", umask, path, err)
			}
		}
	}
	unix.Umask(0)
	for name, build := range map[string]func(path string) error{
		"with a file": func(path string) error {
			return errors.Join(os.Mkdir(path, 0o700), os.WriteFile(filepath.Join(path, "file"), nil, 0o600), os.Chmod(path, 0))
		},
		"of a group": func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o070)) },
	} {
		path := filepath.Join(dir, name)
		if err := build(path); err != nil {
			return err
		}
		before, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if _, err := vfs.OpenDir(path, vfs.OpenDirOptions{Create: true}); !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("a directory %s: %w", name, err)
		}
		if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || after.Mode() != before.Mode() {
			return fmt.Errorf("a directory %s was changed: %v, %w", name, after, err)
		}
	}
	return nil
}

// A process that was killed between the creation of a file or directory and the Chmod after it, under a umask that
// takes the owner's rights, would have left a database that its owner can never open.
func TestOpen_givesBackWhatAUmaskTook(t *testing.T) {
	dir := dirForOthers(t, 0o777)
	runChild(t, "killed under a umask", dir)
	runChild(t, "directories under a umask", dir)
}
