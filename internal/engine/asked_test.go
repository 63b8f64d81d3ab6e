package engine

import (
	"context"
	"fmt"
	"testing"

	"lightningdb/internal/system/vfs/memfs"
)

// A compaction takes along what was there when it was called for. If it took what comes meanwhile, it would not end
// while a program writes as fast as it compacts.
func TestCompact_endsThoughWritesGoOn(t *testing.T) {
	const (
		rows = 20000
		most = 5000 // flushes: many times more than a compaction of all takes
	)
	e := openManual(t, memfs.New())
	defer e.Close()
	write := func(step int) { // over the whole range, so that each table that is new overlaps all others
		for k := 0; k < rows; k += step {
			put(t, e, fmt.Sprintf("%08d", k), fmt.Sprint(step, k))
		}
		mustFlush(t, e)
	}
	write(1)
	done := make(chan error, 1)
	go func() { done <- e.Compact(context.Background(), nil, nil) }()
	for range most {
		write(rows / 4)
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
	t.Errorf("it still runs after %d flushes", most)
	<-done
}
