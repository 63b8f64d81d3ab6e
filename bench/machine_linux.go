package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// allocated is the space that a file takes on disk: InitialMmapSize and preallocation make its length say little.
func allocated(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}

// peakMemory is the highest resident memory of this process so far, in bytes.
func peakMemory() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		return 0, fmt.Errorf("VmHWM in /proc/self/status: %w", err)
	}
	return kib << 10, nil
}

// bytesWritten is how many bytes the kernel has written to disk for this process so far, mapped files included, where
// that is known.
// What is written anew before the kernel got round to it counts once.
func bytesWritten() (n int64, ok bool) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, false
	}
	_, after, ok := strings.Cut(string(text), "\nwrite_bytes:")
	if !ok {
		return 0, false
	}
	_, err = fmt.Sscan(after, &n)
	return n, err == nil
}

// dropFromMemory has the kernel drop what it holds of the files in dir. Nobody may have them open or mapped.
func dropFromMemory(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		err = f.Sync() // what is not on disk would stay
		if err == nil {
			err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		}
		return errors.Join(err, f.Close())
	})
}

// machine describes processor, cores and kernel in one line.
func machine() string {
	cpu := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, after, _ := strings.Cut(string(info), "model name")
		line, _, _ := strings.Cut(after, "\n")
		cpu = strings.Trim(line, "\t :")
	}
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		release = []byte("unknown")
	}
	return cpu + ", Linux " + strings.TrimSpace(string(release))
}

// otherWork is the share of all processors' time that is not idle while this program waits for three seconds: from 0
// to 1, or -1 if the system does not tell. Time stolen by the host counts.
func otherWork() float64 {
	before, ok1 := processorTime()
	time.Sleep(3 * time.Second)
	after, ok2 := processorTime()
	if !ok1 || !ok2 || after.all == before.all {
		return -1
	}
	return 1 - (after.idle-before.idle)/(after.all-before.all)
}

// ticks are of all processors, since the system began.
type ticks struct{ idle, all float64 }

func processorTime() (t ticks, ok bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t, false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	const idle, ioWait, guest = 4, 5, 9 // guest time is in user time already
	for i, field := range strings.Fields(first) {
		n, err := strconv.ParseFloat(field, 64)
		if i == 0 || i >= guest {
			continue
		}
		if err != nil {
			return t, false
		}
		t.all += n
		if i == idle || i == ioWait {
			t.idle += n
		}
	}
	return t, t.all > 0
}
