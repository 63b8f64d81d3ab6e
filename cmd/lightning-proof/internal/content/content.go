// Package content makes data that follows from numbers, so that a reader can compute what must be there. It
// holds no state; every function is safe for concurrent use.
package content

import "encoding/binary"

// Mix is a hash of the numbers given: the finalizer of SplitMix64 after each. For one seed, no two numbers give the
// same.
func Mix(seed uint64, id ...uint64) uint64 {
	for _, n := range id {
		seed = Finalize(seed + 0x9e3779b97f4a7c15 ^ n)
	}
	return Finalize(seed)
}

// Finalize is a hash of one number: a permutation.
func Finalize(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Append appends size bytes that follow from seed and id, and that do not compress. For one seed and a single number,
// the first 8 bytes are those of no other number. Source: SplitMix64, Steele, Lea and Flood, 2014.
func Append(dst []byte, size int, seed uint64, id ...uint64) []byte {
	state := Mix(seed, id...)
	end := len(dst) + size
	for len(dst) < end {
		state += 0x9e3779b97f4a7c15
		dst = binary.LittleEndian.AppendUint64(dst, Finalize(state))
	}
	return dst[:end]
}
