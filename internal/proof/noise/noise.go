// Package noise makes keys and values of numbers: the same of the same. Keys of neighbouring numbers are far apart, and
// values do not compress.
package noise

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// sourceBytes is the length of what values are cut from.
const sourceBytes = 1 << 16

// Mix makes of a number another one, far from those of its neighbours.
func Mix(n uint64) uint64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// Key appends the n-th key to dst. The order of keys has nothing to do with that of n.
func Key(dst []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(append(dst, 'k'), Mix(n)) }

// Source is what values are cut from. It is safe for concurrent use.
type Source []byte

// New returns the source of a seed.
func New(seed uint64) Source {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := make(Source, sourceBytes)
	for i := range s {
		s[i] = byte(rng.Uint32())
	}
	return s
}

// Value appends to dst a value of the n-th key, of some size between least and most, of 8 bytes at least.
func (s Source) Value(dst []byte, n, version uint64, least, most int) []byte {
	r := Mix(n ^ version<<40)
	size := least + int(r%uint64(most-least+1))
	dst = binary.BigEndian.AppendUint64(dst, n)
	for left := size - 8; left > 0; {
		from := int(r >> 32 % (sourceBytes / 2))
		part := min(left, sourceBytes-from)
		dst, left, r = append(dst, s[from:from+part]...), left-part, Mix(r)
	}
	return dst
}

// Check returns an error if value is none of the n-th key.
func Check(n uint64, value []byte) error {
	if len(value) < 8 || binary.BigEndian.Uint64(value) != n {
		return fmt.Errorf("the value of key %d is that of another one", n)
	}
	return nil
}
