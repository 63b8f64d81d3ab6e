package engine

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"lightningdb/internal/system/vfs/memfs"
)

// A snapshot would lose what it shows to a compaction, as long as it or another one of the same state is open.
func TestSnapshot_keepsWhatItShows(t *testing.T) {
	e := openManual(t, memfs.NewVolatile())
	defer e.Close()
	put(t, e, "key", "1")
	first := e.Snapshot()
	put(t, e, "key", "2")
	second, twin := e.Snapshot(), e.Snapshot()
	put(t, e, "key", "3")
	check := func(when string, s *Snapshot, want string) {
		t.Helper()
		if v, _, err := e.Get(nil, []byte("key"), s.Seq()); string(v) != want || err != nil {
			t.Errorf("%s: %q instead of %q, %v", when, v, want, err)
		}
	}
	compact := func() {
		t.Helper()
		if err := e.Compact(context.Background(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	compact()
	check("all open", first, "1")
	check("all open", second, "2")
	twin.Close()
	put(t, e, "key", "4")
	compact()
	check("one of two equal ones closed", first, "1")
	check("one of two equal ones closed", second, "2")
	first.Close()
	put(t, e, "key", "5")
	compact()
	check("the oldest closed", second, "2")
	second.Close()
}

// isInside reports whether a goroutine is inside a function whose name begins so.
func isInside(function string) bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function)
}

// blockedIn reports whether a goroutine waits for a mutex inside a function whose name begins so.
func blockedIn(function string) bool {
	stacks := make([]byte, 1<<20)
	n := runtime.Stack(stacks, true)
	for _, stack := range strings.Split(string(stacks[:n]), "\n\n") {
		if strings.Contains(stack, "Mutex).Lock") && strings.Contains(stack, function) {
			return true
		}
	}
	return false
}
