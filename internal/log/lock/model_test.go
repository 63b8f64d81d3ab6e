package lock

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"lightningdb/internal/format/span"

	"pgregory.net/rapid"
)

// thePriority is the name under which the model keeps the priority; it is no key.
const thePriority = "the priority"

// noName stands for none; it is no key.
const noName = "no name"

// model is the table in the plainest words: owners are numbers, lines are lists, and who waits for whom follows from
// the sentences of the documentation alone, including the wait for all who are ahead in line. It has few names of
// locks.
type model struct {
	goroutines []uintptr
	holder     map[string]int // absent: free
	line       map[string][]int
	ranges     [][2]string
}

func (m *model) protector(name string) (owner int, ok bool) {
	for _, r := range m.ranges {
		if name != thePriority && r[0] <= name && (r[1] == "" || name < r[1]) {
			return m.holder[thePriority], true
		}
	}
	return 0, false
}

// kept returns the owners that o would wait for to get name, except those in line.
func (m *model) kept(o int, name string) []int {
	var by []int
	if h, ok := m.holder[name]; ok && h != o {
		by = append(by, h)
	}
	if p, ok := m.protector(name); ok && p != o {
		by = append(by, p)
	}
	return by
}

// waiting returns what o waits for, noName if it runs.
func (m *model) waiting(o int) string {
	for name, line := range m.line {
		if slices.Contains(line, o) {
			return name
		}
	}
	return noName
}

// stuck returns the owner whose wait keeps o's goroutine from going on.
func (m *model) stuck(o int) (waiter int, ok bool) {
	if m.waiting(o) != noName {
		return o, true
	}
	for p, g := range m.goroutines {
		if g != 0 && g == m.goroutines[o] && m.waiting(p) != noName {
			return p, true
		}
	}
	return 0, false
}

// enqueue puts o in line.
func (m *model) enqueue(o int, name string) {
	at := len(m.line[name])
	h, held := m.holder[name]
	p, protected := m.protector(name)
	if held && h == o || protected && p == o {
		at = 0
	}
	m.line[name] = slices.Insert(m.line[name], at, o)
}

func (m *model) leave(o int) {
	name := m.waiting(o)
	m.line[name] = slices.DeleteFunc(m.line[name], func(p int) bool { return p == o })
}

// ends returns how the waits of o lead back: to itself, and to another owner of its goroutine.
func (m *model) ends(o int) (itself, mate bool) {
	seen := map[int]bool{}
	for todo := []int{o}; len(todo) > 0; {
		x := todo[0]
		todo = todo[1:]
		name := m.waiting(x)
		line := m.line[name]
		for _, y := range slices.Concat(m.kept(x, name), line[:slices.Index(line, x)]) {
			switch w, stuck := m.stuck(y); {
			case y == o:
				itself = true
			case m.goroutines[o] != 0 && m.goroutines[o] == m.goroutines[y]:
				mate = true
			case stuck && !seen[w]:
				seen[w] = true
				todo = append(todo, w)
			}
		}
	}
	return itself, mate
}

// advance hands over what can be.
func (m *model) advance() {
	for name, line := range m.line {
		for len(line) > 0 && len(m.kept(line[0], name)) == 0 {
			m.holder[name] = line[0]
			line = line[1:]
		}
		m.line[name] = line
	}
}

func (m *model) release(o int) {
	if h, ok := m.holder[thePriority]; ok && h == o {
		m.ranges = nil
	}
	for name, h := range m.holder {
		if h == o {
			delete(m.holder, name)
		}
	}
	m.advance()
}

// run is a table and its model.
type run struct {
	*rapid.T
	model
	table  Table
	owners []*Owner
	calls  []*call // the last one of each owner
	cancel []context.CancelFunc
}

var modelKeys = []string{"", "\x00", "a\xff", "\x80", "\xff"}

// One wrong step among owners, lines, ranges and goroutines is a transaction that hangs, or two that hold one key.
func TestTable_behavesLikeItsModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) { // rapid asks a *testing.T for its deadline: not in a bubble
			r := &run{T: t, model: model{goroutines: []uintptr{0, 1, 1, 2, 2, 0}, holder: map[string]int{},
				line: map[string][]int{}}}
			defer r.end()
			for _, g := range r.goroutines {
				r.owners = append(r.owners, NewOwner(g))
				r.calls = append(r.calls, &call{returned: true})
				r.cancel = append(r.cancel, func() {})
			}
			for range rapid.IntRange(1, 60).Draw(t, "steps") {
				r.step(rapid.IntRange(0, len(r.owners)-1).Draw(t, "owner"))
				r.compare()
			}
		})
	})
}

