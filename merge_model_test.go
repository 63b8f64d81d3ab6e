package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand/operandtest"
)

var mergeSeed = flag.Uint64("merge.seed", 0, "seed of random merges; 0 for one from the clock")

// mergeState is what a key is, written apart from the engine: absent, a value, or a value that cannot be told.
type mergeState struct {
	value   []byte
	present bool
	failed  bool
}

// mergeModel is a world of keys, each merged into by every operator, in the database and in a model.
type mergeModel struct {
	t     *testing.T
	rnd   *rand.Rand
	db    *DB
	dir   string
	keys  [][]byte
	now   map[string]mergeState
	held  []heldState
	sizes []int // of what is put
	rest  int   // one step in this many does not write
	// merges is how many operations there are for a put or delete, so that rows of many operands come about, and such that
	// fail.
	merges int
	kinds  int // of what the merge function does
}

// operatorsOf are what merges into a key do: of integers, of a merge function, of all that go together, and of all.
var operatorsOf = [][]int{{4, 4, 5, 6}, {3}, {2, 3, 3}, {2, 3, 4, 5, 6}}

// heldState is a snapshot and what it must show for ever.
type heldState struct {
	snapshot *Snapshot
	state    map[string]mergeState
}

// mixed is a merge function of which the argument says what it does. It is deterministic, as it must be.
func mixed(_, old, argument []byte) ([]byte, error) {
	if len(argument) == 0 {
		return nil, nil
	}
	switch argument[0] {
	case 0:
		return nil, errors.New("refused")
	case 1:
		panic("a bug")
	case 2:
		return old[:len(old)/2], nil
	case 3:
		return argument[len(argument)/2:], nil
	case 4:
		return append(bytes.Clone(old), argument...), nil
	case 5:
		return bytes.Repeat([]byte{byte(len(old))}, int(argument[0])*len(argument)*50), nil
	}
	return xored(nil, old, argument)
}

// apply is what a put (operator 0), a delete (1) or a merge makes of s.
func (s mergeState) apply(operator int, argument []byte) (after mergeState) {
	if operator == 0 {
		return mergeState{value: argument, present: true}
	}
	if operator == 1 || s.failed {
		return mergeState{failed: operator != 1 && s.failed}
	}
	defer func() {
		if recover() != nil {
			after = mergeState{failed: true}
		}
	}()
	switch operator {
	case 2:
		return mergeState{value: append(bytes.Clone(s.value), argument...), present: true}
	case 3:
		value, err := mixed(nil, bytes.Clone(s.value), argument)
		return mergeState{value: bytes.Clone(value), present: err == nil, failed: err != nil}
	}
	n, _ := Int64(argument)
	if s.present {
		old, err := Int64(s.value)
		switch {
		case err != nil:
			return mergeState{failed: true}
		case operator == 4:
			n += old
		case operator == 5:
			n = max(n, old)
		case operator == 6:
			n = min(n, old)
		}
	}
	return mergeState{value: AppendInt64(nil, n), present: true}
}

// change adds one random operation to b and to the model.
func (m *mergeModel) change(b *Batch) {
	k := m.keys[m.rnd.IntN(len(m.keys))]
	operator := m.rnd.IntN(2) // a put or a delete
	if m.rnd.IntN(m.merges) > 0 {
		of := operatorsOf[key.Hash(k)%uint64(len(operatorsOf))]
		operator = of[m.rnd.IntN(len(of))]
	}
	argument := make([]byte, m.sizes[m.rnd.IntN(len(m.sizes))])
	if operator > 1 { // what is merged is mostly short
		argument = make([]byte, []int{0, 1, 8, 8, 8, 40, 256, 300, 5000}[m.rnd.IntN(9)])
	}
	for i := range argument {
		argument[i] = byte(m.rnd.Uint32())
	}
	if operator == 3 && len(argument) > 0 && m.rnd.IntN(5*m.merges) > 0 {
		argument[0] = []byte{6, 7, 8, 9, 3, 2, 4, 4, 5}[m.rnd.IntN(m.kinds)] // neither an error nor a panic
	}
	switch operator {
	case 0:
		b.Put(k, argument)
	case 1:
		b.Delete(k)
	case 2:
		b.Append(k, argument)
	case 3:
		b.Merge(k, argument)
	default:
		n := m.rnd.Int64()
		argument = AppendInt64(nil, n)
		map[int]func([]byte, int64) error{4: b.Add, 5: b.Max, 6: b.Min}[operator](k, n)
	}
	m.now[string(k)] = m.now[string(k)].apply(operator, argument)
}

