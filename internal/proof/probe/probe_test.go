package probe

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A sampler that reads nothing would find every process small.
func TestSample_seesThisProcess(t *testing.T) {
	if reason := Unavailable(); reason != "" {
		t.Skip(reason)
	}
	for start := time.Now(); time.Since(start) < 30*time.Millisecond; { // more than a tick
	}
	before := Of(os.Getpid())
	memory := make([]byte, 32<<20)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	after := Of(os.Getpid())
	if grown := after.Private - before.Private; grown < int64(len(memory))*9/10 {
		t.Errorf("%d bytes were touched, and %d are seen", len(memory), grown)
	}
	if after.Resident < after.Private || after.Files != before.Files+1 || after.Processor == 0 ||
		after.Read <= before.Read || Mappings(os.Getpid()) < 10 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if len(memory) == 0 || memory[0] != 1 {
		t.Error("the memory is gone")
	}
}

// A sparse file takes nothing, and what is below the directory counts, too.
func TestUsage_countsBlocksAsDuDoes(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, bytes := range map[string]int{"000001.wal": 100_000, "000002.tbl": 50_000, "below/000003.wal": 10_000} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, bytes), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(filepath.Join(dir, "000002.tbl"), 1<<30); err != nil {
		t.Fatal(err)
	}
	all, log := Usage(dir)
	if all < 160_000 || all > 300_000 || log < 110_000 || log > 200_000 {
		t.Errorf("%d bytes, of them %d of the log", all, log)
	}
}
