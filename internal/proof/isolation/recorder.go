package isolation

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Key names a list or a register. Scans are over ranges of keys, so a workload numbers its keys in their order.
type Key uint32

// Value is a unique written value, issued by a Recorder. No value is 0.
type Value int64

// Outcome is how a transaction ended.
type Outcome uint8

const (
	OK      Outcome = iota // acknowledged
	Aborted                // refused or rolled back; certainly had no effect
	Unknown                // may have taken effect, or not
)

func (o Outcome) String() string { return [...]string{"ok", "aborted", "unknown"}[o] }

// State is what a database holds when a recording begins. Its zero value is an empty database.
type State struct {
	Lists     map[Key][]Value
	Registers map[Key]Value
}

// Recorder collects what transactions do. A long run is recorded in segments: let all clients finish, read everything,
// check the history, and go on with a new Recorder that begins with what was read. Nothing is lost by it, as
// everything before the cut precedes everything after it, and memory holds one segment.
//
// A transaction takes 40 bytes and 16 for each operation; lists are kept once, not once for each read. Reading a list
// is linear in its length, so keys should be replaced by new ones when their lists have some hundred elements.
type Recorder struct {
	events atomic.Int64 // one order of all beginnings and ends
	values atomic.Int64 // the last one issued

	mu      sync.Mutex
	history History
	index   map[Key]int32 // into history.keys
	open    map[*Tx]struct{}
	unknown []*Tx // ended as Unknown; whether they committed is decided by History
}

// NewRecorder records the transactions of a database that holds initial.
func NewRecorder(initial State) *Recorder {
	r := &Recorder{index: make(map[Key]int32), open: make(map[*Tx]struct{})}
	first := &Tx{recorder: r}
	for k, list := range initial.Lists {
		for _, v := range list {
			first.ops = append(first.ops, record{kind: opAppend, key: k, value: v})
		}
		r.history.extend(r.key(k), list)
	}
	for k, v := range initial.Registers {
		first.ops = append(first.ops, record{kind: opPut, key: k, value: v})
	}
	slices.SortStableFunc(first.ops, func(a, b record) int { return int(a.key) - int(b.key) })
	for _, o := range first.ops {
		r.history.initial = append(r.history.initial, o.value)
		r.values.Store(max(r.values.Load(), int64(o.value)))
	}
	slices.Sort(r.history.initial)
	r.history.first = Value(r.values.Load() + 1)
	r.store(first, OK, true)
	return r
}

// Begin records that client begins a transaction. It must be called before the database is, or a transaction could
// seem to have begun after one that its snapshot was too early for.
func (r *Recorder) Begin(client int) *Tx {
	t := &Tx{recorder: r, client: int32(client)}
	r.mu.Lock()
	r.open[t] = struct{}{}
	r.mu.Unlock()
	t.begin = r.events.Add(1)
	return t
}

// History returns what was recorded. Transactions that have not ended are unknown. The recorder and its transactions
// must not be used any more.
func (r *Recorder) History() *History {
	r.mu.Lock()
	defer r.mu.Unlock()
	for t := range r.open {
		r.unknown = append(r.unknown, t)
	}
	clear(r.open)
	slices.SortFunc(r.unknown, func(a, b *Tx) int { return int(a.begin - b.begin) })
	r.settleUnknownLocked()
	r.history.events = r.events.Load()
	r.history.last = Value(r.values.Load())
	return &r.history
}

// settleUnknownLocked stores the transactions of which nobody knows whether they committed: with their reads if one of
// their writes was seen by a transaction that committed, else without.
func (r *Recorder) settleUnknownLocked() {
	if len(r.unknown) == 0 {
		return
	}
	seen := r.history.observed()
	for again := true; again; {
		again = false
		r.unknown = slices.DeleteFunc(r.unknown, func(t *Tx) bool {
			if !t.wroteAny(seen) {
				return false
			}
			t.observe(seen)
			r.store(t, Unknown, true)
			again = true
			return true
		})
	}
	for _, t := range r.unknown {
		r.store(t, Unknown, false)
	}
	r.unknown = nil
}

// store appends t to the history. Reads are stored only of a committed one: an optimistic transaction may read anything
// before it is refused.
func (r *Recorder) store(t *Tx, outcome Outcome, committed bool) {
	h := &r.history
	h.txns = append(h.txns, txn{begin: t.begin, end: t.end, sequence: t.sequence, first: uint32(len(h.ops)),
		client: t.client, outcome: outcome, committed: committed})
	for _, o := range t.ops {
		if !o.kind.writes() && !committed {
			continue
		}
		k := r.key(o.key)
		if o.kind == opList {
			o.value = h.intern(k, o.list)
		}
		h.ops = append(h.ops, op{value: o.value, key: k, kind: o.kind, scanned: o.scanned})
	}
}

