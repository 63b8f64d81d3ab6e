package tuple

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
)

// AppendNull appends null, which is before every other element.
func AppendNull(dst []byte) []byte { return append(dst, nullCode) }

// AppendBool appends a boolean; false is before true.
func AppendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, trueCode)
	}
	return append(dst, falseCode)
}

// AppendFloat32 appends a float of 32 bits, bit by bit. The order is that of IEEE 754's totalOrder: NaNs with the sign
// bit, -Inf, the numbers, +Inf, the other NaNs. -0 is another key than 0, and before it. All of them are before every
// float of 64 bits.
func AppendFloat32(dst []byte, v float32) []byte {
	b := math.Float32bits(v)
	return binary.BigEndian.AppendUint32(append(dst, float32Code), b^(uint32(int32(b)>>31)|1<<31))
}

// AppendFloat64 appends a float of 64 bits, in the order that AppendFloat32 describes.
func AppendFloat64(dst []byte, v float64) []byte {
	b := math.Float64bits(v)
	return binary.BigEndian.AppendUint64(append(dst, float64Code), b^(uint64(int64(b)>>63)|1<<63))
}

// AppendString appends a string, in the order of its bytes, which for UTF-8 is that of its code points. It may hold
// zero bytes, and must be valid UTF-8: other bytes are written as they are, and Reader.String refuses them with
// ErrUTF8. The codec String, and Pack, refuse to write them.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, stringCode)
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			return append(append(dst, s...), terminator)
		}
		dst = append(append(dst, s[:i+1]...), escape)
		s = s[i+1:]
	}
}

// AppendBytes appends a byte string, in the order of its bytes. All byte strings are before all strings.
func AppendBytes(dst, b []byte) []byte {
	dst = append(dst, bytesCode)
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return append(append(dst, b...), terminator)
		}
		dst = append(append(dst, b[:i+1]...), escape)
		b = b[i+1:]
	}
}

// AppendUUID appends a UUID, in the order of its bytes. It takes the types of the usual packages as they are, because
// those are arrays of 16 bytes.
func AppendUUID(dst []byte, id [16]byte) []byte { return append(append(dst, uuidCode), id[:]...) }

// AppendVersionstamp appends a FoundationDB versionstamp, in the order of its bytes: ten of the transaction, two that
// its program chose. This database makes none: it is there to read and write keys that came from FoundationDB.
func AppendVersionstamp(dst []byte, stamp [12]byte) []byte {
	return append(append(dst, versionstampCode), stamp[:]...)
}
