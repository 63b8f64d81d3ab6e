package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
)

// nearKey draws keys that are near to what divides the stored keys: many begin with ff, ff 00, ff 01 or ff ff.
func nearKey(t *rapid.T, name string) []byte {
	beginnings := []string{"", "\xff", "\xff\x00", "\xff\x01", "\xff\x02", "\xff\x03", "\xff\xff", "\xfe", "\x00", "a"}
	first := rapid.SampledFrom(beginnings).Draw(t, name)
	rest := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 0xfe, 0xff}), 0, 2).Draw(t, name+" rest")
	return append([]byte(first), rest...)
}

// nearBound draws a bound: as nearKey, or nil.
func nearBound(t *rapid.T, name string) []byte {
	if rapid.IntRange(0, 4).Draw(t, name+" open") == 0 {
		return nil
	}
	return nearKey(t, name)
}

// model is the root of a database, by key.
type model map[string]string

func (m model) in(s span.Span) (keys []string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if s.Contains([]byte(k)) {
			keys = append(keys, k)
		}
	}
	return keys
}

// change draws some operations and does them in w and in the model. Merges show the key that they were given.
func (m model) change(t *rapid.T, w interface {
	Put(key, value []byte) error
	Delete(key []byte) error
	DeleteRange(lo, hi []byte) error
	DeletePrefix(p []byte) error
	Merge(key, argument []byte) error
}) {
	for range rapid.IntRange(1, 6).Draw(t, "operations") {
		k, v := nearKey(t, "key"), nearKey(t, "value")
		var err error
		switch rapid.IntRange(0, 9).Draw(t, "operation") {
		case 0:
			err = w.Delete(k)
			delete(m, string(k))
		case 1:
			s := span.Span{Lo: nearBound(t, "lo"), Hi: nearBound(t, "hi")}
			err = w.DeleteRange(s.Lo, s.Hi)
			maps.DeleteFunc(m, func(k, _ string) bool { return s.Contains([]byte(k)) })
		case 2:
			err = w.DeletePrefix(k)
			maps.DeleteFunc(m, func(have, _ string) bool { return bytes.HasPrefix([]byte(have), k) })
		case 3:
			err = w.Merge(k, v)
			m[string(k)] = m[string(k)] + "(" + string(k) + "+" + string(v) + ")"
		default:
			err = w.Put(k, v)
			m[string(k)] = string(v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// showKey is a merge function whose result has the key in it.
func showKey(key, old, argument []byte) ([]byte, error) {
	return slices.Concat(old, []byte("("), key, []byte("+"), argument, []byte(")")), nil
}

// check compares what r shows with the model.
func (m model) check(t *rapid.T, where string, r interface {
	ranges
	Get(key []byte) ([]byte, error)
	Has(key []byte) (bool, error)
	Size(key []byte) (int64, error)
}) {
	k := nearKey(t, "looked up")
	want, there := m[string(k)]
	got, err := r.Get(k)
	has, _ := r.Has(k)
	size, _ := r.Size(k)
	if there != (err == nil) || has != there || string(got) != want || size != int64(len(want)) {
		t.Fatalf("%s: Get(%x) = %q, %v; want %q (%v); Has %v, Size %d", where, k, got, err, want, there, has, size)
	}
	s := span.Span{Lo: nearBound(t, "from"), Hi: nearBound(t, "to")}
	loop := r.Range(s.Lo, s.Hi)
	if rapid.Bool().Draw(t, "prefix") {
		s = span.Prefix(nearKey(t, "prefix"))
		loop = r.Prefix(s.Lo)
	}
	keys := m.in(s)
	m.checkCursor(t, where, loop.Cursor(), keys)
	if rapid.Bool().Draw(t, "reverse") {
		loop.Reverse()
		slices.Reverse(keys)
	}
	var walked []string
	for k, v := range loop.All() {
		if walked = append(walked, string(k)); m[string(k)] != string(v) {
			t.Fatalf("%s: %x has %q, want %q", where, k, v, m[string(k)])
		}
	}
	if got := slices.Collect(keysOf(loop)); !slices.Equal(walked, keys) || !slices.Equal(got, keys) || loop.Err() != nil {
		t.Fatalf("%s: [%x, %x) has %x, and %x, want %x, %v", where, s.Lo, s.Hi, walked, got, keys, loop.Err())
	}
}

// checkCursor compares where seeks of c lead to with keys, which are in order. It closes c.
func (m model) checkCursor(t *rapid.T, where string, c *Cursor, keys []string) {
	defer c.Close()
	to := nearBound(t, "sought")
	i, _ := slices.BinarySearch(keys, string(to))
	for _, seek := range []struct {
		ok bool
		at int
	}{{c.Seek(to), i}, {c.SeekBefore(to), i - 1}, {c.First(), 0}, {c.Last(), len(keys) - 1}} {
		if want := seek.at >= 0 && seek.at < len(keys); seek.ok != want {
			t.Fatalf("%s: a cursor over %x comes from %x to %d: %v", where, keys, to, seek.at, seek.ok)
		}
	}
	if c.Seek(to) && (string(c.Key()) != keys[i] || string(c.Value()) != m[keys[i]]) ||
		c.SeekBefore(to) && string(c.Key()) != keys[i-1] {
		t.Fatalf("%s: a cursor over %x stands at %x, sought %x", where, keys, c.Key(), to)
	}
}

// What divides the stored keys is nothing that a program may notice: any bytes are a key, in their order, and what is
// behind the root is neither shown nor deleted by it.
func TestSpace_theRootHasAnyKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db, err := Open("", &Options{InMemory: true, Merge: showKey})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		behind := []space.Space{space.Catalogue, space.Of(0), space.Of(1 << 40)}
		err = db.Update(context.Background(), func(tx *Tx) (err error) {
			for _, s := range behind {
				err = errors.Join(err, tx.in(s).Put(nil, []byte("behind")), tx.in(s).Put([]byte("\xff"), nil))
			}
			return err
		})
		m := model{}
		for range rapid.IntRange(1, 5).Draw(t, "commits") {
			switch rapid.IntRange(0, 3).Draw(t, "commit") {
			case 0:
				m.change(t, db)
			case 1:
				var b Batch
				m.change(t, &b)
				err = errors.Join(err, db.Write(&b))
			case 2:
				err = errors.Join(err, db.Flush())
			default:
				err = errors.Join(err, db.Update(context.Background(), func(tx *Tx) error {
					m.change(t, tx)
					m.check(t, "Update", tx)
					return nil
				}))
			}
			m.check(t, "DB", db)
		}
		s := db.Snapshot()
		defer s.Close()
		m.check(t, "Snapshot", s)
		err = errors.Join(err, db.View(context.Background(), func(tx *Tx) error { m.check(t, "View", tx); return nil }))
		for _, in := range behind {
			v, getErr := db.keys(in).Get(nil, nil)
			_, otherErr := db.keys(in).Get(nil, []byte("\xff"))
			if err = errors.Join(err, getErr, otherErr); string(v) != "behind" {
				t.Fatalf("behind the root: %q", v)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

// A batch that is copied by what it shows must be the same batch.
func TestSpace_aBatchShowsWhatItWasGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b Batch
		k, lo, hi := nearKey(t, "key"), nearBound(t, "lo"), nearBound(t, "hi")
		want := []Operation{{Kind: "put", Key: k, Value: []byte("v")}, {Kind: "delete", Key: k},
			{Kind: "merge", Key: k, Value: k}}
		err := errors.Join(b.Put(k, []byte("v")), b.Delete(k), b.Merge(k, k), b.DeleteRange(lo, hi))
		if s := (span.Span{Lo: lo, Hi: hi}); !s.Empty() {
			want = append(want, Operation{Kind: "delete range", Key: append([]byte{}, lo...), Value: hi})
		}
		same := func(a, b Operation) bool {
			return a.Kind == b.Kind && bytes.Equal(a.Key, b.Key) && a.Key != nil && bytes.Equal(a.Value, b.Value) &&
				(a.Value == nil) == (b.Value == nil)
		}
		if got := slices.Collect(b.All()); err != nil || !slices.EqualFunc(got, want, same) {
			t.Fatalf("%v, %v; want %v", got, err, want)
		}
	})
}

// A key that is as long as one may be is longer on disk: no file may refuse it.
func TestSpace_longKeysSurviveATable(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	long := bytes.Repeat([]byte("\xff"), MaxKeySize)
	err = errors.Join(db.Put(long, []byte("long")), db.Flush(), db.Compact(context.Background(), nil, nil),
		db.DeleteRange(long[1:], long), db.DeleteRange([]byte("\xff\xff\x01"), append(long[:len(long):len(long)], 1, 2, 3)),
		db.Put(long, []byte("again")), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	if db, err = Open(dir, nil); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if v, err := db.Get(long); err != nil || string(v) != "again" {
		t.Errorf("%q, %v", v, err)
	}
	if err := db.Put(append(long, 0xff), nil); !errors.Is(err, ErrKeyTooLarge) {
		t.Errorf("a byte more: %v", err)
	}
	loop := db.Range(nil, nil)
	for k := range loop.Keys() {
		if !bytes.Equal(k, long) {
			t.Errorf("a key of %d bytes", len(k))
		}
	}
	if _, err := db.Size(long); err != nil || loop.Err() != nil {
		t.Error(err, loop.Err())
	}
}

// Who is told of a key by an error looks for it in his program.
func TestSpace_errorsNameTheKeyAsItWasGiven(t *testing.T) {
	db, err := Open("", &Options{InMemory: true, LockTimeout: time.Millisecond})
	requireNil(t, err)
	defer db.Close()
	key, told := []byte("\xff\x01k"), []byte(`key "\xff\x01k"`)
	requireNil(t, db.Merge(key, []byte("x")))
	if _, err := db.Get(key); !errors.Is(err, ErrMerge) || !bytes.Contains([]byte(err.Error()), told) {
		t.Errorf("a merge without a function: %v", err)
	}
	requireNil(t, db.Put(key, nil))
	first, second := mustBegin(t, db), mustBegin(t, db)
	_, err = first.GetForUpdate(key)
	requireNil(t, err)
	_, err = second.GetForUpdate(key)
	var timeout *LockTimeoutError
	if !errors.As(err, &timeout) || !bytes.Equal(timeout.Key, key) || !bytes.Contains([]byte(err.Error()), told) {
		t.Errorf("a lock that is not granted: %v", err)
	}
}
