// Package probe looks at a process and its files from outside: what the system says of them, and not they themselves.
// It also puts processes where that is bounded: in a cgroup, on a small disk.
//
// Linux tells all of it. Elsewhere Unavailable says what is missing. The functions keep nothing between two calls.
package probe

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Sample is what the system says of a process at one moment.
type Sample struct {
	Resident  int64 // bytes: the highest there was (VmHWM)
	Private   int64 // bytes: what is no file's (RssAnon and RssShmem), which the system cannot take back by itself
	Files     int64 // open descriptors
	Mappings  int64
	Processor time.Duration // that it has used
	Read      int64         // bytes that it has read by system calls

	Disk int64 // bytes of its directory, as blocks; 0 if it was not looked at
	Log  int64 // of them, log segments
}

// Raise makes s the highest of s and other.
func (s *Sample) Raise(other Sample) {
	s.Resident = max(s.Resident, other.Resident)
	s.Private = max(s.Private, other.Private)
	s.Files = max(s.Files, other.Files)
	s.Mappings = max(s.Mappings, other.Mappings)
	s.Processor = max(s.Processor, other.Processor)
	s.Read = max(s.Read, other.Read)
	if other.Disk > s.Disk {
		s.Disk, s.Log = other.Disk, other.Log
	}
}

// Unavailable says why processes cannot be looked at on this machine; nothing if they can.
func Unavailable() string {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		return "there is no /proc on " + runtime.GOOS
	}
	return ""
}

// Of looks at a process, without its directory. What cannot be read, as after its end, is 0.
func Of(pid int) (s Sample) {
	proc := fmt.Sprintf("/proc/%d/", pid)
	fields := fieldsOf(proc + "status")
	s.Resident = fields["VmHWM"] << 10
	s.Private = (fields["RssAnon"] + fields["RssShmem"]) << 10
	s.Read = fieldsOf(proc + "io")["rchar"]
	s.Processor = processorTime(proc + "stat")
	if names, err := os.ReadDir(proc + "fd"); err == nil {
		s.Files = int64(len(names))
	}
	return s
}

// Mappings counts the mappings of a process. It reads a line for each, so it is no part of every sample.
func Mappings(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid)) // none after its end
	return int64(strings.Count(string(text), "\n"))
}

// fieldsOf reads a file of lines like "VmHWM:  123 kB".
func fieldsOf(path string) map[string]int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	fields := make(map[string]int64)
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		if words := strings.Fields(rest); len(words) > 0 {
			if n, err := strconv.ParseInt(words[0], 10, 64); err == nil {
				fields[name] = n
			}
		}
	}
	return fields
}

// tick is the unit of processor times in /proc, which is the same on every Linux.
const tick = 10 * time.Millisecond

// processorTime reads what a process has used of the processors, in itself and in the kernel.
func processorTime(path string) time.Duration {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	words := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:]) // the name may have spaces
	if len(words) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(words[11], 10, 64)
	system, _ := strconv.ParseInt(words[12], 10, 64)
	return time.Duration(user+system) * tick
}

// usage adds up the blocks of the files in dir and below, as du does, and those of log segments. A file that goes
// meanwhile counts nothing.
func Usage(dir string) (all, log int64) {
	if dir == "" {
		return 0, 0
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0
	}
	for _, name := range names {
		path := filepath.Join(dir, name.Name())
		if name.IsDir() {
			a, l := Usage(path)
			all, log = all+a, log+l
			continue
		}
		info, err := name.Info()
		if err != nil {
			continue
		}
		bytes := blocks(info)
		all += bytes
		if filepath.Ext(path) == ".wal" {
			log += bytes
		}
	}
	return all, log
}
