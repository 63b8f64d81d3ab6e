package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/format/space"
	"lightningdb/internal/system/vfs/memfs"
)

// openWith opens a database in memory, with a bucket b that has indexes, whose clock shows what now has.
func openWith(t *testing.T, now *atomic.Int64, indexes ...Index) (*DB, *Bucket) {
	t.Helper()
	now.Store(100)
	db, err := Open("", &Options{InMemory: true, Indexes: indexes,
		wall: func() time.Time { return nanos(now.Load()) }})
	requireNil(t, err)
	t.Cleanup(func() { db.Close() })
	b, err := db.CreateBucket("b")
	requireNil(t, err)
	return db, b
}

// A transaction that goes on after a refusal would commit index keys of a row that was never put.
func TestIndex_whatIsRefusedWritesNothing(t *testing.T) {
	long := make([]byte, MaxValueSize)
	covering := Index{Bucket: []string{"b"}, Name: "covering", Keys: byValue, Cover: func(_, value []byte) []byte {
		switch string(value) {
		case "too long":
			return append(long[:MaxValueSize:MaxValueSize], 0)
		case "too long until":
			return long
		}
		return nil
	}}
	longKeys := Index{Bucket: []string{"b"}, Name: "long keys", Keys: func(_, value []byte, yield func([]byte)) {
		if yield(value); string(value) == "long key" {
			yield(long[:MaxKeySize])
		}
		for n := 0; n < 17 && string(value) == "many"; n++ {
			yield(append(long[:MaxKeySize-100:MaxKeySize-100], byte(n+1)))
		}
	}}
	db, b := openWith(t, new(atomic.Int64), append(declared(), covering, longKeys)...)
	k, later := []byte("k"), nanos(1e6)
	requireNil(t, errors.Join(b.Put(k, []byte("old")), b.Put([]byte("other"), []byte("taken"))))
	before := stored(t, db)
	for name, row := range map[string]struct {
		do   func(b *Bucket) error
		want error
	}{
		"long key":        {func(b *Bucket) error { return b.Put(long[:MaxKeySize+1], nil) }, ErrKeyTooLarge},
		"long value":      {func(b *Bucket) error { return b.Put(k, append(long, 0)) }, ErrValueTooLarge},
		"unique":          {func(b *Bucket) error { return b.Put(k, []byte("taken")) }, ErrUnique},
		"unique, until":   {func(b *Bucket) error { return b.PutUntil(k, []byte("taken"), later) }, ErrUnique},
		"no moment":       {func(b *Bucket) error { return b.PutUntil(k, []byte("new"), time.Time{}) }, ErrExpiry},
		"long index key":  {func(b *Bucket) error { return b.Put(k, []byte("long key")) }, ErrIndexKey},
		"many index keys": {func(b *Bucket) error { return b.Put(k, []byte("many")) }, ErrIndexKey},
		"cover":           {func(b *Bucket) error { return b.Put(k, []byte("too long")) }, ErrValueTooLarge},
		"cover, until": {func(b *Bucket) error { return b.PutUntil(k, []byte("too long until"), later) },
			ErrValueTooLarge},
		"merge": {func(b *Bucket) error { return b.Add(k, 1) }, ErrMerge},
	} {
		if err := row.do(b); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		err := db.Update(context.Background(), func(tx *Tx) error {
			b, err := tx.Bucket("b")
			requireNil(t, err)
			if err := row.do(b); !errors.Is(err, row.want) {
				t.Errorf("%s in a transaction: %v, want %v", name, err, row.want)
			}
			return tx.Put([]byte("beside"), nil)
		})
		if is := stored(t, db); is != before || err != nil {
			t.Errorf("%s: the commit, %v, has changed\n%sto\n%s", name, err, before, is)
		}
	}
	requireNil(t, b.PutUntil(k, []byte("new"), later))
	requireNoFaults(t, db)
}

// What a panic has left of a delete of a range must not be committed by who recovers from it.
func TestIndex_halfADeleteIsNotCommitted(t *testing.T) {
	bad := false
	db, b := openWith(t, new(atomic.Int64), Index{Bucket: []string{"b"}, Name: "x",
		Keys: func(key, _ []byte, yield func([]byte)) {
			if yield(key); bad && string(key) == "3" {
				panic("as it was told")
			}
		}})
	for n := range 5 {
		requireNil(t, b.Put(fmt.Append(nil, n), nil))
	}
	before := stored(t, db)
	bad = true
	err := db.Update(context.Background(), func(tx *Tx) error {
		b, err := tx.Bucket("b")
		requireNil(t, err)
		defer func() { recover() }()
		return b.DeleteRange([]byte("1"), nil)
	})
	if is := stored(t, db); is != before || err == nil {
		t.Errorf("the commit, %v, has left\n%s", err, is)
	}
}

