package bench

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"lightningdb"
	"lightningdb/cmd/lightning-proof/internal/content"
)

// absentRows is the first number of the rows that are never written.
const absentRows = 1 << 40

// appendKey appends the key of a row. Its first 8 bytes are those of no other row.
func (c *Config) appendKey(dst []byte, row uint64) []byte {
	return content.Append(dst, c.KeySize, c.Seed, row)
}

// appendAscending appends the key of a row in a database whose rows are in the order of their numbers.
func (c *Config) appendAscending(dst []byte, row uint64) []byte {
	return content.Append(binary.BigEndian.AppendUint64(dst, row), c.KeySize-8, c.Seed, row)
}

// sumSize is the size of the sum at the end of a value: that of its key and of the bytes before it.
const sumSize = 8

// appendValue appends a value of key. Every version has other bytes.
func (c *Config) appendValue(dst, key []byte, version uint64) []byte {
	start := len(dst)
	dst = content.Append(dst, c.ValueSize-sumSize, version)
	return binary.LittleEndian.AppendUint64(dst, sum(key, dst[start:]))
}

// sound reports whether value is one that appendValue has made for key.
func (c *Config) sound(key, value []byte) bool {
	end := c.ValueSize - sumSize
	return len(key) == c.KeySize && len(value) == c.ValueSize &&
		binary.LittleEndian.Uint64(value[end:]) == sum(key, value[:end])
}

// sum is that of Fletcher, 1982, over words: it depends on every byte and on the order of the words, and takes a few
// nanoseconds, so that checking what is read does not hide how long reading takes.
func sum(key, payload []byte) uint64 {
	a, b := add(uint64(len(payload)), 0, key)
	a, b = add(a, b, payload)
	return a ^ bits.RotateLeft64(b, 32)
}

// add adds the words of data, which are one at least. The last one ends with data, and may have bytes of the one
// before.
func add(a, b uint64, data []byte) (uint64, uint64) {
	last := binary.LittleEndian.Uint64(data[len(data)-8:])
	for ; len(data) > 8; data = data[8:] {
		a += binary.LittleEndian.Uint64(data)
		b += a
	}
	return a + last, b + a + last
}

// wrong is an error about a key.
func wrong(what string, key []byte) error { return fmt.Errorf("%w: %s, key %x", ErrWrong, what, key) }

// missing is the error of reading a key that must be there.
func missing(err error, key []byte) error {
	if errors.Is(err, lightningdb.ErrNotFound) {
		return wrong("not found", key)
	}
	return err
}

// random is SplitMix64.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return content.Finalize(r.state)
}

// below is a number below n, by the method of Lemire, 2019, without its last step: no n here is so large that it
// matters.
func (r *random) below(n uint64) uint64 {
	high, _ := bits.Mul64(r.next(), n)
	return high
}

// zipf is a number below n: m with a likelihood of about 1/(m+1), because each power of two has as much as the next.
func (r *random) zipf(n uint64) uint64 {
	for {
		half := uint64(1) << r.below(uint64(bits.Len64(n)))
		if m := half + r.below(half) - 1; m < n {
			return m
		}
	}
}

// row chooses one of n rows.
func (c choice) row(r *random, n uint64) uint64 {
	switch c {
	case zipfian:
		return r.zipf(n)
	case hot:
		return r.below(n / 10)
	case absent:
		return absentRows + r.below(n)
	}
	return r.below(n)
}
