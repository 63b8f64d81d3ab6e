package lightningdb

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lightningdb/metrics"
)

// noContext is what a program passes that has none.
var noContext context.Context

// A nil context would crash the program in the middle of whatever it is doing.
func TestContext_nilNeverEnds(t *testing.T) {
	db := openMemory(t)
	write := func(tx *Tx) error {
		_, err := tx.GetForUpdate([]byte("a"))
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return errors.Join(err, tx.Put([]byte("a"), []byte("1")))
	}
	begun, beginErr := db.Begin(noContext, TxOptions{})
	requireNil(t, beginErr)
	reading, readErr := db.Begin(noContext, TxOptions{ReadOnly: true})
	requireNil(t, readErr)
	for name, err := range map[string]error{
		"Begin":                 errors.Join(write(begun), begun.Commit()),
		"Begin read-only":       reading.Commit(),
		"Update":                db.Update(noContext, write),
		"UpdateWith":            db.UpdateWith(noContext, TxOptions{Isolation: SnapshotIsolation}, write),
		"UpdateWith, read-only": db.UpdateWith(noContext, TxOptions{ReadOnly: true}, func(*Tx) error { return nil }),
		"View":                  db.View(noContext, func(*Tx) error { return nil }),
		"Compact":               db.Compact(noContext, nil, nil),
		"Verify":                db.Verify(noContext, nil),
		"WaitDurable":           db.WaitDurable(noContext, 1),
	} {
		if err != nil {
			t.Errorf("%s gave %v", name, err)
		}
	}
}

// keyCalls are the calls that take a key, by name.
func keyCalls(t *testing.T, db *DB, k []byte) map[string]error {
	t.Helper()
	s := db.Snapshot()
	defer s.Close()
	errs := make(map[string]error)
	read := func(where string, r interface {
		Get(key []byte) ([]byte, error)
		GetAppend(dst, key []byte) ([]byte, error)
		Has(key []byte) (bool, error)
	}) {
		_, errs[where+".Get"] = r.Get(k)
		_, errs[where+".GetAppend"] = r.GetAppend(nil, k)
		_, errs[where+".Has"] = r.Has(k)
	}
	read("DB", db)
	read("Snapshot", s)
	requireNil(t, db.View(t.Context(), func(tx *Tx) error { read("View", tx); return nil }))
	requireNil(t, db.Update(t.Context(), func(tx *Tx) error {
		read("Update", tx)
		_, errs["GetForUpdate"] = tx.GetForUpdate(k)
		errs["Tx.Put"], errs["Tx.Delete"], errs["Tx.Add"] = tx.Put(k, nil), tx.Delete(k), tx.Add(k, 1)
		errs["Tx.Append"], errs["Tx.Merge"] = tx.Append(k, nil), tx.Merge(k, nil)
		return nil
	}))
	errs["DB.Put"], errs["DB.Delete"], errs["DB.Add"] = db.Put(k, nil), db.Delete(k), db.Add(k, 1)
	errs["DB.Append"], errs["DB.Merge"] = db.Append(k, nil), db.Merge(k, nil)
	return errs
}

// A key that one call takes and another refuses could not be removed any more.
func TestLimits_areTheSameForEveryCallWithAKey(t *testing.T) {
	db := openWithRows(t)
	requireErrors(t, "with a key too large", ErrKeyTooLarge, keyCalls(t, db, make([]byte, MaxKeySize+1)))
	requireQuiet(t, db)
	if MaxBatchSize != 1<<30-24 || MaxArgumentSize != 1<<26-1 {
		t.Errorf("the documents name other limits than %d and %d", MaxBatchSize, MaxArgumentSize)
	}
}

