package lightningdb

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/span"
	"lightningdb/internal/system/vfs/memfs"
)

// bucketTree is a model of buckets: paths, joined by slashes, to their keys. Each has what no other bucket has.
type bucketTree map[string]model

// drop removes the bucket at path and those in it.
func (bt bucketTree) drop(path string) {
	maps.DeleteFunc(bt, func(p string, _ model) bool { return p == path || strings.HasPrefix(p, path+"/") })
}

func (bt bucketTree) move(from, to string) {
	for _, p := range slices.Collect(maps.Keys(bt)) {
		if rest, ok := strings.CutPrefix(p+"/", from+"/"); ok {
			keys := bt[p]
			delete(bt, p)
			bt[strings.TrimSuffix(to+"/"+rest, "/")] = keys
		}
	}
}

// hasParent reports whether a bucket may be at path.
func (bt bucketTree) hasParent(path string) bool {
	i := strings.LastIndexByte(path, '/')
	return i < 0 || bt[path[:i]] != nil
}

func (bt bucketTree) clone() bucketTree {
	c := bucketTree{}
	for p, m := range bt {
		c[p] = maps.Clone(m)
	}
	return c
}

func drawPath(t *rapid.T, name string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "\U0010ffff"}), 1, 3).Draw(t, name), "/")
}

func split(path string) []string { return strings.Split(path, "/") }

// holders is what buckets are in.
type holders interface {
	Bucket(path ...string) (*Bucket, error)
	CreateBucket(path ...string) (*Bucket, error)
	DropBucket(path ...string) error
	MoveBucket(from, to []string) error
}

// change does one change of the catalogue or some of a bucket's keys, in h and in the model.
func (bt bucketTree) change(t *rapid.T, h holders) {
	path := drawPath(t, "path")
	var err, want error
	switch rapid.IntRange(0, 6).Draw(t, "change") {
	case 0, 1:
		_, err = h.CreateBucket(split(path)...)
		switch {
		case !bt.hasParent(path):
			want = ErrNoBucket
		case bt[path] != nil:
			want = ErrBucketExists
		default:
			bt[path] = model{}
		}
	case 2:
		err = h.DropBucket(split(path)...)
		if bt[path] == nil {
			want = ErrNoBucket
		}
		bt.drop(path)
	case 3:
		to := drawPath(t, "to")
		err = h.MoveBucket(split(path), split(to))
		switch {
		case bt[path] == nil || !bt.hasParent(to):
			want = ErrNoBucket
		case bt[to] != nil:
			want = ErrBucketExists
		case strings.HasPrefix(to, path+"/"):
			want = ErrBucketName
		default:
			bt.move(path, to)
		}
	default:
		b, bucketErr := h.Bucket(split(path)...)
		if err = bucketErr; bt[path] == nil {
			want = ErrNoBucket
		} else if err == nil {
			bt[path].change(t, b)
		}
	}
	if !errors.Is(err, want) {
		t.Fatalf("%s: %v, want %v", path, err, want)
	}
}

// sized gives a bucket the Size that a model compares.
type sized struct{ *Bucket }

func (s sized) Size(key []byte) (int64, error) {
	v, err := s.Get(key)
	return int64(len(v)), err
}

// Buckets that share a key, or a name that leads elsewhere than it did, are wrong data.
func TestBucket_agreesWithNestedMaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db, err := Open("", &Options{InMemory: true, Merge: showKey})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		bt, root := bucketTree{}, model{}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				root.change(t, db)
			case 1, 2:
				bt.change(t, db)
			case 3:
				bt = bt.update(t, db)
			default:
				if err := db.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		root.check(t, "root", db)
		bt.check(t, db)
	})
}

// update does changes in a transaction, which may fail, and returns what is there then.
func (bt bucketTree) update(t *rapid.T, db *DB) bucketTree {
	before := bt.clone()
	fails := rapid.Bool().Draw(t, "fails")
	err := db.Update(context.Background(), func(tx *Tx) error {
		bt.change(t, tx)
		bt.change(t, tx)
		if fails {
			return errors.New("taken back")
		}
		return nil
	})
	if fails {
		return before
	}
	if err != nil {
		t.Fatal(err)
	}
	return bt
}

