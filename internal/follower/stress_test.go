package follower

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree"
)

// stressKeys is how many keys there are. Commit n gives each of them its own value, and deletes key n modulo their
// number.
const stressKeys = 40

// valueOf is the value of commit n, large enough that a few commits make a flush.
func valueOf(n uint64) []byte { return bytes.Repeat(binary.BigEndian.AppendUint64(nil, n), 100) }

// commitOf is commit n.
func commitOf(n uint64) *batch.Batch {
	var b batch.Batch
	for k := range uint64(stressKeys) {
		if k == n%stressKeys {
			b.Delete([]byte{byte(k)})
		} else {
			b.Put([]byte{byte(k)}, valueOf(n))
		}
	}
	return &b
}

// readCommit reads all keys of s, and returns which commit it shows, or 0 for none.
func readCommit(s *tree.Snapshot) (n uint64, err error) {
	it, err := s.NewIterator(nil, nil)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	keys := 0
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.Value()
		if err != nil {
			return 0, err
		}
		if n == 0 {
			n = binary.BigEndian.Uint64(v)
		}
		if !bytes.Equal(v, valueOf(n)) || uint64(it.Key()[0]) == n%stressKeys {
			return 0, fmt.Errorf("commit %d has %x = %x", n, it.Key(), v[:8])
		}
		keys++
	}
	if err := it.Err(); err != nil || n > 0 && keys != stressKeys-1 {
		return 0, fmt.Errorf("commit %d has %d keys: %w", n, keys, err)
	}
	k := []byte{byte((n + 1) % stressKeys)}
	if v, found, err := s.Get(nil, k); err != nil || found != (n > 0) || found && !bytes.Equal(v, valueOf(n)) {
		return 0, fmt.Errorf("commit %d has %x = %x, %t: %w", n, k, v, found, err)
	}
	return n, nil
}

// readOn reads f until done is closed, and once more. No state may come before the one that it has seen before.
func readOn(f *Follower, done <-chan struct{}) error {
	for last, more := uint64(0), true; more; {
		select {
		case <-done:
			more = false
		default:
		}
		var s tree.Snapshot
		f.Hold(&s, origin.Snapshot)
		n, err := readCommit(&s)
		s.Close()
		if err != nil || n < last {
			return fmt.Errorf("commit %d after %d: %w", n, last, err)
		}
		last = n
		if v, found, err := f.Get(nil, []byte{7}); err != nil || found && binary.BigEndian.Uint64(v) < last {
			return fmt.Errorf("a read after commit %d shows %x: %w", n, v, err)
		}
	}
	return nil
}

// The model takes one step after the other. With all goroutines of the writer and of the follower, and readers during
// refreshes, each state must be whole, and none older than before.
func TestFollower_whileEverythingRuns(t *testing.T) {
	disk := &process{FS: memfs.NewVolatile(), before: func() {}} // which stays open for both
	w, err := engine.Open(engine.Options{
		FS: disk, Followers: true, MemoryLimit: engine.MinMemoryLimit, LogLimit: 1 << 20, PageSize: 512, TableBytes: 8192,
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(Options{
		FS: disk, MemoryLimit: engine.MinMemoryLimit, Interval: time.Millisecond, Poison: true, Rows: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var reading sync.WaitGroup
	for range 3 {
		reading.Go(func() {
			if err := readOn(f, done); err != nil {
				t.Error(err)
			}
		})
	}
	commits := uint64(600)
	if testing.Short() {
		commits = 150
	}
	for n := uint64(1); n <= commits; n++ {
		if _, err := w.Commit(commitOf(n), n%100 == 0); err != nil {
			t.Error(err)
			break
		}
	}
	if err := f.Refresh(context.Background()); err != nil {
		t.Error(err)
	}
	close(done)
	reading.Wait()
	var s tree.Snapshot
	f.Hold(&s, origin.Snapshot)
	if n, err := readCommit(&s); n != commits || err != nil {
		t.Errorf("at the end: commit %d of %d, %v", n, commits, err)
	}
	s.Close()
	if err := errors.Join(f.Close(), w.Close()); err != nil {
		t.Error(err)
	}
}
