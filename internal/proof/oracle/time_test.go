package oracle

import (
	"encoding/binary"
	"errors"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
)

// until is a batch that sets each key to the value given, until end.
func until(end key.Time, value string, keys ...string) *batch.Batch {
	b := new(batch.Batch)
	for _, k := range keys {
		b.PutUntil([]byte(k), []byte(value), end)
	}
	return b
}

// Every test of what ends would take the engine's word for when that is.
func TestModel_endsToTheNanosecond(t *testing.T) {
	var m Model
	m.Apply(1, puts("old", "a"))
	m.Apply(2, until(100, "new", "a"))
	m.Apply(3, until(100, "x", "list", "gone"))
	var b batch.Batch
	b.Merge(operand.Append, []byte("list"), []byte("y"))
	b.Merge(operand.Append, []byte("list"), []byte("z"))
	b.DeleteRange(span.Span{Lo: []byte("g"), Hi: []byte("h")})
	m.Apply(5, &b)
	m.Apply(8, until(50, "renewed", "a"))
	for _, c := range []struct {
		now  key.Time
		seq  key.SeqNum
		k    string
		want string
	}{
		{0, 1, "a", "old"}, {1000, 1, "a", "old"}, {99, 2, "a", "new"}, {100, 2, "a", ""}, {101, 7, "a", ""},
		{49, 8, "a", "renewed"}, {50, 8, "a", ""}, {99, 4, "list", "x"}, {100, 4, "list", ""}, {99, 5, "list", "xy"},
		{100, 5, "list", "y"}, {99, 8, "list", "xyz"}, {100, 8, "list", "yz"}, {99, 6, "gone", "x"}, {99, 7, "gone", ""},
	} {
		got, found := m.GetBy(c.now, []byte(c.k), c.seq)
		if string(got) != c.want || found != (c.want != "") {
			t.Errorf("at %d, time %d: %s is %q, %v, want %q", c.seq, c.now, c.k, got, found, c.want)
		}
		n := 0
		for e := range m.EntriesBy(c.now, []byte(c.k), append([]byte(c.k), 0), c.seq) {
			if n++; string(e.Value) != c.want {
				t.Errorf("at %d, time %d: a walk finds %s is %q, want %q", c.seq, c.now, c.k, e.Value, c.want)
			}
		}
		if (n == 1) != (c.want != "") {
			t.Errorf("at %d, time %d: a walk finds %s %d times", c.seq, c.now, c.k, n)
		}
	}
}

// An operand of a number would be taken for one onto what has ended, or onto nothing before it has.
func TestModel_mergesOntoWhatEnds(t *testing.T) {
	var m Model
	number := func(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
	m.Apply(1, until(100, string(number(40)), "n"))
	var b batch.Batch
	b.Merge(operand.Add, []byte("n"), number(2))
	m.Apply(2, &b)
	for now, want := range map[key.Time]int64{99: 42, 100: 2} {
		if got, _ := m.GetBy(now, []byte("n"), 2); string(got) != string(number(want)) {
			t.Errorf("time %d: %x, want %d", now, got, want)
		}
	}
}

// timed is a history with something that ends, of which readers were told that it is 50, and the clock was set back.
func timed() *History {
	h := new(History)
	h.Shows(50)
	h.Issue(until(60, "1", "a"), true)
	h.Acknowledge()
	if err := h.Told(1, 50); err != nil {
		panic(err)
	}
	h.Keep(Killed)
	h.Shows(40)
	return h
}

// Time that goes back, or is not that of the clock, would be overlooked.
func TestTold_neverGoesBack(t *testing.T) {
	for _, c := range []struct {
		name  string
		after func(h *History)
		now   key.Time
		right bool
	}{
		{"stands", func(*History) {}, 50, true},
		{"goes back", func(*History) {}, 49, false},
		{"is that of the clock, which was set back", func(*History) {}, 40, false},
		{"is none", func(*History) {}, 0, false},
		{"is one that was never shown", func(*History) {}, 51, false},
		{"goes on", func(h *History) { h.Shows(55) }, 55, true},
		{"is behind the clock", func(h *History) { h.Shows(55) }, 54, false},
		{"nobody asked in between", func(h *History) { h.Shows(55); h.Shows(45) }, 50, true},
		{"somebody asked in between", func(h *History) { h.Shows(55); h.Shows(45) }, 55, true},
		{"after a kill", func(h *History) { h.Ended(Killed) }, 50, true},
		{"back after a kill", func(h *History) { h.Ended(Killed) }, 49, false},
		{"back after a power cut", func(h *History) { h.Ended(PowerCut) }, 40, true},
		{"before the clock after a power cut", func(h *History) { h.Ended(PowerCut) }, 39, false},
		{"none after a power cut", func(h *History) { h.Ended(PowerCut) }, 0, false},
		{"back after an edit and a power cut", func(h *History) { h.Keep(PowerCut); h.Ended(PowerCut) }, 49, false},
		{"none after what ends was taken by a power cut",
			func(h *History) { h.Ended(PowerCut); h.Recovered(0) }, 0, true},
		{"back after a power cut and a kill", func(h *History) { h.Ended(PowerCut); h.Ended(Killed) }, 40, true},
	} {
		h := timed()
		c.after(h)
		seq := min(h.Last(), 1)
		if err := h.Told(seq, c.now); (err == nil) != c.right || err != nil && !errors.Is(err, ErrTime) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// A recovery that shows what has ended would be taken for one that has lost something, or for a right one.
func TestJudge_countsWhatIsThereAfterItsEnd(t *testing.T) {
	h := timed()
	h.Shows(60)
	if err := h.Told(1, 60); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		content map[string]string
		want    Counts
	}{
		{nil, Counts{}},
		{map[string]string{"a": "1"}, Counts{EndedShown: 1}},
		{map[string]string{"a": "2"}, Counts{WrongData: 1, Holes: 1}},
	} {
		if got, err := h.Judge(Killed, 1, found(c.content)); got != c.want || (err == nil) != got.Zero() {
			t.Errorf("%v: %v (%v), want %v", c.content, got, err, c.want)
		}
	}
}