// A value that is there and empty would be taken for none.
func TestGet_emptyValueIsNotNil(t *testing.T) {
	db := openMemory(t)
	check := func(where string, r interface {
		ranges
		Get(key []byte) ([]byte, error)
	}) {
		t.Helper()
		for _, k := range []string{"a", "b", "c"} {
			if v, err := r.Get([]byte(k)); v == nil || len(v) > 0 || err != nil {
				t.Errorf("%s: Get gave %v, %v", where, v, err)
			}
		}
		for _, loop := range []*Range{r.Range(nil, nil), r.Range(nil, nil).Reverse()} {
			n := 0
			for _, v := range loop.All() {
				if n++; v == nil || len(v) > 0 {
					t.Errorf("%s: a loop gave %v", where, v)
				}
			}
			if n < 3 || loop.Err() != nil {
				t.Errorf("%s: %d entries, %v", where, n, loop.Err())
			}
		}
		c := r.Range(nil, nil).Cursor()
		for ok := c.First(); ok; ok = c.Next() {
			if v := c.Value(); v == nil || len(v) > 0 {
				t.Errorf("%s: a cursor gave %v", where, v)
			}
		}
		requireClose(t, c)
	}
	everywhere := func(where string) {
		t.Helper()
		check(where, db)
		s := db.Snapshot()
		defer s.Close()
		check(where+", Snapshot", s)
		requireNil(t, db.View(t.Context(), func(tx *Tx) error { check(where+", View", tx); return nil }))
		requireNil(t, db.Update(t.Context(), func(tx *Tx) error {
			check(where+", Update", tx)
			requireNil(t, errors.Join(tx.Put([]byte("a"), nil), tx.Put([]byte("d"), []byte{}), tx.Append([]byte("e"), nil)))
			check(where+", own write", tx)
			v, err := tx.GetForUpdate([]byte("b"))
			if v == nil {
				t.Errorf("%s: GetForUpdate gave nil", where)
			}
			return err
		}))
	}
	requireNil(t, errors.Join(db.Put([]byte("a"), nil), db.Put([]byte("b"), []byte{}), db.Append([]byte("c"), nil)))
	everywhere("memtable")
	requireNil(t, db.Flush())
	everywhere("table")
	if _, err := db.Get([]byte("x")); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get of a key that is not there gave %v", err)
	}
}

// Somebody who watches a database by its metrics would see {} where an error is, and a closed one in the best of
// health.
func TestMetrics_tellOfFailureAndClose(t *testing.T) {
	db := openTemp(t, nil)
	mustPut(t, db, "a", "1")
	if m := db.Metrics(); m.BackgroundError != nil || m.Memtable.Active != 1 || m.MemoryUsed == 0 || m.Log.Segments == 0 {
		t.Errorf("an open database says %v, %d bytes", m.BackgroundError, m.MemoryUsed)
	}
	text, err := json.Marshal(db.Metrics())
	if err != nil || !strings.Contains(string(text), `"BackgroundError":null`) {
		t.Errorf("%s, %v", text, err)
	}
	requireNil(t, db.Close())
	m := db.Metrics()
	if !errors.Is(m.BackgroundError, ErrClosed) {
		t.Errorf("a closed database says %v", m.BackgroundError)
	}
	if m.Memtable != (metrics.Memtables{}) || m.Log.Segments != 0 || m.Log.Bytes != 0 || m.DiskBytes != 0 ||
		len(m.Levels) != 0 || m.MemoryUsed != 0 || m.Cache.UsedBytes != 0 || m.TablesOpen != 0 || m.CompactionWaits {
		t.Errorf("a closed database says it has %+v", m)
	}
	if m.Sequence != 1 || m.Commits != 1 {
		t.Errorf("a closed database has forgotten what it did: %d, %d", m.Sequence, m.Commits)
	}
	text, err = json.Marshal(m)
	if err != nil || !strings.Contains(string(text), `"BackgroundError":"database is closed"`) {
		t.Errorf("%s, %v", text, err)
	}
}

// Somebody who finds out what has ended from the error would look for a write where there was none.
func TestTx_readOnlyAfterItsEndSaysSo(t *testing.T) {
	db := openWithRows(t)
	var kept []*Tx
	requireNil(t, db.View(t.Context(), func(tx *Tx) error { kept = append(kept, tx); return nil }))
	for _, end := range []func(*Tx) error{(*Tx).Commit, (*Tx).Rollback} {
		tx, err := db.Begin(t.Context(), TxOptions{ReadOnly: true})
		requireNil(t, err)
		requireErrors(t, "before the end", ErrReadOnlyTx, writeCalls(tx, Savepoint{}))
		requireNil(t, end(tx))
		requireErrors(t, "after the end", ErrTxDone, map[string]error{"Commit": tx.Commit()})
		kept = append(kept, tx)
	}
	for _, tx := range kept {
		requireErrors(t, "after the end", ErrTxDone, readCalls(tx))
		requireErrors(t, "after the end", ErrTxDone, writeCalls(tx, Savepoint{}))
		requireErrors(t, "after the end", ErrTxDone, map[string]error{"Merge": tx.Merge([]byte("a"), nil)})
	}
}

