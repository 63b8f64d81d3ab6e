package isolation

import (
	"fmt"
	"slices"
	"strings"
)

// Name is what an anomaly is called. A cycle that needs real time has the suffix "-realtime".
type Name string

// Anomalies that are seen without a cycle.
const (
	IncompatibleOrder Name = "incompatible-order" // two reads, or two numbers, cannot both be of one order of versions
	GarbageRead       Name = "garbage-read"       // a value that nobody wrote there, or a key outside a scan
	DuplicateWrite    Name = "duplicate-write"    // one append that is there twice
	LostWrite         Name = "lost-write"         // an acknowledged write that later reads do not have
	LostUpdate        Name = "lost-update"        // two transactions read one version and both wrote the next
	Internal          Name = "internal"           // a transaction's reads contradict its own reads and writes
	G1a               Name = "G1a"                // a read of a transaction that did not commit
	G1b               Name = "G1b"                // a read of what its writer had not finished with
)

// Anomalies that are cycles, from worst to least.
const (
	G0           Name = "G0"            // ww only: writes of two transactions are mixed
	G1c          Name = "G1c"           // ww and wr: each saw or overwrote the other
	GSingle      Name = "G-single"      // one rw: a read of two states, or a lost update
	GNonadjacent Name = "G-nonadjacent" // several rw, none after another: a long fork
	G2Item       Name = "G2-item"       // rw after rw: write skew
	G2           Name = "G2"            // the same through a scan: a phantom
)

const realtime Name = "-realtime"

// Report is the outcome of Check.
type Report struct {
	Level        Level
	Transactions int // attempts that were refused included
	Committed    int // acknowledged, or unknown and seen
	Operations   int // those of committed transactions, and the writes of others
	Keys         int
	Edges        int // of the graph of dependencies

	Counts    map[Name]int // of all anomalies; of cycles, one for each component
	Anomalies []*Anomaly   // the first maxAnomalies of them
	history   *History
}

// maxAnomalies bounds the anomalies that are described: a broken database has as many as there are reads.
const maxAnomalies = 32

// Anomaly is a contradiction, with the transactions that it is between.
type Anomaly struct {
	Name         Name
	Reason       string
	Transactions []int // T1 is the first that ended; T0 is the initial state
	history      *History
	cycle        []edge
	why          []string // of each edge of the cycle
}

func newReport(h *History, level Level) *Report {
	r := &Report{Level: level, Transactions: h.Transactions(), Operations: len(h.ops), Keys: len(h.keys),
		Counts: make(map[Name]int), history: h}
	for _, t := range h.txns[1:] {
		if t.committed {
			r.Committed++
		}
	}
	return r
}

// OK reports whether nothing contradicts the level.
func (r *Report) OK() bool { return len(r.Counts) == 0 }

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d transactions, %d committed, %d operations on %d keys, %d edges\n",
		r.Level, r.Transactions, r.Committed, r.Operations, r.Keys, r.Edges)
	for _, name := range r.names() {
		fmt.Fprintf(&b, "%s: %d\n", name, r.Counts[name])
	}
	for _, a := range r.Anomalies {
		fmt.Fprintf(&b, "\n%s", a)
	}
	return b.String()
}

func (r *Report) names() []Name {
	var names []Name
	for name := range r.Counts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// wanted reports whether another anomaly would be described.
func (r *Report) wanted() bool { return len(r.Anomalies) < maxAnomalies }

// add counts an anomaly and describes it, if it is among the first.
func (r *Report) add(name Name, format string, args ...any) *Anomaly {
	r.Counts[name]++
	a := &Anomaly{Name: name, history: r.history}
	if r.wanted() {
		a.Reason = fmt.Sprintf(format, args...)
		r.Anomalies = append(r.Anomalies, a)
	}
	return a
}
