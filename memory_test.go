package lightningdb

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A database that outgrows its limit gets the program it lives in killed. The child process fills a database with many
// times the limit, reads, scans, removes and compacts, and reports the highest resident set size the kernel saw.
func TestMemoryLimit_boundsTheProcess(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("takes seconds, and the race detector takes memory of its own")
	}
	if limit := os.Getenv("LIGHTNING_MEMORY_CHILD"); limit != "" {
		memoryChild(t, limit)
		return
	}
	for _, limit := range []int{10 << 20, 48 << 20} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryLimit_boundsTheProcess$")
		cmd.Env = append(os.Environ(), "LIGHTNING_MEMORY_CHILD="+strconv.Itoa(limit))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var peakKiB int
		for line := range strings.Lines(string(out)) {
			fmt.Sscanf(line, "peak %d", &peakKiB)
		}
		t.Logf("limit %d MiB: peak resident set %d MiB", limit>>20, peakKiB>>10)
		if peakKiB == 0 || peakKiB<<10 > limit+32<<20 {
			t.Errorf("limit %d MiB: the process took %d MiB\n%s", limit>>20, peakKiB>>10, out)
		}
	}
}

func memoryChild(t *testing.T, limit string) {
	bytesLimit, err := strconv.Atoi(limit)
	if err != nil {
		t.Fatal(err)
	}
	db := openTemp(t, &Options{MemoryLimit: int64(bytesLimit), Durability: Process})
	const rows = 150_000
	value := bytes.Repeat([]byte("v"), 2000)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			var b Batch
			for range rows / 4 {
				b.Reset()
				b.Put(fmt.Appendf(nil, "key%08d", rng.IntN(1<<24)), value[:rng.IntN(len(value))])
				if err := db.Write(&b); err != nil {
					t.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 2))
			var buf []byte
			for range rows / 4 {
				buf, _ = db.GetAppend(buf[:0], fmt.Appendf(nil, "key%08d", rng.IntN(1<<24)))
			}
			r := db.Range(nil, nil)
			for range r.All() {
			}
			if r.Err() != nil {
				t.Error(r.Err())
			}
		})
	}
	wg.Wait()
	if err := db.Compact(context.Background(), nil, nil); err != nil {
		t.Error(err)
	}
	m := db.Metrics()
	if m.MemoryUsed > m.MemoryLimit {
		t.Errorf("the metrics say %d of %d bytes", m.MemoryUsed, m.MemoryLimit)
	}
	fmt.Println("peak", peakResidentKiB(t))
}

// peakResidentKiB is the highest resident set size of this process so far, in KiB.
func peakResidentKiB(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	for line := range strings.Lines(string(status)) {
		if field, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(field)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
