package isolation

import "math"

// Level is an isolation level, which a history is checked against.
type Level uint8

const (
	// Snapshot isolation: a transaction reads one state, and of two that overlap and write the same key, one is
	// refused. Write skew is allowed.
	Snapshot Level = iota
	// StrongSnapshot also demands that the state includes all that was acknowledged before the transaction began.
	StrongSnapshot
	// Serializable: there is an order of the transactions, one after the other, that explains all reads.
	Serializable
	// StrictSerializable also demands that the order agrees with real time.
	StrictSerializable
)

func (l Level) String() string {
	return [...]string{"snapshot", "strong snapshot", "serializable", "strict serializable"}[l]
}

func (l Level) realTime() bool { return l == StrongSnapshot || l == StrictSerializable }

// serial reports whether every cycle is an anomaly, also one with two anti-dependencies in a row.
func (l Level) serial() bool { return l >= Serializable }

// Check looks for what contradicts level in h.
func Check(h *History, level Level) *Report {
	c := newChecker(h, level)
	c.enterWrites()
	c.orderLists()
	c.orderRegisters()
	c.walk()
	c.checkElements()
	c.checkLost()
	c.linkChains()
	c.findCycles()
	return c.report
}

// checker is the state of one Check.
type checker struct {
	h        *History
	level    Level
	report   *Report
	versions []version // by slot
	orders   []order   // by key
	touches  []touch   // by key
	reads    []read
	loose    []looseRead // of versions that are not in the order of their key
	chains   map[int32][]link
	explicit []edge // that the orders do not tell
}

func newChecker(h *History, level Level) *checker {
	c := &checker{
		h: h, level: level, report: newReport(h, level),
		versions: make([]version, h.slots()),
		orders:   make([]order, len(h.keys)),
		touches:  make([]touch, len(h.keys)),
	}
	for i := range c.versions {
		c.versions[i].position = unordered
	}
	for k := range c.orders {
		c.orders[k].last = -1
		c.orders[k].absences.unplaced = math.MaxInt64
	}
	return c
}

// version is a written value.
type version struct {
	writer   int32 // transaction; 0 is also that of values that nobody wrote
	key      int32
	position int32 // in the order of the key, or unordered
	kind     kind
	written  bool
	inner    bool // overwritten or appended to by the same transaction
}

const unordered = -1

// order is the order of the versions of a key.
type order struct {
	slots    []int32 // -1 where a list has an element that nobody wrote
	trunk    int     // of a list: the branch that slots are from
	unread   []int32 // of a list: committed appends that no read has, at most maxUnread
	absences absences
	last     int32 // of a list: the transaction with the latest beginning that read it, or -1
	lastList op    // what it read
}

// maxUnread bounds the edges to appends that nobody read, whose order is therefore not known. Only a key that is
// written again and again and never read has more; what contradicts the order of those beyond is not seen.
const maxUnread = 16

// read is what a transaction saw of a key from outside: some version from position low to position high of its order.
// They differ only for a register that was absent. A position of -1 is that of a key never written.
type read struct {
	txn, key  int32
	low, high int32
	scanned   bool
}

// enterWrites enters the writer of each version.
func (c *checker) enterWrites() {
	for t := range c.h.txns {
		for _, o := range c.h.of(int32(t)) {
			if !o.kind.writes() {
				continue
			}
			v := &c.versions[c.h.slot(o.value)]
			v.writer, v.key, v.kind, v.written = int32(t), o.key, o.kind, true
		}
	}
	c.findInner()
}

// findInner marks the versions that are not the last one of their transaction and key.
func (c *checker) findInner() {
	type mark struct{ txn, slot int32 }
	latest := make([]mark, len(c.h.keys))
	for t := range c.h.txns {
		for _, o := range c.h.of(int32(t)) {
			if !o.kind.writes() {
				continue
			}
			slot, m := c.h.slot(o.value), &latest[o.key]
			if m.txn == int32(t)+1 {
				c.versions[m.slot].inner = true
			}
			*m = mark{int32(t) + 1, slot}
		}
	}
}

// walk looks at every committed transaction from inside, and gathers what it saw from outside.
func (c *checker) walk() {
	for t := range c.h.txns {
		if !c.h.txns[t].committed {
			continue
		}
		for _, o := range c.h.of(int32(t)) {
			c.step(int32(t), o)
		}
	}
}

func (c *checker) step(t int32, o op) {
	mine := &c.touches[o.key]
	if mine.stamp != t+1 {
		mine.reset(t + 1)
	}
	switch o.kind {
	case opAppend:
		c.stepAppend(t, o, mine)
	case opPut, opDelete:
		c.stepWrite(t, o, mine)
	case opList:
		c.stepList(t, o, mine)
	case opGet:
		c.stepGet(t, o, mine)
	case opStray:
		c.report.add(GarbageRead, "T%d scanned and found key %d, which is not in the range", t, c.name(o.key)).by(t)
	}
}

func (c *checker) name(key int32) Key { return c.h.keys[key].name }

// writerAt is the transaction that wrote the version of key at position, or -1 if none did.
func (c *checker) writerAt(key, position int32) int32 {
	o := &c.orders[key]
	if position < 0 || int(position) >= len(o.slots) || o.slots[position] < 0 {
		return -1
	}
	return c.versions[o.slots[position]].writer
}

// endedBefore reports whether t was acknowledged before u began.
func (c *checker) endedBefore(t, u int32) bool {
	return c.h.txns[t].outcome == OK && c.h.txns[t].end < c.h.txns[u].begin
}
