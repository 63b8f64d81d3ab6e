package txn

import (
	"bytes"
	"iter"
	"slices"
	"sort"

	"lightningdb/internal/format/key"
)

// Bounds of what a Reads remembers exactly. Beyond them neighbouring keys and spans are joined into wider spans: a
// conflict may then be seen where there is none, which costs a retry, but none is missed.
const (
	maxKeys     = 64 << 10
	maxKeyBytes = 4 << 20
	maxSpans    = 16 << 10
	joinedSpans = 4 << 10
)

// fewKeys is up to how many keys a search walks through instead of using the table.
const fewKeys = 8

// Reads is the read set of a transaction. The zero value is empty. It owns copies of all it is given.
type Reads struct {
	keys  []readKey
	text  []byte           // the bytes of all keys, one after the other
	table map[uint64]int32 // hash of a key -> the last of keys with this hash; nil for few
	spans []Span           // ascending and apart if tidy, else in no order
	tidy  bool
}

type readKey struct {
	hash  uint64
	start uint32
	end   uint32
	next  int32 // an earlier key of the same hash, -1 for none
}

// Span is the keys from Lo, and before Hi unless that is nil.
type Span struct{ Lo, Hi []byte }

// Holds reports whether user lies in s.
func (s Span) Holds(user []byte) bool {
	return bytes.Compare(user, s.Lo) >= 0 && (s.Hi == nil || bytes.Compare(user, s.Hi) < 0)
}

// ReadKey is a key that was looked up. User is borrowed from the read set.
type ReadKey struct {
	User []byte
	Hash uint64
}

// AddKey remembers that user, whose hash is given, was looked up.
func (r *Reads) AddKey(user []byte, hash uint64) {
	if r.find(user, hash) {
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
}

// index enters keys[i] into the table.
func (r *Reads) index(i int) {
	k := &r.keys[i]
	k.next = -1
	if before, ok := r.table[k.hash]; ok {
		k.next = before
	}
	r.table[k.hash] = int32(i)
}

// AddSpan remembers that everything from lo to before hi was seen; a nil hi is open. An empty span is nothing.
func (r *Reads) AddSpan(lo, hi []byte) {
	if hi != nil && bytes.Compare(lo, hi) >= 0 {
		return
	}
	if len(r.spans) >= maxSpans {
		r.joinSpans()
	}
	r.spans = append(r.spans, Span{Lo: bytes.Clone(lo), Hi: bytes.Clone(hi)})
	r.tidy = false
}

// Has reports whether a write of user would change what was read.
func (r *Reads) Has(user []byte) bool {
	if len(r.keys) > 0 && r.find(user, key.Hash(user)) {
		return true
	}
	spans := r.Spans()
	i, found := slices.BinarySearchFunc(spans, user, func(s Span, user []byte) int { return bytes.Compare(s.Lo, user) })
	return found || i > 0 && spans[i-1].Holds(user)
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

// Spans are the spans that were scanned, ascending, without overlaps. They are borrowed until the next change.
func (r *Reads) Spans() []Span {
	if !r.tidy {
		r.tidyUp()
	}
	return r.spans
}

// Reset empties r and keeps its memory, unless that is much.
func (r *Reads) Reset() {
	if cap(r.keys) > 1<<10 || cap(r.text) > 64<<10 || cap(r.spans) > 1<<10 {
		*r = Reads{}
		return
	}
	clear(r.spans)
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

// joinKeys turns all keys into spans, each over a run of neighbours.
func (r *Reads) joinKeys() {
	order := make([]int, len(r.keys))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(i, j int) bool { return bytes.Compare(r.user(order[i]), r.user(order[j])) < 0 })
	run := max(1, (len(order)+joinedSpans-1)/joinedSpans)
	for part := range slices.Chunk(order, run) {
		first, last := r.user(part[0]), r.user(part[len(part)-1])
		r.AddSpan(first, append(bytes.Clone(last), 0))
	}
	r.keys, r.text, r.table = r.keys[:0], r.text[:0], nil
}

// tidyUp sorts the spans and joins those that overlap or touch.
func (r *Reads) tidyUp() {
	if len(r.spans) > 1 { // not slices.SortFunc: a copy of it for this type is 16 KB of every program
		sort.Slice(r.spans, func(i, j int) bool { return bytes.Compare(r.spans[i].Lo, r.spans[j].Lo) < 0 })
	}
	joined := r.spans[:0]
	for _, s := range r.spans {
		n := len(joined)
		switch {
		case n == 0 || joined[n-1].Hi != nil && bytes.Compare(joined[n-1].Hi, s.Lo) < 0:
			joined = append(joined, s)
		case compareEnds(s.Hi, joined[n-1].Hi) > 0:
			joined[n-1].Hi = s.Hi
		}
	}
	clear(r.spans[len(joined):])
	r.spans, r.tidy = joined, true
}

// joinSpans joins neighbours until few spans are left.
func (r *Reads) joinSpans() {
	r.tidyUp()
	if len(r.spans) <= joinedSpans {
		return
	}
	run := (len(r.spans) + joinedSpans - 1) / joinedSpans
	joined := r.spans[:0]
	for part := range slices.Chunk(r.spans, run) {
		joined = append(joined, Span{Lo: part[0].Lo, Hi: part[len(part)-1].Hi})
	}
	clear(r.spans[len(joined):])
	r.spans = joined
}

// compareEnds orders upper bounds, of which nil is the last.
func compareEnds(a, b []byte) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return bytes.Compare(a, b)
}
