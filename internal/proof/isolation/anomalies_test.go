package isolation

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

var injectionsFlag = flag.Int("injections", 1000, "how often each anomaly is put into a history")

// script is an anomaly: what a broken database might answer to transactions on keys of their own.
type script struct {
	want   Name
	levels [4]bool // Snapshot, StrongSnapshot, Serializable, StrictSerializable: where it is one
	run    func(p *play)
	also   Name // what else may be said of it
}

var (
	everywhere = [4]bool{true, true, true, true}
	serialOnly = [4]bool{false, false, true, true}
	timeOnly   = [4]bool{false, true, false, true}
	strictOnly = [4]bool{false, false, false, true}
)

// play runs one script. Between two of its steps, others may take theirs.
type play struct {
	w      *world
	client int
	x, y   Key
}

func (p *play) begin() *Tx {
	p.traffic()
	p.client++
	return p.w.recorder.Begin(1000 + p.client)
}

func (p *play) end(t *Tx) {
	p.traffic()
	p.w.sequence++
	t.End(OK, p.w.sequence)
}

// unsequenced ends t without saying where in the order it is.
func (p *play) unsequenced(t *Tx) {
	p.traffic()
	t.End(OK, 0)
}

func (p *play) traffic() { p.w.run(p.w.random.IntN(2)) }

// two begins two transactions that overlap.
func (p *play) two() (t, u *Tx) { return p.begin(), p.begin() }

// read lets a later transaction read the list k.
func (p *play) read(k Key, list ...Value) {
	t := p.begin()
	t.ReadList(k, list)
	p.end(t)
}

// appended is an acknowledged append.
func (p *play) appended(k Key) Value {
	t := p.begin()
	v := t.Append(k)
	p.end(t)
	return v
}

func (p *play) putted(k Key) Value {
	t := p.begin()
	v := t.Put(k)
	p.end(t)
	return v
}

