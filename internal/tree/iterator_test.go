package tree

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree/readers"
)

// A loop that yields what it has at hand, whatever happens meanwhile, shows a closed database, or holds memory that
// a loop over Next would release.
func TestEach_noticesWhatAStepWould(t *testing.T) {
	errStopped := errors.New("the test has stopped it")
	for name, c := range map[string]struct {
		meanwhile func(*harness, *Snapshot)
		want      error
	}{
		"nothing":  {func(*harness, *Snapshot) {}, nil},
		"stopped":  {func(_ *harness, s *Snapshot) { s.Close() }, errStopped},
		"closed":   {func(h *harness, _ *Snapshot) { h.close() }, calls.ErrClosed},
		"new view": {func(h *harness, _ *Snapshot) { h.newView(t) }, nil},
		"expired": {func(h *harness, _ *Snapshot) {
			h.elapsed += 2 * time.Minute
			h.Step()
		}, readers.ErrExpired},
	} {
		for _, d := range []Direction{Forward, Backward} {
			checkEach(t, fmt.Sprint(name, ", backward: ", d), d, c.meanwhile, errStopped, c.want)
		}
	}
}

// checkEach has a loop over 60 entries, in the middle of which something happens: it must end there with the error
// wanted, or show everything, on the newest view.
func checkEach(t *testing.T, name string, d Direction, meanwhile func(*harness, *Snapshot), stopped, want error) {
	t.Helper()
	const keys, middle = 60, 20
	h := newHarness(t, Options{MaxSnapshotAge: time.Minute})
	defer h.close()
	for i := range keys {
		h.put(fmt.Sprintf("%02d", i), "value")
	}
	s := h.Snapshot()
	defer s.Close()
	it, err := s.NewIterator(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	it.StopWith(stopped)
	if d == Backward {
		it.Last()
	} else {
		it.First()
	}
	n := 0
	err = it.Each(d, -1, func(k, _ []byte) bool {
		i := n
		if d == Backward {
			i = keys - 1 - n
		}
		if string(k) != fmt.Sprintf("%02d", i) {
			t.Fatalf("%s: %q at %d", name, k, n)
		}
		if n++; n == middle {
			meanwhile(h, s)
		}
		if n == middle+1 && want == nil && h.Current() != it.view {
			t.Errorf("%s: the loop went on in a view that is not current", name)
		}
		return true
	})
	if !errors.Is(err, want) || want == nil && n != keys || want != nil && n != middle {
		t.Errorf("%s: %d of %d entries, error %v", name, n, keys, err)
	}
}

// An iterator that is left open would keep memtables, tables and the whole cache, and one that is ended under its user
// would have it read memory that is gone.
func TestIterator_endedByOthersGivesBackWhatItHolds(t *testing.T) {
	errStopped := errors.New("the test has stopped it")
	for name, c := range map[string]struct {
		end  func(*harness, *Iterator, *Snapshot)
		want error
	}{
		"snapshot": {func(_ *harness, _ *Iterator, s *Snapshot) { s.Close() }, errStopped},
		"database": {func(h *harness, _ *Iterator, _ *Snapshot) { h.close() }, calls.ErrClosed},
		"owner":    {func(_ *harness, it *Iterator, _ *Snapshot) { it.End(); it.End() }, calls.ErrClosed},
		"age": {func(h *harness, _ *Iterator, _ *Snapshot) {
			h.elapsed += 2 * time.Minute
			h.Step()
		}, readers.ErrExpired},
		"age at a flush": {func(h *harness, _ *Iterator, _ *Snapshot) {
			h.elapsed += 2 * time.Minute
			h.put("later", "value")
			h.HoldVersions(h.Visible())
		}, readers.ErrExpired},
	} {
		for _, inUse := range []bool{false, true} {
			checkEnded(t, fmt.Sprint(name, ", in use: ", inUse), inUse, c.end, errStopped, c.want)
		}
	}
}

func checkEnded(t *testing.T, name string, inUse bool, end func(*harness, *Iterator, *Snapshot), stopped, want error) {
	t.Helper()
	h := newHarness(t, Options{MaxSnapshotAge: time.Minute})
	h.put("key", "value")
	s := h.Snapshot()
	it, err := s.NewIterator(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	it.StopWith(stopped)
	it.First()
	if !inUse {
		it.Exit()
	}
	end(h, it, s)
	if inUse {
		if v, err := it.visible.Value(); string(v) != "value" || err != nil || it.view == nil {
			t.Errorf("%s: what is being used was given back: %q, %v", name, v, err)
		}
		it.Exit()
	}
	if n := h.openIterators.Load(); n != 0 || it.view != nil {
		t.Errorf("%s: %d iterators are open", name, n)
	}
	if err := it.Enter(); !errors.Is(err, want) {
		t.Errorf("%s: Enter gave %v", name, err)
	}
	s.Close()
	if left := h.close(); left != 0 {
		t.Errorf("%s: %d readers were left", name, left)
	}
	if n := h.resources.Load(); n != 0 {
		t.Errorf("%s: %d hold on to the memory", name, n)
	}
	if _, err := h.NewIterator(nil, nil, nil); !errors.Is(err, calls.ErrClosed) || h.resources.Load() != 0 {
		t.Errorf("%s: after Close an iterator gave %v", name, err)
	}
	if held, _ := h.readers.Oldest(); held != h.Visible() {
		t.Errorf("%s: a reader is registered at %d", name, held)
	}
}
