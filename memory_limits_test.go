package lightningdb

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// A user who wants no limit says so with a large number, and would get a database unlike any other.
func TestMemoryLimit_mayBeAnyNumber(t *testing.T) {
	limits := []int64{1, 1 << 33, 1 << 40, 1 << 61, math.MaxInt64}
	if raceDetector { // which keeps books of every byte of a region
		limits = []int64{1, math.MaxInt64}
	}
	for _, limit := range limits {
		db := openTemp(t, &Options{MemoryLimit: limit})
		useALittle(t, db)
		m := db.engine.Metrics()
		if m.Cache.FramesInUse == 0 || m.Cache.IndexBytes > 64<<20 {
			t.Errorf("with a limit of %d, %d frames are used of %d, with %d MiB of bookkeeping", limit, m.Cache.FramesInUse,
				m.Cache.Frames, m.Cache.IndexBytes>>20)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// useALittle makes db take all the memory that it reserves.
func useALittle(t *testing.T, db *DB) {
	t.Helper()
	key := []byte("key")
	if err := db.Put(key, key); err != nil {
		t.Fatal(err)
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	if got, err := db.Get(key); err != nil || string(got) != "key" {
		t.Fatalf("read %q, %v", got, err)
	}
}

// A program on a 32-bit system that opens a database for each of its users would run out of addresses. On a system of
// 64 bits that runs such programs, the go command builds and runs this test as one.
func TestOpen_eightyDatabasesOn32Bits(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		for n := range 80 {
			db := openTemp(t, nil)
			useALittle(t, db)
			if db.Metrics().Cache.UsedBytes == 0 {
				t.Fatalf("database %d of 80 has no memory for a cache", n)
			}
		}
		status, _ := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "VmPeak:") {
				t.Log("80 databases: ", line)
			}
		}
		return
	}
	if testing.Short() || raceDetector || runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("builds a program for another system, which has to run on this one")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command: ", err)
	}
	test := "^(" + t.Name() + "|TestMemoryLimit_mayBeAnyNumber)$"
	cmd := exec.Command("go", "test", "-vet=off", "-v", "-count=1", "-run", test, ".")
	cmd.Env = append(os.Environ(), "GOARCH=386", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "exec format error") {
		t.Skip("this system runs no 32-bit programs")
	}
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("--- PASS: %s", t.Name())) {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
