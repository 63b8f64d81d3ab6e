package tuple

import (
	"bytes"
	"fmt"
	"slices"
)

// Desc returns a codec that orders values the other way round: for a part of a key, where walking the keys in reverse
// would turn the other parts, too. What c writes becomes one byte string, in which each byte is inverted:
//
//	0x01  the bytes of c, and a zero byte, inverted; as in any byte string ff follows a 00  0x00
//
// For example 1, which is 15 01, becomes 01 ea fe ff 00. So it takes 3 bytes more than c, and one more for each ff that
// c writes. For other programs that read tuples it is a byte string.
//
// The zero byte is what makes it work: the key of a string may begin with the bytes of the key of a shorter one, which
// is before it because what follows differs. Inverted, the shorter one has to be behind it, and is by the byte ff.
func Desc[T any](c Codec[T]) Codec[T] { return desc[T]{c} }

type desc[T any] struct{ c Codec[T] }

func (d desc[T]) Append(dst []byte, v T) ([]byte, error) {
	start := len(dst)
	dst, err := d.c.Append(append(dst, bytesCode), v)
	if err != nil {
		return dst[:start], err
	}
	dst = append(dst, terminator)
	plain := dst[start+1:]
	escapes := bytes.Count(plain, []byte{0xff})
	dst = slices.Grow(dst, escapes+1)[:len(dst)+escapes+1]
	dst[len(dst)-1] = terminator
	for from, to := start+len(plain), len(dst)-2; from > start; from-- { // to is never below from
		if dst[from] == 0xff {
			dst[to] = escape
			to--
		}
		dst[to] = ^dst[from]
		to--
	}
	return dst, nil
}

// Read lets c read what was inverted in place of the key. That takes no second Reader, so nothing is allocated; within
// one Desc another may stand, whose bytes come behind those of the first one in r.spare.
func (d desc[T]) Read(r *Reader) (v T) {
	start := r.off
	raw, _, ok := r.text(bytesCode, "a byte string, which something in descending order is")
	if !ok {
		return v
	}
	key, end, from := r.key, r.off, len(r.spare)
	r.spare = unescape(r.spare, raw)
	plain := r.spare[from:]
	for i, b := range plain {
		plain[i] = ^b
	}
	last := max(len(plain)-1, 0)
	r.key, r.off = plain[:last], 0
	if got := d.c.Read(r); len(plain) > 0 && plain[last] == terminator {
		v = got
	} else {
		r.fail(ErrTruncated)
	}
	err := r.End()
	r.key, r.off, r.spare = key, end, r.spare[:from]
	if err != nil {
		var none T
		r.off, r.err = start, nil
		r.fail(fmt.Errorf("in descending order: %w", err))
		return none
	}
	return v
}
