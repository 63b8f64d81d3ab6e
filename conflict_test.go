package lightningdb

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// openABC opens a database with the keys b, d and f.
func openABC(t *testing.T) *DB {
	db := openMemory(t)
	for _, k := range []string{"b", "d", "f"} {
		if err := db.Put([]byte(k), []byte("old")); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func beginTx(t *testing.T, db *DB, o TxOptions) *Tx {
	t.Helper()
	tx, err := db.Begin(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

// spill moves what tx wrote to disk, as if it were more than memory holds.
func spill(t *testing.T, tx *Tx) {
	t.Helper()
	if err := tx.body.Writer.Spill(); err != nil {
		t.Fatal(err)
	}
}

func mustGet(t *testing.T, get func([]byte) ([]byte, error), k, want string) {
	t.Helper()
	if v, err := get([]byte(k)); string(v) != want || err != nil {
		t.Errorf("%s is %q (%v), want %q", k, v, err, want)
	}
}

// walked is a way to walk through a part of b, d, f, and which keys it has seen or missed, and which it knows nothing
// of.
type walked struct {
	name          string
	walk          func(tx *Tx)
	seen, unknown string
}

var walks = []walked{
	{"get", func(tx *Tx) { tx.Get([]byte("b")) }, "b", "acdef"},
	{"get of nothing", func(tx *Tx) { tx.Get([]byte("c")) }, "c", "abdef"},
	{"all", func(tx *Tx) { drain(tx.Range(nil, nil)) }, "abcdefg", ""},
	{"all backward", func(tx *Tx) { drain(tx.Range(nil, nil).Reverse()) }, "abcdefg", ""},
	{"bounds", func(tx *Tx) { drain(tx.Range([]byte("c"), []byte("f"))) }, "cde", "abfg"},
	{"bounds backward", func(tx *Tx) { drain(tx.Range([]byte("c"), []byte("f")).Reverse()) }, "cde", "abfg"},
	{"nothing in bounds", func(tx *Tx) { drain(tx.Range([]byte("g"), []byte("i"))) }, "gh", "abcdefi"},
	{"first two", func(tx *Tx) { drain(tx.Range(nil, nil).Limit(2)) }, "abcd", "efg"},
	{"last two", func(tx *Tx) { drain(tx.Range(nil, nil).Reverse().Limit(2)) }, "defg", "abc"},
	{"seek", moves(func(c *Cursor) { c.Seek([]byte("c")) }), "cd", "abefg"},
	{"seek backward", moves(func(c *Cursor) { c.SeekBefore([]byte("d")) }), "bc", "adefg"},
	{"two seeks", moves(func(c *Cursor) { c.First(); c.Seek([]byte("f")) }), "abf", "cdeg"},
	{"there and back", moves(func(c *Cursor) { c.First(); c.Next(); c.Next(); c.Prev() }), "abcdef", "g"},
	{"back and there", moves(func(c *Cursor) { c.Last(); c.Prev(); c.Next() }), "defg", "abc"},
	{"an open cursor", func(tx *Tx) { c := tx.Range(nil, nil).Cursor(); c.First(); c.Next() }, "abcd", "efg"},
}

func drain(r *Range) {
	for range r.Keys() {
		continue
	}
}

func moves(move func(*Cursor)) func(*Tx) {
	return func(tx *Tx) {
		c := tx.Range(nil, nil).Cursor()
		defer c.Close()
		move(c)
	}
}

// What a transaction has walked through, or looked for in vain, must be as it was at its commit: a key that appears
// there is the phantom that write skew comes from. What it has not come to is no reason to repeat it.
func TestCommit_conflictsWithWritesWhereItRead(t *testing.T) {
	conflictsWhereItRead(t, "wrote", func(db *DB, k []byte) error { return db.Put(k, []byte("new")) })
}

// A range that was deleted is none of the versions of a key: what it takes must be a conflict for who has seen it, or
// looked there in vain, and for nobody else.
func TestCommit_conflictsWithRangesDeletedWhereItRead(t *testing.T) {
	conflictsWhereItRead(t, "deleted a range over",
		func(db *DB, k []byte) error { return db.DeleteRange(k, append(k, 0)) })
}

// conflictsWhereItRead has another commit change each key by do, after each walk: that must be a conflict where the
// walk has come to, and nowhere else.
func conflictsWhereItRead(t *testing.T, did string, do func(db *DB, k []byte) error) {
	for _, w := range walks {
		for _, keys := range []struct {
			names string
			want  error
		}{{w.seen, ErrConflict}, {w.unknown, nil}} {
			for _, k := range keys.names {
				db := openABC(t)
				tx := beginTx(t, db, TxOptions{})
				w.walk(tx)
				if err := errors.Join(do(db, []byte(string(k))), tx.Put([]byte("out"), nil)); err != nil {
					t.Fatal(err)
				}
				if err := tx.Commit(); !errors.Is(err, keys.want) {
					t.Errorf("%s, and another %s %c: the commit gave %v", w.name, did, k, err)
				}
			}
		}
	}
}

// A cursor that stays at the old state would show, after a lock, what the lock was to make sure is over.
func TestGetForUpdate_movesOpenCursors(t *testing.T) {
	db := openABC(t)
	tx := beginTx(t, db, TxOptions{})
	c := tx.Range(nil, nil).Cursor()
	defer c.Close()
	c.First()
	if err := db.Put([]byte("d"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	mustGet(t, tx.GetForUpdate, "d", "new")
	if c.Next(); string(c.Key()) != "d" || string(c.Value()) != "new" {
		t.Errorf("the cursor shows %s = %s", c.Key(), c.Value())
	}
}

// What a cursor has walked through counts as read while it is still open: with a newer snapshot it would be another
// state.
func TestGetForUpdate_movesNotPastWhatACursorHasRead(t *testing.T) {
	db := openABC(t)
	tx := beginTx(t, db, TxOptions{})
	c := tx.Range(nil, nil).Cursor()
	defer c.Close()
	c.First()
	c.Next()
	if err := errors.Join(db.Put([]byte("b"), []byte("new")), db.Put([]byte("f"), []byte("new"))); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.GetForUpdate([]byte("f")); !errors.Is(err, ErrConflict) {
		t.Errorf("GetForUpdate gave %v", err)
	}
}

// A cursor that stands in memory that was emptied would pass over the transaction's own writes.
func TestCursor_followsASpill(t *testing.T) {
	for _, backward := range []bool{false, true} {
		tx := beginTx(t, openABC(t), TxOptions{})
		c := tx.Range(nil, nil).Cursor()
		defer c.Close()
		start, next := c.First, c.Next
		if backward {
			start, next = c.Last, c.Prev
		}
		start()
		if err := errors.Join(tx.Put([]byte("c"), []byte("own")), tx.Put([]byte("e"), []byte("own"))); err != nil {
			t.Fatal(err)
		}
		spill(t, tx)
		if next(); string(c.Value()) != "own" {
			t.Errorf("backward %v: the cursor is at %s = %s", backward, c.Key(), c.Value())
		}
	}
}

// A counter that is added to before and after a spill would count the first part twice.
func TestAdd_overASpillCountsOnce(t *testing.T) {
	db := openABC(t)
	tx := beginTx(t, db, TxOptions{})
	for range 2 {
		if err := tx.Append([]byte("b"), []byte("+")); err != nil {
			t.Fatal(err)
		}
		spill(t, tx)
	}
	if err := tx.Append([]byte("b"), []byte("+")); err != nil {
		t.Fatal(err)
	}
	mustGet(t, tx.Get, "b", "old+++")
	for k, v := range tx.Range(nil, []byte("c")).All() {
		if string(v) != "old+++" {
			t.Errorf("a scan shows %s = %s", k, v)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	mustGet(t, db.Get, "b", "old+++")
}

// Under snapshot isolation, too, of two that write a key only the first may win; an operand goes with whatever is
// there.
func TestSnapshotIsolation_writesConflictWithWrites(t *testing.T) {
	writes := map[string]struct {
		write func(tx *Tx) error
		want  error
	}{
		"put":    {func(tx *Tx) error { return tx.Put([]byte("b"), nil) }, ErrConflict},
		"delete": {func(tx *Tx) error { return tx.Delete([]byte("b")) }, ErrConflict},
		"append": {func(tx *Tx) error { return tx.Append([]byte("b"), []byte("+")) }, nil},
		"range":  {func(tx *Tx) error { return tx.DeleteRange([]byte("a"), []byte("c")) }, ErrConflict},
		"prefix": {func(tx *Tx) error { return errors.Join(tx.DeletePrefix(nil), tx.Put([]byte("d"), nil)) }, ErrConflict},
		"merge": {func(tx *Tx) error {
			return errors.Join(tx.DeletePrefix([]byte("b")), tx.Append([]byte("d"), nil))
		}, ErrConflict},
		"behind": {func(tx *Tx) error { return tx.DeleteRange([]byte("b\x00"), nil) }, nil},
		"other": {func(tx *Tx) error {
			_, err := tx.Has([]byte("b"))
			return errors.Join(err, tx.Put([]byte("d"), nil))
		}, nil},
	}
	others := map[string]func(db *DB) error{
		"put":    func(db *DB) error { return db.Put([]byte("b"), []byte("first")) },
		"delete": func(db *DB) error { return db.Delete([]byte("b")) },
		"range":  func(db *DB) error { return db.DeleteRange([]byte("b"), []byte("b\x00")) },
	}
	for name, w := range writes {
		for what, other := range others {
			for i := range 4 {
				large, empty := i%2 == 1, i/2 == 1
				db := openABC(t)
				if empty {
					emptyUpToD(t, db)
				}
				tx := beginTx(t, db, TxOptions{Isolation: SnapshotIsolation})
				if err := errors.Join(w.write(tx), other(db)); err != nil {
					t.Fatal(err)
				}
				if large {
					spill(t, tx)
				}
				if err := tx.Commit(); !errors.Is(err, w.want) {
					t.Errorf("%s, large %v, after a %s, of nothing %v: the commit gave %v", name, large, what, empty, err)
				}
			}
		}
	}
}

// emptyUpToD deletes b and many keys before it, and walks over them: from then on the database knows that there is
// nothing.
func emptyUpToD(t *testing.T, db *DB) {
	t.Helper()
	var b Batch
	for i := range 200 {
		k := fmt.Appendf(nil, "a%03d", i)
		b.Put(k, nil)
		b.Delete(k)
	}
	b.Delete([]byte("b"))
	if err := db.Write(&b); err != nil {
		t.Fatal(err)
	}
	keys := 0
	for range db.Range(nil, nil).Keys() {
		keys++
	}
	if keys != 2 {
		t.Fatalf("%d keys are left", keys)
	}
}

func readOf(tx *Tx, k string) error {
	_, err := tx.Get([]byte(k))
	return err
}

// A function that overlooks the error of a call has missed something: what it decided must not be committed.
func TestCommit_refusesAfterAFailedCall(t *testing.T) {
	db := openABC(t)
	tx := beginTx(t, db, TxOptions{Isolation: SnapshotIsolation})
	if err := errors.Join(readOf(tx, "b"), db.Put([]byte("d"), []byte("new"))); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.GetForUpdate([]byte("d")); !errors.Is(err, ErrConflict) {
		t.Fatalf("GetForUpdate moved a snapshot that was read: %v", err)
	}
	if err := errors.Join(tx.Put([]byte("f"), []byte("new")), tx.Commit()); !errors.Is(err, ErrConflict) {
		t.Errorf("the commit gave %v", err)
	}
	mustGet(t, db.Get, "f", "old")
}

// Whatever ends a function but its return of nil: nothing is written, no lock and no snapshot stays, and OnCommit is
// silent.
func TestUpdate_whatDoesNotReturnNilWritesNothing(t *testing.T) {
	stopped := errors.New("stopped")
	ends := map[string]func(cancel func()) error{
		"error":  func(func()) error { return stopped },
		"panic":  func(func()) error { panic(stopped) },
		"cancel": func(cancel func()) error { cancel(); return nil },
	}
	reads := map[string]func(tx *Tx, k []byte) ([]byte, error){"a lock": (*Tx).GetForUpdate, "no lock": (*Tx).Get}
	for how, end := range ends {
		for held, read := range reads {
			name := how + " with " + held
			db := openABC(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			err := recovered(func() error {
				return db.Update(ctx, func(tx *Tx) error {
					_, err := read(tx, []byte("b"))
					committed := func(uint64) { t.Errorf("%s: OnCommit was called", name) }
					if err := errors.Join(err, tx.Put([]byte("b"), []byte("new")), tx.OnCommit(committed)); err != nil {
						return err
					}
					return end(cancel)
				})
			})
			if !errors.Is(err, stopped) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: Update gave %v", name, err)
			}
			mustGet(t, db.Get, "b", "old")
			if n := db.Metrics().Snapshots; n != 0 {
				t.Errorf("%s: %d snapshots stay", name, n)
			}
			if err := db.Put([]byte("b"), nil); err != nil || db.Metrics().Transactions.LockWaits != 0 {
				t.Errorf("%s: a lock stays", name)
			}
		}
	}
}

// recovered returns what fn returns, or panics with.
func recovered(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = p.(error)
		}
	}()
	return fn()
}

// An attempt that lost must leave nothing to its caller: not its writes, and not its OnCommit.
func TestUpdate_repeatsWhatLost(t *testing.T) {
	db := openABC(t)
	attempts, commits := 0, 0
	err := db.Update(t.Context(), func(tx *Tx) error {
		attempts++
		if err := errors.Join(readOf(tx, "b"), tx.Put([]byte("d"), []byte{byte('0' + attempts)})); err != nil {
			return err
		}
		if attempts == 1 {
			if err := putConcurrently(db, "b", "new"); err != nil {
				return err
			}
		}
		return tx.OnCommit(func(uint64) { commits++ })
	})
	if err != nil || attempts != 2 || commits != 1 {
		t.Errorf("%v, %d attempts, %d calls of OnCommit", err, attempts, commits)
	}
	mustGet(t, db.Get, "d", "2")
}

// putConcurrently is Put in a goroutine of its own, as far as it goes: until it is done, or waits for a lock.
func putConcurrently(db *DB, k, v string) error {
	before := db.Metrics().Transactions.LockWaits
	done := make(chan error, 1)
	go func() { done <- db.Put([]byte(k), []byte(v)) }()
	for db.Metrics().Transactions.LockWaits == before {
		select {
		case err := <-done:
			return err
		default:
			runtime.Gosched()
		}
	}
	return nil
}

// A transaction that others always overtake would never be done.
func TestUpdate_thatKeepsLosingGetsPrecedence(t *testing.T) {
	reads := map[string]func(tx *Tx){
		"key":   func(tx *Tx) { readOf(tx, "b") },
		"range": func(tx *Tx) { drain(tx.Range([]byte("a"), []byte("c"))) },
	}
	for name, read := range reads {
		db := openABC(t)
		attempts := 0
		err := db.Update(t.Context(), func(tx *Tx) error {
			if attempts++; attempts > priorityAfter+3 {
				return errors.New("it loses for ever")
			}
			read(tx)
			return errors.Join(putConcurrently(db, "b", "overtakes"), tx.Put([]byte("out"), nil))
		})
		if err != nil {
			t.Errorf("reading a %s: %v", name, err)
		}
	}
}

// Two that lock two keys in opposite orders stop each other: one must begin again, and both must end.
func TestUpdate_repeatsADeadlock(t *testing.T) {
	db := openABC(t)
	var met [2]chan struct{}
	for i := range met {
		met[i] = make(chan struct{})
	}
	transfer := func(self int, first, second string) error {
		attempts := 0
		return db.Update(t.Context(), func(tx *Tx) error {
			if _, err := tx.GetForUpdate([]byte(first)); err != nil {
				return err
			}
			if attempts++; attempts == 1 {
				close(met[self])
				<-met[1-self]
			}
			_, err := tx.GetForUpdate([]byte(second))
			return err
		})
	}
	done := make(chan error)
	go func() { done <- transfer(0, "b", "d") }()
	if err := errors.Join(transfer(1, "d", "b"), <-done); err != nil {
		t.Error(err)
	}
	if n := db.Metrics().Transactions.Deadlocks; n == 0 {
		t.Error("there was no deadlock")
	}
}

// An Update inside an Update would commit what the outer one takes back, or wait for itself.
func TestUpdate_refusesToBeNested(t *testing.T) {
	db := openABC(t)
	err := db.Update(t.Context(), func(*Tx) error {
		return db.Update(t.Context(), func(tx *Tx) error { return tx.Put([]byte("b"), []byte("inner")) })
	})
	if !errors.Is(err, ErrNested) {
		t.Errorf("the inner Update gave %v", err)
	}
	mustGet(t, db.Get, "b", "old")
	if err := db.Update(t.Context(), func(tx *Tx) error { return tx.Put([]byte("b"), []byte("after")) }); err != nil {
		t.Errorf("one after the other: %v", err)
	}
}

// A part that failed would be committed with the rest.
func TestTxUpdate_takesBackWhatFailed(t *testing.T) {
	failed := errors.New("failed")
	for name, end := range map[string]func() error{
		"error": func() error { return failed },
		"panic": func() error { panic(failed) },
	} {
		db := openABC(t)
		told := ""
		err := db.Update(t.Context(), func(tx *Tx) error {
			tell := func(s string) error { return tx.OnCommit(func(uint64) { told += s }) }
			if err := errors.Join(tx.Put([]byte("b"), []byte("outer")), tell("outer")); err != nil {
				return err
			}
			if err := recovered(func() error {
				return tx.Update(func(tx *Tx) error {
					return errors.Join(tx.Put([]byte("b"), []byte("inner")), tx.Delete([]byte("d")), tell("inner"), end())
				})
			}); !errors.Is(err, failed) {
				t.Errorf("%s: the part gave %v", name, err)
			}
			return tx.Update(func(tx *Tx) error { return tx.Put([]byte("f"), []byte("part")) })
		})
		if err != nil || told != "outer" {
			t.Errorf("%s: %v; OnCommit told %q", name, err, told)
		}
		mustGet(t, db.Get, "b", "outer")
		mustGet(t, db.Get, "d", "old")
		mustGet(t, db.Get, "f", "part")
	}
}

// A savepoint that is void would bring back a state that never was.
func TestRollbackTo_refusesSavepointsThatAreVoid(t *testing.T) {
	tx := beginTx(t, openABC(t), TxOptions{})
	first, err1 := tx.Savepoint()
	void, err2 := tx.Savepoint()
	if err := errors.Join(err1, err2, tx.RollbackTo(first)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Savepoint(); err != nil { // takes the place of void
		t.Fatal(err)
	}
	if err := tx.RollbackTo(void); !errors.Is(err, ErrSavepointVoid) {
		t.Errorf("RollbackTo gave %v", err)
	}
	if err := beginTx(t, tx.body.db, TxOptions{}).RollbackTo(first); !errors.Is(err, ErrSavepointVoid) {
		t.Errorf("RollbackTo in another transaction gave %v", err)
	}
	if err := tx.RollbackTo(first); err != nil {
		t.Error(err)
	}
}

// A transaction that asked to survive power cuts would be acknowledged before its sync.
func TestSetDurability_decidesWhetherTheCommitIsSynced(t *testing.T) {
	db, err := Open(t.TempDir(), &Options{Durability: Process})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(t.Context(), func(tx *Tx) error {
		return errors.Join(tx.Put([]byte("k"), nil), tx.SetDurability(Sync))
	})
	if m := db.Metrics(); err != nil || m.Log.Syncs == 0 {
		t.Errorf("%v; %d syncs", err, m.Log.Syncs)
	}
}
