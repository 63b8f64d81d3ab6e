package typed

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lightningdb"
	"lightningdb/tuple"
)

// The bytes of the package's documentation: a release that writes others cannot read what is there.
func TestRow_isAsDocumented(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("users", tuple.String, JSON[struct{}](), &Options[struct{}]{Version: 3}))
	if err := table.Put(db, "ann", struct{}{}); err != nil {
		t.Fatal(err)
	}
	for k, v := range db.Range(nil, nil).All() {
		if got := hex.EncodeToString(k) + " " + hex.EncodeToString(v); got != "027573657273000"+"2616e6e00 c1037b7d" {
			t.Error(got)
		}
	}
}

// A version would come back as another one, and the row be decoded as what it is not.
func TestRow_headersComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.OneOf(rapid.SampledFrom([]int{0, 1, 127, 128, 16383, 16384, MaxVersion}),
			rapid.IntRange(0, MaxVersion)).Draw(t, "version")
		payload := drawBytes.Draw(t, "payload")
		got, rest, ok := cutHeader(append(appendHeader(nil, version), payload...))
		if got != version || !bytes.Equal(rest, payload) || !ok {
			t.Fatalf("%d, %x, %t, want %d, %x", got, rest, ok, version, payload)
		}
	})
}

// foreign are values that are no rows.
var foreign = []string{"", "\xc1", "c", "{}", "\x00\x00", "\xc0\x03{}", "\xc2\x03{}", "\xc1\x80", "\xc1\x80\x00",
	"\xc1\x83\x00{}", "\xc1\x80\x80\x80\x80\x08", "\xc1\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	"\xc1\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "\xc1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}

// What other code has put at a key of the table would be taken for a row; and an error that does not say which row it
// was is of no use among a million of them.
func TestRow_damagedOrForeignNamesTableAndKey(t *testing.T) {
	db := open(t)
	defer db.Close()
	migrate := func(from int, raw []byte) (int64, error) {
		t.Errorf("migrating %d, %x", from, raw)
		return 0, nil
	}
	table := Must(New("users", tuple.String, Int, &Options[int64]{Version: 3, Migrate: migrate}))
	key := stored(t, table, "ann")
	for _, value := range append(foreign, "\xc1\x03", "\xc1\x03\x00", "\xc1\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00") {
		if err := db.Put(key, []byte(value)); err != nil {
			t.Fatal(err)
		}
		_, err := table.Get(db, "ann")
		checkRow(t, fmt.Sprintf("get of %x", value), err, key)
		rows := table.All(db)
		for range rows.All() {
			t.Errorf("%x is a row", value)
		}
		checkRow(t, fmt.Sprintf("loop over %x", value), rows.Err(), key)
		for range rows.Keys() {
		}
		if err := rows.Err(); err != nil {
			t.Errorf("keys of %x: %v", value, err)
		}
		err = db.Update(t.Context(), func(tx *lightningdb.Tx) error {
			return table.Update(tx, "ann", func(*int64) error { t.Errorf("update of %x", value); return nil })
		})
		checkRow(t, fmt.Sprintf("update of %x", value), err, key)
		if left, err := db.Get(key); string(left) != value || err != nil {
			t.Errorf("%x became %x, %v", value, left, err)
		}
	}
}

func checkRow(t *testing.T, what string, err error, key []byte) {
	t.Helper()
	var row *RowError
	if !errors.As(err, &row) || !errors.Is(err, ErrRow) || row.Table != "users" || !bytes.Equal(row.Key, key) ||
		!strings.Contains(err.Error(), fmt.Sprintf("table \"users\", key %q", key)) {
		t.Errorf("%s: %v", what, err)
	}
}

// A key of other code within the table would be taken for one of its rows, or end a loop without a word.
func TestRow_foreignKeysAreNamed(t *testing.T) {
	db := open(t)
	defer db.Close()
	table := Must(New("users", tuple.Int, String, nil))
	prefix := tuple.AppendString(nil, "users")
	for _, rest := range []string{"", "\x15", "\x15\x01\x15", "\x15\x01\x15\x02", "\x16\x00\x01", "\x02a\x00", "\x99"} {
		key := append(bytes.Clone(prefix), rest...)
		if err := db.Put(key, []byte("\xc1\x00")); err != nil {
			t.Fatal(err)
		}
		rows := table.All(db)
		for k := range rows.All() {
			t.Errorf("%x is %d", rest, k)
		}
		checkRow(t, fmt.Sprintf("%x", rest), rows.Err(), key)
		for k := range rows.Keys() {
			t.Errorf("%x is %d", rest, k)
		}
		checkRow(t, fmt.Sprintf("keys, %x", rest), rows.Err(), key)
		var row *RowError
		if !errors.As(rows.Err(), &row) || db.Delete(row.Key) != nil {
			t.Errorf("%x: the error does not help to delete it", rest)
		}
	}
	for range table.All(db).All() {
		t.Error("what was deleted by its error is still there")
	}
}

// The error would change with the next row that is read.
func TestRowError_ownsItsKey(t *testing.T) {
	table := Must(New("a", tuple.String, String, nil))
	key := stored(t, table, "ann")
	_, err := table.decode(key, nil)
	before := err.Error()
	for i := range key {
		key[i] = 0
	}
	if err.Error() != before {
		t.Errorf("%v, was %s", err, before)
	}
}

// user is a row of three versions: a text, a text and a comma and a number, and JSON.
type user struct {
	Name string
	Age  int
}

var errYoung = errors.New("too young")

func migrateUser(from int, raw []byte) (user, error) {
	if from == 0 {
		return user{Name: string(raw)}, nil
	}
	var u user
	_, err := fmt.Sscanf(string(raw), "%d,%s", &u.Age, &u.Name)
	if u.Age < 0 {
		return user{"half", 1}, errYoung
	}
	return u, err
}

var (
	users0 = Must(New("users", tuple.String, String, nil))
	users1 = Must(New("users", tuple.String, String, &Options[string]{Version: 1}))
	users2 = Must(New("users", tuple.String, JSON[user](), &Options[user]{Version: 2, Migrate: migrateUser}))
	users9 = Must(New("users", tuple.String, String, &Options[string]{Version: 300}))
)

// Old rows would be lost with the type that they were written in.
func TestVersion_olderRowsAreMigrated(t *testing.T) {
	db := open(t)
	defer db.Close()
	if err := errors.Join(users0.Put(db, "ann", "Ann"), users1.Put(db, "bob", "7,Bob")); err != nil {
		t.Fatal(err)
	}
	before, err := db.Get(stored(t, users2, "bob"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := users2.Get(db, "ann"); got != (user{"Ann", 0}) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := users2.Get(db, "bob"); got != (user{"Bob", 7}) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	page, _, err := users2.All(db).Page("", 2)
	if len(page) != 2 || page[1].Value != (user{"Bob", 7}) || err != nil {
		t.Errorf("%v, %v", page, err)
	}
	if after, err := db.Get(stored(t, users2, "bob")); !bytes.Equal(before, after) || err != nil {
		t.Errorf("reading has written %q, %v", after, err)
	}
	err = db.Update(t.Context(), func(tx *lightningdb.Tx) error {
		return users2.Update(tx, "bob", func(u *user) error { u.Age++; return nil })
	})
	after, getErr := db.Get(stored(t, users2, "bob"))
	if err := errors.Join(err, getErr); string(after) != "\xc1\x02"+`{"Name":"Bob","Age":8}` || err != nil {
		t.Errorf("%q, %v", after, err)
	}
}

// A program of before would drop what it does not know, and nobody would be told.
func TestVersion_newerRowsAreLeftAlone(t *testing.T) {
	db := open(t)
	defer db.Close()
	if err := users9.Put(db, "zoe", "of tomorrow"); err != nil {
		t.Fatal(err)
	}
	key := stored(t, users2, "zoe")
	rows := users2.All(db)
	for range rows.All() {
		t.Error("a row of a newer version is read")
	}
	_, getErr := users2.Get(db, "zoe")
	_, _, pageErr := users2.All(db).Page("", 1)
	errs := []error{getErr, pageErr, rows.Err(), users2.MigrateAll(t.Context(), db, "", nil)}
	if err := db.Update(t.Context(), func(tx *lightningdb.Tx) error {
		errs = append(errs, users2.Update(tx, "zoe", func(u *user) error { u.Age++; return nil }))
		if err := users2.Insert(tx, "zoe", user{}); !errors.Is(err, ErrExists) {
			t.Errorf("insert: %v", err)
		}
		return nil // what was written in spite of the errors would be committed
	}); err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		var row *RowError
		if !errors.Is(err, ErrNewer) || !errors.As(err, &row) || row.Version != 300 || !bytes.Equal(row.Key, key) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	if has, err := users2.Has(db, "zoe"); !has || err != nil {
		t.Errorf("has: %t, %v", has, err)
	}
	if got, err := users9.Get(db, "zoe"); got != "of tomorrow" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A row that cannot be migrated would be read as something half done.
func TestVersion_whatCannotBeMigratedIsAnError(t *testing.T) {
	db := open(t)
	defer db.Close()
	if err := users1.Put(db, "bob", "-7,Bob"); err != nil {
		t.Fatal(err)
	}
	got, err := users2.Get(db, "bob")
	var row *RowError
	if !errors.Is(err, errYoung) || !errors.As(err, &row) || row.Version != 1 || got != (user{}) {
		t.Errorf("%v, %v", got, err)
	}
	text, err := users9.Get(db, "bob")
	if !errors.Is(err, ErrOlder) || !errors.As(err, &row) || row.Version != 1 || text != "" {
		t.Errorf("without Migrate: %q, %v", text, err)
	}
	if err := users9.MigrateAll(t.Context(), db, "", nil); !errors.Is(err, ErrOlder) {
		t.Errorf("migrating all without Migrate: %v", err)
	}
}

// Whatever bytes a row has: a header is read as the one that is written for its version, and nothing panics.
func FuzzRow(f *testing.F) {
	for _, row := range append(foreign, "\xc1\x00", "\xc1\x7f{}", "\xc1\x80\x01{}", "\xc1\xff\xff\xff\xff\x07") {
		f.Add([]byte(row))
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		version, payload, ok := cutHeader(row)
		if !ok {
			if version != 0 || payload != nil {
				t.Fatalf("%x is no row: %d, %x", row, version, payload)
			}
			return
		}
		again := append(appendHeader(nil, version), payload...)
		if version < 0 || version > MaxVersion || !bytes.Equal(again, row) {
			t.Fatalf("%x is version %d, which is written as %x", row, version, again)
		}
	})
}
