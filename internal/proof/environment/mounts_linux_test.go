package environment_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lightningdb"
)

// Two mounts of one directory let two writers in, whom the lock does not keep apart: what they had acknowledged would
// be lost, or the database would not open any more.
func TestTwoMounts_loseNothingAcknowledged(t *testing.T) {
	needNamespaces(t)
	rounds := 2
	if *full {
		rounds = 20
	}
	for _, kind := range []string{"fuse", "overlay"} {
		t.Run(kind, func(t *testing.T) {
			if _, err := exec.LookPath("bindfs"); kind == "fuse" && err != nil {
				t.Skipf("SKIPPED: no bindfs here: %v", err)
			}
			for range rounds {
				cmd := namespace(command("two mounts", t.TempDir()))
				cmd.Env = append(cmd.Env, "MOUNT="+kind)
				out := run(t, cmd)
				if strings.HasPrefix(out, "SKIPPED") {
					t.Skip(out)
				}
				t.Log(out)
			}
		})
	}
}

// twoMounts shows dir/real a second time and has a process write in each.
func twoMounts(dir string) error {
	real, second := filepath.Join(dir, "real"), filepath.Join(dir, "second")
	for _, d := range []string{real, second, filepath.Join(dir, "lower"), filepath.Join(dir, "work")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	if err := create(filepath.Join(real, "db"), -1); err != nil {
		return err
	}
	end, err := mountAgain(os.Getenv("MOUNT"), dir, real, second)
	if err != nil {
		fmt.Printf("SKIPPED: this machine does not mount it: %v", err)
		return nil
	}
	defer end()
	acked, said, err := writeInBoth(filepath.Join(real, "db"), filepath.Join(second, "db"))
	if err != nil {
		return err
	}
	fmt.Printf("%d commits acknowledged; %s", len(acked), said)
	db, err := lightningdb.Open(filepath.Join(real, "db"), small())
	if err != nil {
		return fmt.Errorf("%s; the database does not open any more: %w", said, err)
	}
	lost := 0
	for _, k := range acked {
		if ok, err := db.Has([]byte(k)); !ok || err != nil {
			lost++
		}
	}
	if lost > 0 {
		return fmt.Errorf("%s; %d of %d acknowledged commits are lost", said, lost, len(acked))
	}
	return db.Close()
}

// mountAgain shows real at second too. end ends that.
func mountAgain(kind, dir, real, second string) (end func(), err error) {
	if kind == "overlay" {
		err = syscall.Mount("overlay", second, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s",
			filepath.Join(dir, "lower"), real, filepath.Join(dir, "work")))
		return func() { syscall.Unmount(second, 0) }, err
	}
	// It comes back once it has mounted, and leaves a daemon that ends with the mount.
	if out, err := exec.Command("bindfs", real, second).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("bindfs: %w: %s", err, out)
	}
	return func() { syscall.Unmount(second, syscall.MNT_DETACH) }, nil
}

// writeInBoth returns the keys that both processes were told are committed, and what they say of themselves.
func writeInBoth(a, b string) (acked []string, said string, err error) {
	var cmds []*exec.Cmd
	var outs []io.Reader
	for i, dir := range []string{a, b} {
		cmd := command("write on", dir)
		cmd.Env = append(cmd.Env, fmt.Sprintf("NAME=%c", 'a'+i))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, "", err
		}
		if err := cmd.Start(); err != nil {
			return nil, "", err
		}
		cmds, outs = append(cmds, cmd), append(outs, out)
	}
	lines := make(chan string)
	for _, out := range outs {
		go func() {
			for s := bufio.NewScanner(out); s.Scan(); {
				lines <- s.Text()
			}
			lines <- ""
		}()
	}
	for open := len(outs); open > 0; {
		switch line := <-lines; {
		case line == "":
			open--
		case strings.HasPrefix(line, "#"):
			said += line[1:] + "; "
		default:
			acked = append(acked, line)
		}
	}
	for _, cmd := range cmds {
		err = errors.Join(err, cmd.Wait())
	}
	return acked, said, err
}

// writeOn opens the database again and again, as long as another one takes it over, and prints what was acknowledged.
func writeOn(dir string) error {
	name, taken, refused := os.Getenv("NAME"), 0, 0
	for round := range 4 {
		db, err := lightningdb.Open(dir, small())
		if err != nil {
			if !errors.Is(err, lightningdb.ErrTakenOver) {
				fmt.Printf("#%s: open %v\n", name, err)
			}
			refused++
			continue
		}
		for i := range 100 {
			k := fmt.Sprintf("%s %d %d", name, round, i)
			if err = db.Put([]byte(k), make([]byte, 3000)); err != nil {
				break
			}
			fmt.Println(k)
			if i%40 == 39 {
				if err = db.Flush(); err != nil {
					break
				}
			}
		}
		err = errors.Join(err, db.Close())
		if errors.Is(err, lightningdb.ErrTakenOver) {
			taken++
		} else if err != nil {
			fmt.Printf("#%s: %v\n", name, err)
		}
	}
	fmt.Printf("#%s was taken over %d times and refused %d times\n", name, taken, refused)
	return nil
}

// A database at a mount point would be refused because the directory above it, in a read-only image or a file system
// of the kernel, knows no sync.
func TestOpen_parentThatKnowsNoSync(t *testing.T) {
	needNamespaces(t)
	if out := run(t, namespace(command("odd parent", "/proc/tty"))); strings.HasPrefix(out, "SKIPPED") {
		t.Skip(out)
	}
}

// openBelowOddParent mounts a file system on dir, in which it opens a new database and then the same again.
func openBelowOddParent(dir string) error {
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"); err != nil || parent.Sync() == nil {
		fmt.Printf("SKIPPED: no parent that cannot be synced: %v", err)
		return nil
	}
	for range 2 {
		if err := create(dir, -1); err != nil {
			return err
		}
	}
	return nil
}
