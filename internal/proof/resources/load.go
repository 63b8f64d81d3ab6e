package resources

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"lightningdb"
)

// noiseBytes is the length of what values are cut from.
const noiseBytes = 1 << 16

// mix makes of a number another one, far from those of its neighbours.
func mix(n uint64) uint64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// key appends the n-th key to dst. The order of keys has nothing to do with that of n.
func key(dst []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(append(dst, 'k'), mix(n)) }

// value appends to dst a value of the n-th key, of some size between least and most, which does not compress.
func (c *child) value(dst []byte, n uint64, version uint64, least, most int) []byte {
	r := mix(n ^ version<<40)
	size := least + int(r%uint64(most-least+1))
	dst = binary.BigEndian.AppendUint64(dst, n)
	for left := size - 8; left > 0; {
		from := int(r >> 32 % (noiseBytes / 2))
		part := min(left, noiseBytes-from)
		dst, left, r = append(dst, c.noise[from:from+part]...), left-part, mix(r)
	}
	return dst
}

// checkValue returns an error if value is none of the n-th key.
func checkValue(n uint64, value []byte) error {
	if len(value) < 8 || binary.BigEndian.Uint64(value) != n {
		return fmt.Errorf("the value of key %d is that of another one", n)
	}
	return nil
}

// fillBatch is how many entries one commit of fill has.
const fillBatch = 100

// fill puts keys first, first+1 and so on until their keys and values have a number of bytes, and returns the next
// key's number.
func (c *child) fill(db *lightningdb.DB, first uint64, bytes int64, least, most int) (next uint64, err error) {
	var b lightningdb.Batch
	var done atomic.Int64
	w := newCrew(0)
	c.watch(w, "fill", &done, bytes)
	defer func() { w.end(errTimeUp); w.running.Wait() }()
	var k, v []byte
	for next = first; done.Load() < bytes; {
		b.Reset()
		size := 0
		for range fillBatch {
			k, v = key(k[:0], next), c.value(v[:0], next, 0, least, most)
			b.Put(k, v)
			next, size = next+1, size+len(k)+len(v)
		}
		if err := db.Write(&b); err != nil {
			return next, err
		}
		done.Add(int64(size))
	}
	return next, nil
}
