package isolation

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// fault is a mistake that an engine with optimistic multi-version transactions can make.
type fault string

const (
	correct             fault = "none"
	scansUnread         fault = "a scan is not in the read set"
	scanMissesUnread    fault = "of a scan, only the keys that it found are in the read set"
	missesUnread        fault = "a read that found nothing is not in the read set"
	offByOne            fault = "validation lets the first commit after the snapshot pass"
	earlyVisibility     fault = "writes are visible before they are validated"
	lostUpdates         fault = "the read of an append is not in the read set"
	groupUnvalidated    fault = "validation does not see commits that are not published"
	forkedVisibility    fault = "two halves of the keys are published apart, in any order"
	tornPublication     fault = "the keys of a commit are published one after the other"
	earlyAcknowledgment fault = "a commit is acknowledged before it is published"
	scansWithoutOwn     fault = "a scan leaves out the transaction's own writes"
	wanderingSnapshot   fault = "each read takes a new snapshot"
	crashesLoseAcked    fault = "a crash loses what was acknowledged"
	crashesLoseSeen     fault = "a crash loses what an acknowledged reader saw"
	crashesTear         fault = "a crash leaves a part of a commit"
	writesOnly          fault = "only the keys that were written are validated"
)

// cell is a version of a key: a list or the value of a register.
type cell struct {
	sequence uint64
	list     []Value
	value    Value
}

// engine is a small multi-version store. Its clients take their steps one at a time, in an order that one random source
// decides: begin, each operation, validation, publication, acknowledgement.
type engine struct {
	fault    fault
	random   *rand.Rand
	recorder *Recorder
	cells    map[Key][]cell
	sequence uint64    // of the last commit
	visible  [2]uint64 // of even and odd keys; they differ only under forkedVisibility
	acked    uint64
	clients  []session
	keys     int
	kinds    int // of operations: onLists or onAll
	steps    int // between two crashes, on average
	ended    int
}

// How many kinds of operations an engine is asked for.
const (
	onLists = 4
	onAll   = 7 // registers too
)

type stage uint8

const (
	idle stage = iota
	working
	committing
	publishing
	acknowledging
)

// session is what one client does.
type session struct {
	stage    stage
	tx       *Tx
	left     int // operations
	snapshot [2]uint64
	reads    map[Key]bool
	writes   map[Key]cell
	sequence uint64
	pending  []Key // to be published one by one
}

func newEngine(seed uint64, f fault) *engine {
	e := &engine{fault: f, random: rand.New(rand.NewPCG(seed, 2)), recorder: NewRecorder(State{}),
		cells: make(map[Key][]cell), clients: make([]session, 6), keys: 5, kinds: onAll, steps: 400}
	if f == crashesLoseAcked || f == crashesLoseSeen || f == crashesTear {
		e.steps = 50
	}
	return e
}

// run lets n transactions end.
func (e *engine) run(n int) *History {
	for e.ended < n {
		e.step(e.random.IntN(len(e.clients)))
		if e.random.IntN(e.steps) == 0 {
			e.crash()
		}
	}
	return e.recorder.History()
}

func (e *engine) step(id int) {
	switch s := &e.clients[id]; s.stage {
	case idle:
		*s = session{stage: working, tx: e.recorder.Begin(id), left: 1 + e.random.IntN(4), snapshot: e.visible,
			reads: make(map[Key]bool), writes: make(map[Key]cell)}
	case working:
		e.operation(s)
		if s.left--; s.left == 0 {
			s.stage = committing
		}
	case committing:
		e.commit(s)
	case publishing:
		e.publish(s)
	case acknowledging:
		e.acknowledge(s)
	}
}

// key picks a list. Keys are replaced by new ones, so that lists stay short; the register of the same number is at
// registerBase.
func (e *engine) key() Key { return e.block() + Key(e.random.IntN(e.keys)) }

func (e *engine) block() Key { return Key(e.ended / replaceAfter * e.keys) }

func (e *engine) operation(s *session) {
	if e.fault == wanderingSnapshot {
		s.snapshot = e.visible
	}
	k := e.key()
	switch r := registerBase + k; e.random.IntN(e.kinds) {
	case 0, 1:
		list := e.read(s, k, e.fault != lostUpdates).list
		s.writes[k] = cell{list: append(slices.Clip(list), s.tx.Append(k))}
	case 2:
		s.tx.ReadList(k, e.read(s, k, true).list)
	case 3:
		s.tx.ScanLists(e.block(), k+1, listsOf(e.scan(s, e.block(), k+1)))
	case 4:
		s.tx.Get(r, e.read(s, r, true).value)
	case 5:
		lo := registerBase + e.block()
		s.tx.ScanRegisters(lo, r+1, registersOf(e.scan(s, lo, r+1)))
	case 6:
		e.change(s, r)
	}
}

