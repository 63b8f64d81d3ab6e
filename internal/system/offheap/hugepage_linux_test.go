//go:build !race

package offheap

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// resident returns the KiB of memory behind the mapping that begins at b.
func resident(t *testing.T, b []byte) (kib int) {
	t.Helper()
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	begins := fmt.Sprintf("%x-", unsafe.SliceData(b))
	found := false
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		found = found || strings.HasPrefix(lines.Text(), begins)
		if found && strings.HasPrefix(lines.Text(), "Rss:") {
			if _, err := fmt.Sscanf(lines.Text(), "Rss: %d kB", &kib); err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("the region is not among the process's mappings")
	return 0
}

// A database of a few pages must not take 2 MiB for the first of them.
func TestSmallPages_takeMemoryBitByBit(t *testing.T) {
	b, err := Alloc(8 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer Free(b)
	SmallPages(b[:2<<20])
	b[0] = 1
	if kib := resident(t, b); kib < 4 || kib > 64 {
		t.Errorf("one byte takes %d KiB of memory", kib)
	}
	LargePages(b[:2<<20])
	Discard(b[:2<<20])
	clear(b[:2<<20])
	if b[0] != 0 {
		t.Error("what was discarded is still there")
	}
	if kib := resident(t, b); kib < 2048 {
		t.Errorf("2 MiB that were touched take %d KiB", kib)
	}
}