// A commit that succeeds tells its program that it was in time.
func TestCommit_withoutWritesMindsItsContext(t *testing.T) {
	db := openWithRows(t)
	for _, o := range []TxOptions{{}, {ReadOnly: true}, {Isolation: SnapshotIsolation}} {
		ctx, cancel := context.WithCancel(t.Context())
		tx, err := db.Begin(ctx, o)
		requireNil(t, err)
		_, err = tx.Get([]byte("a"))
		requireNil(t, err)
		cancel()
		if err := tx.Commit(); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: Commit gave %v", o, err)
		}
		requireErrors(t, "after Commit", ErrTxDone, readCalls(tx))
	}
	requireQuiet(t, db)
}

// A loop that shows nothing has read nothing: a transaction would lose against a commit that it has not seen.
func TestRange_limitZeroReadsNothing(t *testing.T) {
	db := openWithRows(t)
	for _, reverse := range []bool{false, true} {
		tx := mustBegin(t, db)
		r := tx.Range(nil, nil).Limit(0)
		if reverse {
			r.Reverse()
		}
		for k := range r.All() {
			t.Errorf("a loop with no entries yields %q", k)
		}
		for k := range r.Keys() {
			t.Errorf("a loop with no entries yields %q", k)
		}
		requireNil(t, r.Err())
		requireNil(t, errors.Join(db.Put([]byte("a"), []byte("new")), db.Put([]byte("c"), []byte("new"))))
		if err := errors.Join(tx.Put([]byte("d"), nil), tx.Commit()); err != nil {
			t.Errorf("reverse %v: %v", reverse, err)
		}
	}
	tx, err := db.Begin(t.Context(), TxOptions{Isolation: SnapshotIsolation})
	requireNil(t, err)
	for range tx.Range(nil, nil).Limit(0).All() {
	}
	mustPut(t, db, "a", "newer")
	if v, err := tx.GetForUpdate([]byte("a")); err != nil || string(v) != "newer" {
		t.Errorf("the snapshot may not move although nothing was read: %q, %v", v, err)
	}
	requireNil(t, tx.Rollback())
}

// A loop that turns round when its range is prepared for the next one would show entries twice.
func TestRange_runningLoopKeepsItsDirectionAndLimit(t *testing.T) {
	db := openWithRows(t)
	turn := func(r *Range) (shown string) {
		for k, v := range r.All() {
			shown += string(k)
			r.Reverse().Limit(len(v))
		}
		r.Limit(-1)
		for k := range r.Keys() {
			shown += string(k)
			r.Reverse().Limit(1)
		}
		return shown
	}
	check := func(r ranges) error {
		if shown := turn(r.Range(nil, nil)); shown != "abccba" {
			t.Errorf("%T: the loops show %q", r, shown)
		}
		return nil
	}
	requireNil(t, check(db))
	requireNil(t, db.View(t.Context(), func(tx *Tx) error { return check(tx) }))
	requireNil(t, db.Update(t.Context(), func(tx *Tx) error { return check(tx) }))
}

// Somebody who must know whether a directory is a database would be told that it is one of something else.
func TestOpen_mustExistInAForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "notes.txt")
	for _, o := range []Options{{MustExist: true}, {ReadOnly: true}} {
		if _, err := Open(dir, &o); !errors.Is(err, ErrNoDatabase) || errors.Is(err, ErrNotDatabase) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := Open(dir, nil); !errors.Is(err, ErrNotDatabase) {
		t.Error(err)
	}
}

func writeFile(t *testing.T, dir, name string) {
	t.Helper()
	requireNil(t, os.WriteFile(filepath.Join(dir, name), []byte("text"), 0o600))
}
