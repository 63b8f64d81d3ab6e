package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"lightningdb/internal/format/filename"
)

// FileHeaderSize is the size of a file header, in bytes. The first record of a file begins there.
const FileHeaderSize = 80

// Version is the version of the formats that this program writes, and the newest that it reads.
const Version = 1

// Magic opens a file and says what it is. The line ends in it catch a transfer that "corrects" line ends.
type Magic [8]byte

// The magics are on disk: never change one, never use one for something else.
var (
	MagicLog      = Magic{'L', 'D', 'B', 'W', 'A', 'L', '\r', '\n'}
	MagicManifest = Magic{'L', 'D', 'B', 'M', 'A', 'N', '\r', '\n'}
	MagicCurrent  = Magic{'L', 'D', 'B', 'C', 'U', 'R', '\r', '\n'}
	MagicStatus   = Magic{'L', 'D', 'B', 'S', 'T', 'A', '\r', '\n'}
)

// ErrVersionTooNew says that a newer version of the program wrote a file in a format that this one does not know.
// Nothing was changed, and the newer program can open it.
var ErrVersionTooNew = errors.New("written by a newer version of Lightning DB")

// ErrBadHeader says that bytes are no file header of the wanted kind.
var ErrBadHeader = errors.New("no valid file header")

// FileHeader opens a log segment, a manifest or STATUS, and is all there is in CURRENT.
//
//	offset size
//	     0    8  magic
//	     8    4  format version
//	    12    4  key id: 0 = not encrypted; others are reserved
//	    16   16  database id
//	    32    8  file number (in CURRENT and STATUS: the number of a manifest)
//	    40   36  what the kind of file adds; zeros where it adds nothing
//	    76    4  checksum: CRC-32C over bytes 0 to 75
//
// Whatever a later version changes, magic, version and checksum stay where they are.
type FileHeader struct {
	Magic Magic
	DB    [16]byte
	Num   filename.Num
	Extra [36]byte
}

// Encode returns the bytes of h. The last four are its checksum, the chain of the first record.
func (h *FileHeader) Encode() [FileHeaderSize]byte {
	var b [FileHeaderSize]byte
	copy(b[0:], h.Magic[:])
	binary.LittleEndian.PutUint32(b[8:], Version)
	copy(b[16:], h.DB[:])
	binary.LittleEndian.PutUint64(b[32:], uint64(h.Num))
	copy(b[40:], h.Extra[:])
	binary.LittleEndian.PutUint32(b[76:], crc32.Checksum(b[:76], castagnoli))
	return b
}

// Sum is the checksum of the encoded header: the chain of the file's first record.
func (h *FileHeader) Sum() uint32 {
	b := h.Encode()
	return binary.LittleEndian.Uint32(b[76:])
}

// DecodeFileHeader decodes the header at the front of data. The error is ErrBadHeader if there is no intact header
// with that magic, and ErrVersionTooNew for an intact one that this program cannot read.
func DecodeFileHeader(magic Magic, data []byte) (FileHeader, error) {
	le := binary.LittleEndian
	if len(data) < FileHeaderSize || Magic(data[:8]) != magic ||
		crc32.Checksum(data[:76], castagnoli) != le.Uint32(data[76:]) {
		return FileHeader{}, ErrBadHeader
	}
	if v := le.Uint32(data[8:]); v > Version {
		return FileHeader{}, fmt.Errorf("%w: format %d, known up to %d", ErrVersionTooNew, v, Version)
	} else if v == 0 {
		return FileHeader{}, ErrBadHeader
	}
	if id := le.Uint32(data[12:]); id != 0 {
		return FileHeader{}, fmt.Errorf("%w: encrypted with key %d", ErrVersionTooNew, id)
	}
	return FileHeader{
		Magic: magic,
		DB:    [16]byte(data[16:32]),
		Num:   filename.Num(le.Uint64(data[32:])),
		Extra: [36]byte(data[40:76]),
	}, nil
}
