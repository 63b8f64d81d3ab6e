//go:build !race

package rowcache

import "unsafe"

// copyTo copies the bytes that begin at word i to out. The set holds that many. While a row is written they may be of two rows.
//
// The copy is an ordinary one, because a loop over atomic loads takes four times as long. What has to hold is that the load of
// the latch that follows it is not made before: on this processor loads are made in their order, and the compiler moves none
// past an atomic one.
func (s *set) copyTo(out []byte, i int) {
	copy(out, unsafe.Slice((*byte)(unsafe.Pointer(&s[i&(setWords-1)])), len(out)))
}
