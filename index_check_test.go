package lightningdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"lightningdb/internal/format/space"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/index"
	"lightningdb/internal/transaction"
)

// indexID is the id of the index of that name.
func indexID(t *testing.T, db *DB, b *Bucket, name string) uint64 {
	t.Helper()
	has, err := catalog.Read(rowsOf(db), b.id)
	requireNil(t, err)
	if has.Index(name) == nil {
		t.Fatalf("there is no index %s", name)
	}
	return has.Index(name).ID
}

// A check that finds nothing wrong in what is wrong is worse than none.
func TestCheckIndexes_findsWhatIsWrong(t *testing.T) {
	db, b := openWith(t, new(atomic.Int64), declared()...)
	for _, k := range []string{"a", "b", "c"} {
		requireNil(t, b.Put([]byte(k), []byte(k+"1")))
	}
	requireNil(t, b.PutUntil([]byte("d"), []byte("d1"), nanos(1000)))
	requireNoFaults(t, db)
	row := func(indexKey, key string) []byte { return index.AppendRow(nil, []byte(indexKey), []byte(key)) }
	for name, plant := range map[string]struct {
		index string
		do    func(in transaction.In) error
		want  []string
	}{
		"missing": {"value", func(in transaction.In) error { return in.Delete(row("a1", "a")) }, []string{"missing a1 a"}},
		"left over, of no row": {"value", func(in transaction.In) error { return in.Put(row("x", "x"), nil) },
			[]string{"left over x x"}},
		"left over, of another value": {"value", func(in transaction.In) error { return in.Put(row("old", "b"), nil) },
			[]string{"left over old b"}},
		"cover": {"parts", func(in transaction.In) error { return in.Put(row("c1", "c"), []byte("?")) },
			[]string{"cover c1 c"}},
		"ends too early": {"value", func(in transaction.In) error { return in.PutUntil(row("a1", "a"), nil, nanos(500)) },
			[]string{"end a1 a"}},
		"ends too late": {"value", func(in transaction.In) error { return in.Put(row("d1", "d"), nil) },
			[]string{"end d1 d"}},
		"moved": {"value", func(in transaction.In) error {
			return errors.Join(in.Delete(row("a1", "a")), in.Put(row("a2", "a"), nil))
		}, []string{"missing a1 a", "left over a2 a"}},
	} {
		tx := mustBegin(t, db)
		requireNil(t, plant.do(tx.in(space.Index(indexID(t, db, b, plant.index)))))
		faults, err := db.indexes.Check(context.Background(), tx.keys)
		requireNil(t, err)
		var got []string
		for _, f := range faults {
			if f.Index != plant.index || !slices.Equal(f.Bucket, []string{"b"}) {
				t.Errorf("%s: it is said of %s of %s", name, f.Index, f.Bucket)
			}
			got = append(got, fmt.Sprintf("%s %s %s", f.Kind, f.IndexKey, f.Key))
		}
		if !slices.Equal(got, plant.want) {
			t.Errorf("%s: %q, want %q", name, got, plant.want)
		}
		requireNil(t, tx.Rollback())
	}
	requireNoFaults(t, db)
	checkBeyondOneState(t, db, b)
}

// checkBeyondOneState looks at a rule that is broken, a context that has ended, and more faults than are told.
func checkBeyondOneState(t *testing.T, db *DB, b *Bucket) {
	in := func(s space.Space, do func(in transaction.In) error) {
		t.Helper()
		requireNil(t, db.Update(context.Background(), func(tx *Tx) error { return do(tx.in(s)) }))
	}
	parts, value := space.Index(indexID(t, db, b, "parts")), space.Index(indexID(t, db, b, "value"))
	in(space.Of(b.id), func(in transaction.In) error { return in.Put([]byte("e"), []byte("a1")) })
	in(value, func(in transaction.In) error { return in.Put(index.AppendRow(nil, []byte("a1"), []byte("e")), nil) })
	in(parts, func(in transaction.In) error {
		return in.Put(index.AppendRow(nil, []byte("a1"), []byte("e")), firstByte([]byte("e"), []byte("a1")))
	})
	faults, err := db.CheckIndexes(context.Background())
	if err != nil || len(faults) != 1 || faults[0].Kind != index.NotUnique || string(faults[0].Key) != "e" {
		t.Errorf("two rows with one key: %q, %v", faults, err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if _, err := db.CheckIndexes(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	in(value, func(in transaction.In) (err error) {
		for n := range index.MaxFaults + 1 {
			err = errors.Join(err, in.Put(index.AppendRow(nil, fmt.Append(nil, "x", n), nil), nil))
		}
		return err
	})
	if faults, err := db.CheckIndexes(noContext); err != nil || len(faults) != index.MaxFaults {
		t.Errorf("%d faults, %v", len(faults), err)
	}
	in(value, func(in transaction.In) error { return in.Put([]byte("no row"), nil) })
	if _, err := db.CheckIndexes(noContext); !errors.Is(err, ErrCorrupt) {
		t.Errorf("what is no row of an index: %v", err)
	}
}
