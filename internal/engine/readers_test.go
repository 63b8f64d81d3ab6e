package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/internal/system/vfs/memfs"
)

// A reader would have no age, and a forgotten one never be found, if nobody looked at the clock for those who come
// shortly after another one; and a look for each would cost as much as what it reads.
func TestOldestAge_isRightWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := Open(Options{FS: memfs.New()})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for range 3 {
			first := e.Snapshot()
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
			second := e.Snapshot()
			like, err := e.NewIterator(second, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			first.Close()
			second.Close()
			const since = 10 * time.Second
			time.Sleep(since)
			synctest.Wait()
			if age := e.Metrics().OldestAge; age > since || age < since-time.Second {
				t.Errorf("an iterator opened %v ago is %v old", since, age)
			}
			like.Close()
			if age := e.Metrics().OldestAge; age != 0 {
				t.Errorf("without a reader the oldest is %v old", age)
			}
		}
	})
}
