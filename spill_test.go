package lightningdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var hugeBytes = flag.Int64("huge", 60<<20, "bytes that the huge transactions write")

// openSmall opens a database in dir with the least memory there is.
func openSmall(t testing.TB, dir string, limit int64) *DB {
	t.Helper()
	db, err := Open(dir, &Options{MemoryLimit: limit, Durability: Process})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func hugeKey(i int) []byte {
	return binary.BigEndian.AppendUint64([]byte("huge"), uint64(i)*0x9e3779b97f4a7c15)
}

// fillHuge writes rows of about 1 KiB until they are total bytes, and returns how many.
func fillHuge(t testing.TB, tx *Tx, total int64) int {
	t.Helper()
	random := rand.NewChaCha8([32]byte{1})
	value := make([]byte, 1000)
	n := 0
	for written := int64(0); written < total; n++ {
		random.Read(value[:200]) // the rest compresses
		binary.BigEndian.PutUint64(value, uint64(n))
		if err := tx.Put(hugeKey(n), value); err != nil {
			t.Fatal(err)
		}
		written += int64(len(value)) + 12
	}
	return n
}

// What transactions hold in memory would come on top of the limit, and the collector doubles it.
func TestUpdate_countsWhatItHoldsAgainstTheLimit(t *testing.T) {
	db := openTemp(t, &Options{MemoryLimit: 256 << 20})
	before := db.Metrics()
	err := db.Update(t.Context(), func(tx *Tx) error {
		fillHuge(t, tx, 8<<20) // which memory holds
		m := db.engine.Metrics()
		if m.WriteBytes < 7<<20 || db.Metrics().MemoryUsed < before.MemoryUsed+m.WriteBytes {
			t.Errorf("%d bytes are counted of 8 MiB of writes", m.WriteBytes)
		}
		db.engine.MemoryStep()
		if now := db.Metrics().Cache.LimitBytes; now > before.Cache.LimitBytes-14<<20 {
			t.Errorf("the cache may take %d bytes with 8 MiB of writes, and %d without", now, before.Cache.LimitBytes)
		}
		return errors.New("no")
	})
	if err == nil || db.engine.Metrics().WriteBytes != 0 {
		t.Errorf("%d bytes are counted when no transaction is open; %v", db.engine.Metrics().WriteBytes, err)
	}
}

// A transaction larger than memory that deletes a range would lose what it wrote over it, or keep what was under it, or
// would not be one commit with its range.
func TestUpdate_ofAnySizeDeletesRanges(t *testing.T) {
	for _, last := range []bool{false, true} { // whether a range comes after all that was written
		dir := t.TempDir()
		db := openSmall(t, dir, 32<<20)
		for _, k := range []string{"a", "huge!", "huger", "z"} {
			requireNil(t, db.Put([]byte(k), []byte("before")))
		}
		rows := 0
		requireNil(t, db.Update(t.Context(), func(tx *Tx) error {
			if err := errors.Join(tx.Put([]byte("huge!"), nil), tx.DeletePrefix([]byte("huge"))); err != nil {
				return err
			}
			rows = fillHuge(t, tx, 20<<20)
			s, err := tx.Savepoint()
			if err = errors.Join(err, tx.DeleteRange(nil, nil)); err != nil {
				return err
			}
			if has, err := tx.Has(hugeKey(1)); has || err != nil {
				return fmt.Errorf("in a range that was deleted there is a row: %v, %v", has, err)
			}
			if !last {
				err = tx.RollbackTo(s)
			}
			return errors.Join(err, tx.Put([]byte("b"), []byte("own")))
		}))
		want := map[string]string{"b": "own"}
		if !last {
			want["a"], want["z"] = "before", "before"
		}
		for range 2 {
			got, huge := map[string]string{}, 0
			for k, v := range db.Range(nil, nil).All() {
				if bytes.HasPrefix(k, []byte("huge")) && len(v) == 1000 {
					huge++
				} else {
					got[string(k)] = string(v)
				}
			}
			if !maps.Equal(got, want) || huge > 0 && last || huge != rows && !last {
				t.Errorf("a range at the end: %v: the database has %v, and %d of %d rows", last, got, huge, rows)
			}
			requireNil(t, db.Close())
			db = openSmall(t, dir, 32<<20)
		}
		requireNil(t, db.Close())
	}
}

// As many ranges as a transaction may delete must go into one commit, and one more be refused before that.
func TestTxDeleteRange_asManyAsThereMayBe(t *testing.T) {
	const most = 4096
	db := openMemory(t)
	key := func(i int) []byte { return binary.BigEndian.AppendUint16(nil, uint16(i)) }
	for i := range 16 {
		requireNil(t, db.Put(key(i), nil))
	}
	requireNil(t, db.Update(t.Context(), func(tx *Tx) error {
		for i := range most {
			if err := tx.DeleteRange(key(2*i), key(2*i+1)); err != nil {
				return err
			}
		}
		if err := tx.DeleteRange(key(2*most), nil); !errors.Is(err, ErrTooManyRanges) {
			t.Errorf("one range more gave %v", err)
		}
		return nil
	}))
	n := 0
	for k := range db.Range(nil, nil).Keys() {
		if n++; k[1]%2 == 0 {
			t.Errorf("%x is there", k)
		}
	}
	if n != 8 {
		t.Errorf("%d keys are left, want 8", n)
	}
}

// A transaction of any size is one commit: it reads its own writes, and then everybody sees all of it.
func TestUpdate_ofAnySizeUnderASmallMemoryLimit(t *testing.T) {
	dir := t.TempDir()
	db := openSmall(t, dir, 64<<20)
	if err := db.Put(hugeKey(7), []byte("before")); err != nil {
		t.Fatal(err)
	}
	start, n := time.Now(), 0
	err := db.Update(t.Context(), func(tx *Tx) error {
		if err := tx.Add([]byte("count"), 1000); err != nil {
			return err
		}
		n = fillHuge(t, tx, *hugeBytes)
		if v, err := tx.Get([]byte("count")); err != nil || !bytes.Equal(v, AppendInt64(nil, 1000)) {
			return fmt.Errorf("an own counter reads %x, %v", v, err)
		}
		if v, err := tx.Get(hugeKey(n / 2)); err != nil || binary.BigEndian.Uint64(v) != uint64(n/2) {
			return fmt.Errorf("own row %d reads %x, %v", n/2, v[:8], err)
		}
		if v, err := db.Get(hugeKey(7)); err != nil || string(v) != "before" {
			return fmt.Errorf("others see %q, %v", v, err)
		}
		if err := tx.Delete(hugeKey(3)); err != nil {
			return err
		}
		return errors.Join(tx.Add([]byte("count"), int64(n-1000)), db.Put([]byte("meanwhile"), nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows, %d bytes in %v", n, *hugeBytes, time.Since(start))
	for range 2 {
		mustHoldHuge(t, db, n)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = openSmall(t, dir, 64<<20)
	}
	db.Close()
}

func mustHoldHuge(t *testing.T, db *DB, n int) {
	t.Helper()
	rows := 0
	for k, v := range db.Prefix([]byte("huge")).All() {
		if !bytes.Equal(k, hugeKey(int(binary.BigEndian.Uint64(v)))) {
			t.Fatalf("key %x has the value of row %d", k, binary.BigEndian.Uint64(v))
		}
		rows++
	}
	v, err := db.Get([]byte("count"))
	if err != nil {
		t.Fatal(err)
	}
	if count, err := Int64(v); rows != n-1 || count != int64(n) || err != nil {
		t.Errorf("%d rows and a count of %d (%v), want %d and %d", rows, count, err, n-1, n)
	}
	if ok, err := db.Has(hugeKey(3)); ok || err != nil {
		t.Errorf("the deleted row is there: %v, %v", ok, err)
	}
	if ok, err := db.Has([]byte("meanwhile")); !ok || err != nil {
		t.Errorf("a commit of another is not there: %v", err)
	}
}

// What is taken back must leave neither entries nor files.
func TestRollback_ofAHugeTransactionLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	db := openSmall(t, dir, 10<<20)
	defer db.Close()
	err := db.Update(t.Context(), func(tx *Tx) error {
		fillHuge(t, tx, 30<<20)
		return errors.New("changed my mind")
	})
	if err == nil || err.Error() != "changed my mind" {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
		if err != nil {
			t.Fatal(err)
		}
		if len(tables) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d tables are left", len(tables))
		}
		time.Sleep(time.Millisecond) // the housekeeper removes them
	}
	for k := range db.Range(nil, nil).Keys() {
		t.Fatalf("%x is there", k)
	}
}

// Two huge transactions, and a huge and a small one, conflict as small ones do.
func TestUpdate_hugeTransactionsConflict(t *testing.T) {
	db := openSmall(t, t.TempDir(), 10<<20)
	defer db.Close()
	begin := func() *Tx {
		tx, err := db.Begin(t.Context(), TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	a, b := begin(), begin()
	for i, tx := range []*Tx{a, b} {
		if _, err := tx.Get([]byte("count")); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		fillHuge(t, tx, 5<<20)
		if err := tx.Put([]byte("count"), []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); !errors.Is(err, ErrConflict) {
		t.Fatalf("the second huge transaction gave %v", err)
	}
	c := begin()
	for range c.Prefix([]byte("huge")).Keys() {
	}
	if err := c.Put([]byte("sum"), nil); err != nil {
		t.Fatal(err)
	}
	d := begin()
	fillHuge(t, d, 5<<20)
	if err := errors.Join(d.Put([]byte("huge!"), nil), d.Commit()); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(); !errors.Is(err, ErrConflict) {
		t.Errorf("a scan of what a huge transaction changed gave %v", err)
	}
	if v, err := db.Get([]byte("count")); err != nil || v[0] != 0 {
		t.Errorf("count is %v, %v", v, err)
	}
}

// A kill in the middle of a huge transaction, or of its commit, must leave all of it or nothing, and no file of it.
func TestUpdate_killedInAHugeTransaction(t *testing.T) {
	if dir := os.Getenv("LIGHTNING_HUGE"); dir != "" {
		runHuge(t, dir)
		return
	}
	for range 6 {
		dir := t.TempDir()
		child := exec.Command(os.Args[0], "-test.run", "TestUpdate_killedInAHugeTransaction$")
		child.Env = append(os.Environ(), "LIGHTNING_HUGE="+dir)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100*time.Millisecond + rand.N(time.Second)*time.Duration(rand.IntN(2))) // any moment will do
		child.Process.Kill()
		child.Wait()
		mustBeAllOrNothing(t, dir)
	}
}

// hugeRows is how many rows the transaction of runHuge writes.
const hugeRows = 50 << 10

// runHuge commits a huge transaction.
func runHuge(t *testing.T, dir string) {
	db := openSmall(t, dir, 10<<20)
	defer db.Close()
	if err := db.Update(t.Context(), func(tx *Tx) error {
		fillHuge(t, tx, hugeRows*1012)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func mustBeAllOrNothing(t *testing.T, dir string) {
	t.Helper()
	db := openSmall(t, dir, 10<<20)
	defer db.Close()
	rows := 0
	for range db.Prefix([]byte("huge")).Keys() {
		rows++
	}
	if rows != 0 && rows != hugeRows {
		t.Errorf("%d of %d rows are there", rows, hugeRows)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	if err != nil || rows == 0 && len(tables) > 0 {
		t.Errorf("no row, but %d tables (%v)", len(tables), err)
	}
	t.Logf("%d rows, %d tables", rows, len(tables))
}
