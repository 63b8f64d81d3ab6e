package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"go.etcd.io/bbolt"

	"lightningdb"
)

// Somebody who moves would copy a program that does not build, or loses entries.
func TestMoving_copiesEverything(t *testing.T) {
	document, err := os.ReadFile("../docs/moving.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("moving_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(document), "```go\n")
	code, _, _ = strings.Cut(code, "```")
	if code == "" || !bytes.Contains(source, []byte(code)) {
		t.Fatal("docs/moving.md shows another program than the one below")
	}
	for name, fill := range map[string]func(t *testing.T, db *lightningdb.DB) (want map[string]string){
		"bbolt": fillFromBbolt, "badger": fillFromBadger,
	} {
		t.Run(name, func(t *testing.T) {
			db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			want := fill(t, db)
			n := 0
			all := db.Range(nil, nil)
			for k, v := range all.All() {
				if w, ok := want[string(k)]; !ok || w != string(v) {
					t.Errorf("key %x is there with %d bytes, want %d, %v", k, len(v), len(w), ok)
				}
				n++
			}
			if n != len(want) || all.Err() != nil {
				t.Errorf("%d entries of %d, %v", n, len(want), all.Err())
			}
		})
	}
}

// movingRows are some MiB, with bytes that are no text, and an empty value.
func movingRows() (keys, values [][]byte) {
	for i := range 3000 {
		keys = append(keys, []byte{byte(i >> 8), byte(i), 0xff, 0x80})
		values = append(values, bytes.Repeat([]byte{byte(i)}, i))
	}
	return keys, values
}

func fillFromBbolt(t *testing.T, db *lightningdb.DB) map[string]string {
	old, err := bbolt.Open(t.TempDir()+"/old.db", 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	want := make(map[string]string)
	keys, values := movingRows()
	err = old.Update(func(tx *bbolt.Tx) error {
		for _, name := range []string{"a", "b"} {
			bucket, err := tx.CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			for i, k := range keys {
				err = errors.Join(err, bucket.Put(k, values[i]))
				want[name+"/"+string(k)] = string(values[i])
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, fromBbolt(db, old)); err != nil {
		t.Fatal(err)
	}
	return want
}

func fillFromBadger(t *testing.T, db *lightningdb.DB) map[string]string {
	old, err := badger.Open(badger.DefaultOptions(t.TempDir()).WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	want := make(map[string]string)
	b := old.NewWriteBatch()
	keys, values := movingRows()
	for i, k := range keys {
		err = errors.Join(err, b.Set(k, values[i]))
		want[string(k)] = string(values[i])
	}
	if err := errors.Join(err, b.Flush(), fromBadger(db, old)); err != nil {
		t.Fatal(err)
	}
	return want
}

// fromBbolt copies all top-level buckets: the key is the bucket's name, a slash, and the key.
func fromBbolt(db *lightningdb.DB, old *bbolt.DB) error {
	var b lightningdb.Batch
	err := old.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
			return bucket.ForEach(func(k, v []byte) error {
				if v == nil {
					return fmt.Errorf("%q in %q is a bucket: give it a prefix of its own", k, name)
				}
				b.Put(slices.Concat(name, []byte("/"), k), v)
				return writeIfLarge(db, &b)
			})
		})
	})
	if err != nil {
		return err
	}
	return db.Write(&b)
}

// fromBadger copies the newest version of every key.
func fromBadger(db *lightningdb.DB, old *badger.DB) error {
	var b lightningdb.Batch
	err := old.View(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.DefaultIteratorOptions)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			item := it.Item()
			err := item.Value(func(v []byte) error {
				b.Put(item.Key(), v)
				return writeIfLarge(db, &b)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return db.Write(&b)
}

// writeIfLarge commits b when it has 1 MiB.
func writeIfLarge(db *lightningdb.DB, b *lightningdb.Batch) error {
	if b.Size() < 1<<20 {
		return nil
	}
	defer b.Reset()
	return db.Write(b)
}
