package tree

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
)

// timedHarness is a harness whose database has a time.
type timedHarness struct {
	*harness
	now key.Time
}

func newTimedHarness(t *testing.T, o Options) *timedHarness {
	t.Helper()
	h := &timedHarness{now: 1}
	o.Wall = func() time.Time { return time.Unix(0, int64(h.now)) }
	h.harness = newHarness(t, o)
	return h
}

func (h *timedHarness) commit(b *batch.Batch) {
	first := h.Visible() + 1
	last := first + key.SeqNum(b.Count()) - 1
	h.Apply(b, first, last)
	h.Publish(last)
}

func (h *timedHarness) putUntil(user, value string, end key.Time) {
	var b batch.Batch
	b.PutUntil([]byte(user), []byte(value), end)
	h.commit(&b)
}

// shows reports, in one line, what a reader is told of user by every call that there is: they must agree.
func (h *timedHarness) shows(t *testing.T, s *Snapshot, user string) string {
	t.Helper()
	k, dst := []byte(user), []byte("dst")
	var out []byte
	var found, has, sized bool
	var m Measure
	var err error
	if s == nil {
		if out, found, err = h.Get(dst, k, Latest); err == nil {
			has, err = h.Has(k, Latest)
		}
		if err == nil {
			m, sized, err = h.Measure(k, Latest)
		}
	} else {
		if out, found, err = s.Get(dst, k); err == nil {
			has, err = s.Has(k)
		}
		if err == nil {
			m, sized, err = s.Measure(k)
		}
	}
	if err != nil || !bytes.HasPrefix(out, dst) {
		t.Fatalf("%s: %q, %v", user, out, err)
	}
	value := string(out[len(dst):])
	if has != found || sized != found || found && int(m.Size) != len(value) || !found && value != "" {
		t.Errorf("%s: Get says %v %q, Has %v, Size %v %d", user, found, value, has, sized, m.Size)
	}
	walked := h.walk(t, s, k)
	opened, _, _, err := h.OpenValue(s, k)
	if err != nil || (opened != nil) != found || string(opened) != value {
		t.Errorf("%s: Get says %v %q, OpenValue %q, %v", user, found, value, opened, err)
	}
	if !found {
		value = "none"
	}
	if walked != value {
		t.Errorf("%s: Get says %q, a walk %q", user, value, walked)
	}
	return value
}

// walk is the value of user to walks in both directions, "none" if they find no such key.
func (h *timedHarness) walk(t *testing.T, s *Snapshot, user []byte) string {
	t.Helper()
	found := map[bool]string{true: "none", false: "none"}
	for _, backward := range []bool{true, false} {
		it, err := h.NewIterator(s, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		first, next := it.First, it.Next
		if backward {
			first, next = it.Last, it.Prev
		}
		for ok := first(); ok; ok = next() {
			if value, err := it.Value(); err != nil {
				t.Fatal(err)
			} else if bytes.Equal(it.Key(), user) {
				found[backward] = string(value)
			}
		}
		if err := it.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if found[true] != found[false] {
		t.Errorf("%s: %q forward, %q backward", user, found[false], found[true])
	}
	return found[false]
}

// An entry that has ended would still be found by some call, or an older one would show through it; one that has not
// would be gone; and a snapshot would change under its reader.
func TestEnds_everyReaderGoesByItsOwnTime(t *testing.T) {
	h := newTimedHarness(t, Options{Rows: true, Gaps: true})
	defer h.close()
	h.put("a", "before")
	h.put("k", "older")
	h.newView(t)
	h.putUntil("k", "lease", 100)
	h.put("z", "behind")
	want := func(s *Snapshot, name, value string) {
		t.Helper()
		for range 3 { // the row cache and gaps may have learned something
			if got := h.shows(t, s, "k"); got != value {
				t.Fatalf("%s: %q, want %q", name, got, value)
			}
		}
	}
	before := h.Snapshot()
	defer before.Close()
	h.now = 99
	want(nil, "a moment before", "lease")
	h.now = 100
	want(nil, "at its end", "none")
	want(before, "a snapshot from before the end", "lease")
	after := h.Snapshot()
	defer after.Close()
	want(after, "a snapshot at the end", "none")
	h.putUntil("k", "renewed", 300)
	want(nil, "renewed", "renewed")
	want(before, "a snapshot from before the renewal", "lease")
	h.now = 300
	want(nil, "the end of the renewal", "none")
	h.put("k", "for good")
	want(nil, "put without an end", "for good")
	h.putUntil("k", "too late", 300)
	want(nil, "put until a time that has passed", "none")
	want(after, "a snapshot of the first end", "none")
}

// A counter would lose what was added, keep the value that has ended, or get it back.
func TestEnds_mergesStandOnWhatIsThere(t *testing.T) {
	for _, add := range []int{1, worthTelling + 3, 70} { // more are folded in memory, or told to other readers
		h := newTimedHarness(t, Options{Rows: true})
		h.putUntil("n", string(operand.AppendInt64(nil, 1000)), 100)
		for range add {
			var b batch.Batch
			b.Merge(operand.Add, []byte("n"), operand.AppendInt64(nil, 1))
			h.commit(&b)
		}
		before := h.Snapshot()
		for _, now := range []key.Time{1, 99, 100, 200, 50} { // at last the clock is set back
			h.now = now
			want := int64(1000)
			if now >= 100 || now == 50 {
				want = 0
			}
			value := string(operand.AppendInt64(nil, want+int64(add)))
			for range 3 {
				if got := h.shows(t, nil, "n"); got != value {
					t.Errorf("%d operands at %d: %q, want %q", add, now, got, value)
				}
			}
			if got := h.shows(t, before, "n"); got != string(operand.AppendInt64(nil, 1000+int64(add))) {
				t.Errorf("%d operands, a snapshot from before the end: %q", add, got)
			}
		}
		before.Close()
		h.close()
	}
}

// Long runs of what has ended would be taken for a gap, and be gone for a snapshot from before.
func TestEnds_areInNoGap(t *testing.T) {
	h := newTimedHarness(t, Options{Gaps: true})
	defer h.close()
	for i := range 500 {
		h.putUntil(fmt.Sprintf("k%03d", i), "v", 100)
	}
	for _, user := range []string{"a", "z"} { // a walk looks for gaps where it has passed what was deleted
		h.put(user, "v")
		var b batch.Batch
		b.Delete([]byte(user))
		h.commit(&b)
	}
	before := h.Snapshot()
	defer before.Close()
	h.now = 100
	for range 3 {
		if got := h.walk(t, nil, []byte("k250")); got != "none" {
			t.Fatalf("after the end: %q", got)
		}
	}
	if got := h.walk(t, before, []byte("k250")); got != "v" {
		t.Errorf("a snapshot from before the end: %q", got)
	}
}
