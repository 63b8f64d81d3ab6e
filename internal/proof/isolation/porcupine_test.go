package isolation

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// database is the state of porcupine's model: the whole database, as a transaction is one operation on all of it.
type database struct {
	lists     map[Key][]Value
	registers map[Key]Value
}

func (d database) equal(e database) bool {
	return maps.Equal(d.registers, e.registers) && maps.EqualFunc(d.lists, e.lists, slices.Equal)
}

// step returns the database after the operations of a transaction, and whether its reads were right.
func (d database) step(h *History, ops []op) (database, bool) {
	next := database{maps.Clone(d.lists), maps.Clone(d.registers)}
	for _, o := range ops {
		k := h.keys[o.key].name
		switch o.kind {
		case opAppend:
			next.lists[k] = append(slices.Clip(next.lists[k]), o.value)
		case opPut:
			next.registers[k] = o.value
		case opDelete:
			delete(next.registers, k)
		case opList:
			if !slices.Equal(next.lists[k], h.list(o)) {
				return d, false
			}
		case opGet:
			if next.registers[k] != o.value {
				return d, false
			}
		}
	}
	return next, true
}

func modelOf(h *History) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return database{map[Key][]Value{}, map[Key]Value{}} },
		Step: func(state, input, _ any) (bool, any) {
			next, ok := state.(database).step(h, input.([]op))
			return ok, next
		},
		Equal: func(a, b any) bool { return a.(database).equal(b.(database)) },
	}
}

// operationsOf lists the committed transactions of h; one whose end is not known may take effect at any time.
func operationsOf(h *History) []porcupine.Operation {
	var list []porcupine.Operation
	for t, x := range h.txns {
		if t == 0 || !x.committed {
			continue
		}
		end := x.end
		if x.outcome != OK {
			end = math.MaxInt64
		}
		list = append(list, porcupine.Operation{ClientId: t, Input: h.of(int32(t)), Call: x.begin, Return: end})
	}
	return list
}

// A mistake that the checker and its own brute force share would be seen by nobody else.
func TestCheck_agreesWithPorcupine(t *testing.T) {
	counts := make(map[porcupine.CheckResult]int)
	for n, f := range append(slices.Sorted(maps.Keys(foundWithin)), correct, correct, correct, correct) {
		for i := range uint64(6 * *scaleFlag) {
			seed := *seedFlag + i + uint64(1000*n)
			counts[agree(t, seed, f, onLists)]++
			counts[agree(t, seed, f, onAll)]++
		}
	}
	t.Log(counts)
	if decided := counts[porcupine.Ok] + counts[porcupine.Illegal]; counts[porcupine.Ok] < 20 ||
		counts[porcupine.Illegal] < 20 || counts[porcupine.Unknown] > decided {
		t.Errorf("%v", counts)
	}
}

// agree returns porcupine's verdict on a history of 40 to 190 transactions, and fails t if the checker's is another
// one. On lists nothing may be missed. Porcupine knows no sequence numbers and would allow what contradicts them, so
// the checker is not given them, and what it does not see in registers then is no failure.
func agree(t *testing.T, seed uint64, f fault, kinds int) porcupine.CheckResult {
	t.Helper()
	e := newEngine(seed, f)
	e.kinds = kinds
	h := e.run(40 + 30*int(seed%6))
	for i := range h.txns {
		h.txns[i].sequence = 0
	}
	verdict := porcupine.CheckOperationsTimeout(modelOf(h), operationsOf(h), time.Second/2)
	r := Check(h, StrictSerializable)
	if verdict == porcupine.Ok && !r.OK() {
		t.Fatalf("%s, -seed %d: only the checker objects: %s", f, seed, r)
	}
	if verdict == porcupine.Illegal && r.OK() && kinds == onLists {
		t.Fatalf("%s, -seed %d: only porcupine objects to %s", f, seed, transcript(h))
	}
	return verdict
}
