package merge_test

import (
	"bytes"
	"errors"
	"testing"

	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/merge/mergetest"
)

// tables is a level of Slices: a table begins at every third user key.
type tables struct {
	runs   [][]mergetest.Entry
	open   int // number of open tables
	bad    int // table whose second entry cannot be read; -1 for none
	failAt int // table that cannot be opened; -1 for none

	bounds func(i int) (smallest, largest []byte) // nil: those of its entries
}

// closing counts its Close.
type closing struct {
	merge.Iterator
	owner *tables
}

func (c closing) Close() error {
	c.owner.open--
	return c.Iterator.Close()
}

func cutLevel(entries []mergetest.Entry) *tables {
	t := &tables{failAt: -1, bad: -1}
	users := 0
	for i, e := range entries {
		if i == 0 || !bytes.Equal(e.Key.User, entries[i-1].Key.User) {
			if users%3 == 0 {
				t.runs = append(t.runs, nil)
			}
			users++
		}
		t.runs[len(t.runs)-1] = append(t.runs[len(t.runs)-1], e)
	}
	return t
}

func (t *tables) Len() int { return len(t.runs) }

func (t *tables) Bounds(i int) (smallest, largest []byte) {
	if t.bounds != nil {
		return t.bounds(i)
	}
	run := t.runs[i]
	return run[0].Key.User, run[len(run)-1].Key.User
}

func (t *tables) Open(i int) (merge.Iterator, error) {
	if i == t.failAt {
		return nil, mergetest.ErrInjected
	}
	t.open++
	run := mergetest.NewSlice(t.runs[i])
	if i == t.bad {
		run.FailAt = 1
	}
	return closing{run, t}, nil
}

// TestLevel_conforms: an entry lost at the seam of two tables is lost to every scan.
func TestLevel_conforms(t *testing.T) {
	var levels []*tables
	mergetest.Run(t, func(_ testing.TB, entries []mergetest.Entry) merge.Iterator {
		levels = append(levels, cutLevel(entries))
		return merge.NewLevel(levels[len(levels)-1])
	})
	for i, l := range levels {
		if l.open != 0 {
			t.Errorf("level %d: %d tables were left open", i, l.open)
		}
	}
}

// TestLevel_unopenedTableIsAnError: a table that cannot be opened must not look like a gap between its neighbours.
func TestLevel_unopenedTableIsAnError(t *testing.T) {
	entries := sampleEntries(12) // 4 tables
	for failAt := range 4 {
		l := cutLevel(entries)
		l.failAt = failAt
		it := merge.NewLevel(l)
		n := 0
		for ok := it.First(); ok; ok = it.Next() {
			n++
		}
		if n != 3*failAt || !errors.Is(it.Err(), mergetest.ErrInjected) || it.Next() || it.Prev() {
			t.Errorf("table %d: forward scan of %d entries ended with %v", failAt, n, it.Err())
		}
		n = 0
		for ok := it.Last(); ok; ok = it.Prev() {
			n++
		}
		if n != 3*(3-failAt) || !errors.Is(it.Err(), mergetest.ErrInjected) || it.Next() || it.Prev() {
			t.Errorf("table %d: backward scan of %d entries ended with %v", failAt, n, it.Err())
		}
		if found := it.SeekGE(entries[3*failAt].Key); found || it.Err() == nil {
			t.Errorf("table %d: a seek into it gave %v, error %v", failAt, found, it.Err())
		}
		if it.Close() != nil || l.open != 0 {
			t.Errorf("table %d: %d tables were left open", failAt, l.open)
		}
	}
}

// TestLevel_readErrorIsNotTheEndOfATable: to go on with the next table would skip the rest of a broken one.
func TestLevel_readErrorIsNotTheEndOfATable(t *testing.T) {
	entries := sampleEntries(12) // 4 tables
	for bad := range 4 {
		l := cutLevel(entries)
		l.bad = bad
		it := merge.NewLevel(l)
		n := 0
		for ok := it.First(); ok; ok = it.Next() {
			n++
		}
		if n != 3*bad+1 || !errors.Is(it.Err(), mergetest.ErrInjected) || it.Next() || it.Valid() {
			t.Errorf("table %d: forward scan of %d entries ended with %v", bad, n, it.Err())
		}
		n = 0
		for ok := it.Last(); ok; ok = it.Prev() {
			n++
		}
		if n != 3*(3-bad)+1 || !errors.Is(it.Err(), mergetest.ErrInjected) || it.Prev() || it.Valid() {
			t.Errorf("table %d: backward scan of %d entries ended with %v", bad, n, it.Err())
		}
		broken := entries[3*bad+1].Key
		if it.SeekGE(broken) || it.Err() == nil {
			t.Errorf("table %d: seek to the broken entry gave error %v", bad, it.Err())
		}
		after := entries[3*bad+2].Key
		if it.SeekLT(after) || it.Err() == nil {
			t.Errorf("table %d: seek back to the broken entry gave error %v", bad, it.Err())
		}
	}
}

// TestLevel_seeksPastTablesThatDoNotKeepTheirBounds: an entry on the wrong side of the target takes a walk that seeks
// over deleted keys back to where it was, for ever.
func TestLevel_seeksPastTablesThatDoNotKeepTheirBounds(t *testing.T) {
	entries := sampleEntries(9) // 3 tables
	l := cutLevel(entries)
	user := func(i int) []byte { return entries[i].Key.User }
	l.runs[1], l.runs[2] = entries[:3], entries[:3] // below their bounds
	l.bounds = func(i int) (smallest, largest []byte) { return user(3 * i), user(3*i + 2) }
	it := merge.NewLevel(l)
	for i := range entries {
		target := entries[i].Key
		if it.SeekGE(target) && bytes.Compare(it.Key().User, target.User) < 0 {
			t.Errorf("forward from %v it came to %v", target, it.Key())
		}
	}
	l.runs[0], l.runs[1] = entries[6:], entries[6:]
	for i := range entries {
		target := entries[i].Key
		if it.SeekLT(target) && bytes.Compare(it.Key().User, target.User) >= 0 {
			t.Errorf("backward from %v it came to %v", target, it.Key())
		}
	}
	if err := it.Close(); err != nil || l.open != 0 {
		t.Errorf("close: %v, %d open", err, l.open)
	}
}
