package tuple

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/bits"
)

// An integer is a sign and a magnitude. The code says both the sign and how many bytes the magnitude has, so that a
// larger number has a larger code; the bytes follow, the highest first, in the fewest that hold it:
//
//	0x14        0
//	0x14 + n    n bytes of a positive number, n from 1 to 8
//	0x14 - n    n bytes of a negative number, each byte inverted, so that -2 is before -1
//	0x1d  n     n bytes of a positive number, n from 9 to 255
//	0x0b ^n     n bytes of a negative number, inverted, and so is n
//
// For example -5551212, whose magnitude is 54 b4 6c, is 11 ab 4b 93.

// AppendInt appends an integer. Integers are in the order of their values, whatever their sizes and types.
func AppendInt(dst []byte, v int64) []byte {
	if v >= 0 {
		return AppendUint(dst, uint64(v))
	}
	magnitude := -uint64(v)
	n := bytesOf(magnitude)
	return appendLow(append(dst, zeroCode-byte(n)), ^magnitude, n)
}

// AppendUint appends an integer, as AppendInt does.
func AppendUint(dst []byte, v uint64) []byte {
	n := bytesOf(v)
	return appendLow(append(dst, zeroCode+byte(n)), v, n)
}

// AppendBig appends an integer, as AppendInt does; v is not changed. The error is ErrRange if it has more than 255
// bytes, and dst is returned as it was; a nil v is ErrUnsupported.
func AppendBig(dst []byte, v *big.Int) ([]byte, error) {
	switch {
	case v == nil:
		return dst, fmt.Errorf("tuple: a nil *big.Int: %w", ErrUnsupported)
	case v.BitLen() > 8*maxBigBytes:
		return dst, fmt.Errorf("tuple: an integer of %d bytes, at most %d: %w", (v.BitLen()+7)/8, maxBigBytes, ErrRange)
	}
	return appendMagnitude(dst, v.Sign() < 0, v.Bytes()), nil
}

// bytesOf returns how many bytes v needs; none for 0.
func bytesOf(v uint64) int { return (bits.Len64(v) + 7) / 8 }

// appendLow appends the n lowest bytes of v, the highest first.
func appendLow(dst []byte, v uint64, n int) []byte {
	var all [8]byte
	binary.BigEndian.PutUint64(all[:], v)
	return append(dst, all[8-n:]...)
}

// appendMagnitude appends an integer whose magnitude is of up to 255 bytes, the first of which is not zero.
func appendMagnitude(dst []byte, negative bool, magnitude []byte) []byte {
	n, mask := byte(len(magnitude)), byte(0)
	if negative {
		mask = 0xff
	}
	switch {
	case n > 8 && negative:
		dst = append(dst, negativeBigCode, ^n)
	case n > 8:
		dst = append(dst, positiveBigCode, n)
	case negative:
		dst = append(dst, zeroCode-n)
	default:
		dst = append(dst, zeroCode+n)
	}
	for _, b := range magnitude {
		dst = append(dst, b^mask)
	}
	return dst
}

// Int reads an integer. The error is ErrRange if it is not an int64.
func (r *Reader) Int() int64 {
	negative, magnitude, fits := r.word()
	switch {
	case r.err != nil:
		return 0
	case fits && !negative && magnitude <= math.MaxInt64:
		return int64(magnitude)
	case fits && negative && magnitude <= -math.MinInt64:
		return -int64(magnitude)
	}
	r.fail(ErrRange)
	return 0
}

// Uint reads an integer. The error is ErrRange if it is not a uint64.
func (r *Reader) Uint() uint64 {
	negative, magnitude, fits := r.word()
	if r.err == nil && (negative || !fits) {
		r.fail(ErrRange)
	}
	if r.err != nil {
		return 0
	}
	return magnitude
}

// Big reads an integer of any size. It is nil after an error.
func (r *Reader) Big() *big.Int {
	negative, digits, ok := r.integer()
	if !ok {
		return nil
	}
	v := new(big.Int)
	if !negative {
		return v.SetBytes(digits)
	}
	magnitude := make([]byte, len(digits))
	for i, b := range digits {
		magnitude[i] = ^b
	}
	return v.Neg(v.SetBytes(magnitude))
}

// word reads an integer whose magnitude fits into 64 bits.
func (r *Reader) word() (negative bool, magnitude uint64, fits bool) {
	negative, digits, ok := r.integer()
	if !ok || len(digits) > 8 {
		return negative, 0, false
	}
	for _, b := range digits {
		magnitude = magnitude<<8 | uint64(b)
	}
	if negative {
		magnitude = ^magnitude & (math.MaxUint64 >> (64 - 8*len(digits)))
	}
	return negative, magnitude, true
}

// integer reads an integer and returns the bytes of its magnitude as they are in the key: inverted if it is negative.
func (r *Reader) integer() (negative bool, digits []byte, ok bool) {
	code, ok := r.begin()
	if !ok {
		return false, nil, false
	}
	head, n := 1, int(code)-int(zeroCode)
	switch {
	case isInteger(code):
		negative, n = n < 0, max(n, -n)
	case code != positiveBigCode && code != negativeBigCode:
		r.wants("an integer", code)
		return false, nil, false
	case len(r.key)-r.off < 2:
		r.fail(ErrTruncated)
		return false, nil, false
	default:
		negative, head, n = code == negativeBigCode, 2, int(r.key[r.off+1])
		if negative {
			n ^= 0xff
		}
	}
	if len(r.key)-r.off < head+n {
		r.fail(ErrTruncated)
		return false, nil, false
	}
	digits = r.key[r.off+head : r.off+head+n]
	if head == 2 && n <= 8 || n > 0 && (digits[0] == 0 && !negative || digits[0] == 0xff && negative) {
		r.fail(ErrNotCanonical)
		return false, nil, false
	}
	r.off += head + n
	return negative, digits, true
}
