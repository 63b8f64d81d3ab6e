package key

import (
	"encoding/binary"
	"math"
	"time"
)

// Time is a moment of the time of a database, in nanoseconds since 1970. 0 is no moment: it is before all of them.
type Time int64

// TimeOf is t as a Time; ok is false if it has no place in one: it is not after 1970, or beyond 2262.
func TimeOf(t time.Time) (at Time, ok bool) {
	const last, rest = math.MaxInt64 / int64(time.Second), math.MaxInt64 % int64(time.Second)
	if s := t.Unix(); s < 0 || s > last || s == last && int64(t.Nanosecond()) > rest {
		return 0, false
	}
	at = Time(t.UnixNano())
	return at, at > 0
}

// Moment is t as programs have it; the zero time for 0.
func (t Time) Moment() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t))
}

// EndSize is how many bytes of the value of an entry of KindPutUntil say when it ends.
const EndSize = 8

// WithEnd appends to dst the value of an entry of KindPutUntil: its end, which must be after 1970, and then value.
//
//	offset  size  meaning
//	     0     8  the end, in nanoseconds since 1970, at least 1 (i64, big-endian)
//	     8        the value that the key has until then
//
//go:noinline
func WithEnd(dst []byte, end Time, value []byte) []byte {
	return append(binary.BigEndian.AppendUint64(dst, uint64(end)), value...)
}

// SplitEnd is the reverse of WithEnd. The value is a part of b. If no value of WithEnd is in b, the end is 0. It is
// asked for by many who seldom have an entry that ends, and would be most of the code of some.
//
//go:noinline
func SplitEnd(b []byte) (end Time, value []byte) {
	if len(b) < EndSize {
		return 0, nil
	}
	return max(Time(binary.BigEndian.Uint64(b)), 0), b[EndSize:]
}

// HasEnd reports whether b is what WithEnd makes.
func HasEnd(b []byte) bool {
	end, _ := SplitEnd(b)
	return end > 0
}

// Ends reports whether k is the key of an entry that ends.
func (k Internal) Ends() bool { return k.Trailer.Kind() == KindPutUntil }

// Puts reports whether k is the key of an entry that has a value, for good or until its end.
func (k Internal) Puts() bool { return k.Trailer.Kind() == KindPut || k.Ends() }

// EndSize is how many bytes of the value of an entry with the key k are its end.
func (k Internal) EndSize() int {
	if k.Ends() {
		return EndSize
	}
	return 0
}