func (r *Recorder) key(k Key) int32 {
	i, ok := r.index[k]
	if !ok {
		i = int32(len(r.history.keys))
		r.index[k] = i
		r.history.keys = append(r.history.keys, lists{name: k})
	}
	return i
}

// record is an operation of a transaction that has not ended.
type record struct {
	key     Key
	kind    kind
	scanned bool
	value   Value
	list    []Value
}

// Tx records one transaction. Reads are recorded once they are answered, writes before they are asked for.
type Tx struct {
	recorder *Recorder
	client   int32
	begin    int64
	end      int64
	sequence uint64
	ops      []record
}

// Append records an append to the list k and returns the value to append.
func (t *Tx) Append(k Key) Value { return t.write(opAppend, k) }

// Put records a write of the register k and returns the value to write.
func (t *Tx) Put(k Key) Value { return t.write(opPut, k) }

// Delete records a delete of the register k.
func (t *Tx) Delete(k Key) { t.write(opDelete, k) }

func (t *Tx) write(kind kind, k Key) Value {
	v := Value(t.recorder.values.Add(1))
	t.ops = append(t.ops, record{kind: kind, key: k, value: v})
	return v
}

// ReadList records that the list k was read as list, which is empty for an absent key. The list must not be changed
// afterwards.
func (t *Tx) ReadList(k Key, list []Value) {
	t.ops = append(t.ops, record{kind: opList, key: k, list: list})
}

// Get records that the register k was read as v; 0 says that it was absent.
func (t *Tx) Get(k Key, v Value) { t.ops = append(t.ops, record{kind: opGet, key: k, value: v}) }

// ScanLists records that a scan of the keys from lo to before hi found these lists, and no others. The lists must not
// be changed afterwards.
func (t *Tx) ScanLists(lo, hi Key, found map[Key][]Value) {
	for k := lo; k < hi; k++ {
		t.ops = append(t.ops, record{kind: opList, key: k, list: found[k], scanned: true})
	}
	t.strays(lo, hi, maps.Keys(found))
}

// ScanRegisters records that a scan of the keys from lo to before hi found these values, and no others.
func (t *Tx) ScanRegisters(lo, hi Key, found map[Key]Value) {
	for k := lo; k < hi; k++ {
		t.ops = append(t.ops, record{kind: opGet, key: k, value: found[k], scanned: true})
	}
	t.strays(lo, hi, maps.Keys(found))
}

// strays records the keys that a scan found outside its range.
func (t *Tx) strays(lo, hi Key, found iter.Seq[Key]) {
	for k := range found {
		if k < lo || k >= hi {
			t.ops = append(t.ops, record{kind: opStray, key: k, scanned: true})
		}
	}
}

// Retry records that the attempt so far was refused and that the transaction is tried again. The new attempt counts
// as begun when the first one was: the caller cannot know when the database took its snapshot.
func (t *Tx) Retry() {
	r := t.recorder
	t.end = r.events.Add(1)
	r.mu.Lock()
	r.store(t, Aborted, false)
	r.mu.Unlock()
	t.end, t.ops = 0, t.ops[:0]
}

// End records how the transaction ended. It must be called after the database has answered. The sequence number is
// that of the commit, or 0 if it is not known; it orders the versions of registers. It is used if the outcome is OK.
func (t *Tx) End(outcome Outcome, sequence uint64) {
	r := t.recorder
	t.end = r.events.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, t)
	switch outcome {
	case Unknown:
		r.unknown = append(r.unknown, t)
	case OK:
		t.sequence = sequence
		r.store(t, OK, true)
	default:
		r.store(t, Aborted, false)
	}
}

func (t *Tx) wroteAny(seen map[Value]struct{}) bool {
	return slices.ContainsFunc(t.ops, func(o record) bool {
		_, ok := seen[o.value]
		return ok && o.kind.writes()
	})
}

// observe adds what t read to seen.
func (t *Tx) observe(seen map[Value]struct{}) {
	for _, o := range t.ops {
		if o.kind == opGet {
			seen[o.value] = struct{}{}
		}
		for _, v := range o.list {
			seen[v] = struct{}{}
		}
	}
}
