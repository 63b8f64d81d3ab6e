package main

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
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

// bytesWritten is how much this process has had the kernel write to disk so far, mapped files included, if it tells.
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

// load is the load average of the last minute: other work on the machine, when this program waits.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
