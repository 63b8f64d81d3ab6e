package typed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"lightningdb"
	"lightningdb/tuple"
)

// fill puts n rows of the versions 0 and 1 in turns.
func fill(t *testing.T, db *lightningdb.DB, n int) {
	t.Helper()
	var b lightningdb.Batch
	for i := range n {
		key := fmt.Sprintf("%06d", i)
		if err := errors.Join(users0.Put(&b, key, "U"+key), users1.Put(&b, key+"+", fmt.Sprint(i, ",V"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Write(&b); err != nil {
		t.Fatal(err)
	}
}

// versions counts the rows of each version.
func versions(t *testing.T, db *lightningdb.DB) map[int]int {
	t.Helper()
	found := map[int]int{}
	for k, row := range db.Prefix(users2.prefix).All() {
		version, _, ok := cutHeader(row)
		if !ok {
			version = -1
		}
		if found[version]++; version == 2 {
			if _, err := users2.decode(k, row); err != nil {
				t.Error(err)
			}
		}
	}
	return found
}

// Rows of before would stay for ever, and with them the code that reads them.
func TestMigrateAll_leavesNoOlderRow(t *testing.T) {
	db := open(t)
	defer db.Close()
	if err := users2.MigrateAll(t.Context(), db, "", func(p Progress) error {
		if p != (Progress{}) {
			t.Errorf("of an empty table: %+v", p)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	fill(t, db, 2500)
	if err := users2.Put(db, "new", user{"New", 1}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []Progress{{Rows: 5001, Migrated: 5000}, {Rows: 5001}} {
		var last Progress
		calls := 0
		if err := users2.MigrateAll(t.Context(), db, "", func(p Progress) error {
			if p.Rows <= last.Rows || p.Migrated-last.Migrated > maxBatchRows || p.Rows-last.Rows > maxBatchSeen ||
				p.Token == "" {
				t.Errorf("%+v after %+v", p, last)
			}
			last = p
			calls++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if last.Rows != want.Rows || last.Migrated != want.Migrated || calls < 2 {
			t.Errorf("%+v in %d calls, want %+v", last, calls, want)
		}
	}
	if found := versions(t, db); len(found) != 1 || found[2] != 5001 {
		t.Errorf("%v", found)
	}
	if got, err := users2.Get(db, "000017+"); got != (user{"V", 17}) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// A batch of large rows would take as much memory as there are of them.
func TestMigrateAll_boundsABatchByBytes(t *testing.T) {
	db := open(t)
	defer db.Close()
	for i := range 20 {
		if err := users0.Put(db, fmt.Sprintf("%02d", i), strings.Repeat("x", 300<<10)); err != nil {
			t.Fatal(err)
		}
	}
	var last Progress
	if err := users2.MigrateAll(t.Context(), db, "", func(p Progress) error {
		if p.Migrated-last.Migrated > 4 {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
		return nil
	}); err != nil || last.Migrated != 20 {
		t.Errorf("%+v, %v", last, err)
	}
}

// before does something before each transaction that writes, and in the middle of its first attempt.
type before struct {
	*lightningdb.DB
	outside func()
	within  func()
}

func (b before) Update(ctx context.Context, fn func(tx *lightningdb.Tx) error) error {
	b.outside()
	attempts := 0
	return b.DB.Update(ctx, func(tx *lightningdb.Tx) error {
		err := fn(tx)
		if attempts++; attempts == 1 {
			b.within()
		}
		return err
	})
}

// What somebody writes between the look at a row and its migration would be lost.
func TestMigrateAll_keepsWhatOthersWriteMeanwhile(t *testing.T) {
	db := open(t)
	defer db.Close()
	if err := errors.Join(users0.Put(db, "deleted", "x"), users0.Put(db, "put", "x"), users0.Put(db, "put old", "x"),
		users0.Put(db, "raced", "x"), users0.Put(db, "raced away", "x"), users0.Put(db, "still", "x")); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var p Progress
	err := users2.MigrateAll(t.Context(), before{db, func() {
		must(users2.Delete(db, "deleted"))
		must(users2.Put(db, "put", user{"put", 1}))
		must(users1.Put(db, "put old", "2,old"))
	}, func() {
		must(users2.Put(db, "raced", user{"raced", 3}))
		must(users2.Delete(db, "raced away"))
	}}, "", func(now Progress) error { p = now; return nil })
	if err != nil || p.Rows != 6 || p.Migrated != 2 {
		t.Errorf("%+v, %v", p, err)
	}
	for key, want := range map[string]user{"put": {"put", 1}, "put old": {"old", 2}, "raced": {"raced", 3},
		"still": {"x", 0}} {
		if got, err := users2.Get(db, key); got != want || err != nil {
			t.Errorf("%s: %v, %v, want %v", key, got, err, want)
		}
	}
	for _, key := range []string{"deleted", "raced away"} {
		if has, err := users2.Has(db, key); has || err != nil {
			t.Errorf("%s is back: %v", key, err)
		}
	}
	if found := versions(t, db); len(found) != 1 || found[2] != 4 {
		t.Errorf("%v", found)
	}
}

// A row that becomes one of a newer version meanwhile would be written over.
func TestMigrateAll_stopsAtARowThatBecameNewer(t *testing.T) {
	db := open(t)
	defer db.Close()
	if err := errors.Join(users0.Put(db, "ann", "x"), users0.Put(db, "bob", "x")); err != nil {
		t.Fatal(err)
	}
	err := users2.MigrateAll(t.Context(), before{db, func() {
		if err := users9.Put(db, "bob", "newer"); err != nil {
			t.Fatal(err)
		}
	}, func() {}}, "", nil)
	if found := versions(t, db); !errors.Is(err, ErrNewer) || found[0] != 1 || found[300] != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

// After a kill it would begin anew, and with a large table never end.
func TestMigrateAll_goesOnWhereItWas(t *testing.T) {
	db := open(t)
	defer db.Close()
	const rows = 1000
	fill(t, db, rows/2)
	stop := errors.New("stop")
	var seen, migrated int64
	token, calls := "", 0
	for {
		var p Progress
		err := users2.MigrateAll(t.Context(), db, token, func(now Progress) error { p = now; return stop })
		if seen, migrated = seen+p.Rows, migrated+p.Migrated; !errors.Is(err, stop) || p.Rows > maxBatchRows {
			t.Fatalf("%+v, %v", p, err)
		}
		if found := versions(t, db); int64(found[2]) != migrated || found[0]+found[1]+found[2] != rows {
			t.Fatalf("%v after %d", found, migrated)
		}
		if calls++; p.Rows == 0 {
			break
		}
		token = p.Token
	}
	if seen != rows || migrated != rows || calls < rows/maxBatchRows {
		t.Errorf("%d seen and %d migrated in %d calls", seen, migrated, calls)
	}
	for _, token := range []string{"no token", tokenOf(t, users2.All(db).Reverse())} {
		if err := users2.MigrateAll(t.Context(), db, token, nil); !errors.Is(err, ErrToken) {
			t.Errorf("%q: %v", token, err)
		}
	}
}

// A migration that passes over a row that it cannot read would leave it for the day on which the old code is gone; and
// one whose batch is half written is neither here nor there.
func TestMigrateAll_stopsAtWhatItCannotMigrate(t *testing.T) {
	for name, c := range map[string]struct {
		row  string
		want error
	}{
		"damaged":      {"\xc1", ErrRow},
		"newer":        {"\xc1\x07", ErrNewer},
		"refused":      {"\xc1\x01-7,Bob", errYoung},
		"no older row": {"\xc1\x01x", nil},
	} {
		db := open(t)
		fill(t, db, 100)
		key := stored(t, users2, "000070")
		if err := db.Put(key, []byte(c.row)); err != nil {
			t.Fatal(err)
		}
		err := users2.MigrateAll(t.Context(), db, "", nil)
		var row *RowError
		if !errors.As(err, &row) || string(row.Key) != string(key) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if found := versions(t, db); found[2] != maxBatchRows {
			t.Errorf("%s: %v", name, found)
		}
		if err := errors.Join(db.Delete(key), users2.MigrateAll(t.Context(), db, "", nil)); err != nil {
			t.Errorf("%s: without the row: %v", name, err)
		}
		if found := versions(t, db); len(found) != 1 || found[2] != 199 {
			t.Errorf("%s: without the row: %v", name, found)
		}
		db.Close()
	}
}

// What cannot be written is looked for among a million rows.
func TestMigrateAll_namesTheRowThatCannotBeWritten(t *testing.T) {
	db := open(t)
	defer db.Close()
	refused := errors.New("refused")
	table := Must(New("users", tuple.String, Func(func(dst []byte, v string) ([]byte, error) {
		if v == "bob" {
			return dst, refused
		}
		return append(dst, v...), nil
	}, decodeString), &Options[string]{Version: 1, Migrate: func(_ int, raw []byte) (string, error) {
		return strings.ToLower(string(raw)), nil
	}}))
	if err := errors.Join(users0.Put(db, "a", "ANN"), users0.Put(db, "b", "BOB")); err != nil {
		t.Fatal(err)
	}
	err := table.MigrateAll(t.Context(), db, "", nil)
	var row *RowError
	if !errors.Is(err, refused) || !errors.As(err, &row) || row.Version != 0 ||
		string(row.Key) != string(stored(t, table, "b")) {
		t.Errorf("%v", err)
	}
	if found := versions(t, db); found[0] != 2 {
		t.Errorf("%v", found)
	}
}

// A program that ends would have to wait for the whole table.
func TestMigrateAll_endsWithItsContext(t *testing.T) {
	db := open(t)
	defer db.Close()
	fill(t, db, 500)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := users2.MigrateAll(ctx, db, "", func(Progress) error { cancel(); return nil })
	if found := versions(t, db); !errors.Is(err, context.Canceled) || found[2] != maxBatchRows {
		t.Errorf("%v, %v", found, err)
	}
}

// Twenty counters that are counted while they are migrated would lose counts.
func TestMigrateAll_nextToWriters(t *testing.T) {
	db := open(t)
	defer db.Close()
	const rows, writers, times = 20, 3, 60
	for i := range rows {
		if err := users1.Put(db, fmt.Sprint(i), "0,U"); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range times {
				key := fmt.Sprint((i*7 + w) % rows)
				if err := db.Update(t.Context(), func(tx *lightningdb.Tx) error {
					return users2.Update(tx, key, func(u *user) error { u.Age++; return nil })
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if err := users2.MigrateAll(t.Context(), db, "", nil); err != nil {
		t.Error(err)
	}
	wg.Wait()
	sum := 0
	all := users2.All(db)
	for _, u := range all.All() {
		sum += u.Age
	}
	if found := versions(t, db); sum != writers*times || all.Err() != nil || len(found) != 1 || found[2] != rows {
		t.Errorf("%d of %d, %v, %v", sum, writers*times, found, all.Err())
	}
}