// check compares all buckets, in every way that they can be read.
func (bt bucketTree) check(t *rapid.T, db *DB) {
	s := db.Snapshot()
	defer s.Close()
	for path, m := range bt {
		b, err := db.Bucket(split(path)...)
		of, otherErr := s.Bucket(split(path)...)
		if err != nil || otherErr != nil {
			t.Fatal(path, err, otherErr)
		}
		m.check(t, path, sized{b})
		m.check(t, path+" of a snapshot", sized{of})
		err = db.View(context.Background(), func(tx *Tx) error {
			of, err := tx.Bucket(split(path)...)
			if err == nil {
				m.check(t, path+" in View", sized{of})
			}
			return err
		})
		if names := namesIn(t, db, path); err != nil || !slices.Equal(names, bt.namesIn(path)) {
			t.Fatalf("%s has %q, want %q (%v)", path, names, bt.namesIn(path), err)
		}
	}
	if names := namesIn(t, db, ""); !slices.Equal(names, bt.namesIn("")) {
		t.Fatalf("the root has %q, want %q", names, bt.namesIn(""))
	}
}

// namesIn are the names of the buckets in the one at path, or in the root.
func (bt bucketTree) namesIn(path string) (names []string) {
	for p := range bt {
		if rest, ok := strings.CutPrefix("/"+p, strings.TrimSuffix("/"+path, "/")+"/"); ok && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

func namesIn(t rapid.TB, db *DB, path string) (names []string) {
	var where []string
	if path != "" {
		where = split(path)
	}
	for name, err := range db.Buckets(where...) {
		if names = append(names, name); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// What is written under an id that nobody has is never seen again and never goes.
func TestBucket_aDroppedOneTakesNothingMore(t *testing.T) {
	db := openMemory(t)
	b, err := db.CreateBucket("b")
	requireNil(t, err)
	requireNil(t, b.Put([]byte("k"), []byte("v")))
	requireNil(t, db.MoveBucket([]string{"b"}, []string{"moved"}))
	requireNil(t, b.Put([]byte("k"), []byte("of the moved one")))
	s := db.Snapshot()
	defer s.Close()
	requireNil(t, db.DropBucket("moved"))
	_, err = db.CreateBucket("moved")
	requireNil(t, err)
	for name, call := range map[string]func() error{
		"Put":          func() error { return b.Put([]byte("k"), nil) },
		"Get":          func() error { _, err := b.Get([]byte("k")); return err },
		"Has":          func() error { _, err := b.Has([]byte("k")); return err },
		"Add":          func() error { return b.Add([]byte("k"), 1) },
		"DeleteRange":  func() error { return b.DeleteRange(nil, nil) },
		"no range":     func() error { return b.DeleteRange(nil, []byte{}) },
		"NextSequence": func() error { _, err := b.NextSequence(); return err },
		"Bucket":       func() error { _, err := b.Bucket("in"); return err },
		"Range": func() error {
			loop := b.Range(nil, nil)
			for k := range loop.Keys() {
				t.Errorf("it shows %q", k)
			}
			return loop.Err()
		},
	} {
		if err := call(); !errors.Is(err, ErrNoBucket) {
			t.Errorf("%s: %v", name, err)
		}
	}
	old, err := s.Bucket("moved")
	requireNil(t, err)
	if v, err := old.Get([]byte("k")); err != nil || string(v) != "of the moved one" {
		t.Errorf("the snapshot has %q, %v", v, err)
	}
	if err := old.Put([]byte("k"), nil); !errors.Is(err, ErrReadOnlyTx) {
		t.Errorf("a write in a snapshot: %v", err)
	}
}

// A transaction that writes into a bucket that another one has dropped would leave keys of nobody.
func TestBucket_aDropIsAConflict(t *testing.T) {
	for _, isolation := range []Isolation{Serializable, SnapshotIsolation} {
		for name, other := range map[string]func(db *DB) error{
			"drop":           func(db *DB) error { return db.DropBucket("a", "b") },
			"drop of parent": func(db *DB) error { return db.DropBucket("a") },
			"move of parent": func(db *DB) error { return db.MoveBucket([]string{"a"}, []string{"c"}) },
		} {
			for what, write := range map[string]func(tx *Tx) error{
				"put": func(tx *Tx) error {
					b, err := tx.Bucket("a", "b")
					if err != nil {
						return err
					}
					return b.Put([]byte("k"), nil)
				},
				"create": func(tx *Tx) error { _, err := tx.CreateBucket("a", "b", "in"); return err },
			} {
				db := openMemory(t)
				_, err := db.CreateBucket("a")
				requireNil(t, err)
				_, err = db.CreateBucket("a", "b")
				requireNil(t, err)
				tx, err := db.Begin(context.Background(), TxOptions{Isolation: isolation})
				requireNil(t, err)
				requireNil(t, write(tx))
				requireNil(t, other(db))
				if err := tx.Commit(); !errors.Is(err, ErrConflict) {
					t.Errorf("isolation %d, a %s and a %s: %v", isolation, what, name, err)
				}
			}
		}
		db := openMemory(t)
		_, err := db.CreateBucket("a")
		requireNil(t, err)
		tx, err := db.Begin(context.Background(), TxOptions{Isolation: isolation})
		requireNil(t, err)
		requireNil(t, tx.DropBucket("a"))
		_, err = db.CreateBucket("a", "new")
		requireNil(t, err)
		if err := tx.Commit(); !errors.Is(err, ErrConflict) {
			t.Errorf("isolation %d: a bucket in one that is dropped: %v", isolation, err)
		}
	}
}

// A copy of a bucket that begins to count anew gives its program numbers that it has used.
func TestBucket_theSequenceCanBeCopied(t *testing.T) {
	db := openMemory(t)
	b, err := db.CreateBucket("b")
	requireNil(t, err)
	is := func(of *Bucket, want uint64) {
		t.Helper()
		if n, err := of.Sequence(); n != want || err != nil {
			t.Errorf("the sequence is at %d, %v, want %d", n, err, want)
		}
	}
	is(b, 0)
	for _, n := range []uint64{0, 1, 300, 7, math.MaxUint64 - 2} {
		requireNil(t, b.SetSequence(n))
		is(b, n)
		next, err := b.NextSequence()
		if next != n+1 || err != nil {
			t.Errorf("after %d comes %d, %v", n, next, err)
		}
		is(b, n+1)
	}
	s := db.Snapshot()
	defer s.Close()
	old, err := s.Bucket("b")
	requireNil(t, err)
	requireNil(t, b.SetSequence(5))
	is(old, math.MaxUint64-1)
	if err := old.SetSequence(1); !errors.Is(err, ErrReadOnlyTx) {
		t.Errorf("of a snapshot: %v", err)
	}
	if err := b.SetSequence(math.MaxUint64 - 1); err == nil {
		t.Error("a number was taken that none can follow")
	}
	is(b, 5)
	requireNil(t, db.DropBucket("b"))
	if _, err := b.Sequence(); !errors.Is(err, ErrNoBucket) {
		t.Errorf("of a bucket that is gone: %v", err)
	}
	if err := b.SetSequence(1); !errors.Is(err, ErrNoBucket) {
		t.Errorf("of a bucket that is gone: %v", err)
	}
}

// A handle must not outlive what its own transaction, or a part or savepoint of it, has taken back.
func TestBucket_followsItsTransaction(t *testing.T) {
	db := openMemory(t)
	tx := mustBegin(t, db)
	before, err := tx.Savepoint()
	requireNil(t, err)
	b, err := tx.CreateBucket("b")
	requireNil(t, err)
	requireNil(t, b.Put([]byte("k"), []byte("v")))
	if n, err := b.NextSequence(); n != 1 || err != nil {
		t.Errorf("the first number is %d, %v", n, err)
	}
	requireNil(t, tx.RollbackTo(before))
	if err := b.Put([]byte("k"), nil); !errors.Is(err, ErrNoBucket) {
		t.Errorf("after RollbackTo: %v", err)
	}
	b, err = tx.CreateBucket("b")
	requireNil(t, err)
	if _, err := b.Get([]byte("k")); !errors.Is(err, ErrNotFound) {
		t.Errorf("a new bucket has %v", err)
	}
	if n, err := b.NextSequence(); n != 1 || err != nil {
		t.Errorf("the first number of the new one is %d, %v", n, err)
	}
	requireNil(t, tx.DropBucket("b"))
	if _, err := b.Has([]byte("k")); !errors.Is(err, ErrNoBucket) {
		t.Errorf("after DropBucket: %v", err)
	}
	requireNil(t, tx.Commit())
	if err := b.Put(nil, nil); !errors.Is(err, ErrTxDone) {
		t.Errorf("after the end: %v", err)
	}
	for name, err := range db.Buckets() {
		t.Errorf("there is %q, %v", name, err)
	}
}

// A name that no path can have, or a path without an end, must not get into the catalogue.
func TestBucket_refusesNames(t *testing.T) {
	db := openMemory(t)
	for _, name := range []string{"", strings.Repeat("x", 256), "\xff"} {
		if _, err := db.CreateBucket(name); !errors.Is(err, ErrBucketName) {
			t.Errorf("%.10q: %v", name, err)
		}
	}
	if _, err := db.Bucket(); !errors.Is(err, ErrBucketName) {
		t.Errorf("no name: %v", err)
	}
	var path []string
	for range 32 {
		path = append(path, strings.Repeat("x", 255))
		if _, err := db.CreateBucket(path...); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.CreateBucket(append(path, "x")...); !errors.Is(err, ErrTooDeep) {
		t.Errorf("33 levels: %v", err)
	}
	_, err := db.CreateBucket("y")
	requireNil(t, err)
	if err := db.MoveBucket([]string{"y"}, []string{"y", "in"}); !errors.Is(err, ErrBucketName) {
		t.Errorf("moved into itself: %v", err)
	}
	if err := db.MoveBucket(path[:1], []string{"y", "x"}); !errors.Is(err, ErrTooDeep) {
		t.Errorf("moved to 33 levels: %v", err)
	}
	deep, err := db.Bucket(path...)
	requireNil(t, err)
	if _, err := deep.Bucket("x"); !errors.Is(err, ErrTooDeep) {
		t.Errorf("33 levels from a handle: %v", err)
	}
	long := bytes.Repeat([]byte{0xff}, MaxKeySize)
	if err := errors.Join(deep.Put(long, nil), db.Flush(), db.DropBucket(path[0])); err != nil {
		t.Error(err)
	}
	if err := deep.Put(append(long, 0), nil); !errors.Is(err, ErrKeyTooLarge) {
		t.Errorf("a key too long: %v", err)
	}
}

// Ids that are used again would show a new bucket what an old one left, and its snapshots what is new.
func TestBucket_idsAreNeverUsedAgain(t *testing.T) {
	db := openMemory(t)
	seen := map[uint64]bool{}
	for range 300 { // with ids of one, two and three bytes
		b, err := db.CreateBucket("b")
		requireNil(t, err)
		if seen[b.id] || b.id == 0 {
			t.Fatalf("id %d again", b.id)
		}
		seen[b.id] = true
		requireNil(t, b.Put([]byte("k"), nil))
		requireNil(t, db.DropBucket("b"))
	}
	if left := stored(t, db); strings.Count(left, "\n") != 1 {
		t.Errorf("rows and keys are left, want the next id alone:\n%s", left)
	}
}

// rowsSpan is everything behind the root.
var rowsSpan = span.Span{Lo: []byte{0xff, 1}}

var _ interface {
	holders
	ranges
} = (*DB)(nil)

// stored are all rows and keys behind the root, as they are stored.
func stored(t rapid.TB, db *DB) string {
	t.Helper()
	var out strings.Builder
	it, err := db.openIterator(rowsSpan)
	requireNil(t, err)
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.Value()
		requireNil(t, err)
		fmt.Fprintf(&out, "%x=%x\n", it.Key(), v)
	}
	requireNil(t, it.Err())
	return out.String()
}

// bucketSteps are a life of buckets, each step one commit, of which some are by handles that are older than a move or a
// drop: those may not be written.
func bucketSteps(db *DB) []func() error {
	var old, in *Bucket
	put := func(b **Bucket, key string) func() error {
		return func() error { return (*b).Put([]byte(key), bytes.Repeat([]byte(key), 50)) }
	}
	gone := func(do func() error) func() error {
		return func() error {
			if err := do(); !errors.Is(err, ErrNoBucket) {
				return cmp.Or(err, errors.New("a bucket that is gone took a write"))
			}
			return nil
		}
	}
	return []func() error{
		func() (err error) { old, err = db.CreateBucket("a"); return err },
		put(&old, "first"),
		func() (err error) { in, err = db.CreateBucket("a", "in"); return err },
		put(&in, "nested"),
		func() error { return db.MoveBucket([]string{"a"}, []string{"moved"}) },
		put(&old, "after the move"),
		db.Flush,
		func() error { return db.MoveBucket([]string{"moved", "in"}, []string{"out"}) },
		func() error { _, err := in.NextSequence(); return err },
		func() error { return db.MoveBucket([]string{"out"}, []string{"moved", "in"}) },
		put(&in, "behind both"),
		func() error { return db.DropBucket("moved") },
		gone(put(&old, "late")),
		gone(put(&in, "late")),
		func() (err error) { old, err = db.CreateBucket("a"); return err },
		put(&old, "anew"),
		db.Flush,
		func() error { return db.DropBucket("a") },
	}
}

// A crash in the midst of a change of buckets that leaves half of it would leave names that lead nowhere, and keys that
// nobody can remove.
func TestBucket_changesSurviveCrashesWhole(t *testing.T) {
	open := func(disk *memfs.FS) (*DB, error) {
		return Open("", &Options{fs: sharedFS{disk}, MemoryLimit: 10 << 20})
	}
	var states []string
	disk := memfs.New()
	db, err := open(disk)
	requireNil(t, err)
	begin := disk.Ops()
	for _, step := range bucketSteps(db) {
		states = append(states, stored(t, db))
		requireNil(t, step())
	}
	states = append(states, stored(t, db))
	end := disk.Ops()
	db.Close()
	for at := begin; at < end; at++ {
		disk := memfs.New()
		db, err := open(disk)
		requireNil(t, err)
		disk.CrashAt(at)
		done := 0
		for _, step := range bucketSteps(db) {
			if step() != nil {
				break
			}
			done++
		}
		db.Close()
		for _, policy := range memfs.Policies {
			again, err := open(disk.Image(policy, uint64(at)))
			if err != nil {
				t.Fatalf("crash at %d, %v: %v", at, policy, err)
			}
			if is := stored(t, again); !slices.Contains(states[done:min(done+2, len(states))], is) {
				t.Errorf("crash at %d, %v, after %d steps:\n%s", at, policy, done, is)
			}
			again.Close()
		}
	}
}

// A handle that writes while its bucket is dropped must leave nothing behind, and a bucket that moves must lose
// nothing.
func TestBucket_oldHandlesBesideChanges(t *testing.T) {
	db := openMemory(t)
	for round := range 50 {
		b, err := db.CreateBucket("b")
		requireNil(t, err)
		var writers sync.WaitGroup
		var moved atomic.Bool
		for n := range 4 {
			writers.Go(func() {
				for i := 0; ; i++ {
					k := fmt.Appendf(nil, "%d/%d", n, i)
					err := b.Put(k, k)
					if errors.Is(err, ErrNoBucket) {
						return
					}
					if err != nil {
						t.Errorf("round %d: %v", round, err)
						return
					}
					if moved.Load() {
						continue
					}
					if v, err := b.Get(k); !bytes.Equal(v, k) && !errors.Is(err, ErrNoBucket) {
						t.Errorf("round %d: %s is %q, %v", round, k, v, err)
					}
				}
			})
		}
		err = errors.Join(db.MoveBucket([]string{"b"}, []string{"c"}), db.MoveBucket([]string{"c"}, []string{"d"}))
		moved.Store(true)
		err = errors.Join(err, db.DropBucket("d"))
		writers.Wait()
		requireNil(t, err)
		if left := stored(t, db); strings.Count(left, "\n") != 1 {
			t.Fatalf("round %d: rows and keys are left, want the next id alone:\n%s", round, left)
		}
	}
}

// A drop that depends on how its buckets came to be would fail one day, or leave keys that nobody can remove.
func TestBucket_dropsWhatIsScattered(t *testing.T) {
	db := openMemory(t)
	_, err := db.CreateBucket("a")
	requireNil(t, err)
	before := stored(t, db)
	_, err = db.CreateBucket("all")
	requireNil(t, err)
	for _, isolation := range []Isolation{Serializable, SnapshotIsolation} {
		err = db.Update(context.Background(), func(tx *Tx) error {
			for i := range 1100 { // by turns in one that goes, and in one that stays
				b, err := tx.CreateBucket("all", fmt.Sprint(i))
				if err != nil {
					return err
				}
				_, err = tx.CreateBucket("a", fmt.Sprint(i))
				if err = errors.Join(err, b.Put(nil, nil), b.Put([]byte("k"), nil)); err != nil {
					return err
				}
			}
			return nil
		})
		requireNil(t, err)
		last, err := db.Bucket("all", "1099")
		requireNil(t, err)
		tx, err := db.Begin(context.Background(), TxOptions{Isolation: isolation})
		requireNil(t, err)
		requireNil(t, tx.DropBucket("all"))
		requireNil(t, last.Put([]byte("late"), nil))
		if err := tx.Commit(); !errors.Is(err, ErrConflict) {
			t.Errorf("isolation %d: a drop that has not seen a key: %v", isolation, err)
		}
		err = db.UpdateWith(context.Background(), TxOptions{Isolation: isolation}, func(tx *Tx) error {
			_, err := tx.Bucket("a")
			return errors.Join(err, tx.DropBucket("all"), tx.DropBucket("a"))
		})
		requireNil(t, err)
		if left := stored(t, db); strings.Count(left, "\n") != 1 {
			t.Fatalf("rows and keys are left, want the next id alone:\n%.1000s", left)
		}
		_, err = db.CreateBucket("a")
		requireNil(t, err)
		_, err = db.CreateBucket("all")
		requireNil(t, err)
	}
	if is := stored(t, db); strings.Count(is, "\n") != strings.Count(before, "\n")+2 {
		t.Errorf("there is %s", is)
	}
}

// A path that grows beyond its limit by two moves at a time could not be dropped any more.
func TestBucket_movesTogetherKeepTheLimit(t *testing.T) {
	for _, isolation := range []Isolation{Serializable, SnapshotIsolation} {
		db := openMemory(t)
		make := func(path ...string) {
			t.Helper()
			_, err := db.CreateBucket(path...)
			requireNil(t, err)
		}
		var deep []string
		for range 32 - 2 {
			deep = append(deep, "d")
			make(deep...)
		}
		make("a")
		make("b")
		make("b", "in")
		tx, err := db.Begin(context.Background(), TxOptions{Isolation: isolation})
		requireNil(t, err)
		requireNil(t, tx.MoveBucket([]string{"a"}, append(slices.Clone(deep), "a")))
		requireNil(t, db.MoveBucket([]string{"b"}, []string{"a", "b"}))
		if err := tx.Commit(); !errors.Is(err, ErrConflict) {
			t.Errorf("isolation %d: %v", isolation, err)
		}
	}
}

// A get in a bucket must not leave work for the garbage collector that one of the root does not.
func TestBucket_getAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget")
	}
	db := openMemory(t)
	b, err := db.CreateBucket("b")
	requireNil(t, err)
	k, room := []byte("key"), make([]byte, 0, 16)
	requireNil(t, b.Put(k, k))
	s := db.Snapshot()
	defer s.Close()
	of, err := s.Bucket("b")
	requireNil(t, err)
	for name, b := range map[string]*Bucket{"DB": b, "Snapshot": of} {
		n := testing.AllocsPerRun(1000, func() {
			if _, err := b.GetAppend(room, k); err != nil {
				t.Fatal(err)
			}
		})
		if n > 0 {
			t.Errorf("a get in a bucket of a %s allocates %v times", name, n)
		}
	}
}