// A loop over an index that shows what its body has deleted hands out rows that are not there.
func TestIndex_aLoopSeesWhatItsBodyWrites(t *testing.T) {
	db, b := openWith(t, new(atomic.Int64), declared()...)
	for n := range 9 {
		requireNil(t, b.Put(fmt.Append(nil, n), fmt.Appendf(nil, "a%d\xffb%d", n, n)))
	}
	for _, reverse := range []bool{false, true} {
		err := db.Update(context.Background(), func(tx *Tx) error {
			b, err := tx.Bucket("b")
			requireNil(t, err)
			loop, seen := b.Index("parts").Range(nil, nil), ""
			if reverse {
				loop.Reverse()
			}
			for k := range loop.All() { // each row has two index keys
				seen += string(k)
				requireNil(t, b.Delete(k))
				if string(k) == "4" {
					requireNil(t, b.Put([]byte("9"), []byte("aa\xffa")))
				}
			}
			if want := map[bool]string{false: "0123456789", true: "8765432109"}[reverse]; seen != want || loop.Err() != nil {
				t.Errorf("seen %s, %v, want %s", seen, loop.Err(), want)
			}
			return errors.New("again")
		})
		if err == nil || err.Error() != "again" {
			t.Error(err)
		}
	}
}

// A unique key that nobody has any more, since its row has ended, would be taken for ever; a renewed one would be free.
func TestIndex_aKeyIsFreeWhenItsRowHasEnded(t *testing.T) {
	var now atomic.Int64
	db, b := openWith(t, &now, declared()...)
	v := []byte("v")
	requireNil(t, b.PutUntil([]byte("1"), v, nanos(110)))
	requireNil(t, b.PutUntil([]byte("1"), v, nanos(120))) // renewed
	now.Store(119)
	if err := b.Put([]byte("2"), v); !errors.Is(err, ErrUnique) {
		t.Errorf("while the row is there: %v", err)
	}
	now.Store(120)
	requireNil(t, b.PutUntil([]byte("2"), v, nanos(130)))
	requireNil(t, b.Put([]byte("2"), v)) // for good
	now.Store(130)
	rowsFor(model{"2": "v"}).check(t, b)
	requireNoFaults(t, db)

	// What a transaction has seen end after it began is a conflict, and the second time the key is free.
	requireNil(t, b.PutUntil([]byte("3"), []byte("w"), nanos(140)))
	runs := 0
	requireNil(t, db.Update(context.Background(), func(tx *Tx) error {
		b, err := tx.Bucket("b")
		requireNil(t, err)
		if runs++; runs == 1 {
			requireNil(t, b.Append([]byte("3"), []byte("x")))
			now.Store(140)
			return nil
		}
		return b.Put([]byte("4"), []byte("w"))
	}))
	rowsFor(model{"2": "v", "4": "w"}).check(t, b)
	requireNoFaults(t, db)
}

// Operands over what ends turn a row into another one, with nobody there to write its index keys.
func TestIndex_buildSettlesWhatTurns(t *testing.T) {
	var now atomic.Int64
	now.Store(100)
	disk := memfs.New()
	open := func(indexes ...Index) (*DB, *Bucket) {
		t.Helper()
		db, err := Open("", &Options{fs: sharedFS{disk}, Indexes: indexes,
			wall: func() time.Time { return nanos(now.Load()) }})
		requireNil(t, err)
		b, err := db.Bucket("b")
		if errors.Is(err, ErrNoBucket) {
			b, err = db.CreateBucket("b")
		}
		requireNil(t, err)
		return db, b
	}
	db, b := open()
	m := rowsFor(model{})
	for n := range 20 { // more than are read together
		k := fmt.Appendf(nil, "%02d", n)
		v := fmt.Append(nil, "v", n)
		switch n % 4 {
		case 0:
			requireNil(t, b.Put(k, v))
			m.rows[string(k)] = string(v)
		case 1:
			requireNil(t, b.PutUntil(k, v, nanos(int64(110+n))))
			m.rows[string(k)], m.ends[string(k)] = string(v), int64(110+n)
		default:
			requireNil(t, errors.Join(b.PutUntil(k, v, nanos(110)), b.Append(k, []byte("\xff")), b.Append(k, v)))
			m.rows[string(k)] = string(v) + "\xff" + string(v)
		}
	}
	requireNil(t, db.Close())
	db, b = open(declared()...)
	for _, at := range []int64{100, 110, 112, 130} {
		now.Store(at)
		m.end(at)
		m.check(t, b)
		requireNoFaults(t, db)
	}
	requireNil(t, db.Close())
}

