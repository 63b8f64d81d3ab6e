package typed

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
)

// A row would be lost, turn up in another table, or come out of order, for some kind of key.
func TestTable_agreesWithAMap(t *testing.T) {
	checkKinds(t, maker.model)
}

// world is tables of one kind of key in one database, with what should be in them by stored key.
type world[K any] struct {
	kind[K]
	db     *lightningdb.DB
	tables []*Table[K, string]
	rows   []map[string]string
	pool   []K // keys that are used again and again
}

// newWorld makes tables whose names begin alike, and entries next to them that are nobody's.
func newWorld[K any](t *rapid.T, k kind[K], db *lightningdb.DB) *world[K] {
	for key := range db.Range(nil, nil).Keys() { // of the check before
		if err := db.Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	w := &world[K]{kind: k, db: db, pool: rapid.SliceOfN(k.draw, 1, 8).Draw(t, "pool")}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "a\x00", "a\x00\x00", "aa", "b", "\u00ff", "\x00"}), 1,
		4, rapid.ID[string]).Draw(t, "tables")
	for _, name := range names {
		table, err := New(name, k.keys, String, &Options[string]{Version: rapid.SampledFrom([]int{0, 1, 127, 128,
			MaxVersion}).Draw(t, "version")})
		if err != nil {
			t.Fatal(err)
		}
		w.tables, w.rows = append(w.tables, table), append(w.rows, map[string]string{})
	}
	for _, key := range []string{"", "\x02", "\x02a", "\x02a\x01", "\x01a\x00\x15\x01", "\x02c\x00", "\x15\x01", "\xff"} {
		if err := w.db.Put([]byte(key), []byte("not of a table")); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world[K]) key(t *rapid.T) K {
	if rapid.IntRange(0, 4).Draw(t, "new") == 0 {
		return w.draw.Draw(t, "key")
	}
	return rapid.SampledFrom(w.pool).Draw(t, "key")
}

