// Package locator is the static hash table that leads from a user key straight to its newest entry in a table, or
// says for the price of one cache miss that the table does not hold the key. It replaces the Bloom filter and the
// binary search of other stores. It owns no memory and starts nothing; a locator page is immutable bytes and any
// number of goroutines may search it.
//
// # Format
//
// A locator is a number of equal pages; a page is a whole number of buckets; a bucket is 64 bytes, one cache line
// when the page is aligned to 64:
//
//	offset  size  meaning
//	     0    16  fingerprints of slots 0..15; zero: the slot is empty. Used slots come first.
//	    16    48  positions of slots 0..15, three bytes each, little-endian
//
// Of a key's 64-bit hash the upper half chooses the page, the lower half the bucket in it (both by multiplication,
// so by their upper bits), and the lowest byte is the fingerprint (1 in place of 0). A key stands in its bucket or,
// if that is full, in the next one that was not, wrapping at the end of the page; so a search ends at the first
// bucket with an empty slot. A page without any empty slot may have had no room for some key: a search that ends in
// it without success has not shown that the key is absent (Probe.Conclusive). The table decides what a position
// means; MaxPosition bounds it.
package locator

import (
	"encoding/binary"
	"math/bits"

	"lightningdb/internal/format/corrupt"
)

const (
	// BucketSize is the size of a bucket in bytes.
	BucketSize = 64
	// SlotsPerBucket is the number of keys a bucket holds.
	SlotsPerBucket = 16
	// MaxBuckets is the number of buckets of a page when the locator needs more than one page: with its trailer such
	// a page fits 8 KiB.
	MaxBuckets = 127
	// MaxPosition is the largest position a slot can hold.
	MaxPosition = 1<<24 - 1

	// At 13 of 16 slots the mean search looks at 1.2 buckets and a key costs 5 bytes.
	keysPerBucket = 13
)

// PageOf returns which of n locator pages holds the keys of hash.
func PageOf(hash uint64, n int) int { return int((hash >> 32) * uint64(n) >> 32) }

// Check verifies that page is a whole number of buckets, at least one and at most MaxBuckets, in which used slots
// come first. It makes every page that passes safe to search. Damage is a *corrupt.Error without a file, its
// offset inside page.
func Check(page []byte) error {
	if len(page) == 0 || len(page)%BucketSize != 0 || len(page) > MaxBuckets*BucketSize {
		return corrupt.New("", 0, "locator page of %d bytes", len(page))
	}
	for at := 0; at < len(page); at += BucketSize {
		low := binary.LittleEndian.Uint64(page[at:])
		high := binary.LittleEndian.Uint64(page[at+8:])
		if !usedFirst(low, high) {
			return corrupt.New("", int64(at), "locator bucket with a gap")
		}
	}
	return nil
}

// usedFirst reports whether no empty fingerprint comes before a used one.
func usedFirst(low, high uint64) bool {
	if high != 0 && zeroBytes(low) != 0 {
		return false
	}
	return ascending(low) && ascending(high)
}

// ascending reports whether the non-zero bytes of w are its lowest ones.
func ascending(w uint64) bool {
	used := (bits.Len64(w) + 7) / 8
	return bits.OnesCount64(zeroBytes(w)) == 8-used
}

// Used returns the number of slots in use in a page that passed Check.
func Used(page []byte) int {
	n := 0
	for at := 0; at < len(page); at += BucketSize {
		low := binary.LittleEndian.Uint64(page[at:])
		high := binary.LittleEndian.Uint64(page[at+8:])
		n += SlotsPerBucket - bits.OnesCount64(zeroBytes(low)) - bits.OnesCount64(zeroBytes(high))
	}
	return n
}

// Probe walks the candidates of one hash in one page. Each candidate may be the key searched, or another one with
// the same fingerprint.
type Probe struct {
	page      []byte
	pattern   uint64 // the fingerprint in every byte
	low, high uint64 // matches not yet returned: the top bit of each matching byte
	at        int    // offset of the current bucket
	left      int    // buckets not yet looked at
	full      bool   // the current bucket has no empty slot
}

// Search starts a probe for hash in page, which passed Check.
func Search(page []byte, hash uint64) Probe {
	buckets := len(page) / BucketSize
	p := Probe{page: page, pattern: uint64(fingerprint(hash)) * 0x0101010101010101, left: buckets}
	p.load(bucketOf(hash, buckets) * BucketSize)
	return p
}

// Next returns the next candidate's position, or false when there is none.
func (p *Probe) Next() (position uint32, ok bool) {
	for {
		if p.low != 0 {
			slot := bits.TrailingZeros64(p.low) >> 3
			p.low &= p.low - 1
			return p.position(slot), true
		}
		if p.high != 0 {
			slot := 8 + bits.TrailingZeros64(p.high)>>3
			p.high &= p.high - 1
			return p.position(slot), true
		}
		if !p.full || p.left == 0 {
			return 0, false
		}
		p.load((p.at + BucketSize) % len(p.page))
	}
}

// Conclusive reports, once Next has returned false, whether no other key of this hash can exist: the search ended at
// an empty slot.
func (p *Probe) Conclusive() bool { return !p.full }

func (p *Probe) load(at int) {
	bucket := p.page[at : at+BucketSize]
	low := binary.LittleEndian.Uint64(bucket)
	high := binary.LittleEndian.Uint64(bucket[8:])
	p.low, p.high = zeroBytes(low^p.pattern), zeroBytes(high^p.pattern)
	p.full = high>>56 != 0
	p.at = at
	p.left--
}

// position reads three bytes as the upper part of four: the byte before the first position is a fingerprint.
func (p *Probe) position(slot int) uint32 {
	return binary.LittleEndian.Uint32(p.page[p.at+SlotsPerBucket-1+3*slot:]) >> 8
}

func bucketOf(hash uint64, buckets int) int {
	return int((hash & 0xffffffff) * uint64(buckets) >> 32)
}

func fingerprint(hash uint64) uint8 { return max(1, uint8(hash)) }

// zeroBytes returns the top bit of every byte of w that is zero, exactly: no carry crosses a byte.
func zeroBytes(w uint64) uint64 {
	const rest = 0x7f7f7f7f7f7f7f7f
	return ^((w&rest + rest) | w | rest)
}
