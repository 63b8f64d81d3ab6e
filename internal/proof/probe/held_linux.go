package probe

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stopTimeout bounds how long a process may take to stop: some calls of the system, such as a sync, end first.
const stopTimeout = 10 * time.Second

// HeldBy adds up the files in dir, and those of the same file system that process pid has open or mapped without a
// name. It stops the process meanwhile, so that all are of one moment. A process that has ended, or 0, has none open.
// While there is no dir yet, nothing is there.
func HeldBy(pid int, dir string) (h Held, err error) {
	if pid != 0 && syscall.Kill(pid, syscall.SIGSTOP) == nil {
		defer syscall.Kill(pid, syscall.SIGCONT)
		if err := waitUntilStopped(pid); err != nil {
			return h, err
		}
	}
	var at syscall.Stat_t
	if err := syscall.Stat(dir, &at); err == syscall.ENOENT {
		return h, nil
	} else if err != nil {
		return h, fmt.Errorf("look at %s: %w", dir, err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return h, err
	}
	before := make(seen)
	for _, name := range names {
		var file syscall.Stat_t
		if err := syscall.Lstat(filepath.Join(dir, name.Name()), &file); err != nil {
			return h, fmt.Errorf("look at %s: %w", name.Name(), err)
		}
		h.count(before, file.Ino, file.Size, file.Blocks*512, true)
	}
	h.countRemoved(before, pid, at.Dev)
	return h, nil
}

// waitUntilStopped waits until no thread of a process runs.
func waitUntilStopped(pid int) error {
	for start := time.Now(); time.Since(start) < stopTimeout; time.Sleep(100 * time.Microsecond) {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		running := 0
		for _, thread := range threads {
			text, _ := os.ReadFile(thread) // none after its end
			if after := bytes.LastIndexByte(text, ')'); after > 0 && !strings.ContainsRune("TtZX", rune(text[after+2])) {
				running++
			}
		}
		if running == 0 {
			return nil
		}
	}
	return fmt.Errorf("process %d has not stopped within %v", pid, stopTimeout)
}

// countRemoved counts the files of a device without a name that a process has open, or in its memory.
func (h *Held) countRemoved(before seen, pid int, device uint64) {
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, name := range open {
		var file syscall.Stat_t
		if syscall.Stat(name, &file) != nil || file.Mode&syscall.S_IFMT != syscall.S_IFREG {
			continue
		}
		if file.Dev == device && file.Nlink == 0 {
			h.count(before, file.Ino, file.Size, file.Blocks*512, false)
		}
	}
	maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	for line := range strings.Lines(string(maps)) {
		var from, to, offset, major, minor, number uint64
		var mode string
		n, _ := fmt.Sscanf(line, "%x-%x %s %x %x:%x %d", &from, &to, &mode, &offset, &major, &minor, &number)
		if n == 7 && strings.HasSuffix(line, " (deleted)\n") && unix.Mkdev(uint32(major), uint32(minor)) == device {
			h.count(before, number, int64(offset+to-from), int64(offset+to-from), false)
		}
	}
}
