package isolation

import "slices"

// touch is what one transaction did to one key so far.
type touch struct {
	stamp int32 // the transaction + 1

	read  bool    // a list or register was read
	base  []Value // the list that was read last
	own   []Value // appends since
	all   []Value // all appends
	value Value   // of a register: what it is for this transaction, if known
	known bool
	saw   int32 // of a register: the slot of the version that was read first, or notSeen
}

const notSeen = -1

func (m *touch) reset(stamp int32) {
	*m = touch{stamp: stamp, own: m.own[:0], all: m.all[:0], saw: notSeen}
}

// orderLists makes the longest list that was read of each key the order of its versions.
func (c *checker) orderLists() {
	for k := range c.h.keys {
		branches := c.h.keys[k].branches
		if len(branches) == 0 {
			continue
		}
		trunk := 0
		for i, b := range branches {
			if len(b) > len(branches[trunk]) {
				trunk = i
			}
		}
		c.orders[k].trunk = trunk
		c.orderList(int32(k), branches[trunk])
	}
}

func (c *checker) orderList(k int32, list []Value) {
	slots := make([]int32, len(list))
	for i, v := range list {
		slots[i] = c.h.slot(v)
		if slots[i] < 0 {
			continue
		}
		version := &c.versions[slots[i]]
		if version.position != unordered {
			c.report.add(DuplicateWrite, "key %d holds %d twice", c.name(k), v).by(version.writer)
		}
		version.position = int32(i)
	}
	c.orders[k].slots = slots
}

// stepAppend compares an append with the one before it: those of one transaction stay together.
func (c *checker) stepAppend(t int32, o op, mine *touch) {
	position := c.versions[c.h.slot(o.value)].position
	if n := len(mine.all); n > 0 {
		before := c.versions[c.h.slot(mine.all[n-1])].position
		switch {
		case position == unordered:
		case before == unordered:
			c.report.add(LostWrite, "T%d appended %d and then %d to key %d; only the second is there",
				t, mine.all[n-1], o.value, c.name(o.key)).by(t)
		case before > position:
			c.report.add(IncompatibleOrder, "T%d appended %d before %d to key %d; they are there in the other order",
				t, mine.all[n-1], o.value, c.name(o.key)).by(t)
		}
	}
	if u := &c.orders[o.key].unread; position == unordered && len(*u) < maxUnread {
		*u = append(*u, c.h.slot(o.value))
	}
	mine.own, mine.all = append(mine.own, o.value), append(mine.all, o.value)
}

// stepList compares a read with what the transaction did before, then collects what it saw of others.
func (c *checker) stepList(t int32, o op, mine *touch) {
	list := c.h.list(o)
	if !mine.agrees(list) {
		c.report.add(Internal, "T%d read %s of key %d, after it had read %s and appended %s",
			t, listText(list), c.name(o.key), listText(mine.base), listText(mine.own)).by(t)
	}
	if !mine.read {
		c.gather(t, o, list, len(list)-mine.ownSuffix(list))
	}
	mine.read, mine.base, mine.own = true, list, mine.own[:0]
}

// agrees reports whether list may be read by a transaction that did what m says.
func (m *touch) agrees(list []Value) bool {
	rest := len(list) - len(m.own)
	if rest < 0 || !slices.Equal(list[rest:], m.own) {
		return false
	}
	return !m.read || slices.Equal(list[:rest], m.base)
}

// ownSuffix is the number of elements at the end of list that the transaction appended itself.
func (m *touch) ownSuffix(list []Value) int {
	n := 0
	for n < len(list) && slices.Contains(m.all, list[len(list)-1-n]) {
		n++
	}
	return n
}

// gather enters that t saw the first length elements of list before its own.
func (c *checker) gather(t int32, o op, list []Value, length int) {
	order := &c.orders[o.key]
	if order.lastList.kind != opList || c.h.txns[order.last].begin < c.h.txns[t].begin {
		order.last, order.lastList = t, o
	}
	if branch, _ := o.value.place(); branch != order.trunk && !c.onTrunk(o.key, list) {
		trunk := c.h.keys[o.key].branches[order.trunk]
		c.report.add(IncompatibleOrder, "key %d was read as %s, and by T%d as %s",
			c.name(o.key), listText(trunk), t, listText(list)).by(t)
		return
	}
	c.reads = append(c.reads, read{txn: t, key: o.key, low: int32(length) - 1, high: int32(length) - 1,
		scanned: o.scanned})
	if length > 0 {
		c.checkInner(t, order.slots[length-1])
	}
}

func (c *checker) onTrunk(k int32, list []Value) bool {
	trunk := c.h.keys[k].branches[c.orders[k].trunk]
	return slices.Equal(trunk[:len(list)], list)
}

// checkInner looks whether t read a version that its writer had not finished with.
func (c *checker) checkInner(t, slot int32) {
	if slot < 0 {
		return
	}
	if v := c.versions[slot]; v.inner && v.writer != t {
		c.report.add(G1b, "T%d read %d of key %d, which is not the last that T%d wrote there",
			t, c.h.value(slot), c.name(v.key), v.writer).by(v.writer, t)
	}
}

// checkElements looks at every element that was seen of a list, whether it may be there.
func (c *checker) checkElements() {
	for k := range c.h.keys {
		for i, b := range c.h.keys[k].branches {
			for _, v := range b {
				c.checkSeen(int32(k), i, v)
			}
		}
	}
}

func (c *checker) checkSeen(k int32, branch int, v Value) {
	slot := c.h.slot(v)
	if slot < 0 || !c.versions[slot].written || c.versions[slot].key != k {
		c.report.add(GarbageRead, "key %d was read with %d, which nobody wrote there", c.name(k), v).
			by(c.firstReader(k, branch, v)...)
		return
	}
	if w := c.versions[slot].writer; !c.h.txns[w].committed {
		readers := c.firstReader(k, branch, v)
		c.report.add(G1a, "key %d was read with %d of T%d, which did not commit", c.name(k), v, w).by(append(readers, w)...)
	}
}

// firstReader finds a transaction that read v in branch of k.
func (c *checker) firstReader(k int32, branch int, v Value) []int32 {
	if !c.report.wanted() {
		return nil
	}
	for t := range c.h.txns {
		for _, o := range c.h.of(int32(t)) {
			if at, _ := o.value.place(); o.kind == opList && o.key == k && at == branch && slices.Contains(c.h.list(o), v) {
				return []int32{int32(t)}
			}
		}
	}
	return nil
}

// checkLost looks for acknowledged appends that are absent from the last read of their key, though it began later. At
// levels without real time the read may be old.
func (c *checker) checkLost() {
	if !c.level.realTime() {
		return
	}
	for slot := range c.versions {
		v := &c.versions[slot]
		o := &c.orders[v.key]
		if !v.written || v.kind != opAppend || o.lastList.kind != opList || !c.endedBefore(v.writer, o.last) {
			continue
		}
		if value := c.h.value(int32(slot)); !c.holds(o, v, value) {
			c.report.add(LostWrite, "T%d appended %d to key %d and was acknowledged; T%d began later and read %s",
				v.writer, value, c.name(v.key), o.last, listText(c.h.list(o.lastList))).by(v.writer, o.last)
		}
	}
}

// holds reports whether the last read of a key has version v.
func (c *checker) holds(o *order, v *version, value Value) bool {
	branch, length := o.lastList.value.place()
	if branch == o.trunk || length == 0 {
		return v.position != unordered && int(v.position) < length
	}
	return slices.Contains(c.h.list(o.lastList), value)
}
