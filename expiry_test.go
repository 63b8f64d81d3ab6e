package lightningdb

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/format/key"
)

// ending is a database whose clock the test sets, in nanoseconds.
type ending struct {
	*DB
	t     *testing.T
	shown atomic.Int64
}

func openEnding(t *testing.T) *ending {
	t.Helper()
	x := &ending{t: t}
	x.shown.Store(100)
	db, err := Open("", &Options{InMemory: true, wall: func() time.Time { return time.Unix(0, x.shown.Load()) }})
	requireNil(t, err)
	t.Cleanup(func() { db.Close() })
	x.DB = db
	return x
}

func nanos(ns int64) time.Time { return time.Unix(0, ns) }

// expiring is what can be asked for expiries.
type expiring interface {
	readable
	Size(key []byte) (int64, error)
}

// shownOf is what r says of k by all that it can be asked, which must agree.
func shownOf(t *testing.T, r readable, k string) string {
	t.Helper()
	v, err := r.Get([]byte(k))
	has, hasErr := r.Has([]byte(k))
	end, endErr := r.Expiry([]byte(k))
	all := []string{}
	for _, loop := range []*Range{r.Range(nil, nil), r.Range(nil, nil).Reverse()} {
		for found, value := range loop.All() {
			if string(found) == k {
				all = append(all, string(value))
			}
		}
		requireNil(t, loop.Err())
	}
	if x, ok := r.(expiring); ok {
		if size, sizeErr := x.Size([]byte(k)); size != int64(len(v)) || !errors.Is(sizeErr, err) {
			t.Errorf("%T: Size(%s) = %d, %v", r, k, size, sizeErr)
		}
	}
	if errors.Is(err, ErrNotFound) {
		if has || hasErr != nil || len(all) > 0 || !errors.Is(endErr, ErrNotFound) {
			t.Errorf("%T: %s is not there, but Has %v, %v, loops %q, Expiry %v", r, k, has, hasErr, all, endErr)
		}
		return "nothing"
	}
	if err != nil || !has || hasErr != nil || endErr != nil || !slices.Equal(all, []string{string(v), string(v)}) {
		t.Errorf("%T: %s = %q, %v, but Has %v, %v, loops %q, Expiry %v", r, k, v, err, has, hasErr, all, endErr)
	}
	if end.IsZero() {
		return string(v)
	}
	return fmt.Sprintf("%s until %d", v, end.UnixNano())
}

func (x *ending) want(r readable, k, want string) {
	x.t.Helper()
	if got := shownOf(x.t, r, k); got != want {
		x.t.Errorf("at %d, %T: %s is %s, want %s", x.Now().UnixNano(), r, k, got, want)
	}
}

// A lease that ends a moment early or late, for one way of reading or of writing, has two holders, or none.
func TestPutUntil_endsForEveryReaderAtItsMoment(t *testing.T) {
	x := openEnding(t)
	_, err := x.CreateBucket("b")
	requireNil(t, err)
	bucket, err := x.Bucket("b")
	requireNil(t, err)
	k, v := []byte("k"), []byte("v")
	for i, put := range []func(end time.Time) error{
		func(end time.Time) error { return x.PutUntil(k, v, end) },
		func(end time.Time) error {
			var b Batch
			return errors.Join(b.PutUntil(k, v, end), x.Write(&b))
		},
		func(end time.Time) error {
			return x.Update(t.Context(), func(tx *Tx) error { return tx.PutUntil(k, v, end) })
		},
		func(end time.Time) error { return x.PutUntil(k, []byte(strings.Repeat("v", 2<<20)), end) },
	} {
		want, now := "v", x.Now().UnixNano()
		if i == 3 {
			want = strings.Repeat("v", 2<<20)
		}
		requireNil(t, errors.Join(put(nanos(now+10)), bucket.PutUntil(k, v, nanos(now+10))))
		for _, flushed := range []bool{false, true} {
			if flushed {
				requireNil(t, x.Flush())
			}
			snapshot := x.Snapshot()
			for _, row := range []struct {
				after int64
				want  string
			}{{9, "%s until %d"}, {10, "nothing"}} {
				if flushed == (row.after == 9) {
					continue // time does not go back
				}
				x.shown.Store(now + row.after)
				inRoot, inBucket := row.want, row.want
				if row.after == 9 {
					inRoot, inBucket = fmt.Sprintf(row.want, want, now+10), fmt.Sprintf(row.want, "v", now+10)
				}
				x.want(x.DB, "k", inRoot)
				x.want(bucket, "k", inBucket)
				requireNil(t, x.View(t.Context(), func(tx *Tx) error { x.want(tx, "k", inRoot); return nil }))
				requireNil(t, x.Update(t.Context(), func(tx *Tx) error { x.want(tx, "k", inRoot); return nil }))
				x.shown.Store(1) // which changes nothing
				x.want(x.DB, "k", inRoot)
				x.shown.Store(now + row.after)
			}
			if !flushed { // it has the time of its beginning
				x.want(snapshot, "k", fmt.Sprintf("%s until %d", want, now+10))
			}
			requireNil(t, snapshot.Close())
		}
	}
}

