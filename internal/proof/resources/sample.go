package resources

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// sample is what the system says of a process at one moment.
type sample struct {
	resident  int64 // bytes: the highest there was (VmHWM)
	private   int64 // bytes: what is no file's (RssAnon and RssShmem), which the system cannot take back by itself
	files     int64 // open descriptors
	mappings  int64
	processor time.Duration // that it has used
	read      int64         // bytes that it has read by system calls

	disk int64 // bytes of its directory, as blocks; 0 if it was not looked at
	log  int64 // of them, log segments
}

// raise makes s the highest of s and other.
func (s *sample) raise(other sample) {
	s.resident = max(s.resident, other.resident)
	s.private = max(s.private, other.private)
	s.files = max(s.files, other.files)
	s.mappings = max(s.mappings, other.mappings)
	s.processor = max(s.processor, other.processor)
	s.read = max(s.read, other.read)
	if other.disk > s.disk {
		s.disk, s.log = other.disk, other.log
	}
}

// canSample says why processes cannot be looked at on this machine; nothing if they can.
func canSample() string {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		return "there is no /proc on " + runtime.GOOS
	}
	return ""
}

// sampleOf looks at a process, without its directory. What cannot be read, as after its end, is 0.
func sampleOf(pid int) (s sample) {
	proc := fmt.Sprintf("/proc/%d/", pid)
	fields := fieldsOf(proc + "status")
	s.resident = fields["VmHWM"] << 10
	s.private = (fields["RssAnon"] + fields["RssShmem"]) << 10
	s.read = fieldsOf(proc + "io")["rchar"]
	s.processor = processorTime(proc + "stat")
	if names, err := os.ReadDir(proc + "fd"); err == nil {
		s.files = int64(len(names))
	}
	return s
}

// mappingsOf counts the mappings of a process. It reads a line for each, so it is no part of every sample.
func mappingsOf(pid int) int64 {
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
func usage(dir string) (all, log int64) {
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
			a, l := usage(path)
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
