package isolation

import "slices"

// kind is what an operation does.
type kind uint8

const (
	opAppend kind = iota
	opPut
	opDelete
	opList  // a list was read: op.value is a place in lists
	opGet   // a register was read: op.value is 0 if it was absent
	opStray // a scan found a key that is not in its range
)

func (k kind) writes() bool { return k <= opDelete }

// op is an operation of a transaction, 16 bytes.
type op struct {
	value   Value
	key     int32 // into History.keys
	kind    kind
	scanned bool // part of a scan
}

// txn is a transaction. Its operations end where those of the next one begin.
type txn struct {
	begin, end int64
	sequence   uint64 // 0 if not known
	first      uint32 // into History.ops
	client     int32
	outcome    Outcome
	committed  bool // OK, or unknown and seen
}

// History is a recording. The first transaction wrote the initial state and ended before all others began.
type History struct {
	txns    []txn
	ops     []op
	keys    []lists
	initial []Value // the values of the initial state, sorted
	first   Value   // the first value issued here
	last    Value   // the last one
	events  int64
}

// lists are the lists that were read of one key, each stored once: a read that is a prefix of another one is a place in
// it. If the database is right, there is one branch, the order of the versions.
type lists struct {
	name     Key
	branches [][]Value
}

// place names the first length elements of a branch.
func place(branch, length int) Value { return Value(branch)<<32 | Value(length) }

func (v Value) place() (branch, length int) { return int(v >> 32), int(v & (1<<32 - 1)) }

// intern stores list, read from key k, and returns its place.
func (h *History) intern(k int32, list []Value) Value {
	if len(list) == 0 {
		return place(0, 0)
	}
	return place(h.extend(k, list), len(list))
}

// extend finds the branch of k that list is a prefix of, or makes one from the branch that is a prefix of list.
func (h *History) extend(k int32, list []Value) int {
	l := &h.keys[k]
	for i, b := range l.branches {
		n := min(len(b), len(list))
		if !slices.Equal(b[:n], list[:n]) {
			continue
		}
		l.branches[i] = append(b, list[n:]...)
		return i
	}
	l.branches = append(l.branches, slices.Clone(list))
	return len(l.branches) - 1
}

// list returns what o, an opList, read.
func (h *History) list(o op) []Value {
	branch, length := o.value.place()
	if length == 0 {
		return nil
	}
	return h.keys[o.key].branches[branch][:length]
}

// Transactions is the number of transactions, attempts that were refused included.
func (h *History) Transactions() int { return len(h.txns) - 1 }

// observed returns the values that transactions saw which are known to have committed.
func (h *History) observed() map[Value]struct{} {
	seen := make(map[Value]struct{})
	for _, l := range h.keys {
		for _, b := range l.branches {
			for _, v := range b {
				seen[v] = struct{}{}
			}
		}
	}
	for _, o := range h.ops {
		if o.kind == opGet {
			seen[o.value] = struct{}{}
		}
	}
	return seen
}

// of returns the operations of transaction t.
func (h *History) of(t int32) []op {
	if int(t)+1 == len(h.txns) {
		return h.ops[h.txns[t].first:]
	}
	return h.ops[h.txns[t].first:h.txns[t+1].first]
}

// slot maps a value to a dense number: those of the initial state come first. It is -1 for a value that was never
// issued.
func (h *History) slot(v Value) int32 {
	if v >= h.first && v <= h.last {
		return int32(len(h.initial)) + int32(v-h.first)
	}
	if i, ok := slices.BinarySearch(h.initial, v); ok {
		return int32(i)
	}
	return -1
}

func (h *History) slots() int { return len(h.initial) + int(h.last-h.first) + 1 }

// value is the inverse of slot.
func (h *History) value(slot int32) Value {
	if int(slot) < len(h.initial) {
		return h.initial[slot]
	}
	return h.first + Value(slot) - Value(len(h.initial))
}