// An entry that should be there for good would be gone, or one that has ended be there again.
func TestPutUntil_refusesWhatIsNoMoment(t *testing.T) {
	x := openEnding(t)
	for _, end := range []time.Time{{}, nanos(0), nanos(-1), nanos(math.MaxInt64).Add(1),
		time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)} {
		var b Batch
		tx := mustBegin(t, x.DB)
		for name, err := range map[string]error{
			"DB": x.PutUntil([]byte("k"), nil, end), "Batch": b.PutUntil([]byte("k"), nil, end), "Err": b.Err(),
			"Tx": tx.PutUntil([]byte("k"), nil, end),
		} {
			if !errors.Is(err, ErrExpiry) {
				t.Errorf("%v, %s: %v", end, name, err)
			}
		}
		requireNil(t, tx.Rollback())
	}
	requireNil(t, x.PutUntil([]byte("k"), nil, nanos(math.MaxInt64)))
	x.want(x.DB, "k", fmt.Sprintf(" until %d", int64(math.MaxInt64)))
	long := make([]byte, MaxValueSize-key.EndSize+1)
	if err := x.PutUntil([]byte("k"), long, nanos(1000)); !errors.Is(err, ErrValueTooLarge) {
		t.Errorf("a value that leaves no room for its end: %v", err)
	}
	requireNil(t, x.PutUntil([]byte("k"), long[1:], nanos(1000)))
}

