package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lightningdb/internal/format/space"
	"lightningdb/internal/model/catalog"
	"lightningdb/internal/model/index"
	"lightningdb/internal/system/vfs/memfs"
)

// byBytes yields each run of a value's bytes that ff ends: none, one or several, with and without zeros. A row whose
// value is empty is left out.
func byBytes(_, value []byte, yield func(indexKey []byte)) {
	for part := range bytes.SplitAfterSeq(value, []byte{0xff}) {
		if len(part) > 0 {
			yield(bytes.TrimSuffix(part, []byte{0xff}))
		}
	}
}

func byValue(_, value []byte, yield func(indexKey []byte)) {
	if len(value) > 0 {
		yield(value)
	}
}

func firstByte(key, value []byte) []byte { return append(bytes.Clone(key), value[:1]...) }

func declared() []Index {
	return []Index{
		{Bucket: []string{"b"}, Name: "parts", Keys: byBytes, Cover: firstByte},
		{Bucket: []string{"b"}, Name: "value", Unique: true, Keys: byValue},
	}
}

// indexed is a bucket with indexes: the values of its rows, and when those end that do, in nanoseconds.
type indexed struct {
	rows model
	ends map[string]int64
}

func rowsFor(m model) indexed { return indexed{m, map[string]int64{}} }

func (m indexed) clone() indexed { return indexed{maps.Clone(m.rows), maps.Clone(m.ends)} }

// end removes what has ended.
func (m indexed) end(now int64) {
	for k, end := range m.ends {
		if end <= now {
			m.remove(k)
		}
	}
}

func (m indexed) remove(k string) {
	delete(m.rows, k)
	delete(m.ends, k)
}

// breaks reports whether another row has the value.
func (m indexed) breaks(key, value string) bool {
	for k, v := range m.rows {
		if k != key && v == value && value != "" {
			return true
		}
	}
	return false
}

// change does one write in b and in the model. now is the time of the database.
func (m indexed) change(t *rapid.T, b *Bucket, now int64) {
	drawn := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xff}), 0, 3)
	key, arg := drawn.Draw(t, "key"), drawn.Draw(t, "argument")
	k, next, end := string(key), string(arg), int64(0)
	var err error
	switch rapid.IntRange(0, 8).Draw(t, "verb") {
	case 0, 1:
		err = b.Put(key, arg)
	case 2, 3, 4:
		end = now + rapid.Int64Range(-1, 3).Draw(t, "until")
		err = b.PutUntil(key, arg, nanos(end))
	case 5:
		err = b.Append(key, arg)
		next = m.rows[k] + next
	case 6:
		requireNil(t, b.Delete(key))
		m.remove(k)
		return
	case 7:
		requireNil(t, b.DeletePrefix(key))
		for at := range m.rows {
			if strings.HasPrefix(at, k) {
				m.remove(at)
			}
		}
		return
	default:
		err = b.Put(append(key, 'a'), arg)
		k += "a"
	}
	broken := m.breaks(k, next)
	var unique *UniqueError
	if errors.Is(err, ErrUnique) != broken || err != nil && !broken {
		t.Fatalf("%q to %q: %v, breaks the rule: %v", k, next, err, broken)
	}
	if broken && (!errors.As(err, &unique) || m.rows[string(unique.Key)] != next || string(unique.Wanted) != k) {
		t.Fatalf("%q to %q: %+v", k, next, unique)
	}
	if broken {
		return
	}
	m.rows[k] = next
	if delete(m.ends, k); end != 0 {
		m.ends[k] = end
	}
	m.end(now)
}

