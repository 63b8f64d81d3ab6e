package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain ends with a failure if a goroutine is left. In WebAssembly under a browser or node one waits for its events.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent"))
}

func openTemp(t *testing.T, o *Options) *DB {
	t.Helper()
	db, err := Open(filepath.Join(t.TempDir(), "db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return db
}

func mustPut(t *testing.T, db *DB, key, value string) {
	t.Helper()
	if err := db.Put([]byte(key), []byte(value)); err != nil {
		t.Fatal(err)
	}
}

// A limit that is checked after something was written would leave half a batch behind.
func TestLimits_refuseBeforeAnythingIsWritten(t *testing.T) {
	db := openTemp(t, nil)
	cases := []struct {
		name       string
		key, value []byte
		want       error
	}{
		{"shortest key", nil, []byte("v"), nil},
		{"longest key", make([]byte, MaxKeySize), nil, nil},
		{"longer key", make([]byte, MaxKeySize+1), nil, ErrKeyTooLarge},
		{"longest value", []byte("v"), make([]byte, MaxValueSize), nil},
		{"longer value", []byte("w"), make([]byte, MaxValueSize+1), ErrValueTooLarge},
	}
	for _, c := range cases {
		if err := db.Put(c.key, c.value); !errors.Is(err, c.want) {
			t.Errorf("%s: Put gave %v, want %v", c.name, err, c.want)
		}
		before := db.Metrics().Sequence
		var b Batch
		b.Put([]byte("companion"), nil)
		b.Put(c.key, c.value)
		err := db.Write(&b)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: Write gave %v, want %v", c.name, err, c.want)
		}
		if c.want != nil && db.Metrics().Sequence != before {
			t.Errorf("%s: the refused batch took a sequence number", c.name)
		}
		if c.want == nil {
			got, err := db.Get(c.key)
			if err != nil || !bytes.Equal(got, c.value) {
				t.Errorf("%s: Get gave %d bytes, %v", c.name, len(got), err)
			}
		}
	}
	if err := db.Delete(make([]byte, MaxKeySize+1)); !errors.Is(err, ErrKeyTooLarge) {
		t.Errorf("Delete outside the limits gave %v", err)
	}
}

// A panic or a hang on use after Close takes the whole program down.
func TestClosed_everythingSaysSo(t *testing.T) {
	db := openTemp(t, nil)
	mustPut(t, db, "a", "1")
	snap, cursor, r := db.Snapshot(), db.Range(nil, nil).Cursor(), db.Range(nil, nil)
	if !cursor.First() {
		t.Fatal(cursor.Err())
	}
	if err := db.Close(); !errors.Is(err, ErrOpenReaders) {
		t.Errorf("Close with open readers gave %v", err)
	}
	for range r.All() {
		t.Error("a loop over a closed database yields")
	}
	_, getErr := db.Get([]byte("a"))
	_, hasErr := db.Has([]byte("a"))
	_, snapErr := snap.Get([]byte("a"))
	_, atErr := db.At(1)
	var b Batch
	b.Put([]byte("k"), nil)
	for name, err := range map[string]error{
		"Get": getErr, "Has": hasErr, "Put": db.Put([]byte("a"), nil), "Delete": db.Delete([]byte("a")),
		"Write": db.Write(&b), "Flush": db.Flush(), "Sync": db.Sync(), "Close": db.Close(),
		"Compact": db.Compact(context.Background(), nil, nil), "Snapshot.Get": snapErr, "Range.Err": r.Err(),
		"View": db.View(context.Background(), func(*Tx) error { return nil }), "At": atErr,
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s gave %v", name, err)
		}
	}
	if cursor.Next() || !errors.Is(cursor.Err(), ErrClosed) || cursor.Valid() || cursor.Key() != nil {
		t.Errorf("the cursor goes on: %v", cursor.Err())
	}
	if err := errors.Join(cursor.Close(), cursor.Close(), snap.Close(), snap.Close()); err != nil {
		t.Error(err)
	}
	db.Metrics()
	db.Recovery()
}

