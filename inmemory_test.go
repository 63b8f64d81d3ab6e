package lightningdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"
)

// A program in WebAssembly has one thread and no directory: all that a database does must go on there, in memory, with
// none of its goroutines keeping the thread. It is the test that scripts/ports runs in a host of WebAssembly.
func TestInMemory_doesAllThatADatabaseDoes(t *testing.T) {
	db, err := Open("ignored", &Options{InMemory: true, MemoryLimit: 10 << 20, SyncInterval: time.Millisecond,
		Merge: func(_, old, argument []byte) ([]byte, error) {
			return append(append([]byte{}, old...), argument...), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	const keys = 30_000 // several memtables: flushes and compactions run
	putNumbers(t, db, keys)
	countTogether(t, db)
	if v, err := db.Get([]byte("counter")); len(v) != 8*50 || err != nil {
		t.Errorf("the counter is %d, %v", len(v), err)
	}
	if err := errors.Join(db.Merge([]byte("merged"), []byte("a")), db.Merge([]byte("merged"), []byte("b")),
		db.Add([]byte("sum"), 7), db.Delete([]byte("key00000000")), db.Sync(), db.Flush(),
		db.Compact(context.Background(), nil, nil), db.Verify(context.Background(), nil)); err != nil {
		t.Fatal(err)
	}
	if v, err := db.Get([]byte("merged")); string(v) != "ab" || err != nil {
		t.Errorf("merged is %q, %v", v, err)
	}
	n := 0
	for k, v := range db.Prefix([]byte("key")).All() {
		if n++; binary.BigEndian.Uint64(v) != uint64(n) || string(k) != fmt.Sprintf("key%08d", n) {
			t.Fatalf("entry %d is %s", n, k)
		}
	}
	if n != keys-1 {
		t.Errorf("%d keys, not %d", n, keys-1)
	}
	if m := db.Metrics(); m.BackgroundError != nil {
		t.Error(m.BackgroundError)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// putNumbers puts n keys in batches, at both durabilities.
func putNumbers(t *testing.T, db *DB, keys int) {
	t.Helper()
	const perBatch = 500
	value := make([]byte, 200)
	for i := 0; i < keys; i += perBatch {
		var b Batch
		b.SetDurability(Durability(1 + i/perBatch%2))
		for j := range perBatch {
			binary.BigEndian.PutUint64(value, uint64(i+j))
			b.Put(fmt.Appendf(nil, "key%08d", i+j), value)
		}
		if err := db.Write(&b); err != nil {
			t.Fatal(err)
		}
	}
}

// countTogether adds to one counter from eight goroutines, 50 times from each.
func countTogether(t *testing.T, db *DB) {
	t.Helper()
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 50 {
				err = errors.Join(err, db.Update(context.Background(), func(tx *Tx) error {
					n, err := tx.Get([]byte("counter"))
					if err != nil && !errors.Is(err, ErrNotFound) {
						return err
					}
					runtime.Gosched()
					return tx.Put([]byte("counter"), append(n, '.'))
				}))
			}
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A wait for a lock must end by its time, also where one thread does everything.
func TestInMemory_waitsEnd(t *testing.T) {
	db, err := Open("", &Options{InMemory: true, MemoryLimit: 10 << 20, LockTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin(context.Background(), TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := tx.GetForUpdate([]byte("key")); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if err := db.Put([]byte("key"), nil); !errors.Is(err, ErrLockTimeout) {
		t.Errorf("a write of what another has locked gave %v", err)
	}
}
