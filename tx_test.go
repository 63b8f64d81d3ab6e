package lightningdb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
)

func openMemory(t testing.TB) *DB {
	t.Helper()
	db, err := Open("", &Options{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// The original ended at 8 to 30 % of these increments.
func TestUpdate_loosesNoIncrementUnderContention(t *testing.T) {
	const workers, rounds = 20, 50
	db := openMemory(t)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				if err := db.Update(t.Context(), func(tx *Tx) error { return increment(tx, "counter") }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := counter(t, db, "counter"); got != workers*rounds {
		t.Errorf("the counter is %d after %d increments", got, workers*rounds)
	}
}

func increment(tx *Tx, k string) error {
	v, err := tx.Get([]byte(k))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	n := uint64(0)
	if err == nil {
		n = binary.BigEndian.Uint64(v)
	}
	return tx.Put([]byte(k), binary.BigEndian.AppendUint64(nil, n+1))
}

func counter(t testing.TB, db *DB, k string) uint64 {
	t.Helper()
	v, err := db.Get([]byte(k))
	if err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.Uint64(v)
}

func BenchmarkViewGet(b *testing.B) {
	db := openMemory(b)
	db.Put([]byte("key"), make([]byte, 100))
	buf := make([]byte, 0, 128)
	b.Run("db", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			db.GetAppend(buf, []byte("key"))
		}
	})
	b.Run("view", func(b *testing.B) {
		b.ReportAllocs()
		ctx := context.Background()
		for b.Loop() {
			db.View(ctx, func(tx *Tx) error {
				_, err := tx.GetAppend(buf, []byte("key"))
				return err
			})
		}
	})
}

func BenchmarkUpdateTransfer(b *testing.B) {
	for _, accounts := range []int{10, 100, 10000} {
		b.Run(fmt.Sprint(accounts), func(b *testing.B) {
			db, err := Open(b.TempDir(), &Options{Durability: Process})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			var keys [][]byte
			for i := range accounts {
				keys = append(keys, fmt.Appendf(nil, "account %06d", i))
				db.Put(keys[i], binary.BigEndian.AppendUint64(nil, 1000))
			}
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				i := 1
				for pb.Next() {
					i = i*1103515245 + 12345
					from, to := keys[uint(i>>8)%uint(accounts)], keys[uint(i>>20)%uint(accounts)]
					err := db.Update(context.Background(), func(tx *Tx) error {
						return errors.Join(increment(tx, string(from)), increment(tx, string(to)))
					})
					if err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
