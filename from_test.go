package lightningdb

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// A page that begins one key too late, or outside of its prefix, misses entries or shows those of others.
func TestFrom_beginsInsideTheRange(t *testing.T) {
	db := openMemory(t)
	for _, k := range []string{"", "a", "b/", "b/1", "b/3", "b/\xff", "b0", "c"} {
		mustPut(t, db, k, "v")
	}
	s := db.Snapshot()
	defer s.Close()
	tx := mustBegin(t, db)
	defer tx.Rollback()
	for where, r := range map[string]ranges{"DB": db, "Snapshot": s, "Tx": tx} {
		for _, c := range []struct{ from, want, reverse string }{
			{"b/1", "b/1 b/3 b/\xff", "b/1 b/"},
			{"b/2", "b/3 b/\xff", "b/1 b/"},
			{"b/", "b/ b/1 b/3 b/\xff", "b/"},
			{"b/\xff", "b/\xff", "b/\xff b/3 b/1 b/"},
			{"a", "b/ b/1 b/3 b/\xff", ""},  // before the range
			{"", "b/ b/1 b/3 b/\xff", ""},   // the empty key is, too
			{"b0", "", "b/\xff b/3 b/1 b/"}, // behind the range
			{"z", "", "b/\xff b/3 b/1 b/"},
		} {
			from := []byte(c.from)
			requireKeys(t, where+" from "+c.from, r.Prefix([]byte("b/")).From(from), c.want)
			requireKeys(t, where+" in reverse from "+c.from, r.Prefix([]byte("b/")).Reverse().From(from), c.reverse)
			requireKeys(t, where+", taken back", r.Prefix([]byte("b/")).From(from).From(nil), "b/ b/1 b/3 b/\xff")
		}
		if got := slices.Collect(keysOf(r.Range(nil, nil).From([]byte{}).Reverse())); !slices.Equal(got, []string{""}) {
			t.Errorf("%s: in reverse from the empty key: %q", where, got)
		}
	}
}

func requireKeys(t *testing.T, what string, loop *Range, want string) {
	t.Helper()
	if got := slices.Collect(keysOf(loop)); strings.Join(got, " ") != want || loop.Err() != nil {
		t.Errorf("%s: %q, %v; want %q", what, got, loop.Err(), want)
	}
}

// The caller uses its key again: a loop that borrowed it would begin anywhere.
func TestFrom_copiesItsKey(t *testing.T) {
	db := openMemory(t)
	mustPut(t, db, "a", "1")
	mustPut(t, db, "b", "2")
	k := []byte("b")
	loop := db.Range(nil, nil).From(k)
	k[0] = 'a'
	if got := slices.Collect(keysOf(loop)); !slices.Equal(got, []string{"b"}) {
		t.Errorf("it shows %q", got)
	}
}

// A transaction that reads a page would lose against writers of other pages, or miss what changed in its own.
func TestFrom_conflictsWithWhatItReadOnly(t *testing.T) {
	for _, c := range []struct {
		written string
		want    error
	}{{"a", nil}, {"b", ErrConflict}, {"bb", ErrConflict}, {"d", nil}} {
		db := openMemory(t)
		for _, k := range []string{"a", "b", "c", "d"} {
			mustPut(t, db, k, "v")
		}
		tx := mustBegin(t, db)
		requireNil(t, errors.Join(readAll(tx.Range(nil, []byte("d")).From([]byte("b"))), tx.Put([]byte("x"), nil)))
		mustPut(t, db, c.written, "w")
		if err := tx.Commit(); !errors.Is(err, c.want) {
			t.Errorf("%s was written: %v", c.written, err)
		}
	}
}
