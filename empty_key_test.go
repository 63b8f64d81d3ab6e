package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// emptyKeys are the spellings of the empty key.
var emptyKeys = map[string][]byte{"nil": nil, "empty": {}, "empty with room": make([]byte, 0, 8)}

// moments are where the entries of a database are after what they name.
var moments = map[string]func(db *DB) error{
	"in memory": func(*DB) error { return nil },
	"flushed":   (*DB).Flush,
	"compacted": func(db *DB) error { return errors.Join(db.Flush(), db.Compact(context.Background(), nil, nil)) },
}

// A program that finds the empty key in one way and not in another has lost it.
func TestEmptyKey_isAKeyForEveryCall(t *testing.T) {
	for spelled, k := range emptyKeys {
		for when, move := range moments {
			t.Run(spelled+", "+when, func(t *testing.T) {
				db := openTemp(t, nil)
				if found, err := db.Has(k); found || err != nil {
					t.Errorf("an empty database has it: %v", err)
				}
				requireNil(t, errors.Join(db.Put([]byte{0}, []byte("next")), db.Put(k, []byte("first")), move(db)))
				requireEmptyKey(t, db, k, "first")
				requireNil(t, errors.Join(db.Append(k, []byte(" and more")), db.Flush(), db.Append(k, []byte("!")), move(db)))
				requireEmptyKey(t, db, k, "first and more!")
				s := db.Snapshot()
				defer s.Close()
				requireNil(t, errors.Join(db.Delete(k), move(db)))
				if found, err := db.Has(k); found || err != nil || len(keysIn(db)) != 1 {
					t.Errorf("it was deleted, and is there: %v, %v", found, err)
				}
				if v, err := s.Get(k); string(v) != "first and more!" || err != nil {
					t.Errorf("a snapshot of before: %q, %v", v, err)
				}
				requireNil(t, errors.Join(db.Add(k, 7), db.Max(k, 9), db.Min(k, 8), move(db)))
				v, err := db.Get(k)
				if n, problem := Int64(v); n != 8 || err != nil || problem != nil {
					t.Errorf("a counter: %d, %v, %v", n, err, problem)
				}
			})
		}
	}
}

func keysIn(db *DB) []string { return slices.Collect(keysOf(db.Range(nil, nil))) }

// requireEmptyKey requires that every read shows the value of the empty key, and the key {0} behind it.
func requireEmptyKey(t *testing.T, db *DB, k []byte, value string) {
	t.Helper()
	s := db.Snapshot()
	defer s.Close()
	read := func(where string, r interface {
		ranges
		Get(key []byte) ([]byte, error)
		Has(key []byte) (bool, error)
		Size(key []byte) (int64, error)
		ValueReader(ctx context.Context, key []byte) (*Value, error)
	}) {
		t.Helper()
		got, err := r.Get(k)
		found, err2 := r.Has(k)
		size, err3 := r.Size(k)
		requireNil(t, errors.Join(err, err2, err3))
		if string(got) != value || !found || int(size) != len(value) {
			t.Errorf("%s: %q, %v, %d bytes", where, got, found, size)
		}
		v, err := r.ValueReader(t.Context(), k)
		requireNil(t, err)
		streamed, err := io.ReadAll(v)
		if requireNil(t, errors.Join(err, v.Close())); string(streamed) != value {
			t.Errorf("%s: a ValueReader gives %q", where, streamed)
		}
		requireEmptyKeyInLoops(t, where, r, value)
	}
	read("DB", db)
	read("Snapshot", s)
	requireNil(t, db.View(t.Context(), func(tx *Tx) error { read("View", tx); return nil }))
	requireNil(t, db.Update(t.Context(), func(tx *Tx) error { read("Update", tx); return nil }))
}

