package isolation

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
)

var (
	seedFlag  = flag.Uint64("seed", 1, "seed of the first random history")
	scaleFlag = flag.Int("scale", 1, "how many times as many random histories")
)

// world is a database in which a transaction takes effect in one instant.
type world struct {
	random    *rand.Rand
	recorder  *Recorder
	lists     map[Key][]Value
	registers map[Key]Value
	sequence  uint64
	done      int
	workload
}

// workload says what transactions do.
type workload struct {
	clients     int
	keys        int // lists 0…keys-1 and registers 1000…; both replaced by others now and then
	unsequenced bool
	chained     bool // a register is read before it is written
	certain     bool // no transaction is refused or of unknown outcome
}

const (
	registerBase = 1 << 30
	replaceAfter = 200 // transactions
)

func newWorld(seed uint64, w workload) *world {
	return &world{random: rand.New(rand.NewPCG(seed, 0)), recorder: NewRecorder(State{}),
		lists: make(map[Key][]Value), registers: make(map[Key]Value), workload: w}
}

// run lets clients run n transactions in all. Each step begins a transaction, makes it happen, or ends it; between
// these steps come those of others.
func (w *world) run(n int) {
	type client struct {
		tx      *Tx
		outcome Outcome
		applied bool
		number  uint64
	}
	clients := make([]client, w.clients)
	for target := w.done + n; w.done < target; {
		id := w.random.IntN(w.clients)
		switch c := &clients[id]; {
		case c.tx == nil:
			*c = client{tx: w.recorder.Begin(id), outcome: w.outcome()}
		case !c.applied:
			c.applied = true
			c.number = w.apply(c.tx, c.outcome)
		default:
			c.tx.End(c.outcome, c.number)
			*c = client{}
			w.done++
		}
	}
	for _, c := range clients {
		if c.tx != nil && c.applied {
			c.tx.End(c.outcome, c.number)
		}
	}
}

func (w *world) outcome() Outcome {
	if w.certain || w.random.IntN(8) > 0 {
		return OK
	}
	return []Outcome{Aborted, Unknown}[w.random.IntN(2)]
}

// apply makes a transaction happen now, or not.
func (w *world) apply(t *Tx, outcome Outcome) uint64 {
	lists, registers := w.lists, w.registers
	if outcome == Aborted || outcome == Unknown && w.random.IntN(2) == 0 {
		w.lists, w.registers = copyOf(lists), copyOf(registers)
		defer func() { w.lists, w.registers = lists, registers }()
	}
	for range 1 + w.random.IntN(5) {
		w.operation(t)
	}
	if w.unsequenced {
		return 0
	}
	w.sequence++
	return w.sequence
}

func copyOf[V any](m map[Key]V) map[Key]V {
	c := make(map[Key]V, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// key picks a list; the register of the same number is at registerBase.
func (w *world) key() Key { return w.block() + Key(w.random.IntN(w.keys)) }

func (w *world) block() Key { return Key(w.done / replaceAfter * w.keys) }

func (w *world) operation(t *Tx) {
	k := w.key()
	switch r := registerBase + k; w.random.IntN(8) {
	case 0, 1:
		w.append(t, k)
	case 2:
		t.ReadList(k, w.lists[k])
	case 3:
		lo, hi := w.bounds()
		t.ScanLists(lo, hi, within(w.lists, lo, hi))
	case 4:
		w.readIfChained(t, r)
		w.put(t, r)
	case 5:
		w.readIfChained(t, r)
		w.delete(t, r)
	case 6:
		t.Get(r, w.registers[r])
	case 7:
		lo, hi := w.bounds()
		t.ScanRegisters(registerBase+lo, registerBase+hi, within(w.registers, registerBase+lo, registerBase+hi))
	}
}

func (w *world) append(t *Tx, k Key) { w.lists[k] = append(slices.Clip(w.lists[k]), t.Append(k)) }
func (w *world) put(t *Tx, k Key)    { w.registers[k] = t.Put(k) }
func (w *world) delete(t *Tx, k Key) { t.Delete(k); delete(w.registers, k) }
func (w *world) readIfChained(t *Tx, k Key) {
	if w.chained {
		t.Get(k, w.registers[k])
	}
}

// bounds picks a range of the lists that are in use.
func (w *world) bounds() (lo, hi Key) {
	lo = w.key()
	return lo, lo + Key(w.random.IntN(int(w.block())+w.keys-int(lo)+1))
}

func within[V any](m map[Key]V, lo, hi Key) map[Key]V {
	found := make(map[Key]V)
	for k := lo; k < hi; k++ {
		if v, ok := m[k]; ok {
			found[k] = v
		}
	}
	return found
}

var workloads = map[string]workload{
	"one client":        {clients: 1, keys: 4},
	"four clients":      {clients: 4, keys: 6},
	"many clients":      {clients: 24, keys: 12},
	"one key":           {clients: 8, keys: 1},
	"unsequenced":       {clients: 6, keys: 5, unsequenced: true},
	"chained":           {clients: 6, keys: 5, unsequenced: true, chained: true},
	"chained, sequence": {clients: 6, keys: 5, chained: true},
	"certain":           {clients: 6, keys: 5, certain: true},
}

// A checker that cries wolf is switched off.
func TestCheck_isSilentAboutSerialHistories(t *testing.T) {
	transactions := 0
	for name, load := range workloads {
		for seed := *seedFlag; seed < *seedFlag+uint64(20**scaleFlag); seed++ {
			w := newWorld(seed, load)
			w.run(700)
			h := w.recorder.History()
			for level := Snapshot; level <= StrictSerializable; level++ {
				if r := Check(h, level); !r.OK() {
					t.Fatalf("%s, -seed %d: %s", name, seed, r)
				}
			}
			transactions += h.Transactions()
		}
	}
	if transactions < 100_000 {
		t.Fatalf("only %d transactions", transactions)
	}
	t.Logf("%d transactions", transactions)
}