// end makes everybody give up, so that a failed run leaves no goroutine.
func (r *run) end() {
	for _, cancel := range r.cancel {
		cancel()
	}
	synctest.Wait()
}

// step lets owner o do something that its goroutine can do now.
func (r *run) step(o int) {
	if waiter, ok := r.stuck(o); ok {
		if waiter == o && rapid.IntRange(0, 3).Draw(r.T, "give up") == 0 {
			r.giveUp(o)
		}
		return
	}
	h, held := r.holder[thePriority]
	switch rapid.IntRange(0, 9).Draw(r.T, "what") {
	case 0, 1:
		r.table.Release(r.owners[o])
		r.release(o)
		synctest.Wait()
	case 2:
		r.request(o, thePriority)
	case 3, 4:
		if held && h == o {
			r.protect(o)
		}
	default:
		r.request(o, rapid.SampledFrom(modelKeys).Draw(r.T, "key"))
	}
}

func (r *run) giveUp(o int) {
	r.cancel[o]()
	synctest.Wait()
	if c := r.calls[o]; !c.returned || c.err != context.Canceled {
		r.Fatalf("owner %d gave up: %+v", o, c)
	}
	r.leave(o)
}

func (r *run) protect(o int) {
	lo := rapid.SampledFrom(append([]string{""}, modelKeys...)).Draw(r.T, "lo")
	hi := rapid.SampledFrom(append([]string{""}, modelKeys...)).Draw(r.T, "hi")
	var end []byte
	if hi != "" {
		end = []byte(hi)
	}
	r.table.Protect(r.owners[o], span.Span{Lo: []byte(lo), Hi: end})
	r.ranges = append(r.ranges, [2]string{lo, hi})
}

// request asks for a key or for the priority, and compares the outcome with the model.
func (r *run) request(o int, name string) {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel[o] = cancel
	r.calls[o] = start(func() error {
		if name == thePriority {
			return r.table.Prioritize(ctx, r.owners[o])
		}
		return r.table.Acquire(ctx, r.owners[o], []byte(name))
	})
	if r.enqueue(o, name); len(r.kept(o, name)) == 0 {
		r.advance()
		return
	}
	itself, mate := r.ends(o)
	priority, held := r.holder[thePriority]
	switch c := r.calls[o]; {
	case !itself && !mate:
	case mate && c.returned && errors.Is(c.err, ErrNested):
		r.leave(o)
	case itself && held && priority == o:
		r.wantVictim(r.kept(o, name))
	case itself && c.returned && errors.Is(c.err, ErrDeadlock):
		r.leave(o)
	default:
		r.Fatalf("owner %d waits for %s: %+v; circle %v, own goroutine %v", o, name, c, itself, mate)
	}
}

// wantVictim expects that the wait that held up the owner with priority has failed.
func (r *run) wantVictim(by []int) {
	victim, ok := r.stuck(by[0])
	if !ok || len(by) != 1 {
		r.Fatalf("the model finds a circle through %d, who runs", by)
	}
	if c := r.calls[victim]; !c.returned || !errors.Is(c.err, ErrDeadlock) && !errors.Is(c.err, ErrNested) {
		r.Fatalf("owner %d should have given way: %+v", victim, c)
	}
	r.leave(victim)
}

// compare compares everything that can be seen of the table with the model.
func (r *run) compare() {
	if err := invariants(&r.table); err != nil {
		r.Fatal(err)
	}
	for o, c := range r.calls {
		name := r.waiting(o)
		if c.returned == (name != noName) {
			r.Fatalf("owner %d waits for %q, but: %+v", o, name, c)
		}
		for _, key := range modelKeys {
			if got, want := blocked(&r.table, r.owners[o], key), len(r.kept(o, key)) > 0; got != want {
				r.Fatalf("%s is blocked for %d: %v, want %v", key, o, got, want)
			}
		}
		r.compareIn(o)
	}
}

// compareIn compares which key of a range is blocked for owner o.
func (r *run) compareIn(o int) {
	lo := rapid.SampledFrom(modelKeys).Draw(r.T, "from")
	want, any := noName, false
	for _, key := range slices.Sorted(slices.Values(modelKeys)) {
		if !any && key >= lo && len(r.kept(o, key)) > 0 {
			want, any = key, true
		}
	}
	got, blocked := r.table.BlockedIn(r.owners[o], span.Set{{Lo: []byte(lo)}})
	if blocked != any || any && string(got) != want {
		r.Fatalf("from %q on %q is blocked for %d: %v, want %q", lo, got, o, blocked, want)
	}
}
