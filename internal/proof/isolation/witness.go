package isolation

import (
	"fmt"
	"slices"
	"strings"
)

// by says which transactions the anomaly is between.
func (a *Anomaly) by(txns ...int32) *Anomaly {
	for _, t := range txns {
		if !slices.Contains(a.Transactions, int(t)) {
			a.Transactions = append(a.Transactions, int(t))
		}
	}
	return a
}

// reportCycle adds a cycle with the reasons of its edges.
func (c *checker) reportCycle(cycle []edge) {
	var b strings.Builder
	for _, e := range cycle {
		fmt.Fprintf(&b, "T%d -%s-> ", e.from, e.label.reason())
	}
	fmt.Fprintf(&b, "T%d", cycle[0].from)
	a := c.report.add(nameCycle(cycle), "%s", b.String())
	if a.Reason == "" {
		return
	}
	a.cycle = cycle
	for _, e := range cycle {
		a.by(e.from)
		a.why = append(a.why, c.explain(e))
	}
}

// explain says why e is there.
func (c *checker) explain(e edge) string {
	k := e.label.key()
	switch e.label.reason() {
	case rt:
		return fmt.Sprintf("T%d was acknowledged at %d, T%d began at %d", e.from, c.h.txns[e.from].end, e.to,
			c.h.txns[e.to].begin)
	case wr:
		return fmt.Sprintf("T%d read key %d as T%d had written it", e.to, c.name(k), e.from)
	case rw:
		return fmt.Sprintf("T%d read key %d without %s of T%d", e.from, c.name(k), c.overwriting(e), e.to)
	default:
		return fmt.Sprintf("T%d wrote %s to key %d after T%d", e.to, c.overwriting(e), c.name(k), e.from)
	}
}

// overwriting is the version that the target of e, a ww or rw edge, wrote: next to one of the source, or else the
// first.
func (c *checker) overwriting(e edge) string {
	slots := c.orders[e.label.key()].slots
	for i := 1; i < len(slots) && e.label.reason() == ww; i++ {
		if c.writerAt(e.label.key(), int32(i-1)) == e.from && c.writerAt(e.label.key(), int32(i)) == e.to {
			return fmt.Sprint(c.h.value(slots[i]))
		}
	}
	for _, o := range c.h.of(e.to) {
		if o.kind == opDelete && o.key == e.label.key() {
			return "the delete"
		}
		if o.kind.writes() && o.key == e.label.key() {
			return fmt.Sprint(o.value)
		}
	}
	return "a write"
}

// String describes a: its name, the transactions with their operations, and why each precedes the next.
func (a *Anomaly) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", a.Name, a.Reason)
	for _, t := range a.Transactions {
		fmt.Fprintf(&b, "  %s\n", a.describe(t, ", "))
	}
	for _, why := range a.why {
		fmt.Fprintf(&b, "  because %s\n", why)
	}
	return b.String()
}

// DOT returns a as a graph for Graphviz.
func (a *Anomaly) DOT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %q {\n\tnode [shape=box fontname=monospace]\n", a.Name)
	for _, t := range a.Transactions {
		fmt.Fprintf(&b, "\tT%d [label=%q]\n", t, a.describe(t, "\n"))
	}
	for i, e := range a.cycle {
		fmt.Fprintf(&b, "\tT%d -> T%d [label=%q tooltip=%q]\n", e.from, e.to, e.label.reason(), a.why[i])
	}
	b.WriteString("}\n")
	return b.String()
}

// describe writes a transaction on one line: T3 client 1 [12,18] ok: read 4 [1 2], append 4 7.
func (a *Anomaly) describe(t int, separator string) string {
	x := &a.history.txns[t]
	head := fmt.Sprintf("T%d client %d [%d,%d] %s:", t, x.client, x.begin, x.end, x.outcome)
	if t == 0 {
		head = "T0 the initial state:"
	}
	ops := a.history.of(int32(t))
	shown := slices.DeleteFunc(slices.Clone(ops), func(o op) bool { return len(ops) > maxShown && !a.about(o.key) })
	var texts []string
	for _, o := range shown[:min(len(shown), maxShown)] {
		texts = append(texts, a.history.text(o))
	}
	if hidden := len(ops) - len(texts); hidden > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", hidden))
	}
	return head + " " + strings.Join(texts, separator)
}

// maxShown bounds the operations of a transaction, and the elements of a list, that are shown.
const maxShown = 12

// about reports whether a is about key k.
func (a *Anomaly) about(k int32) bool {
	return len(a.cycle) == 0 || slices.ContainsFunc(a.cycle, func(e edge) bool {
		return e.label.reason() != rt && e.label.key() == k
	})
}

// text describes an operation.
func (h *History) text(o op) string {
	name := h.keys[o.key].name
	read := "read"
	if o.scanned {
		read = "scan"
	}
	switch o.kind {
	case opAppend:
		return fmt.Sprintf("append %d %d", name, o.value)
	case opPut:
		return fmt.Sprintf("put %d %d", name, o.value)
	case opDelete:
		return fmt.Sprintf("delete %d", name)
	case opGet:
		return fmt.Sprintf("%s %d %s", read, name, valueText(o.value))
	case opStray:
		return fmt.Sprintf("scan found %d", name)
	default:
		return fmt.Sprintf("%s %d %s", read, name, listText(h.list(o)))
	}
}

func valueText(v Value) string {
	if v == 0 {
		return "absent"
	}
	return fmt.Sprint(v)
}

func listText(list []Value) string {
	if len(list) <= maxShown {
		return fmt.Sprint(list)
	}
	return "[… " + fmt.Sprint(list[len(list)-maxShown:])[1:]
}
