package txn

import (
	"bytes"
	"sync/atomic"

	"lightningdb/internal/format/span"
)

// Budget is the memory that the read sets of a database may take together, besides what each may take in any case. A
// read set for which it has no room records less exactly. Its methods are safe for concurrent use.
type Budget struct {
	Limit   int64             // bytes; not changed while there are read sets
	Changed func(delta int64) // hears how many bytes more or less they take; nil for nobody

	used atomic.Int64
}

// take takes n bytes, if there is room for them or must is set.
func (b *Budget) take(n int64, must bool) bool {
	if b.used.Add(n) > b.Limit && !must {
		b.used.Add(-n)
		return false
	}
	b.changed(n)
	return true
}

func (b *Budget) refund(n int64) {
	b.used.Add(-n)
	b.changed(-n)
}

func (b *Budget) changed(delta int64) {
	if b.Changed != nil {
		b.Changed(delta)
	}
}

const (
	freeBytes         = 16 << 10 // what each read set may take in any case
	budgetStepBytes   = 64 << 10 // by which it takes more from the budget
	keyOverheadBytes  = 64       // about the memory that a key takes besides itself
	spanOverheadBytes = 80       // and that a span takes besides its bounds
	maxBoundBytes     = 256      // of a bound in a read set that was made coarse
)

// In makes b the budget of r, which is empty. r is not to be exact any more.
func (r *Reads) In(b *Budget) { r.budget, r.exact = b, false }

// Exact makes r record exactly, whatever its budget says, as far as the bounds of all read sets allow. It is for the
// one transaction at a time that must not lose against others.
func (r *Reads) Exact() { r.exact = true }

// fit takes from the budget what r has come to need, or makes r so coarse that it needs less.
func (r *Reads) fit() {
	if r.budget == nil || r.bytes <= r.counted+freeBytes {
		return
	}
	more := r.bytes - freeBytes - r.counted + budgetStepBytes
	if r.budget.take(more, r.exact) {
		r.counted += more
		return
	}
	r.coarsen((r.counted + freeBytes) / 2)
}

// refund returns to the budget what r has taken from it.
func (r *Reads) refund() {
	if r.counted > 0 {
		r.budget.refund(r.counted)
	}
	r.counted = 0
}

// coarsen makes spans of everything, and joins neighbours until they take at most that number of bytes, or one is left.
// Long bounds become shorter ones farther out. What comes to lie in a span counts as read.
func (r *Reads) coarsen(most int64) {
	r.coarse = true
	r.joinKeys()
	for i := range r.spans {
		s := &r.spans[i]
		if len(s.Lo) > maxBoundBytes {
			s.Lo = bytes.Clone(s.Lo[:maxBoundBytes])
		}
		if len(s.Hi) > maxBoundBytes {
			s.Hi = span.Prefix(s.Hi[:maxBoundBytes]).Hi
		}
	}
	r.spans = span.Union(r.spans)
	for r.measure(); r.bytes > most && len(r.spans) > 1; r.measure() {
		r.spans = r.spans.Coarsen(len(r.spans) / 2)
	}
}

// measure counts anew what r takes.
func (r *Reads) measure() {
	r.bytes = int64(len(r.text) + len(r.keys)*keyOverheadBytes)
	for _, s := range r.Spans() {
		r.bytes += int64(len(s.Lo) + len(s.Hi) + spanOverheadBytes)
	}
}