var scripts = map[string]script{
	"dirty write": {G0, everywhere, func(p *play) {
		t, u := p.two()
		a, b := t.Append(p.x), t.Append(p.y)
		c, d := u.Append(p.x), u.Append(p.y)
		p.end(t)
		p.end(u)
		p.read(p.x, a, c)
		p.read(p.y, d, b)
	}, ""},
	"dirty write within a list": {G0, everywhere, func(p *play) {
		t, u := p.two()
		a, b, c := t.Append(p.x), u.Append(p.x), t.Append(p.x)
		p.end(t)
		p.end(u)
		p.read(p.x, a, b, c)
	}, ""},
	"aborted read": {G1a, everywhere, func(p *play) {
		t := p.begin()
		v := t.Append(p.x)
		t.End(Aborted, 0)
		p.read(p.x, v)
	}, ""},
	"aborted read of an earlier attempt": {G1a, everywhere, func(p *play) {
		t := p.begin()
		v := t.Append(p.x)
		t.Retry()
		w := t.Append(p.x)
		p.end(t)
		p.read(p.x, v, w)
	}, ""},
	"aborted read of a register": {G1a, everywhere, func(p *play) {
		t, u := p.two()
		u.Get(p.x, t.Put(p.x))
		t.End(Aborted, 0)
		p.end(u)
	}, ""},
	"intermediate read": {G1b, everywhere, func(p *play) {
		t, u := p.two()
		a := t.Append(p.x)
		u.ReadList(p.x, []Value{a})
		t.Append(p.x)
		u.End(OK, 0)
		p.end(t)
	}, GSingle},
	"intermediate read of a register": {G1b, everywhere, func(p *play) {
		t, u := p.two()
		u.Get(p.x, t.Put(p.x))
		t.Put(p.x)
		p.end(t)
		p.end(u)
	}, ""},
	"circular information": {G1c, everywhere, func(p *play) {
		t, u := p.two()
		a, b := t.Append(p.x), u.Append(p.y)
		t.ReadList(p.y, []Value{b})
		u.ReadList(p.x, []Value{a})
		p.end(t)
		p.end(u)
	}, ""},
	"circular information in registers": {G1c, everywhere, func(p *play) {
		t, u := p.two()
		a, b := t.Put(p.x), u.Put(p.y)
		t.Get(p.y, b)
		u.Get(p.x, a)
		p.end(t)
		p.end(u)
	}, ""},
	"observed transaction vanishes": {GSingle, everywhere, func(p *play) {
		t, u := p.two()
		a, b := t.Append(p.x), t.Append(p.y)
		c, d := u.Append(p.x), u.Append(p.y)
		p.end(t)
		v := p.begin()
		p.end(u)
		v.ReadList(p.x, []Value{a, c})
		v.ReadList(p.y, []Value{b})
		p.end(v)
		p.read(p.y, b, d)
	}, ""},
	"lost update of a list": {GSingle, everywhere, func(p *play) {
		t, u := p.two()
		t.ReadList(p.x, nil)
		u.ReadList(p.x, nil)
		a, b := t.Append(p.x), u.Append(p.x)
		p.end(t)
		p.end(u)
		p.read(p.x, a, b)
	}, ""},
	"lost update of a register": {GSingle, everywhere, func(p *play) {
		v := p.putted(p.x)
		t, u := p.two()
		t.Get(p.x, v)
		u.Get(p.x, v)
		t.Put(p.x)
		u.Put(p.x)
		p.end(t)
		p.end(u)
	}, ""},
	"lost update without sequence": {LostUpdate, everywhere, func(p *play) {
		t, u := p.two()
		t.Get(p.x, 0)
		u.Get(p.x, 0)
		t.Put(p.x)
		u.Put(p.x)
		p.unsequenced(t)
		p.unsequenced(u)
	}, G2Item},

	"read skew": {GSingle, everywhere, func(p *play) {
		t, u := p.two()
		t.ReadList(p.x, nil)
		u.Append(p.x)
		d := u.Append(p.y)
		p.end(u)
		t.ReadList(p.y, []Value{d})
		p.end(t)
	}, ""},
	"read skew of registers": {GSingle, everywhere, func(p *play) {
		a := p.putted(p.x)
		t, u := p.two()
		t.Get(p.x, a)
		u.Delete(p.x)
		d := u.Put(p.y)
		p.end(u)
		t.Get(p.y, d)
		p.end(t)
	}, ""},
	"read skew by a scan": {GSingle, everywhere, func(p *play) {
		t, u := p.two()
		u.Append(p.x)
		d := u.Append(p.y)
		p.end(u)
		t.ScanLists(p.x, p.y+1, map[Key][]Value{p.y: {d}})
		p.end(t)
	}, ""},
	"long fork": {GNonadjacent, everywhere, func(p *play) {
		t, u := p.two()
		a, b := t.Append(p.x), u.Append(p.y)
		v, w := p.two()
		v.ScanLists(p.x, p.y+1, map[Key][]Value{p.x: {a}})
		w.ScanLists(p.x, p.y+1, map[Key][]Value{p.y: {b}})
		p.end(v)
		p.end(w)
		p.end(t)
		p.end(u)
	}, ""},
	"write skew": {G2Item, serialOnly, func(p *play) {
		t, u := p.two()
		t.ReadList(p.x, nil)
		u.ReadList(p.y, nil)
		t.Append(p.y)
		u.Append(p.x)
		p.end(t)
		p.end(u)
	}, ""},
	"write skew of registers": {G2Item, serialOnly, func(p *play) {
		a, b := p.putted(p.x), p.putted(p.y)
		t, u := p.two()
		for _, v := range []*Tx{t, u} {
			v.Get(p.x, a)
			v.Get(p.y, b)
		}
		t.Put(p.x)
		u.Delete(p.y)
		p.end(t)
		p.end(u)
	}, ""},
	"write skew without sequence": {G2Item, serialOnly, func(p *play) {
		t, u := p.two()
		t.Get(p.x, 0)
		u.Get(p.y, 0)
		t.Put(p.y)
		u.Put(p.x)
		p.unsequenced(t)
		p.unsequenced(u)
	}, ""},
	"phantom": {G2, serialOnly, func(p *play) {
		t, u := p.two()
		t.ScanLists(p.x, p.y+1, nil)
		u.ScanLists(p.x, p.y+1, nil)
		t.Append(p.x)
		u.Append(p.y)
		p.end(t)
		p.end(u)
	}, ""},
	"phantom of registers": {G2, serialOnly, func(p *play) {
		t, u := p.two()
		t.ScanRegisters(p.x, p.y+1, nil)
		u.ScanRegisters(p.x, p.y+1, nil)
		t.Put(p.x)
		u.Put(p.y)
		p.end(t)
		p.end(u)
	}, ""},
	"disjoint scans": {G2, serialOnly, func(p *play) {
		t, u := p.two()
		t.ScanLists(p.x, p.x+2, nil)
		u.ScanLists(p.y, p.y+1, nil)
		t.Append(p.y)
		u.Append(p.x + 1)
		p.end(t)
		p.end(u)
	}, ""},
	"read-only transaction": {G2Item, serialOnly, func(p *play) {
		t, u := p.two()
		t.ReadList(p.x, nil)
		t.ReadList(p.y, nil)
		b := u.Append(p.y)
		p.end(u)
		v := p.begin()
		v.ReadList(p.x, nil)
		v.ReadList(p.y, []Value{b})
		p.end(v)
		t.Append(p.x)
		p.end(t)
	}, ""},
	"stale read": {GSingle + realtime, timeOnly, func(p *play) {
		a := p.appended(p.x)
		p.read(p.x)
		p.read(p.x, a)
	}, ""},
	"stale read of a register": {GSingle + realtime, timeOnly, func(p *play) {
		p.putted(p.x)
		t := p.begin()
		t.Get(p.x, 0)
		p.end(t)
	}, ""},
	"deleted register is back": {GSingle + realtime, timeOnly, func(p *play) {
		a := p.putted(p.x)
		t := p.begin()
		t.Delete(p.x)
		p.end(t)
		u := p.begin()
		u.Get(p.x, a)
		p.end(u)
	}, ""},
	"absent between two puts": {GSingle + realtime, timeOnly, func(p *play) {
		p.putted(p.x)
		t := p.begin()
		t.Delete(p.x)
		p.end(t)
		p.putted(p.x)
		u := p.begin()
		u.Get(p.x, 0)
		p.end(u)
	}, ""},
	"writes out of time": {G0 + realtime, timeOnly, func(p *play) {
		a, b := p.appended(p.x), p.appended(p.x)
		p.read(p.x, b, a)
	}, ""},
	"sequence out of time": {G0 + realtime, timeOnly, func(p *play) {
		t := p.begin()
		t.Put(p.x)
		n := p.w.sequence + 1000
		t.End(OK, n)
		p.putted(p.x)
	}, ""},
	"read of the future": {G1c + realtime, timeOnly, func(p *play) {
		t := p.begin()
		t.ReadList(p.x, []Value{Value(p.w.recorder.values.Load()) + 1})
		t.End(OK, 0)
		u := p.w.recorder.Begin(0)
		u.Append(p.x)
		p.end(u)
	}, ""},
	"long fork in time": {GNonadjacent + realtime, timeOnly, func(p *play) {
		t := p.begin()
		a := t.Append(p.x)
		u, v := p.two()
		u.Append(p.y)
		v.ReadList(p.x, []Value{a})
		v.ReadList(p.y, nil)
		p.end(u)
		w := p.begin()
		w.ReadList(p.x, nil)
		p.end(v)
		p.end(w)
		p.end(t)
	}, ""},
	"write skew in time": {G2Item + realtime, strictOnly, func(p *play) {
		u, v := p.two()
		v.Append(p.y)
		p.end(v)
		t := p.begin()
		t.ReadList(p.x, nil)
		u.Append(p.x)
		u.ReadList(p.y, nil)
		p.end(t)
		p.end(u)
	}, ""},
	"phantom in time": {G2 + realtime, strictOnly, func(p *play) {
		u, v := p.two()
		v.Append(p.y)
		p.end(v)
		t := p.begin()
		t.ScanLists(p.x, p.y, nil)
		u.Append(p.x)
		u.ReadList(p.y, nil)
		p.end(t)
		p.end(u)
	}, ""},
	"own append unseen": {Internal, everywhere, func(p *play) {
		t := p.begin()
		t.Append(p.x)
		t.ReadList(p.x, nil)
		p.end(t)
	}, ""},
	"own append unseen by a scan": {Internal, everywhere, func(p *play) {
		t := p.begin()
		t.ReadList(p.x, nil)
		t.Append(p.x)
		t.ScanLists(p.x, p.y, nil)
		p.end(t)
	}, ""},
	"own put unseen": {Internal, everywhere, func(p *play) {
		t := p.begin()
		t.Put(p.x)
		t.Get(p.x, 0)
		p.end(t)
	}, ""},
	"own delete unseen by a scan": {Internal, everywhere, func(p *play) {
		a := p.putted(p.x)
		t := p.begin()
		t.Delete(p.x)
		t.ScanRegisters(p.x, p.y, map[Key]Value{p.x: a})
		p.end(t)
	}, ""},
	"unrepeatable read": {Internal, everywhere, func(p *play) {
		t, u := p.two()
		t.ReadList(p.x, nil)
		a := u.Append(p.x)
		p.end(u)
		t.ReadList(p.x, []Value{a})
		p.end(t)
	}, ""},
	"unrepeatable scan of registers": {Internal, everywhere, func(p *play) {
		t, u := p.two()
		t.ScanRegisters(p.x, p.y, nil)
		a := u.Put(p.x)
		p.end(u)
		t.ScanRegisters(p.x, p.y, map[Key]Value{p.x: a})
		p.end(t)
	}, ""},
	"a value from nowhere": {GarbageRead, everywhere, func(p *play) { p.read(p.x, 1<<40) }, ""},
	"a value of another list": {GarbageRead, everywhere, func(p *play) {
		a := p.appended(p.y)
		p.read(p.x, a)
	}, ""},
	"a value of another register": {GarbageRead, everywhere, func(p *play) {
		a := p.putted(p.y)
		t := p.begin()
		t.Get(p.x, a)
		p.end(t)
	}, ""},
	"a key outside a scan": {GarbageRead, everywhere, func(p *play) {
		a := p.appended(p.y)
		t := p.begin()
		t.ScanLists(p.x, p.y, map[Key][]Value{p.y: {a}})
		p.end(t)
	}, ""},
	"an append twice": {DuplicateWrite, everywhere, func(p *play) {
		a := p.appended(p.x)
		p.read(p.x, a, a)
	}, ""},
	"two orders": {IncompatibleOrder, everywhere, func(p *play) {
		t, u := p.two()
		a, b := t.Append(p.x), u.Append(p.x)
		p.read(p.x, a)
		p.read(p.x, b)
		p.end(t)
		p.end(u)
	}, ""},
	"order within a transaction": {IncompatibleOrder, everywhere, func(p *play) {
		t := p.begin()
		a, b := t.Append(p.x), t.Append(p.x)
		p.end(t)
		p.read(p.x, b, a)
	}, G1b},

	"one number for two": {IncompatibleOrder, everywhere, func(p *play) {
		t, u := p.two()
		t.Put(p.x)
		u.Put(p.x)
		p.end(t)
		p.traffic()
		u.End(OK, t.sequence)
	}, ""},
	"acknowledged append is nowhere": {LostWrite, timeOnly, func(p *play) {
		p.appended(p.x)
		p.read(p.x)
	}, GSingle + realtime},

	"half of a transaction": {LostWrite, everywhere, func(p *play) {
		t, u := p.two()
		t.Append(p.x)
		b := t.Append(p.x)
		u.ReadList(p.x, []Value{b})
		p.end(t)
		p.end(u)
	}, GSingle},
}

