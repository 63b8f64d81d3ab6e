package tuple

import (
	"encoding/binary"
	"math"
	"math/bits"
	"time"
)

// perSecond is nanoseconds in a second.
const perSecond = 1_000_000_000

// AppendTime appends a time, as the integer of nanoseconds since 1970-01-01 UTC, which is negative before. That is 9
// bytes from 1385 to 2554 but for the years around 1970, where it is fewer, and up to 14 bytes otherwise: every
// time.Time has a key, the zero one too. The order is that of the instants. The zone is not kept, nor is the reading of
// the monotonic clock. In the key it is an integer like any other: what reads it has to know that it is a time.
func AppendTime(dst []byte, t time.Time) []byte {
	sec, nsec := t.Unix(), uint64(t.Nanosecond())
	if math.MinInt64/perSecond < sec && sec < math.MaxInt64/perSecond {
		return AppendInt(dst, sec*perSecond+int64(nsec))
	}
	var hi, lo, carry uint64
	if sec >= 0 {
		hi, lo = bits.Mul64(uint64(sec), perSecond)
		lo, carry = bits.Add64(lo, nsec, 0)
		hi += carry
	} else {
		hi, lo = bits.Mul64(-uint64(sec), perSecond)
		lo, carry = bits.Sub64(lo, nsec, 0)
		hi -= carry
	}
	var magnitude [16]byte
	binary.BigEndian.PutUint64(magnitude[:8], hi)
	binary.BigEndian.PutUint64(magnitude[8:], lo)
	n := bytesOf(lo)
	if hi > 0 {
		n = 8 + bytesOf(hi)
	}
	return appendMagnitude(dst, sec < 0, magnitude[16-n:])
}

// Time reads a time that AppendTime wrote, in UTC. The error is ErrRange if it is an integer too large for one.
func (r *Reader) Time() time.Time {
	start := r.off
	negative, digits, ok := r.integer()
	if !ok {
		return time.Time{}
	}
	var hi, lo uint64
	if len(digits) <= 16 {
		for _, b := range digits {
			if negative {
				b = ^b
			}
			hi, lo = hi<<8|lo>>56, lo<<8|uint64(b)
		}
	}
	if len(digits) > 16 || hi >= perSecond {
		return r.noTime(start)
	}
	sec, nsec := bits.Div64(hi, lo, perSecond)
	switch {
	case !negative && sec <= math.MaxInt64:
		return time.Unix(int64(sec), int64(nsec)).UTC()
	case negative && nsec == 0 && sec <= -math.MinInt64:
		return time.Unix(-int64(sec), 0).UTC()
	case negative && nsec > 0 && sec < -math.MinInt64:
		return time.Unix(-int64(sec)-1, perSecond-int64(nsec)).UTC()
	}
	return r.noTime(start)
}

// noTime fails at an integer that begins at start.
func (r *Reader) noTime(start int) time.Time {
	r.off = start
	r.fail(ErrRange)
	return time.Time{}
}