// check compares the indexes of b with what their functions give for the model.
func (m indexed) check(t rapid.TB, b *Bucket) {
	t.Helper()
	for _, x := range declared() {
		var keys, all, covers []string
		for k, v := range m.rows {
			rows := map[string]bool{}
			x.Keys([]byte(k), []byte(v), func(ik []byte) { rows[string(index.AppendRow(nil, ik, []byte(k)))] = true })
			for row := range rows {
				keys = append(keys, row)
			}
		}
		slices.Sort(keys)
		for _, row := range keys {
			_, rowKey, _ := index.CutRow([]byte(row))
			k, covered := string(rowKey), ""
			if x.Cover != nil {
				covered = string(x.Cover(rowKey, []byte(m.rows[k])))
			}
			all, covers = append(all, k+"="+m.rows[k]), append(covers, k+"="+covered)
		}
		r := b.Index(x.Name).Range(nil, nil)
		var gotKeys, gotAll, gotCovers []string
		for ik, k := range r.Keys() {
			gotKeys = append(gotKeys, string(index.AppendRow(nil, ik, k)))
		}
		for k, v := range r.All() {
			gotAll = append(gotAll, string(k)+"="+string(v))
		}
		for k, v := range r.Covers() {
			gotCovers = append(gotCovers, string(k)+"="+string(v))
		}
		requireNil(t, r.Err())
		if !slices.Equal(keys, gotKeys) || !slices.Equal(all, gotAll) || !slices.Equal(covers, gotCovers) {
			t.Fatalf("index %s of %q:\n%q, want\n%q;\n%q, want\n%q", x.Name, m, gotKeys, keys, gotCovers, covers)
		}
		var back []string
		for ik, k := range r.Reverse().Limit(len(keys) / 2).Keys() {
			back = append([]string{string(index.AppendRow(nil, ik, k))}, back...)
		}
		if want := keys[len(keys)-len(keys)/2:]; !slices.Equal(back, want) {
			t.Fatalf("backward %q, want %q", back, want)
		}
	}
}

// An index that differs from its rows hides some of them, or shows what is not there, now or when a row ends.
func TestIndex_isAlwaysWhatItsFunctionGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := int64(100)
		db, err := Open("", &Options{InMemory: true, Indexes: declared(), wall: func() time.Time { return nanos(now) }})
		requireNil(t, err)
		defer db.Close()
		b, err := db.CreateBucket("b")
		requireNil(t, err)
		m := rowsFor(model{})
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now += rapid.Int64Range(0, 2).Draw(t, "later")
			m.end(now)
			if rapid.Bool().Draw(t, "by a handle") {
				m.change(t, b, now)
			} else {
				m = m.update(t, db, now)
			}
			m.check(t, b)
			requireNoFaults(t, db)
		}
		now += 10
		m.end(now)
		m.check(t, b)
		requireNoFaults(t, db)
		requireNil(t, b.DeleteRange(nil, nil))
		rowsFor(nil).check(t, b)
		requireNil(t, db.DropBucket("b"))
		if left := stored(t, db); strings.Count(left, "\n") != 1 {
			t.Fatalf("besides the next id a drop leaves\n%s", left)
		}
	})
}

func requireNoFaults(t rapid.TB, db *DB) {
	t.Helper()
	faults, err := db.CheckIndexes(context.Background())
	if len(faults) > 0 || err != nil {
		t.Fatalf("faults %q, %v", faults, err)
	}
}

// update changes the bucket in a transaction, of which parts are taken back, in one way and another.
func (m indexed) update(t *rapid.T, db *DB, now int64) indexed {
	o := TxOptions{Isolation: rapid.SampledFrom([]Isolation{Serializable, SnapshotIsolation}).Draw(t, "isolation")}
	keep := rapid.Bool().Draw(t, "commit")
	next := m.clone()
	no := errors.New("no")
	err := db.UpdateWith(context.Background(), o, func(tx *Tx) error {
		b, err := tx.Bucket("b")
		requireNil(t, err)
		next.change(t, b, now)
		s, err := tx.Savepoint()
		requireNil(t, err)
		back := next.clone()
		back.change(t, b, now)
		back.check(t, b)
		requireNil(t, tx.RollbackTo(s))
		err = tx.Update(func(tx *Tx) error { back = next.clone(); back.change(t, b, now); return no })
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		next.change(t, b, now)
		next.check(t, b)
		if !keep {
			return no
		}
		return nil
	})
	if keep {
		requireNil(t, err)
		return next
	}
	return m
}