// change puts or deletes a register without reading it.
func (e *engine) change(s *session, k Key) {
	if e.random.IntN(3) == 0 {
		s.tx.Delete(k)
		s.writes[k] = cell{}
		return
	}
	s.writes[k] = cell{value: s.tx.Put(k)}
}

func (c cell) absent() bool { return c.list == nil && c.value == 0 }

// read returns what s sees of k, and enters k into its read set.
func (e *engine) read(s *session, k Key, enter bool) cell {
	if c, ok := s.writes[k]; ok {
		return c
	}
	c := e.at(k, s.snapshot[k%2])
	if enter && (e.fault != missesUnread || !c.absent()) {
		s.reads[k] = true
	}
	return c
}

// at returns the version of k at a sequence number.
func (e *engine) at(k Key, sequence uint64) cell {
	for _, c := range slices.Backward(e.cells[k]) {
		if c.sequence <= sequence {
			return c
		}
	}
	return cell{}
}

func (e *engine) scan(s *session, lo, hi Key) map[Key]cell {
	found := make(map[Key]cell)
	for k := lo; k < hi; k++ {
		own, written := s.writes[k]
		c := e.at(k, s.snapshot[k%2])
		if e.fault != scansUnread && (e.fault != scanMissesUnread || !c.absent()) {
			s.reads[k] = true
		}
		if written && e.fault != scansWithoutOwn {
			c = own
		}
		if !c.absent() {
			found[k] = c
		}
	}
	return found
}

func listsOf(cells map[Key]cell) map[Key][]Value {
	lists := make(map[Key][]Value)
	for k, c := range cells {
		lists[k] = c.list
	}
	return lists
}

func registersOf(cells map[Key]cell) map[Key]Value {
	values := make(map[Key]Value)
	for k, c := range cells {
		values[k] = c.value
	}
	return values
}

// commit validates s and gives it its place in the order. A transaction that wrote nothing needs none.
func (e *engine) commit(s *session) {
	switch {
	case len(s.writes) == 0:
		s.stage = acknowledging
	case e.fault == earlyVisibility && s.sequence == 0:
		e.apply(s)
		e.visible = [2]uint64{e.sequence, e.sequence}
	case !e.valid(s):
		e.remove(s)
		e.end(s, Aborted)
	default:
		if s.sequence == 0 {
			e.apply(s)
		}
		s.stage = publishing
		s.pending = slices.Sorted(maps.Keys(s.writes))
	}
}

func (e *engine) valid(s *session) bool {
	checked := s.reads
	if e.fault == writesOnly {
		checked = make(map[Key]bool)
		for k := range s.writes {
			checked[k] = true
		}
	}
	for k := range checked {
		for _, c := range e.cells[k] {
			if c.sequence > e.floor(s, k) && c.sequence != s.sequence &&
				(e.fault != groupUnvalidated || c.sequence <= e.visible[0]) {
				return false
			}
		}
	}
	return true
}

// floor is the newest sequence number of k that does not contradict what s read.
func (e *engine) floor(s *session, k Key) uint64 {
	if e.fault == offByOne {
		return s.snapshot[k%2] + 1
	}
	return s.snapshot[k%2]
}

func (e *engine) apply(s *session) {
	e.sequence++
	s.sequence = e.sequence
	for k, c := range s.writes {
		c.sequence = s.sequence
		e.cells[k] = append(e.cells[k], c)
	}
}

// remove takes back what earlyVisibility has shown.
func (e *engine) remove(s *session) {
	for k := range s.writes {
		e.cells[k] = slices.DeleteFunc(e.cells[k], func(c cell) bool { return c.sequence == s.sequence && s.sequence != 0 })
	}
}

// publish makes the commit of s visible to new snapshots, and with it all before.
func (e *engine) publish(s *session) {
	switch e.fault {
	case forkedVisibility, tornPublication:
		half := s.pending[0] % 2
		e.visible[half] = max(e.visible[half], s.sequence)
		s.pending = slices.DeleteFunc(s.pending, func(k Key) bool { return e.fault == forkedVisibility || k%2 == half })
		if len(s.pending) > 0 {
			return
		}
	case earlyAcknowledgment:
		e.end(s, OK)
		s.stage = acknowledging
		return
	default:
		e.visible = [2]uint64{max(e.visible[0], s.sequence), max(e.visible[1], s.sequence)}
	}
	s.stage = acknowledging
}

