package space

import "encoding/binary"

// An id is one byte below f8, or f7 + n and the n bytes of the number, big-endian, without leading zeros. So ids
// are in the order of their numbers, and none begins another.
//
//	00 .. f7          0 to 247
//	f8 .. ff  n bytes the rest: f8 ff is 255, f9 01 00 is 256
const (
	shortIDs = 0xf8
	maxID    = 9 // bytes
)

// AppendID appends id to dst.
func AppendID(dst []byte, id uint64) []byte {
	if id < shortIDs {
		return append(dst, byte(id))
	}
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], id)
	n := 1
	for n < 8 && id>>(8*n) > 0 {
		n++
	}
	return append(append(dst, byte(shortIDs+n-1)), number[8-n:]...)
}

// ID is the id that b begins with, and its length; 0 if b does not begin with one, spelt as AppendID does.
func ID(b []byte) (id uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	if b[0] < shortIDs {
		return uint64(b[0]), 1
	}
	n = int(b[0]-shortIDs) + 1
	if len(b) < 1+n || b[1] == 0 || n == 1 && b[1] < shortIDs {
		return 0, 0
	}
	for _, digit := range b[1 : 1+n] {
		id = id<<8 | uint64(digit)
	}
	return id, 1 + n
}
