package validate

import "encoding/binary"

// mix is a hash of the numbers given: the finalizer of SplitMix64 after each.
func mix(seed uint64, id ...uint64) uint64 {
	for _, n := range id {
		seed = finalize(seed + 0x9e3779b97f4a7c15 ^ n)
	}
	return finalize(seed)
}

func finalize(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// appendContent appends size bytes that follow from seed and id, and that do not compress. Source: SplitMix64, Steele,
// Lea and Flood, 2014.
func appendContent(dst []byte, size int, seed uint64, id ...uint64) []byte {
	state := mix(seed, id...)
	end := len(dst) + size
	for len(dst)+8 <= end {
		state += 0x9e3779b97f4a7c15
		dst = binary.LittleEndian.AppendUint64(dst, finalize(state))
	}
	for len(dst) < end {
		state += 0x9e3779b97f4a7c15
		dst = append(dst, byte(finalize(state)))
	}
	return dst
}