func (e *engine) acknowledge(s *session) {
	if e.fault == earlyAcknowledgment && len(s.writes) > 0 {
		e.visible = [2]uint64{max(e.visible[0], s.sequence), max(e.visible[1], s.sequence)}
		*s = session{}
		return
	}
	e.end(s, OK)
	*s = session{}
}

func (e *engine) end(s *session, o Outcome) {
	s.tx.End(o, s.sequence)
	e.ended++
	if o == OK {
		e.acked = max(e.acked, s.sequence)
		if e.fault != crashesLoseSeen {
			e.acked = max(e.acked, s.snapshot[0])
		}
		return
	}
	*s = session{}
}

// crash ends all clients. What was acknowledged stays, and what an acknowledged transaction saw; of the rest, what came
// before some moment.
func (e *engine) crash() {
	durable := e.acked + uint64(e.random.IntN(int(e.sequence-e.acked)+1))
	if e.fault == crashesLoseAcked && durable > 0 {
		durable--
	}
	for i := range e.clients {
		if s := &e.clients[i]; s.tx != nil && (e.fault != earlyAcknowledgment || s.stage != acknowledging ||
			len(s.writes) == 0) {
			s.tx.End(Unknown, 0)
		}
		e.clients[i] = session{}
	}
	for k, cells := range e.cells {
		e.cells[k] = slices.DeleteFunc(cells, func(c cell) bool {
			return c.sequence > durable || e.fault == crashesTear && c.sequence == durable && k%2 == 0
		})
	}
	e.sequence, e.visible, e.acked = durable, [2]uint64{durable, durable}, min(e.acked, durable)
}

// foundWithin are the transactions within which each fault must be found, on average over seeds.
var foundWithin = map[fault]int{
	scansUnread: 1000, scanMissesUnread: 1000, missesUnread: 2000, offByOne: 1000, earlyVisibility: 1000,
	lostUpdates: 1000, groupUnvalidated: 1000, forkedVisibility: 1000, tornPublication: 1000,
	earlyAcknowledgment: 1000, scansWithoutOwn: 1000, wanderingSnapshot: 1000, crashesLoseAcked: 4000,
	crashesLoseSeen: 8000, crashesTear: 4000, writesOnly: 1000,
}

// A checker that has only seen hand-made anomalies may be blind to those that real mistakes lead to.
func TestCheck_findsTheFaultsOfAnEngine(t *testing.T) {
	for f, limit := range foundWithin {
		t.Run(string(f), func(t *testing.T) {
			names := make(map[Name]int)
			needed, seeds := 0, 5**scaleFlag
			for seed := *seedFlag; seed < *seedFlag+uint64(seeds); seed++ {
				n, report := untilFound(seed, f, 16*limit)
				if n == 0 {
					t.Fatalf("-seed %d: not found within %d transactions", seed, 16*limit)
				}
				for name := range report.Counts {
					names[name]++
				}
				needed += n
			}
			if needed > limit*seeds {
				t.Errorf("found after %d transactions, want %d", needed/seeds, limit)
			}
			t.Logf("found after %d transactions: %v", needed/seeds, slices.Sorted(maps.Keys(names)))
		})
	}
}

// untilFound doubles the transactions until the checker finds something.
func untilFound(seed uint64, f fault, limit int) (int, *Report) {
	for n := 25; n <= limit; n *= 2 {
		if r := Check(newEngine(seed, f).run(n), StrictSerializable); !r.OK() {
			return n, r
		}
	}
	return 0, nil
}

// The same engine without the fault must be above suspicion, or the faults above prove nothing.
func TestCheck_isSilentAboutACorrectEngine(t *testing.T) {
	for seed := *seedFlag; seed < *seedFlag+uint64(20**scaleFlag); seed++ {
		if r := Check(newEngine(seed, correct).run(2000), StrictSerializable); !r.OK() {
			t.Fatalf("-seed %d: %s", seed, r)
		}
	}
}

// Snapshot isolation that is held to serializability by mistake, or the other way round, would be a wrong promise.
func TestCheck_tellsSnapshotIsolationFromSerializability(t *testing.T) {
	skewed := 0
	for seed := *seedFlag; seed < *seedFlag+uint64(5**scaleFlag); seed++ {
		h := newEngine(seed, writesOnly).run(2000)
		for _, level := range []Level{Snapshot, StrongSnapshot} {
			if r := Check(h, level); !r.OK() {
				t.Fatalf("-seed %d: %s", seed, r)
			}
		}
		if r := Check(h, Serializable); r.Counts[G2]+r.Counts[G2Item] > 0 {
			skewed++
		}
	}
	if skewed == 0 {
		t.Error("no write skew in any history")
	}
}