// An anomaly that is missed, or that is called by another name, sends its reader the wrong way.
func TestCheck_findsEachAnomalyByItsName(t *testing.T) {
	for name, s := range scripts {
		t.Run(name, func(t *testing.T) {
			const each = 50 // in one history
			for n := 0; n < *injectionsFlag**scaleFlag; n += each {
				seed := *seedFlag + uint64(n)
				h := inject(seed, s, each)
				for level := Snapshot; level <= StrictSerializable; level++ {
					if r := Check(h, level); !s.explains(r, each) {
						t.Fatalf("-seed %d: want %s %d times\n%s", seed, s.want, each, r)
					}
				}
			}
		})
	}
}

// explains reports whether r is what n times the script should lead to.
func (s script) explains(r *Report, n int) bool {
	counts := maps.Clone(r.Counts)
	delete(counts, s.also)
	if s.levels[r.Level] {
		return maps.Equal(counts, map[Name]int{s.want: n})
	}
	return r.OK()
}

// inject puts a script n times into a history, each time on keys of its own.
func inject(seed uint64, s script, n int) *History {
	w := newWorld(seed, workload{clients: 4, keys: 5})
	for i := range n {
		w.run(w.random.IntN(4))
		x := Key(1<<20 + 4*i)
		s.run(&play{w: w, x: x, y: x + 2})
	}
	w.run(20)
	return w.recorder.History()
}

