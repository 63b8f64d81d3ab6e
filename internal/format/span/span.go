// Package span is ranges of user keys, and sorted sets of them. It owns the rules of their bounds, and nothing else:
// what a range stands for (read, protected, without values) is up to whoever has it.
//
// # Bounds
//
// A range is half-open: the keys from Lo on and before Hi, in the order of bytes.Compare. That is the one form in which
// neighbours fit together without a gap, whatever bytes the keys are made of. What is missing is open:
//
//	Lo nil or empty   from the beginning: the empty key is before all others
//	Hi nil            to the end of all keys
//	Hi empty          no key at all, because none is before the empty key
//
// So the zero Span holds every key, and the difference between a nil and an empty Hi must not get lost: append to a nil
// slice makes no empty one, bytes.Clone does. For the same reason a Lo may become the Hi of what lies before it only if
// something does, that is, if it is not nil.
//
// The least key after k is k with a zero byte behind it. So a range whose last key is included is a Span as well, at
// the price of a copy of that key: see Closed. Tables, which know their smallest and their largest key, are compared
// with a Span by its Lo and by Below instead.
//
// # Memory
//
// A Span borrows its bounds, and nothing here changes the bytes of a key. Only Closed, Prefix, Clone and Set.Add copy
// keys. Any number of goroutines may use a Span or a Set that none of them changes.
package span

import "bytes"

// Span is the user keys from Lo on and before Hi. The zero Span is all keys.
type Span struct {
	Lo []byte // the first key
	Hi []byte // the first key behind; nil if there is no end
}

// Closed is the keys from first to last, both included. It borrows first and copies last.
func Closed(first, last []byte) Span {
	hi := make([]byte, 0, len(last)+1)
	return Span{Lo: first, Hi: append(append(hi, last...), 0)}
}

// Prefix is the keys that begin with p, which it borrows: from p to the first key after all of them. That is p without
// its trailing 0xff bytes and with the last of the others raised by one.
func Prefix(p []byte) Span {
	end := len(p)
	for end > 0 && p[end-1] == 0xff {
		end--
	}
	if end == 0 {
		return Span{Lo: p}
	}
	hi := bytes.Clone(p[:end])
	hi[end-1]++
	return Span{Lo: p, Hi: hi}
}

// Short is the keys of s that have at most n bytes, with bounds of at most n bytes, which may be those of s.
func (s Span) Short(n int) Span {
	if len(s.Lo) > n {
		if s.Lo = Prefix(s.Lo[:n]).Hi; s.Lo == nil { // all of them are before it
			return Span{Hi: []byte{}}
		}
	}
	if len(s.Hi) > n {
		s.Hi = Prefix(s.Hi[:n]).Hi
	}
	return s
}

// Intersect is the keys that lie in both s and o, whose bounds it borrows.
func (s Span) Intersect(o Span) Span {
	if bytes.Compare(o.Lo, s.Lo) > 0 {
		s.Lo = o.Lo
	}
	if s.Hi == nil || o.Hi != nil && bytes.Compare(o.Hi, s.Hi) < 0 {
		s.Hi = o.Hi
	}
	return s
}

// CloneIn is Clone into room, as far as it has room for both bounds.
func (s Span) CloneIn(room []byte) (c Span) {
	both := append(append(room[:0], s.Lo...), s.Hi...)
	if s.Lo != nil {
		c.Lo = both[:len(s.Lo):len(s.Lo)]
	}
	if s.Hi != nil {
		c.Hi = both[len(s.Lo):]
		if c.Hi == nil {
			c.Hi = []byte{}
		}
	}
	return c
}

// Clone returns a Span with bounds of its own.
func (s Span) Clone() Span { return Span{Lo: bytes.Clone(s.Lo), Hi: bytes.Clone(s.Hi)} }

// Empty reports whether no key lies in s.
func (s Span) Empty() bool { return s.Below(s.Lo) }

// Contains reports whether key lies in s.
func (s Span) Contains(key []byte) bool { return bytes.Compare(s.Lo, key) <= 0 && !s.Below(key) }

// Below reports whether s ends at or before key: then neither key nor any key after it lies in s.
func (s Span) Below(key []byte) bool { return s.Hi != nil && bytes.Compare(s.Hi, key) <= 0 }

// Overlaps reports whether a key lies in both s and o. If any does, the greater one of the two Lo is such a key.
func (s Span) Overlaps(o Span) bool {
	lo := s.Lo
	if bytes.Compare(o.Lo, lo) > 0 {
		lo = o.Lo
	}
	return !s.Below(lo) && !o.Below(lo)
}

// Holds reports whether every key of o, which is not empty, lies in s.
func (s Span) Holds(o Span) bool {
	return bytes.Compare(s.Lo, o.Lo) <= 0 && CompareEnds(s.Hi, o.Hi) >= 0
}

// CompareEnds compares two Hi, of which nil is the last.
func CompareEnds(a, b []byte) int {
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

// compareHi compares the end of s with key. An open end is after every key.
func (s Span) compareHi(key []byte) int {
	if s.Hi == nil {
		return 1
	}
	return bytes.Compare(s.Hi, key)
}

// join returns the least Span that holds both a and b, which are not empty.
func join(a, b Span) Span {
	if bytes.Compare(b.Lo, a.Lo) < 0 {
		a.Lo = b.Lo
	}
	if a.Hi != nil && b.compareHi(a.Hi) > 0 {
		a.Hi = b.Hi
	}
	return a
}