func requireEmptyKeyInLoops(t *testing.T, where string, r ranges, value string) {
	t.Helper()
	for name, c := range map[string]struct {
		loop *Range
		want string
	}{
		"all":         {r.Range(nil, nil), `"" 00`},
		"from it":     {r.Range([]byte{}, nil), `"" 00`},
		"back":        {r.Range(nil, nil).Reverse(), `00 ""`},
		"alone":       {r.Range(nil, []byte{0}), `""`},
		"alone, back": {r.Range([]byte{}, []byte{0}).Reverse(), `""`},
		"behind it":   {r.Range([]byte{0}, nil), `00`},
		"before it":   {r.Range(nil, []byte{}), ``},
		"its prefix":  {r.Prefix(nil), `"" 00`},
		"limit":       {r.Prefix([]byte{}).Limit(1), `""`},
	} {
		var got []string
		for k, v := range c.loop.All() {
			if k == nil || len(k) == 0 && string(v) != value {
				t.Errorf("%s, %s: %v = %q", where, name, k, v)
			}
			got = append(got, spelledKey(k))
		}
		if strings.Join(got, " ") != c.want || c.loop.Err() != nil {
			t.Errorf("%s, %s: %q, %v", where, name, got, c.loop.Err())
		}
	}
	c := r.Range(nil, nil).Cursor()
	defer c.Close()
	at := func(move string, ok bool, want string) {
		t.Helper()
		got := "none"
		if ok {
			got = spelledKey(c.Key())
		}
		if got != want || ok != c.Valid() || ok == (c.Key() == nil) || c.Err() != nil {
			t.Errorf("%s: %s leads to %s, want %s: %v", where, move, got, want, c.Err())
		}
	}
	at("First", c.First(), `""`)
	at("Prev of it", c.Prev(), "none")
	at("Seek(nil)", c.Seek(nil), `""`)
	at("Next of it", c.Next(), "00")
	at("Prev", c.Prev(), `""`)
	at("SeekBefore({0})", c.SeekBefore([]byte{0}), `""`)
	at("SeekBefore(nil)", c.SeekBefore(nil), "none")
	at("Last", c.Last(), "00")
	at("Prev of the last", c.Prev(), `""`)
	if string(c.Value()) != value {
		t.Errorf("%s: a cursor gives %q", where, c.Value())
	}
}

func spelledKey(k []byte) string {
	if len(k) == 0 {
		return `""`
	}
	return strings.ToUpper(string("0123456789abcdef"[k[0]>>4])) + string("0123456789abcdef"[k[0]&15])
}

// Two transactions that read and write the empty key would each overwrite what the other has done.
func TestEmptyKey_conflicts(t *testing.T) {
	for name, read := range map[string]func(tx *Tx) error{
		"Get":     func(tx *Tx) error { _, err := tx.Get(nil); return err },
		"Has":     func(tx *Tx) error { _, err := tx.Has([]byte{}); return err },
		"loop":    func(tx *Tx) error { return readAll(tx.Range(nil, []byte{0})) },
		"reverse": func(tx *Tx) error { return readAll(tx.Range([]byte{}, []byte{0}).Reverse()) },
		"cursor": func(tx *Tx) error {
			c := tx.Range(nil, nil).Cursor()
			c.SeekBefore([]byte{1})
			return c.Close()
		},
	} {
		db := openMemory(t)
		requireNil(t, db.Put(nil, []byte("before")))
		tx := mustBegin(t, db)
		requireNil(t, errors.Join(read(tx), tx.Put([]byte("other"), nil)))
		requireNil(t, db.Put(nil, []byte("meanwhile")))
		if err := tx.Commit(); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	db := openMemory(t)
	first, second := mustBegin(t, db), mustBegin(t, db)
	defer second.Rollback()
	if _, err := first.GetForUpdate(nil); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, err := second.GetForUpdate([]byte{})
		waited <- err
	}()
	requireNil(t, errors.Join(first.Put(nil, []byte("first")), first.Commit()))
	if err := <-waited; err != nil {
		t.Errorf("the lock, once it was free: %v", err)
	}
	if v, err := second.Get(nil); string(v) != "first" || err != nil {
		t.Errorf("under the lock: %q, %v", v, err)
	}
}

// What a transaction larger than memory has written under the empty key would be missing from its commit.
func TestEmptyKey_inATransactionLargerThanMemory(t *testing.T) {
	db := openTemp(t, &Options{MemoryLimit: 10 << 20})
	requireNil(t, db.Put(nil, []byte("old")))
	want := bytes.Repeat([]byte("v"), 3<<20)
	requireNil(t, db.Update(t.Context(), func(tx *Tx) error {
		for _, k := range []string{"", "a", "b", "c", "d"} {
			requireNil(t, tx.Put([]byte(k), want))
		}
		requireNil(t, errors.Join(tx.Delete(nil), tx.Put(nil, want[:2<<20]), tx.Put([]byte("e"), want)))
		for way, loop := range map[string]*Range{"forward": tx.Range(nil, nil), "backward": tx.Range(nil, nil).Reverse()} {
			n := 0
			for k, v := range loop.All() {
				if n++; k == nil || len(k) == 0 && len(v) != 2<<20 {
					t.Errorf("own writes, %s: key %#v, %d bytes", way, k, len(v))
				}
			}
			if n != 6 || loop.Err() != nil {
				t.Errorf("own writes, %s: %d entries, %v", way, n, loop.Err())
			}
		}
		return nil
	}))
	if size, err := db.Size(nil); size != 2<<20 || err != nil {
		t.Errorf("%d bytes, %v", size, err)
	}
	requireNil(t, db.PutReader(t.Context(), nil, bytes.NewReader(want)))
	requireNil(t, db.Compact(t.Context(), nil, []byte{0}))
	if v, err := db.Get(nil); !bytes.Equal(v, want) || err != nil {
		t.Errorf("streamed: %d bytes, %v", len(v), err)
	}
	requireNil(t, db.Verify(t.Context(), nil))
}
