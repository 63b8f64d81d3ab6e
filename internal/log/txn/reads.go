package txn

import (
	"bytes"
	"iter"
	"slices"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/visible"
)

// Bounds of what a Reads remembers exactly, if its budget lets it. Beyond them neighbouring keys and spans are joined
// into wider spans. Then a conflict may be seen where there is none, which costs a retry, but no conflict is missed.
const (
	maxKeys     = 64 << 10
	maxKeyBytes = 4 << 20
	maxSpans    = 16 << 10
	joinedSpans = 4 << 10
)

// fewKeys is the number of keys up to which a search looks at all of them instead of using the table.
const fewKeys = 8

// Reads is the read set of a transaction. The zero value is empty. It owns copies of what it is given.
type Reads struct {
	Ends visible.Earliest // of what was found, and has an end: whoever reads notes it

	keys  []readKey
	text  []byte           // the bytes of all keys, one after the other
	table map[uint64]int32 // the hash of a key -> the last of keys with this hash; nil if there are few
	spans span.Set         // a set if tidy, else spans in no order
	tidy  bool

	budget  *Budget // nil for none
	bytes   int64   // about the memory that all this takes
	counted int64   // taken from the budget
	exact   bool    // see Exact
	coarse  bool    // some of the spans were made to save memory
	claimed bool    // see Claimed
}

type readKey struct {
	hash  uint64
	start uint32
	end   uint32
	next  int32 // an earlier key of the same hash; -1 for none
}

// ReadKey is a key that was looked up. User is borrowed from the read set.
type ReadKey struct {
	User []byte
	Hash uint64
}

// AddKey records that user, whose hash is given, was looked up.
func (r *Reads) AddKey(user []byte, hash uint64) {
	if r.find(user, hash) || r.coarse && r.tidy && r.spans.Contains(user) {
		return
	}
	if len(r.keys) >= maxKeys || len(r.text)+len(user) > maxKeyBytes {
		r.joinKeys()
	}
	start := len(r.text)
	r.text = append(r.text, user...)
	r.keys = append(r.keys, readKey{hash: hash, start: uint32(start), end: uint32(len(r.text)), next: -1})
	switch {
	case r.table != nil:
		r.index(len(r.keys) - 1)
	case len(r.keys) > fewKeys:
		r.table = make(map[uint64]int32)
		for i := range r.keys {
			r.index(i)
		}
	}
	r.bytes += int64(keyOverheadBytes + len(user))
	r.fit()
}

// AddOp is AddWrite or AddWrittenSpan for an operation of a batch.
func (r *Reads) AddOp(op batch.Op) {
	if op.Kind == key.KindRangeDelete {
		r.AddWrittenSpan(op.Span())
	} else {
		r.AddWrite(op.Key, op.Kind)
	}
}

// AddWrite remembers a key that the transaction writes, as if it had been looked up. An operand is not remembered: it
// applies to whatever another transaction has written.
func (r *Reads) AddWrite(user []byte, kind key.Kind) {
	if visible.OfKind(kind) != visible.Fold {
		r.claimed = true // it may become part of a span
		r.AddKey(user, key.Hash(user))
	}
}

// AddWrittenSpan is AddSpan for a range that the transaction deletes.
func (r *Reads) AddWrittenSpan(s span.Span) {
	r.claimed = true
	r.AddSpan(s)
}

// Claimed reports whether something is remembered because the transaction writes it. Then a delete of another counts in
// spans also where there was nothing to delete, as it does for a key.
func (r *Reads) Claimed() bool { return r.claimed }

// index enters keys[i] into the table.
func (r *Reads) index(i int) {
	k := &r.keys[i]
	k.next = -1
	if before, ok := r.table[k.hash]; ok {
		k.next = before
	}
	r.table[k.hash] = int32(i)
}

// AddSpan records that everything in s was seen.
func (r *Reads) AddSpan(s span.Span) {
	r.addSpan(s)
	r.fit()
}