// A bucket in which a row ends each second would never get an index whose build takes longer.
func TestIndex_buildGoesOnWhileRowsEnd(t *testing.T) {
	var now atomic.Int64
	calls, counting, all := 0, false, declared()
	for i, x := range all {
		all[i].Keys = func(key, value []byte, yield func([]byte)) {
			if counting {
				calls++
				now.Add(1)
			}
			x.Keys(key, value, yield)
		}
	}
	db, b := openWith(t, &now, all...)
	requireNil(t, errors.Join(db.DropIndex("value", "b"), db.DropIndex("parts", "b")))
	for n := range 20 {
		requireNil(t, b.PutUntil(fmt.Append(nil, n), fmt.Append(nil, n), nanos(int64(120+n))))
	}
	counting = true
	requireNil(t, db.buildIndexes())
	if counting = false; calls > 2*20 {
		t.Errorf("%d calls of Keys for 20 rows, some of which are gone, and two indexes", calls)
	}
	now.Store(135)
	m := rowsFor(model{})
	for n := 16; n < 20; n++ {
		m.rows[fmt.Sprint(n)] = fmt.Sprint(n)
	}
	m.check(t, b)
	requireNoFaults(t, db)
}

// Which index fails first, of several that cannot be built, must not be chance.
func TestIndex_buildsInTheOrderOfDeclaration(t *testing.T) {
	disk := memfs.New()
	db, err := openIndexed(disk, Options{})
	requireNil(t, err)
	var all []Index
	for n := range 8 {
		path := []string{fmt.Sprint("bucket ", n)}
		_, err := db.CreateBucket(path...)
		requireNil(t, err)
		all = append(all, Index{Bucket: path, Name: "x", Keys: byValue})
	}
	slices.Reverse(all)
	requireNil(t, db.Close())
	db, err = openIndexed(disk, Options{Indexes: all})
	requireNil(t, err)
	defer db.Close()
	before := uint64(0)
	for _, x := range all {
		b, err := db.Bucket(x.Bucket...)
		requireNil(t, err)
		id := indexID(t, db, b, "x")
		if id <= before {
			t.Errorf("the index of %s was built before that declared before it", x.Bucket)
		}
		before = id
	}
}

// A build that is killed while it writes more than memory holds must leave nothing, and be built again.
func TestIndex_aKilledBuildIsWholeOrNothing(t *testing.T) {
	prepare := func() *memfs.FS {
		disk := memfs.New()
		db, err := openIndexed(disk, Options{})
		requireNil(t, err)
		b, err := db.CreateBucket("b")
		requireNil(t, err)
		for n := range 20 {
			requireNil(t, b.Put([]byte{byte(n)}, bytes.Repeat([]byte{byte(n + 1)}, MaxKeySize-100)))
		}
		requireNil(t, db.Close())
		return disk
	}
	disk := prepare()
	begin := disk.Ops()
	db, err := openIndexed(disk, Options{Indexes: declared()[1:]})
	requireNil(t, err)
	requireNil(t, db.Close())
	end, whole, none := disk.Ops(), 0, 0
	for at := begin; at < end; at += 1 + (end-begin)/40 {
		disk := prepare()
		disk.CrashAt(at)
		if db, err := openIndexed(disk, Options{Indexes: declared()[1:]}); err == nil {
			db.Close()
		}
		killed := disk.Image(memfs.Policies[at%len(memfs.Policies)], uint64(at))
		db, err := openIndexed(killed, Options{})
		requireNil(t, err)
		b, err := db.Bucket("b")
		requireNil(t, err)
		_, _, err = b.Index("value").Get(bytes.Repeat([]byte{20}, MaxKeySize-100))
		switch {
		case err == nil:
			whole++
		case errors.Is(err, ErrNoIndex):
			if none++; strings.Contains(stored(t, db), fmt.Sprintf("\n%x", space.Index(2).All().Lo)) {
				t.Errorf("crash at %d: rows of an index that is not there", at)
			}
		default:
			t.Errorf("crash at %d: %v", at, err)
		}
		requireNil(t, db.Close())
		db, err = openIndexed(killed, Options{Indexes: declared()[1:]})
		requireNil(t, err)
		requireNoFaults(t, db)
		requireNil(t, db.Close())
	}
	if whole == 0 || none == 0 {
		t.Errorf("of the builds that were killed %d are whole and %d not there", whole, none)
	}
}
