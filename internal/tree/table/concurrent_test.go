package table

import (
	"math/rand/v2"
	"sync"
	"testing"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/key"
)

// Readers share a cache that evicts all the time and overwrites what it evicts: bytes used too late would show.
func TestReader_manyGoroutinesAndASmallCache(t *testing.T) {
	rows := sortRows(append(numbered(3000), smallRows()...))
	o := Options{ID: testID, Codec: codec.By(codec.S2), PageSize: 4096}
	f, _ := build(t, o, rows)
	r, err := open(f, o.ID, int64(len(f.data)), 16*DefaultPageSize)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for n := range 4 {
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		group.Go(func() {
			for range 300 {
				i := rng.IntN(len(rows))
				checkGet(errorOnly{t}, r, rows, rows[i].key.User, rows[i].key.Trailer.Seq())
				it := r.NewIterator()
				it.SeekGE(key.SeekTo(rows[i].key.User, rows[i].key.Trailer.Seq()))
				for j := i; j < min(i+60, len(rows)); j++ {
					checkAt(errorOnly{t}, it, rows, j)
					it.Next()
				}
				it.Close()
			}
			checkWalk(errorOnly{t}, r.NewSequentialIterator(), rows)
		})
	}
	group.Wait()
	r.close(t)
}

// errorOnly reports failures from goroutines that must not end the test.
type errorOnly struct{ t *testing.T }

func (e errorOnly) Helper()                           { e.t.Helper() }
func (e errorOnly) Fatalf(format string, args ...any) { e.t.Helper(); e.t.Errorf(format, args...) }
func (e errorOnly) Fatal(args ...any)                 { e.t.Helper(); e.t.Error(args...) }
