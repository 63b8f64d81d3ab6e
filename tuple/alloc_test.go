//go:build !race

// Under the race detector a sync.Pool forgets at random, and Decode allocates.

package tuple

import (
	"testing"
	"time"
)

// Every read and write of a table makes or reads a key: one allocation more is one for each row of a scan.
func TestKeys_allocateNothing(t *testing.T) {
	buf := make([]byte, 0, 256)
	at := time.Date(2026, 12, 1, 22, 0, 0, 1, time.UTC)
	visits := Pair(Int, Desc(Pair(Time, Int)))
	visit := Two[int64, Two[time.Time, int64]]{7, Two[time.Time, int64]{at, -1}}
	named := Pair(String, Int)
	key := AppendInt(AppendString(nil, "ann\x00b"), 1<<40)
	visited, err := visits.Append(nil, visit)
	if err != nil {
		t.Fatal(err)
	}
	var r Reader
	users := NewSubspace(AppendString(nil, "users"))
	for name, f := range map[string]func() error{
		"append": func() error {
			buf = AppendBool(AppendUint(AppendInt(AppendString(buf[:0], "ann\x00b"), -1<<40), 1<<63), true)
			buf = AppendFloat64(AppendFloat32(AppendTime(AppendBytes(buf, key), at), 1), 1)
			buf = AppendTime(AppendVersionstamp(AppendUUID(AppendNull(buf), [16]byte{}), [12]byte{}), time.Time{})
			return nil
		},
		"append in a subspace": func() error {
			buf = AppendInt(users.Append(buf[:0]), 7)
			return nil
		},
		"append by a codec": func() (err error) {
			buf, err = named.Append(buf[:0], Two[string, int64]{"ann\x00b", 7})
			return err
		},
		"append in descending order": func() (err error) {
			buf, err = visits.Append(buf[:0], visit)
			return err
		},
		"read": func() error {
			r := NewReader(key)
			buf = r.AppendString(buf[:0])
			r.Int()
			return r.End()
		},
		"skip": func() error {
			r := NewReader(key)
			for r.More() {
				r.Skip()
			}
			return r.End()
		},
		"read by a codec": func() error {
			r.Reset(visited)
			visits.Read(&r)
			return r.End()
		},
		"decode": func() error {
			_, err := Decode(visits, visited)
			return err
		},
	} {
		var err error
		if n := testing.AllocsPerRun(100, func() { err = f() }); n != 0 || err != nil {
			t.Errorf("%s: %v allocations, %v", name, n, err)
		}
	}
}

// What packs a tuple, or unpacks it, allocates what it returns and no more.
func TestPack_allocatesWhatItReturns(t *testing.T) {
	tuple := Tuple{"ann", int64(1 << 40)}
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() { buf, _ = tuple.Append(buf[:0]) }); n != 0 {
		t.Errorf("Append: %v allocations", n)
	}
	named, key := Pair(String, Int), pack(t, tuple)
	if n := testing.AllocsPerRun(100, func() { _, _ = Decode(named, key) }); n != 1 { // the string
		t.Errorf("Decode: %v allocations", n)
	}
}
