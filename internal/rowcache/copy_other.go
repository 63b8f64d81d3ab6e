//go:build !amd64 || race

package rowcache

import "encoding/binary"

// copyTo copies the bytes that begin at word i to out. The set holds that many. While a row is written they may be of two rows.
func (s *set) copyTo(out []byte, i int) {
	for ; len(out) >= 8; i, out = i+1, out[8:] {
		binary.LittleEndian.PutUint64(out, s[i&(setWords-1)].Load())
	}
	if len(out) > 0 {
		var w [8]byte
		binary.LittleEndian.PutUint64(w[:], s[i&(setWords-1)].Load())
		copy(out, w[:])
	}
}