// read compares one reading of k with what it must be.
func (m *mergeModel) read(from string, k []byte, want mergeState, value []byte, err error) {
	m.t.Helper()
	switch {
	case want.failed && errors.Is(err, ErrMerge):
	case !want.failed && !want.present && errors.Is(err, ErrNotFound):
	case !want.failed && want.present && err == nil && bytes.Equal(value, want.value):
	default:
		m.t.Fatalf("%s: key %x has %d bytes %.20x, %v; want %d bytes %.20x, present %v, failed %v",
			from, k, len(value), value, err, len(want.value), want.value, want.present, want.failed)
	}
}

// compare reads everything that r shows, key by key and in loops both ways.
func (m *mergeModel) compare(from string, r stateReader, state map[string]mergeState) {
	m.t.Helper()
	for _, k := range m.keys {
		value, err := r.Get(k)
		m.read(from, k, state[string(k)], value, err)
		m.read(from+", again", k, state[string(k)], value, err)
	}
	var want []string
	for _, k := range slices.Sorted(maps.Keys(state)) {
		if s := state[k]; s.failed || s.present {
			want = append(want, k)
		}
	}
	m.loop(from+" in a loop", want, state, func(after string, first bool) *Range {
		if first {
			return r.Range(nil, nil)
		}
		return r.Range([]byte(after+"\x00"), nil)
	})
	slices.Reverse(want)
	m.loop(from+" in a loop backward", want, state, func(before string, first bool) *Range {
		if first {
			return r.Range(nil, nil).Reverse()
		}
		return r.Range(nil, []byte(before)).Reverse()
	})
}

// loop walks the keys of want in order. It begins anew behind each that cannot be read.
func (m *mergeModel) loop(from string, want []string, state map[string]mergeState,
	beyond func(k string, first bool) *Range) {
	m.t.Helper()
	at := 0
	for last, first := "", true; ; first = false {
		r := beyond(last, first)
		for k, value := range r.All() {
			if at == len(want) || string(k) != want[at] {
				m.t.Fatalf("%s: key %x, the %dth of %d", from, k, at, len(want))
			}
			m.read(from, k, state[want[at]], value, nil)
			at++
		}
		if r.Err() == nil {
			break
		}
		if at == len(want) {
			m.t.Fatalf("%s: %v behind the last key", from, r.Err())
		}
		last = want[at]
		m.read(from, []byte(last), state[last], nil, r.Err())
		at++
	}
	if at != len(want) {
		m.t.Fatalf("%s: %d of %d keys", from, at, len(want))
	}
}

// stateReader is what *DB, *Snapshot and *Tx share.
type stateReader interface {
	Get(key []byte) ([]byte, error)
	Range(lo, hi []byte) *Range
}

func (m *mergeModel) compareAll(when string) {
	m.t.Helper()
	m.compare(when, m.db, m.now)
	for i, h := range m.held {
		m.compare(fmt.Sprintf("%s, snapshot %d of %d", when, i, len(m.held)), h.snapshot, h.state)
	}
}