// Using a transaction's leftovers must give an error, not another transaction's data.
func TestTx_isOfNoUseAfterItsFunction(t *testing.T) {
	db := openTemp(t, nil)
	mustPut(t, db, "a", "1")
	var kept *Tx
	var r *Range
	err := db.View(context.Background(), func(tx *Tx) error {
		kept, r = tx, tx.Range(nil, nil)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, getErr := kept.Get([]byte("a"))
	_, hasErr := kept.Has([]byte("a"))
	for range r.All() {
		t.Error("a range of an ended transaction yields")
	}
	for name, err := range map[string]error{"Get": getErr, "Has": hasErr, "Range": r.Err()} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s gave %v", name, err)
		}
	}
}

// A panic in a closure that left the snapshot open would keep old versions on disk for ever.
func TestView_panicEndsTheTransactionAndGoesOn(t *testing.T) {
	db := openTemp(t, nil)
	func() {
		defer func() {
			if recover() != "mine" {
				t.Error("the panic did not come through")
			}
		}()
		db.View(context.Background(), func(*Tx) error { panic("mine") })
	}()
	if n := db.Metrics().Snapshots; n != 0 {
		t.Errorf("%d snapshots are open", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.View(ctx, func(*Tx) error { t.Error("ran"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View with a done context gave %v", err)
	}
}

// A caller who reuses a buffer, or scribbles on a result, must not change what is stored.
func TestBytes_areCopiedBothWays(t *testing.T) {
	db := openTemp(t, nil)
	key, value := []byte("key"), []byte("value")
	if err := db.Put(key, value); err != nil {
		t.Fatal(err)
	}
	clear(key)
	clear(value)
	got, err := db.Get([]byte("key"))
	if string(got) != "value" || err != nil {
		t.Fatalf("Get = %q, %v", got, err)
	}
	clear(got)
	if got, _ = db.Get([]byte("key")); string(got) != "value" {
		t.Errorf("Get = %q after its earlier result was changed", got)
	}
	lo, hi := []byte("a"), []byte("z")
	r := db.Range(lo, hi)
	clear(hi)
	n := 0
	for range r.All() {
		n++
	}
	if n != 1 {
		t.Errorf("%d entries after the bound's bytes were changed", n)
	}
}

// Two writers in one directory destroy it.
func TestOpen_refusesASecondOpener(t *testing.T) {
	db := openTemp(t, nil)
	for _, o := range []*Options{nil, {ReadOnly: true}} {
		if second, err := Open(db.Path(), o); !errors.Is(err, ErrLocked) {
			t.Errorf("a second Open gave %v, %v", second, err)
		}
	}
	mustPut(t, db, "still", "working")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	first, err := Open(db.Path(), &Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(db.Path(), &Options{ReadOnly: true})
	if err != nil {
		t.Fatalf("a second reader: %v", err)
	}
	if _, err := Open(db.Path(), nil); !errors.Is(err, ErrLocked) {
		t.Errorf("a writer next to readers gave %v", err)
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Error(err)
	}
}

// Opening for reading what nobody may change must leave every byte and every name alone.
func TestReadOnly_writesNothing(t *testing.T) {
	db := openTemp(t, nil)
	for i := range 1000 {
		mustPut(t, db, fmt.Sprint("key", i), fmt.Sprint("value", i))
	}
	copied := copyDir(t, db.Path()) // as a kill would leave it: with a log to replay
	before := dirContent(t, copied)
	ro, err := Open(copied, &Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if v, err := ro.Get(fmt.Append(nil, "key", i)); err != nil || string(v) != fmt.Sprint("value", i) {
			t.Fatalf("key%d = %q, %v", i, v, err)
		}
	}
	for name, err := range map[string]error{
		"Put": ro.Put([]byte("a"), nil), "Flush": ro.Flush(), "Sync": ro.Sync(), "Delete": ro.Delete([]byte("a")),
		"Compact": ro.Compact(context.Background(), nil, nil),
	} {
		if !errors.Is(err, ErrReadOnly) {
			t.Errorf("%s gave %v", name, err)
		}
	}
	if err := ro.Close(); err != nil {
		t.Error(err)
	}
	after := dirContent(t, copied)
	if len(before) != len(after) {
		t.Errorf("%d files became %d", len(before), len(after))
	}
	for name, content := range before {
		if !bytes.Equal(after[name], content) {
			t.Errorf("%s changed", name)
		}
	}
}

func copyDir(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func dirContent(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	content := make(map[string][]byte)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if content[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return content
}

// What is not a database must neither become one by mistake nor be harmed.
func TestOpen_tellsWhatIsWrong(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	empty := t.TempDir()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "CURRENT"), []byte("MANIFEST-000001\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	occupied := t.TempDir()
	if err := os.WriteFile(filepath.Join(occupied, "thesis.txt"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := copyDir(t, madeDatabase(t))
	if err := os.Truncate(filepath.Join(damaged, "CURRENT"), 0); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, dir string
		options   *Options
		want      error
	}{
		{"missing, must exist", missing, &Options{MustExist: true}, ErrNoDatabase},
		{"missing, read-only", missing, &Options{ReadOnly: true}, ErrNoDatabase},
		{"empty, must exist", empty, &Options{MustExist: true}, ErrNoDatabase},
		{"empty, read-only", empty, &Options{ReadOnly: true}, ErrNoDatabase},
		{"another program's", foreign, nil, ErrNotDatabase},
		{"among somebody's files", occupied, nil, ErrNotDatabase},
		{"pointer lost", damaged, nil, ErrCorrupt},
	}
	for _, c := range cases {
		db, err := Open(c.dir, c.options)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: Open gave %v, want %v", c.name, err, c.want)
		}
		if err == nil {
			db.Close()
		}
	}
	if _, err := Open(file, nil); err == nil {
		t.Error("a plain file opened as a database")
	}
	if entries, err := os.ReadDir(occupied); err != nil || len(entries) != 1 {
		t.Errorf("a refused Open left %v, %v next to somebody's file", entries, err)
	}
	if _, err := os.Stat(missing); !os.IsNotExist(err) {
		t.Error("a refused Open created the directory")
	}
	for _, o := range []*Options{{MemoryLimit: -1}, {LogLimit: -1}, {SyncInterval: -1}, {Durability: 9}} {
		if db, err := Open(filepath.Join(t.TempDir(), "db"), o); err == nil {
			db.Close()
			t.Errorf("options %+v were accepted", o)
		}
	}
}

// madeDatabase is the directory of a closed database with a little in it.
func madeDatabase(t *testing.T) string {
	t.Helper()
	db := openTemp(t, nil)
	mustPut(t, db, "a", "1")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return db.Path()
}

// A file of somebody else in the directory must survive everything we do there.
func TestOpen_leavesForeignFilesAlone(t *testing.T) {
	dir := madeDatabase(t)
	foreign := []string{"notes.txt", "12.tbl", "000012.tbl.bak", "000099.wal~"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	leftover := filepath.Join(dir, "000500.tbl")
	if err := os.WriteFile(leftover, []byte("half a table"), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, name := range foreign {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != "mine" || err != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(leftover); !os.IsNotExist(err) {
		t.Error("a table that nothing names was kept")
	}
	if removed := db.Recovery().FilesRemoved; len(removed) != 1 || removed[0] != "000500.tbl" {
		t.Errorf("reported as removed: %q", removed)
	}
}

// A program that removes a customer by the prefix of its keys would remove others with it: bounds that are made of text
// are wrong for bytes that are none.
func TestPrefix_bounds(t *testing.T) {
	db := openTemp(t, nil)
	ends := []string{"\x00", "a", "\x7f", "\x80", "\x81", "\xc3", "\xef\xbf\xbd", "\xfe", "\xff"}
	prefixes := []string{""}
	for range 3 {
		for _, p := range prefixes {
			for _, end := range ends {
				prefixes = append(prefixes, p+end)
			}
		}
	}
	slices.Sort(prefixes)
	prefixes = slices.Compact(prefixes)
	keys := prefixes[1:]
	var b Batch
	for _, k := range keys {
		b.Put([]byte(k), nil)
	}
	if err := db.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range prefixes {
		var want, got []string
		for _, k := range keys {
			if bytes.HasPrefix([]byte(k), []byte(prefix)) {
				want = append(want, k)
			}
		}
		for k := range db.Prefix([]byte(prefix)).Keys() {
			got = append(got, string(k))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("prefix %q shows %q, want %q", prefix, got, want)
		}
	}
}

// A limit or direction that is off by one would lose an entry of every page a user shows.
func TestRange_limitAndReverse(t *testing.T) {
	db := openTemp(t, nil)
	for _, k := range []string{"a", "b", "c", "d"} {
		mustPut(t, db, k, "")
	}
	cases := []struct {
		limit   int
		reverse bool
		want    string
	}{{-1, false, "abcd"}, {0, false, ""}, {1, false, "a"}, {3, false, "abc"}, {4, true, "dcba"}, {9, true, "dcba"},
		{1, true, "d"}}
	for _, c := range cases {
		r := db.Range(nil, nil).Limit(c.limit)
		if c.reverse {
			r.Reverse()
		}
		got := ""
		for k := range r.Keys() {
			got += string(k)
		}
		if got != c.want || r.Err() != nil {
			t.Errorf("limit %d, reverse %v: %q, %v; want %q", c.limit, c.reverse, got, r.Err(), c.want)
		}
	}
}

// The hot path is read millions of times a second: garbage there is paid by the whole program.
func TestGetAppend_allocatesNothing(t *testing.T) {
	db := openTemp(t, nil)
	for i := range 2000 {
		mustPut(t, db, fmt.Sprintf("key%04d", i), "value")
		if i == 1000 {
			if err := db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	buf := make([]byte, 0, 64)
	for name, key := range map[string][]byte{"table": []byte("key0007"), "memtable": []byte("key1500"),
		"absent": []byte("kez")} {
		allocs := testing.AllocsPerRun(1000, func() {
			if out, err := db.GetAppend(buf[:0], key); err != nil && name != "absent" || len(out) == 0 && err == nil {
				t.Fatal(out, err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations per read", name, allocs)
		}
	}
}

// Damage that nobody looks for is found on the day the last good backup is overwritten.
func TestVerify_namesEveryDamagedTable(t *testing.T) {
	db := openTemp(t, nil)
	for range 3 {
		for i := range 500 {
			mustPut(t, db, fmt.Sprintf("key%04d", i), "value")
		}
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	mustPut(t, db, "later", "value")
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	var read, all int64
	if err := db.Verify(context.Background(), func(done, total int64) { read, all = done, total }); err != nil ||
		read == 0 || read != all {
		t.Fatalf("Verify of a whole database: %v after %d of %d bytes", err, read, all)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(db.Path(), "*.tbl"))
	if err != nil || len(tables) != 2 {
		t.Fatalf("tables %q, %v", tables, err)
	}
	for _, name := range tables {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content[10] ^= 1
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if db, err = Open(db.Path(), &Options{ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Verify(context.Background(), nil)
	var damage *CorruptionError
	if !errors.Is(err, ErrCorrupt) || !errors.As(err, &damage) {
		t.Fatalf("Verify of a damaged database: %v", err)
	}
	for _, name := range tables {
		if !strings.Contains(err.Error(), filepath.Base(name)) {
			t.Errorf("Verify does not name %s: %v", filepath.Base(name), err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify with a done context: %v", err)
	}
}