// ownWrites are sequences of writes of a transaction at 100, and what it shows of k then and 200 later.
var ownWrites = []struct {
	name       string
	write      func(tx *Tx) error
	then, late string
	unspilled  bool // only where the transaction fits into memory
}{
	{"put until", func(tx *Tx) error {
		return tx.PutUntil([]byte("k"), []byte("a"), nanos(200))
	}, "a until 200", "nothing", false},
	{"put until now", func(tx *Tx) error {
		return tx.PutUntil([]byte("k"), []byte("a"), nanos(100))
	}, "nothing", "nothing", false},
	{"put until, put", func(tx *Tx) error {
		return errors.Join(tx.PutUntil([]byte("k"), []byte("a"), nanos(200)), tx.Put([]byte("k"), []byte("b")))
	}, "b", "b", false},
	{"put, put until", func(tx *Tx) error {
		return errors.Join(tx.Put([]byte("k"), []byte("a")), tx.PutUntil([]byte("k"), []byte("b"), nanos(200)))
	}, "b until 200", "nothing", false},
	{"renewed", func(tx *Tx) error {
		return errors.Join(tx.PutUntil([]byte("k"), []byte("a"), nanos(150)),
			tx.PutUntil([]byte("k"), []byte("a"), nanos(400)))
	}, "a until 400", "a until 400", false},
	{"put until, delete range", func(tx *Tx) error {
		return errors.Join(tx.PutUntil([]byte("k"), []byte("a"), nanos(200)), tx.DeletePrefix([]byte("k")))
	}, "nothing", "nothing", false},
	{"delete range, put until", func(tx *Tx) error {
		return errors.Join(tx.DeletePrefix([]byte("k")), tx.PutUntil([]byte("k"), []byte("a"), nanos(200)))
	}, "a until 200", "nothing", false},
	{"merges over it", func(tx *Tx) error {
		return errors.Join(tx.PutUntil([]byte("k"), []byte("a"), nanos(200)), tx.Append([]byte("k"), []byte("b")),
			tx.Append([]byte("k"), []byte("c")))
	}, "abc", "bc", true},
	{"a merge over what has ended", func(tx *Tx) error {
		return errors.Join(tx.PutUntil([]byte("k"), []byte("a"), nanos(100)), tx.Append([]byte("k"), []byte("b")))
	}, "b", "b", true},
	{"merges over it, rolled back", func(tx *Tx) error {
		err := errors.Join(tx.PutUntil([]byte("k"), []byte("a"), nanos(200)), tx.Append([]byte("k"), []byte("b")))
		s, saveErr := tx.Savepoint()
		return errors.Join(err, saveErr, tx.Append([]byte("k"), []byte("c")), tx.Put([]byte("k"), []byte("d")),
			tx.RollbackTo(s))
	}, "ab", "b", true},
	{"rolled back", func(tx *Tx) error {
		s, err := tx.Savepoint()
		return errors.Join(err, tx.PutUntil([]byte("k"), []byte("a"), nanos(200)), tx.RollbackTo(s))
	}, "below", "below", false},
}

// A transaction would see other than it commits: a lease that it has put itself for ever, or an older value under it.
func TestTx_ownWritesEnd(t *testing.T) {
	for _, row := range ownWrites {
		for _, below := range []string{"", "below"} {
			for _, spilled := range []bool{false, true} {
				if spilled && row.unspilled {
					continue
				}
				name := fmt.Sprintf("%s, over %q, spilled %v", row.name, below, spilled)
				x := openEnding(t)
				mustPut(t, x.DB, "j", "first")
				mustPut(t, x.DB, "l", "last")
				then, late := row.then, row.late
				if below != "" {
					mustPut(t, x.DB, "k", below)
				} else {
					then, late = strings.ReplaceAll(then, "below", "nothing"), strings.ReplaceAll(late, "below", "nothing")
				}
				tx := mustBegin(t, x.DB)
				requireNil(t, row.write(tx))
				if spilled {
					requireNil(t, tx.body.Writer.Spill())
				}
				if got := shownOf(t, tx, "k"); got != then {
					t.Errorf("%s: the transaction shows %s, want %s", name, got, then)
				}
				x.shown.Store(190) // its time is that of its beginning
				if got := shownOf(t, tx, "k"); got != then {
					t.Errorf("%s: later it shows %s, want %s", name, got, then)
				}
				requireNil(t, tx.Commit())
				if got := shownOf(t, x.DB, "k"); got != then {
					t.Errorf("%s: committed is %s, want %s", name, got, then)
				}
				x.shown.Store(300)
				if got := shownOf(t, x.DB, "k"); got != late {
					t.Errorf("%s: later it is %s, want %s", name, got, late)
				}
			}
		}
	}
}

// What one entry for a key cannot hold would be committed as something else.
func TestTx_largerThanMemoryRefusesMergesOverWhatEnds(t *testing.T) {
	x := openEnding(t)
	tx := mustBegin(t, x.DB)
	requireNil(t, errors.Join(tx.PutUntil([]byte("k"), []byte("a"), nanos(200)), tx.body.Writer.Spill()))
	if err := tx.Append([]byte("k"), []byte("b")); !errors.Is(err, ErrMerge) {
		t.Errorf("a merge over what is on disk: %v", err)
	}
	requireNil(t, tx.Commit())
	x.want(x.DB, "k", "a until 200")

	tx = mustBegin(t, x.DB)
	requireNil(t, errors.Join(tx.PutUntil([]byte("k"), []byte("b"), nanos(200)), tx.Append([]byte("k"), []byte("c"))))
	if err := tx.body.Writer.Spill(); !errors.Is(err, ErrMerge) {
		t.Errorf("a spill of both: %v", err)
	}
	requireNil(t, tx.Rollback())
	x.want(x.DB, "k", "a until 200")
}