func (m *mergeModel) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// step does one random thing.
func (m *mergeModel) step() {
	if m.rnd.IntN(m.rest) > 0 {
		m.write()
		return
	}
	switch m.rnd.IntN(16) {
	case 0, 1:
		m.held = append(m.held, heldState{m.db.Snapshot(), maps.Clone(m.now)})
	case 2, 3:
		if n := len(m.held); n > 0 {
			i := m.rnd.IntN(n)
			m.must(m.held[i].snapshot.Close())
			m.held = slices.Delete(m.held, i, i+1)
		}
	case 4, 5, 6:
		m.must(m.db.Flush())
	case 7:
		m.must(m.db.Compact(context.Background(), nil, nil))
	case 8:
		m.reopen(mixed)
		if m.rnd.IntN(3) == 0 { // once without the function: nothing may be lost
			m.must(m.db.Flush())
			m.must(m.db.Compact(context.Background(), nil, nil))
			m.reopen(nil)
			m.must(m.db.Flush())
			m.must(m.db.Compact(context.Background(), nil, nil))
			m.reopen(mixed)
		}
	case 9:
		m.compareAll("in between")
	default:
		k := m.keys[m.rnd.IntN(len(m.keys))]
		value, err := m.db.Get(k)
		m.read("one key", k, m.now[string(k)], value, err)
	}
}

// write commits some operations.
func (m *mergeModel) write() {
	var b Batch
	for range 1 + m.rnd.IntN(8) {
		m.change(&b)
	}
	m.must(m.db.Write(&b))
}

func (m *mergeModel) reopen(merge func(key, old, argument []byte) ([]byte, error)) {
	for _, h := range m.held {
		m.must(h.snapshot.Close())
	}
	m.held = nil
	if m.db != nil {
		m.must(m.db.Close())
	}
	var err error
	o := &Options{Durability: Process, MemoryLimit: 10 << 20}
	if merge != nil {
		rules := operandtest.Lists(merge)
		o.Merge = rules.User
		if m.rnd.IntN(2) == 0 {
			o.PartialMerge = rules.Partial
		}
	}
	m.db, err = Open(m.dir, o)
	m.must(err)
}

// Wherever operands of whatever sizes are folded, in commits, flushes, compactions, reads or not at all, each state
// that a reader may stand at must be what one operation after the other makes of it, or a value is wrong for ever.
func TestMerge_equalsModel(t *testing.T) {
	seed, rounds, steps := *mergeSeed, 6, 250
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	if testing.Short() {
		rounds = 2
	}
	t.Logf("-merge.seed=%d", seed)
	for round := range rounds {
		m := &mergeModel{t: t, rnd: rand.New(rand.NewPCG(seed, uint64(round))), dir: t.TempDir(),
			now: map[string]mergeState{}}
		m.sizes = [][]int{{0, 1, 8, 255, 256, 257}, {8, 300, 5000, 100_000}, {8, 1_000_000}}[round%3]
		for _, k := range []string{"", "\x00", "\x7f", "\x80", "\xfe", "\xff", "\xff\xff", "\x80\x00", "k", "k\x00",
			"\xc3\x28"} {
			m.keys = append(m.keys, []byte(k))
		}
		m.rnd.Shuffle(len(m.keys), func(i, j int) { m.keys[i], m.keys[j] = m.keys[j], m.keys[i] })
		m.keys = m.keys[:1+m.rnd.IntN(len(m.keys))]
		m.rest, m.merges, m.kinds = 2+m.rnd.IntN(12), []int{4, 30, 200}[m.rnd.IntN(3)], []int{4, 5, 9}[m.rnd.IntN(3)]
		m.reopen(mixed)
		for range steps {
			m.step()
		}
		m.compareAll("at the end")
		m.must(m.db.Flush())
		m.compareAll("flushed")
		m.must(m.db.Compact(context.Background(), nil, nil))
		m.compareAll("compacted")
		m.reopen(mixed)
		m.compareAll("opened again")
		m.must(m.db.Verify(context.Background(), nil))
		m.must(m.db.Close())
	}
}
