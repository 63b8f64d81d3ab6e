package isolation

import (
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// check holds what r recorded to StrictSerializable and compares the names of what is found.
func check(t *testing.T, r *Recorder, want ...Name) {
	t.Helper()
	report := Check(r.History(), StrictSerializable)
	if got := slices.Sorted(maps.Keys(report.Counts)); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v\n%s", got, want, report)
	}
}

// An append that was in flight in a crash may be there or not; to blame the database for either is a false alarm.
func TestRecorder_countsUnknownTransactionsIfSeen(t *testing.T) {
	for _, seen := range []bool{true, false} {
		r := NewRecorder(State{})
		a := r.Begin(1)
		v := a.Append(1)
		a.Append(2)
		b := r.Begin(2) // never ends
		b.Append(1)
		a.End(Unknown, 0)
		c := r.Begin(3)
		if seen {
			c.ReadList(1, []Value{v})
		} else {
			c.ReadList(1, nil)
		}
		c.End(OK, 0)
		h := r.History()
		want := map[bool]int{true: 2, false: 1}[seen]
		if report := Check(h, StrictSerializable); !report.OK() || report.Committed != want || report.Transactions != 3 {
			t.Errorf("seen %t: %s", seen, report)
		}
	}
}

// A transaction of unknown outcome that was seen by another such must be atomic as well.
func TestRecorder_followsWhatUnknownTransactionsSaw(t *testing.T) {
	r := NewRecorder(State{})
	a, b, c := r.Begin(1), r.Begin(2), r.Begin(3)
	x, _ := a.Append(1), a.Append(2)
	b.ReadList(1, []Value{x})
	b.ReadList(2, nil) // half of a
	y := b.Append(3)
	a.End(Unknown, 0)
	b.End(Unknown, 0)
	c.ReadList(3, []Value{y})
	c.End(OK, 0)
	check(t, r, GSingle)
}

// What was acknowledged before a crash and is gone after it is the worst a database can do.
func TestRecorder_goesThroughCrashes(t *testing.T) {
	r := NewRecorder(State{})
	a := r.Begin(1)
	x := a.Append(1)
	a.End(OK, 0)
	b := r.Begin(1)
	b.ReadList(1, []Value{x})
	b.End(OK, 0)
	// the crash
	c := r.Begin(1)
	c.ReadList(1, nil)
	y := c.Append(1)
	c.End(OK, 0)
	d := r.Begin(1)
	d.ReadList(1, []Value{y})
	d.End(OK, 0)
	check(t, r, GSingle, IncompatibleOrder, LostWrite)
}

// A segment that begins with nothing known would not notice that the state of the one before is gone.
func TestRecorder_beginsWithAState(t *testing.T) {
	state := State{Lists: map[Key][]Value{1: {5, 3}, 2: {9}}, Registers: map[Key]Value{8: 7}}
	for name, c := range map[string]struct {
		list  []Value
		value Value
		want  []Name
	}{
		"right":         {[]Value{5, 3}, 7, nil},
		"list lost":     {nil, 7, []Name{GSingle, LostWrite}},
		"list cut":      {[]Value{5}, 7, []Name{GSingle, G1b, LostWrite}},
		"register lost": {[]Value{5, 3}, 0, []Name{LostWrite}},
		"never there":   {[]Value{5, 3, 4}, 7, []Name{GarbageRead}},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewRecorder(state)
			x := r.Begin(1)
			x.ScanLists(0, 2, map[Key][]Value{1: c.list})
			x.Get(8, c.value)
			if v := x.Append(2); v != 10 {
				t.Errorf("issued %d, which is not new", v)
			}
			x.End(OK, 1)
			check(t, r, c.want...)
		})
	}
}

// An attempt that begins when it is retried may have a snapshot from before: a commit in between would seem to be
// missed.
func TestTx_Retry_beginsWithTheFirstAttempt(t *testing.T) {
	r := NewRecorder(State{})
	a, b := r.Begin(1), r.Begin(2)
	a.Append(1)
	v := b.Append(2)
	b.End(OK, 0)
	a.Retry()
	a.ReadList(2, nil)
	a.End(OK, 0)
	c := r.Begin(3)
	c.ReadList(2, []Value{v})
	c.End(OK, 0)
	h := r.History()
	if report := Check(h, StrictSerializable); !report.OK() || report.Transactions != 4 || report.Committed != 3 {
		t.Error(report)
	}
}

// Recording must not lose or mix what concurrent clients do. Here they run on a map with a lock, under -race too.
func TestRecorder_servesConcurrentClients(t *testing.T) {
	const clients, each = 8, 300
	r := NewRecorder(State{})
	var (
		mu    sync.Mutex
		lists = make(map[Key][]Value)
		wait  sync.WaitGroup
	)
	for id := range clients {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(*seedFlag, uint64(id)))
			for range each {
				tx := r.Begin(id)
				k := Key(random.IntN(20))
				mu.Lock()
				tx.ReadList(k, lists[k])
				runtime.Gosched()
				lists[k] = append(slices.Clip(lists[k]), tx.Append(k))
				tx.ScanLists(0, 20, maps.Clone(lists))
				mu.Unlock()
				tx.End(OK, 0)
			}
		})
	}
	wait.Wait()
	h := r.History()
	if report := Check(h, StrictSerializable); !report.OK() || report.Committed != clients*each ||
		h.Transactions() != clients*each {
		t.Error(report)
	}
}