// addSpan is AddSpan before the budget is asked.
func (r *Reads) addSpan(s span.Span) {
	if s.Empty() {
		return
	}
	if len(r.spans) >= maxSpans {
		r.spans = r.Spans().Coarsen(joinedSpans)
		r.measure()
	}
	r.spans = append(r.spans, s.Clone())
	r.tidy = false
	r.bytes += int64(spanOverheadBytes + len(s.Lo) + len(s.Hi))
}

// EndsOf calls read, and returns the earliest end of what it has noted in Ends; 0 if nothing. It is noted as ever.
func (r *Reads) EndsOf(read func() error) (end key.Time, err error) {
	before := r.Ends.End()
	r.Ends.Reset()
	defer func() { // of a merge function that panics, too
		if end = r.Ends.End(); before != 0 {
			r.Ends.Note(before)
		}
	}()
	return 0, read()
}

// Has reports whether a write of user would change what was read.
func (r *Reads) Has(user []byte) bool {
	if len(r.keys) > 0 && r.find(user, key.Hash(user)) {
		return true
	}
	return r.Spans().Contains(user)
}

// Meets reports whether a delete of everything in deleted would change what was read.
func (r *Reads) Meets(deleted span.Set) bool {
	if len(deleted) == 0 {
		return false
	}
	for i := range r.keys {
		if deleted.Contains(r.user(i)) {
			return true
		}
	}
	_, meet := r.Spans().Meet(deleted)
	return meet
}

// Empty reports whether nothing was read.
func (r *Reads) Empty() bool { return len(r.keys) == 0 && len(r.spans) == 0 }

// Keys yields the keys that were looked up.
func (r *Reads) Keys() iter.Seq[ReadKey] {
	return func(yield func(ReadKey) bool) {
		for i := range r.keys {
			if !yield(ReadKey{r.user(i), r.keys[i].hash}) {
				return
			}
		}
	}
}

// Spans are the spans that were scanned. They are borrowed until the next change.
func (r *Reads) Spans() span.Set {
	if !r.tidy {
		r.spans, r.tidy = span.Union(r.spans), true
	}
	return r.spans
}

// Reset empties r and keeps its budget, and its memory unless that has become large.
func (r *Reads) Reset() {
	r.refund()
	r.Ends.Reset()
	if cap(r.keys) > 1<<10 || cap(r.text) > 64<<10 || cap(r.spans) > 1<<10 {
		*r = Reads{budget: r.budget, exact: r.exact}
		return
	}
	clear(r.spans)
	r.bytes, r.coarse, r.claimed = 0, false, false
	r.keys, r.text, r.table, r.spans = r.keys[:0], r.text[:0], nil, r.spans[:0]
}

func (r *Reads) user(i int) []byte { return r.text[r.keys[i].start:r.keys[i].end:r.keys[i].end] }

// find reports whether user was looked up.
func (r *Reads) find(user []byte, hash uint64) bool {
	if r.table == nil {
		for i := range r.keys {
			if r.keys[i].hash == hash && bytes.Equal(r.user(i), user) {
				return true
			}
		}
		return false
	}
	i, ok := r.table[hash]
	for ok && i >= 0 {
		if bytes.Equal(r.user(int(i)), user) {
			return true
		}
		i = r.keys[i].next
	}
	return false
}

// joinKeys turns all keys into spans, each over some neighbours.
func (r *Reads) joinKeys() {
	order := make([]int, len(r.keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(r.user(a), r.user(b)) })
	each := max(1, (len(order)+joinedSpans-1)/joinedSpans)
	for part := range slices.Chunk(order, each) {
		first, last := r.user(part[0]), r.user(part[len(part)-1])
		r.addSpan(span.Closed(first, last))
	}
	r.keys, r.text, r.table = r.keys[:0], r.text[:0], nil
	r.measure()
}