// A transaction would commit what it has made of a lease that was over: two programs would hold it.
func TestTx_whatExpiresBeforeTheCommitIsAConflict(t *testing.T) {
	reads := map[string]func(tx *Tx) error{
		"Get":    func(tx *Tx) error { _, err := tx.Get([]byte("k")); return err },
		"Has":    func(tx *Tx) error { _, err := tx.Has([]byte("k")); return err },
		"Size":   func(tx *Tx) error { _, err := tx.Size([]byte("k")); return err },
		"Expiry": func(tx *Tx) error { _, err := tx.Expiry([]byte("k")); return err },
		"ValueReader": func(tx *Tx) error {
			v, err := tx.ValueReader(t.Context(), []byte("k"))
			if err == nil {
				err = v.Close()
			}
			return err
		},
		"loop": func(tx *Tx) error {
			for range tx.Range(nil, nil).Keys() {
			}
			return nil
		},
		"loop backward": func(tx *Tx) error {
			for range tx.Range(nil, nil).Reverse().Keys() {
			}
			return nil
		},
		"nothing": func(tx *Tx) error { return nil },
	}
	for name, read := range reads {
		for _, where := range []string{"snapshot", "own", "spilled"} {
			for _, commit := range []int64{199, 200} {
				x := openEnding(t)
				mustPut(t, x.DB, "l", "last")
				if where == "snapshot" {
					requireNil(t, x.PutUntil([]byte("k"), []byte("a"), nanos(200)))
				}
				tx := mustBegin(t, x.DB)
				if where != "snapshot" {
					requireNil(t, tx.PutUntil([]byte("k"), []byte("a"), nanos(200)))
				}
				if where == "spilled" {
					requireNil(t, tx.body.Writer.Spill())
				}
				requireNil(t, errors.Join(read(tx), tx.Put([]byte("m"), nil)))
				x.shown.Store(commit)
				err := tx.Commit()
				if want := name != "nothing" && commit == 200; errors.Is(err, ErrConflict) != want || !want && err != nil {
					t.Errorf("%s of %s, committed at %d: %v", name, where, commit, err)
				}
			}
		}
	}
}

// Update would give up, or go on for ever with what has expired.
func TestUpdate_runsAgainAndSeesWhatHasExpired(t *testing.T) {
	x := openEnding(t)
	requireNil(t, x.PutUntil([]byte("lease"), []byte("other"), nanos(200)))
	var seen []string
	requireNil(t, x.Update(t.Context(), func(tx *Tx) error {
		seen = append(seen, shownOf(t, tx, "lease"))
		x.shown.Store(200)
		return tx.Put([]byte("holder"), []byte("me"))
	}))
	if want := []string{"other until 200", "nothing"}; !slices.Equal(seen, want) {
		t.Errorf("the attempts saw %q, want %q", seen, want)
	}
}

// A transaction that was begun before anything ended would have no time, or one that its commit does not rest on.
func TestTx_takesItsTimeWithTheFirstEnd(t *testing.T) {
	x := openEnding(t)
	tx := mustBegin(t, x.DB)
	x.shown.Store(150)
	requireNil(t, errors.Join(tx.PutUntil([]byte("a"), nil, nanos(150)), tx.PutUntil([]byte("b"), nil, nanos(151))))
	x.want(tx, "a", "nothing") // from here on it is 150
	x.shown.Store(1)
	x.want(tx, "b", " until 151")
	if now := x.Now().UnixNano(); now != 150 {
		t.Errorf("it is %d for the database, and 150 for a transaction", now)
	}
	requireNil(t, tx.Commit())
	x.want(x.DB, "b", " until 151")
}