// A name without a test may be a name that is never given.
func TestScripts_haveEveryName(t *testing.T) {
	tested := make(map[Name]bool)
	for _, s := range scripts {
		tested[s.want] = true
	}
	cycles := []Name{G0, G1c, GSingle, GNonadjacent, G2Item, G2}
	names := []Name{IncompatibleOrder, GarbageRead, DuplicateWrite, LostWrite, LostUpdate, Internal, G1a, G1b}
	for _, c := range cycles {
		names = append(names, c, c+realtime)
	}
	for _, name := range names {
		if !tested[name] {
			t.Errorf("no script for %s", name)
		}
	}
	if len(tested) != len(names) {
		t.Errorf("%v is not the list of names", slices.Sorted(maps.Keys(tested)))
	}
}

// A witness that leaves out what was read, or why one precedes the other, proves nothing to its reader.
func TestAnomaly_showsItsWitness(t *testing.T) {
	r := NewRecorder(State{Lists: map[Key][]Value{7: {3}}})
	x, y := r.Begin(1), r.Begin(2)
	x.ReadList(7, []Value{3})
	y.ScanLists(7, 9, map[Key][]Value{7: {3}})
	a, b := x.Append(8), y.Append(7)
	x.End(OK, 0)
	y.End(OK, 0)
	report := Check(r.History(), StrictSerializable)
	want := fmt.Sprintf(`strict serializable: 2 transactions, 2 committed, 6 operations on 2 keys, 7 edges
G2: 1

G2: T1 -rw-> T2 -rw-> T1
  T1 client 1 [1,3] ok: read 7 [3], append 8 %d
  T2 client 2 [2,4] ok: scan 7 [3], scan 8 [], append 7 %d
  because T1 read key 7 without %d of T2
  because T2 read key 8 without %d of T1
`, a, b, b, a)
	if got := report.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	dot := report.Anomalies[0].DOT()
	for _, part := range []string{"digraph \"G2\"", "T1 -> T2 [label=\"rw\"", `append 7`} {
		if !strings.Contains(dot, part) {
			t.Errorf("no %s in\n%s", part, dot)
		}
	}
}

// A transaction that scanned a whole range would bury what matters of it.
func TestAnomaly_showsOfLongTransactionsWhatMatters(t *testing.T) {
	r := NewRecorder(State{Registers: map[Key]Value{30: 1}})
	x, y := r.Begin(1), r.Begin(2)
	x.ScanRegisters(0, 20, map[Key]Value{40: 1})
	x.Get(30, 1)
	y.Get(31, 0)
	b := x.Put(31)
	y.Delete(30)
	x.End(OK, 1)
	y.End(OK, 2)
	report := Check(r.History(), StrictSerializable)
	var got []string
	for _, a := range report.Anomalies {
		got = append(got, strings.Split(a.String(), "\n")...)
	}
	for _, want := range []string{
		"garbage-read: T1 scanned and found key 40, which is not in the range",
		"G2-item: T1 -rw-> T2 -rw-> T1",
		fmt.Sprintf("  T1 client 1 [1,3] ok: read 30 1, put 31 %d, and 21 more", b),
		"  T2 client 2 [2,4] ok: read 31 absent, delete 30",
		"  because T1 read key 30 without the delete of T2",
		fmt.Sprintf("  because T2 read key 31 without %d of T1", b),
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, report)
		}
	}
}