// stored is the key as the model has it.
func (w *world[K]) stored(t *rapid.T, table int, key K) string {
	b, err := w.keys.Append(tuple.AppendString(nil, w.tables[table].Name()), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (k kind[K]) model(t *rapid.T, db *lightningdb.DB) {
	w := newWorld(t, k, db)
	for range rapid.IntRange(1, 30).Draw(t, "steps") {
		table := rapid.IntRange(0, len(w.tables)-1).Draw(t, "table")
		switch rapid.IntRange(0, 5).Draw(t, "step") {
		case 0, 1:
			w.write(t, table)
		case 2:
			w.change(t, table)
		case 3:
			w.look(t, table)
		default:
			w.walk(t, table)
		}
	}
	for table := range w.tables {
		w.compare(t, table, w.tables[table].All(w.db), w.want(table, "", "\xff", false), false)
	}
}

// write puts and deletes some rows, by one of the writers.
func (w *world[K]) write(t *rapid.T, table int) {
	to, rows := w.tables[table], w.rows[table]
	var steps []func(kv.Writer) error
	for range rapid.IntRange(1, 4).Draw(t, "writes") {
		key := w.key(t)
		if rapid.IntRange(0, 3).Draw(t, "delete") == 0 {
			steps = append(steps, func(kw kv.Writer) error { return to.Delete(kw, key) })
			delete(rows, w.stored(t, table, key))
			continue
		}
		value := string(drawBytes.Draw(t, "value"))
		steps = append(steps, func(kw kv.Writer) error { return to.Put(kw, key, value) })
		rows[w.stored(t, table, key)] = value
	}
	all := func(kw kv.Writer) (err error) {
		for _, step := range steps {
			err = errors.Join(err, step(kw))
		}
		return err
	}
	var err error
	switch rapid.IntRange(0, 2).Draw(t, "writer") {
	case 0:
		err = all(w.db)
	case 1:
		var b lightningdb.Batch
		err = errors.Join(all(&b), w.db.Write(&b))
	case 2:
		err = w.db.Update(t.Context(), func(tx *lightningdb.Tx) error { return all(tx) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

// change inserts or updates a row.
func (w *world[K]) change(t *rapid.T, table int) {
	to, rows := w.tables[table], w.rows[table]
	key := w.key(t)
	stored := w.stored(t, table, key)
	old, found := rows[stored]
	if rapid.Bool().Draw(t, "insert") {
		value := string(drawBytes.Draw(t, "value"))
		err := w.db.Update(t.Context(), func(tx *lightningdb.Tx) error { return to.Insert(tx, key, value) })
		if found != errors.Is(err, ErrExists) || !found && err != nil {
			t.Fatalf("insert: %v, and there was a row: %t", err, found)
		}
		if !found {
			rows[stored] = value
		}
		return
	}
	stop := errors.New("stop")
	stops := rapid.Bool().Draw(t, "stops")
	err := w.db.Update(t.Context(), func(tx *lightningdb.Tx) error {
		err := to.Update(tx, key, func(v *string) error {
			if *v != old {
				t.Fatalf("update of %q, which was put as %q", *v, old)
			}
			if *v += "+"; stops {
				return stop
			}
			return nil
		})
		if errors.Is(err, stop) {
			return nil // the transaction goes on: nothing of the update may be in it
		}
		return err
	})
	if found && err != nil || !found && !errors.Is(err, lightningdb.ErrNotFound) {
		t.Fatalf("update: %v, and there was a row: %t", err, found)
	}
	if found && !stops {
		rows[stored] = old + "+"
	}
}

// read calls f with one of the readers.
func (w *world[K]) read(t *rapid.T, f func(r kv.Reader)) {
	switch rapid.IntRange(0, 2).Draw(t, "reader") {
	case 0:
		f(w.db)
	case 1:
		s := w.db.Snapshot()
		defer s.Close()
		f(s)
	case 2:
		if err := w.db.View(t.Context(), func(tx *lightningdb.Tx) error { f(tx); return nil }); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world[K]) look(t *rapid.T, table int) {
	key := w.key(t)
	want, found := w.rows[table][w.stored(t, table, key)]
	w.read(t, func(r kv.Reader) {
		got, err := w.tables[table].Get(r, key)
		if got != want || found != (err == nil) || !found && !errors.Is(err, lightningdb.ErrNotFound) {
			t.Fatalf("get: %q, %v, want %q, %t", got, err, want, found)
		}
		if has, err := w.tables[table].Has(r, key); has != found || err != nil {
			t.Fatalf("has: %t, %v, want %t", has, err, found)
		}
	})
}

// walk walks some rows, whole or in part.
func (w *world[K]) walk(t *rapid.T, table int) {
	of := w.tables[table]
	lo, hi := "", "\xff"
	begins := func(string) bool { return true }
	w.read(t, func(r kv.Reader) {
		var rows *Rows[K, string]
		switch rapid.IntRange(0, 2).Draw(t, "rows") {
		case 0:
			rows = of.All(r)
		case 1:
			first, end := w.key(t), w.key(t)
			rows, lo, hi = of.Range(r, first, end), w.stored(t, table, first), w.stored(t, table, end)
		case 2:
			var packed []byte
			packed, begins = w.prefix(t, table, w.key(t))
			rows = of.Prefix(r, packed)
		}
		reverse := rapid.Bool().Draw(t, "reverse")
		if reverse {
			rows.Reverse()
		}
		want := slices.DeleteFunc(w.want(table, lo, hi, reverse), func(k string) bool { return !begins(k) })
		if rapid.Bool().Draw(t, "from") {
			start := w.key(t)
			rows.From(start)
			from := w.stored(t, table, start)
			want = slices.DeleteFunc(want, func(k string) bool { return !reverse && k < from || reverse && k > from })
		}
		w.compare(t, table, rows, want, rapid.Bool().Draw(t, "in pieces"))
	})
}

// prefix draws the first elements of a key, and returns a function that knows the keys that begin with them.
func (w *world[K]) prefix(t *rapid.T, table int, key K) (packed []byte, begins func(string) bool) {
	name := tuple.Tuple{w.tables[table].Name()}
	elements := func(stored string) tuple.Tuple {
		all, err := tuple.Unpack([]byte(stored))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	all := elements(w.stored(t, table, key))
	n := rapid.IntRange(1, len(all)).Draw(t, "elements")
	want, err := all[:n].Pack()
	if err != nil {
		t.Fatal(err)
	}
	begun, err := name.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return want[len(begun):], func(stored string) bool {
		has := elements(stored)
		if len(has) < n {
			return false
		}
		got, err := has[:n].Pack()
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Equal(got, want)
	}
}

// want returns the stored keys of the model, in order.
func (w *world[K]) want(table int, lo, hi string, reverse bool) (keys []string) {
	for _, k := range slices.Sorted(maps.Keys(w.rows[table])) {
		if lo <= k && k < hi {
			keys = append(keys, k)
		}
	}
	if reverse {
		slices.Reverse(keys)
	}
	return keys
}

// compare compares what rows yield with the stored keys that they should, by a loop or taken apart.
func (w *world[K]) compare(t *rapid.T, table int, rows *Rows[K, string], want []string, inPieces bool) {
	var got, alone []string
	add := func(key K, value string) {
		stored := w.stored(t, table, key)
		if got = append(got, stored); value != w.rows[table][stored] {
			t.Fatalf("%q is %q, want %q", stored, value, w.rows[table][stored])
		}
	}
	if inPieces {
		next, stop := iter.Pull2(rows.All())
		defer stop()
		for key, value, ok := next(); ok; key, value, ok = next() {
			add(key, value)
		}
	} else {
		for key, value := range rows.All() {
			add(key, value)
		}
	}
	err := rows.Err()
	for key := range rows.Keys() {
		alone = append(alone, w.stored(t, table, key))
	}
	if err := errors.Join(err, rows.Err()); err != nil || !slices.Equal(got, want) || !slices.Equal(alone, want) {
		t.Fatalf("%q and keys %q, want %q, %v", got, alone, want, err)
	}
}

// A table that cannot be would be found out at its first row, or never.
func TestNew_refusesWhatCannotBe(t *testing.T) {
	above := MaxVersion
	above++ // of 32 bits it is below zero
	for name, c := range map[string]struct {
		name    string
		keys    tuple.Codec[string]
		values  Codec[string]
		version int
	}{
		"no name":        {"", tuple.String, String, 0},
		"not UTF-8":      {"a\xff", tuple.String, String, 0},
		"no keys":        {"a", nil, String, 0},
		"no values":      {"a", tuple.String, nil, 0},
		"below zero":     {"a", tuple.String, String, -1},
		"too high":       {"a", tuple.String, String, above},
		"all of it well": {"a", tuple.String, String, MaxVersion},
	} {
		table, err := New(c.name, c.keys, c.values, &Options[string]{Version: c.version})
		if well := strings.HasPrefix(name, "all"); well != (err == nil) || well != (table != nil) ||
			!well && !errors.Is(err, ErrTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, ErrTable) {
			t.Errorf("Must: %v", err)
		}
	}()
	Must(New("", tuple.String, String, nil))
}

// badKeys are keys that cannot be written: those of a codec that refuses, and of one that does not append.
type badKeys struct{ err error }

func (c badKeys) Append([]byte, string) ([]byte, error) { return []byte("elsewhere"), c.err }
func (badKeys) Read(*tuple.Reader) string               { return "" }

// What a codec refuses would be written nevertheless, or, if it does not append, next to the table, over anything.
func TestTable_refusesWhatItsCodecsCannotWrite(t *testing.T) {
	db := open(t)
	defer db.Close()
	refused := errors.New("refused")
	badValue := func(err error) Codec[string] {
		return Func(func([]byte, string) ([]byte, error) { return []byte("elsewhere"), err }, decodeString)
	}
	nothing := Func(func([]byte, string) ([]byte, error) { return nil, nil }, decodeString)
	good := Must(New("a", tuple.String, String, nil))
	if err := good.Put(db, "k", "v"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		table *Table[string, string]
		want  error
		keys  bool // whether it is the key that cannot be written
	}{
		"a key that is refused":        {Must(New("a", tuple.Codec[string](badKeys{refused}), String, nil)), refused, true},
		"a key that is not appended":   {Must(New("a", tuple.Codec[string](badKeys{}), String, nil)), ErrCodec, true},
		"a key that is not UTF-8":      {Must(New("a\x00\xc3\xbf", tuple.String, String, nil)), tuple.ErrUTF8, true},
		"a value that is refused":      {Must(New("a", tuple.String, badValue(refused), nil)), refused, false},
		"a value that is not appended": {Must(New("a", tuple.String, badValue(nil), nil)), ErrCodec, false},
		"a value that is nothing":      {Must(New("a", tuple.String, nothing, nil)), ErrCodec, false},
	} {
		key := "k"
		if errors.Is(c.want, tuple.ErrUTF8) {
			key = "\xff"
		}
		err := db.Update(t.Context(), func(tx *lightningdb.Tx) error {
			errs := []error{c.table.Put(tx, key, "w"), c.table.Update(tx, key, func(*string) error { return nil })}
			if c.keys {
				_, getErr := c.table.Get(tx, key)
				_, hasErr := c.table.Has(tx, key)
				_, _, pageErr := c.table.Range(tx, key, key).Page("", 1)
				from := c.table.All(tx).From(key)
				for range from.All() {
				}
				again := c.table.Range(tx, key, key)
				for range again.Keys() {
				}
				errs = append(errs, getErr, hasErr, pageErr, from.Err(), again.Err(), c.table.Delete(tx, key),
					c.table.Insert(tx, key, "w"))
			} else {
				errs = append(errs, c.table.Insert(tx, "new", "w"))
			}
			for i, err := range errs {
				if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), fmt.Sprintf("table %q", c.table.Name())) {
					t.Errorf("%s, call %d: %v", name, i, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var left []string
	for k := range db.Range(nil, nil).Keys() {
		left = append(left, string(k))
	}
	if v, err := good.Get(db, "k"); v != "v" || err != nil || len(left) != 1 {
		t.Errorf("%q, %v; keys %q", v, err, left)
	}
}

// A prefix that ends within an element would match keys by their bytes: those of other strings, and none of what was
// meant.
func TestPrefix_isATuple(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("a", tuple.String, String, nil))
	if err := table.Put(db, "ann", "v"); err != nil {
		t.Fatal(err)
	}
	rows := table.Prefix(db, tuple.AppendString(nil, "ann")[:3])
	for k := range rows.All() {
		t.Errorf("yields %q", k)
	}
	if err := rows.Err(); !errors.Is(err, tuple.ErrTruncated) {
		t.Errorf("%v", err)
	}
	if page, next, err := rows.Page("", 1); page != nil || next != "" || !errors.Is(err, tuple.ErrTruncated) {
		t.Errorf("%v, %q, %v", page, next, err)
	}
}

// A loop that is left early would show the error of an earlier one, or one that failed none.
func TestRows_errIsOfTheLatestLoop(t *testing.T) {
	db := open(t)
	table := Must(New("a", tuple.String, String, nil))
	err := errors.Join(table.Put(db, "a", "v"), table.Put(db, "b", "v"), db.Put(stored(t, table, "c"), nil))
	if err != nil {
		t.Fatal(err)
	}
	rows := table.All(db)
	for range rows.All() {
	}
	if err := rows.Err(); !errors.Is(err, ErrRow) {
		t.Errorf("to the end: %v", err)
	}
	for range rows.All() {
		break
	}
	if err := rows.Err(); err != nil {
		t.Errorf("left at once: %v", err)
	}
	db.Close()
	for range rows.All() {
	}
	if err := rows.Err(); !errors.Is(err, lightningdb.ErrClosed) {
		t.Errorf("all of a closed database: %v", err)
	}
	for range rows.Keys() {
	}
	if err := rows.Err(); !errors.Is(err, lightningdb.ErrClosed) {
		t.Errorf("keys of a closed database: %v", err)
	}
	if _, _, err := rows.Page("", 1); !errors.Is(err, lightningdb.ErrClosed) {
		t.Errorf("a page of a closed database: %v", err)
	}
	if err := table.MigrateAll(t.Context(), db, "", nil); !errors.Is(err, lightningdb.ErrClosed) {
		t.Errorf("migrating a closed database: %v", err)
	}
}

// stored is the stored key of a row.
func stored[K, V any](t interface{ Fatal(args ...any) }, table *Table[K, V], key K) []byte {
	b, err := table.Key(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The table would change when its program uses its buffer again.
func TestNew_keepsACopyOfTheSecret(t *testing.T) {
	secret := []byte("secret")
	table := Must(New("a", tuple.String, String, &Options[string]{Secret: secret}))
	p := place{lo: []byte("a"), hi: []byte("b")}
	before := table.mac([]byte("a"), p)
	secret[0]++
	if !bytes.Equal(before, table.mac([]byte("a"), p)) {
		t.Error("it has changed")
	}
}