// Two users with one e-mail address would each get the other's letters.
func TestIndex_ofTwentyWritersOneHasTheKey(t *testing.T) {
	for _, isolation := range []Isolation{Serializable, SnapshotIsolation} {
		db, err := Open("", &Options{InMemory: true, Indexes: declared()})
		requireNil(t, err)
		b, err := db.CreateBucket("b")
		requireNil(t, err)
		for round := range 20 {
			var have, others atomic.Int64
			var wg sync.WaitGroup
			for n := range 20 {
				wg.Go(func() {
					err := db.UpdateWith(context.Background(), TxOptions{Isolation: isolation}, func(tx *Tx) error {
						b, err := tx.Bucket("b")
						if err != nil {
							return err
						}
						return b.Put(fmt.Append(nil, round, n), fmt.Append(nil, "mail", round))
					})
					switch {
					case err == nil:
						have.Add(1)
					case errors.Is(err, ErrUnique):
						others.Add(1)
					default:
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if have.Load() != 1 || others.Load() != 19 {
				t.Fatalf("isolation %d: %d have the key, %d do not", isolation, have.Load(), others.Load())
			}
			if _, _, err := b.Index("value").Get(fmt.Append(nil, "mail", round)); err != nil {
				t.Fatal(err)
			}
		}
		requireNil(t, db.Close())
	}
}

// Under snapshot isolation merges of one key are no conflict, but the index keys of its value are made from both.
func TestIndex_mergesOfOneKeyAreAConflict(t *testing.T) {
	db, err := Open("", &Options{InMemory: true, Indexes: declared()})
	requireNil(t, err)
	defer db.Close()
	b, err := db.CreateBucket("b")
	requireNil(t, err)
	begin := func() (*Tx, *Bucket) {
		tx, err := db.Begin(context.Background(), TxOptions{Isolation: SnapshotIsolation})
		requireNil(t, err)
		in, err := tx.Bucket("b")
		requireNil(t, err)
		return tx, in
	}
	one, in := begin()
	requireNil(t, in.Append([]byte("k"), []byte("1")))
	other, in := begin()
	requireNil(t, in.Append([]byte("k"), []byte("2")))
	requireNil(t, one.Commit())
	if err := other.Commit(); !errors.Is(err, ErrConflict) {
		t.Fatalf("%v, want a conflict", err)
	}
	rowsFor(model{"k": "1"}).check(t, b)
}

// A panic of a function is the program's, and must not leave half of a row.
func TestIndex_aPanicWritesNothing(t *testing.T) {
	x := Index{Bucket: []string{"b"}, Name: "x", Keys: func(_, value []byte, yield func([]byte)) {
		yield(value)
		if string(value) == "bad" {
			panic("as it was told")
		}
	}}
	db, err := Open("", &Options{InMemory: true, Indexes: []Index{x}})
	requireNil(t, err)
	defer db.Close()
	b, err := db.CreateBucket("b")
	requireNil(t, err)
	before := stored(t, db)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		b.Put([]byte("k"), []byte("bad"))
	}()
	if is := stored(t, db); is != before {
		t.Errorf("it left\n%s", is)
	}
	requireNil(t, b.Put([]byte("k"), []byte("good")))
}

// Whoever writes without the functions of an index, or with others, would make it stale without a word.
func TestIndex_needsItsFunctions(t *testing.T) {
	disk := memfs.New()
	open := func(indexes ...Index) *DB {
		t.Helper()
		db, err := Open("", &Options{fs: sharedFS{disk}, Indexes: indexes})
		requireNil(t, err)
		return db
	}
	db := open()
	b, err := db.CreateBucket("b")
	requireNil(t, err)
	m := rowsFor(model{"k": "v\xffw", "l": "x"})
	for k, v := range m.rows {
		requireNil(t, b.Put([]byte(k), []byte(v)))
	}
	if _, _, err := b.Index("parts").Get([]byte("w")); !errors.Is(err, ErrNoIndex) {
		t.Error(err)
	}
	requireNil(t, db.Close())

	db = open(declared()...) // builds them
	b, err = db.Bucket("b")
	requireNil(t, err)
	m.check(t, b)
	if err := b.Put([]byte("m"), []byte("x")); !errors.Is(err, ErrUnique) {
		t.Error(err)
	}
	requireNil(t, db.Close())

	db = open(declared()[:1]...)
	b, err = db.Bucket("b")
	requireNil(t, err)
	m.check(t, b)
	if err := b.Put([]byte("m"), nil); !errors.Is(err, ErrIndexFunc) || !strings.Contains(err.Error(), "value") {
		t.Error(err)
	}
	if err := db.DropIndex("none", "b"); !errors.Is(err, ErrNoIndex) {
		t.Error(err)
	}
	requireNil(t, db.DropIndex("value", "b"))
	requireNil(t, b.Put([]byte("m"), []byte("x"))) // by a handle that knew another definition
	requireNil(t, db.Close())
	checkChanged(t, disk)
}

// checkChanged opens disk with an index that its rows break, and with one of another version.
func checkChanged(t *testing.T, disk *memfs.FS) {
	broken := declared()
	if _, err := Open("", &Options{fs: sharedFS{disk}, Indexes: broken}); !errors.Is(err, ErrUnique) {
		t.Errorf("two rows with one key: %v", err)
	}
	changed := declared()[:1]
	changed[0].Version, changed[0].Keys = 2, func(key, _ []byte, yield func([]byte)) { yield(key) }
	db, err := Open("", &Options{fs: sharedFS{disk}, Indexes: changed})
	requireNil(t, err)
	defer db.Close()
	b, err := db.Bucket("b")
	requireNil(t, err)
	n := 0
	for ik, k := range b.Index("parts").Prefix(nil).Keys() {
		if n++; !bytes.Equal(ik, k) {
			t.Errorf("%q has index key %q", k, ik)
		}
	}
	if n != 3 || strings.Count(stored(t, db), fmt.Sprintf("%x", space.Index(2).All().Lo)) != 0 {
		t.Errorf("%d rows:\n%s", n, stored(t, db))
	}
	requireNil(t, db.MoveBucket([]string{"b"}, []string{"c"}))
	if err := b.Delete([]byte("m")); !errors.Is(err, ErrIndexFunc) {
		t.Errorf("a bucket that has another path: %v", err)
	}
}

// A handle that is older than an index would write past it.
func TestIndex_aHandleSeesANewDefinition(t *testing.T) {
	db, err := Open("", &Options{InMemory: true, Indexes: declared()})
	requireNil(t, err)
	defer db.Close()
	b, err := db.CreateBucket("b")
	requireNil(t, err)
	requireNil(t, db.DropIndex("parts", "b"))
	requireNil(t, db.DropIndex("value", "b"))
	requireNil(t, b.Put([]byte("k"), []byte("v")))
	tx, err := db.Begin(context.Background(), TxOptions{Isolation: SnapshotIsolation})
	requireNil(t, err)
	in, err := tx.Bucket("b")
	requireNil(t, err)
	requireNil(t, in.Put([]byte("late"), []byte("x")))
	requireNil(t, db.buildIndexes())
	if err := tx.Commit(); !errors.Is(err, ErrConflict) {
		t.Errorf("a transaction that knew of no index: %v", err)
	}
	requireNil(t, b.Put([]byte("l"), []byte("w")))
	rowsFor(model{"k": "v", "l": "w"}).check(t, b)
}

func openIndexed(disk *memfs.FS, o Options) (*DB, error) {
	o.fs, o.MemoryLimit = sharedFS{disk}, 10<<20
	return Open("", &o)
}

// indexSteps are a life of a bucket with indexes, which it gets when it has rows, each step one commit at most. close
// closes what they have open.
func indexSteps(disk *memfs.FS) (db **DB, steps []func() error) {
	var b *Bucket
	db = new(*DB)
	open := func(indexes ...Index) func() error {
		return func() (err error) {
			if *db != nil {
				(*db).Close()
			}
			if *db, err = openIndexed(disk, Options{Indexes: indexes}); err == nil && len(indexes) > 0 {
				b, err = (*db).Bucket("b")
			}
			return err
		}
	}
	put := func(k, v string) func() error { return func() error { return b.Put([]byte(k), []byte(v)) } }
	return db, []func() error{
		open(),
		func() (err error) { b, err = (*db).CreateBucket("b"); return err },
		put("0", "0\xff7"), put("1", "1\xff7"), put("2", "2"),
		open(declared()[:1]...),
		open(declared()...),
		put("0", "new\xff\x00"),
		func() error { return b.Append([]byte("1"), []byte("\xffmore")) },
		func() error { return (*db).Flush() },
		func() error { return b.Delete([]byte("2")) },
		func() error { return (*db).DropIndex("value", "b") },
		open(declared()...),
		func() error { return b.DeleteRange(nil, nil) },
	}
}

// Half of a row's index after a crash is an index that is wrong for good.
func TestIndex_survivesCrashesWhole(t *testing.T) {
	disk := memfs.New()
	db, steps := indexSteps(disk)
	states := []string{""}
	for _, step := range steps {
		requireNil(t, step())
		states = append(states, stored(t, *db))
	}
	requireNil(t, (*db).Close())
	for at := range disk.Ops() {
		disk := memfs.New()
		disk.CrashAt(at)
		db, steps := indexSteps(disk)
		done := 0
		for _, step := range steps {
			if step() != nil {
				break
			}
			done++
		}
		if *db != nil {
			(*db).Close()
		}
		for _, policy := range memfs.Policies {
			again, err := openIndexed(disk.Image(policy, uint64(at)), Options{}) // which builds nothing
			if err != nil {
				t.Fatalf("crash at %d, %v: %v", at, policy, err)
			}
			if is := stored(t, again); !slices.Contains(states[done:min(done+2, len(states))], is) {
				t.Errorf("crash at %d, %v, after %d steps:\n%s", at, policy, done, is)
			}
			requireNil(t, again.Close())
		}
	}
}

// What cannot be an index must be refused before it is one.
func TestIndex_refusesWhatCannotBe(t *testing.T) {
	good := Index{Bucket: []string{"b"}, Name: "x", Keys: byValue}
	many := []Index{}
	for n := range catalog.MaxIndexes + 1 {
		many = append(many, Index{Bucket: []string{"b"}, Name: fmt.Sprint(n), Keys: byValue})
	}
	for name, bad := range map[string][]Index{
		"no name": {{Bucket: good.Bucket, Keys: byValue}}, "no Keys": {{Bucket: good.Bucket, Name: "x"}},
		"twice": {good, good}, "the root": {{Name: "x", Keys: byValue}}, "too many": many,
	} {
		if _, err := Open("", &Options{InMemory: true, Indexes: bad}); !errors.Is(err, ErrIndexDeclared) {
			t.Errorf("%s: %v", name, err)
		}
	}
	db, err := Open("", &Options{InMemory: true, Indexes: many[:catalog.MaxIndexes]})
	requireNil(t, err)
	defer db.Close()
	b, err := db.CreateBucket("b")
	requireNil(t, err)
	long := make([]byte, MaxKeySize/2)
	for key, want := range map[string]error{"": nil, "abc": ErrIndexKey} {
		if err := b.Put([]byte(key), long[:len(long)-1]); !errors.Is(err, want) {
			t.Errorf("a long index key of %q: %v, want %v", key, err, want)
		}
	}
}
