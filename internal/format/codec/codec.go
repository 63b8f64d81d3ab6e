// Package codec compresses and decompresses single blocks of bytes. It owns no files and starts nothing. Every
// function is safe for concurrent use.
//
// No length in a block is trusted. The caller knows the raw size, from a place that is checksummed, and bounds it
// before it calls Decode. Decode never allocates more than that, and refuses a block that decodes to any other size.
package codec

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// ID names a compression. The values are on disk: never renumber, never reuse.
type ID uint8

const (
	// None stores bytes as they are.
	None ID = 0
	// S2 is one block in the S2 format (an extension of Snappy): fast, light compression.
	S2 ID = 1
	// Zstd is one Zstandard frame at the fastest level, without its own checksum.
	Zstd ID = 2
)

// Known reports whether this version of the program can decode id.
func (id ID) Known() bool { return id <= Zstd }

func (id ID) String() string {
	switch id {
	case None:
		return "none"
	case S2:
		return "s2"
	case Zstd:
		return "zstd"
	}
	return fmt.Sprintf("codec(%d)", uint8(id))
}

// Errors of Decode. They are about the bytes given, never about a device.
var (
	ErrUnknown   = errors.New("codec: unknown codec")
	ErrMalformed = errors.New("codec: malformed block")
	ErrSize      = errors.New("codec: block does not have the stated raw size")
)

// The pools hold idle coders. Between calls these keep nothing but their working memory.
var (
	encoders = sync.Pool{New: func() any { return newEncoder() }}
	decoders = sync.Pool{New: func() any { return newDecoder() }}
)

// Compressor compresses by one codec. The zero value is the compressor of None.
//
// It holds a function, not only an ID that a switch turns into one, so that the linker can drop the encoder of
// Zstandard, a quarter of a megabyte, from programs that never name it. Every program has every decoder.
type Compressor struct {
	ID   ID
	Func func(dst, src []byte) []byte // EncodeS2 or EncodeZstd; nil for None
}

// By returns the compressor of id. A program that calls it contains all compressors.
func By(id ID) Compressor {
	switch id {
	case None:
		return Compressor{}
	case S2:
		return Compressor{S2, EncodeS2}
	case Zstd:
		return Compressor{Zstd, EncodeZstd}
	}
	panic(fmt.Sprintf("codec: no way to compress by %v", id))
}

// Encode returns src compressed, in dst's memory from its beginning if the capacity suffices. For None the result is
// a copy of src. dst and src must not overlap.
func (c Compressor) Encode(dst, src []byte) []byte {
	if c.Func == nil {
		return append(dst[:0], src...)
	}
	return c.Func(dst, src)
}

// MaxEncodedSize is the capacity that dst needs so that Encode of n bytes allocates no memory, for every codec.
func MaxEncodedSize(n int) int { return n + n/64 + 64 }

// EncodeS2 is Encode of the compressor of S2.
func EncodeS2(dst, src []byte) []byte { return s2.Encode(dst[:cap(dst)], src) }

// EncodeZstd is Encode of the compressor of Zstd.
func EncodeZstd(dst, src []byte) []byte {
	enc := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(enc)
	return enc.EncodeAll(src, dst[:0])
}

// Decode returns the rawSize bytes that src decodes to, in dst's memory from its beginning if the capacity suffices,
// and otherwise in new memory of rawSize bytes. dst and src must not overlap. Any src is safe. After an error the
// content of dst is undefined.
func Decode(id ID, dst, src []byte, rawSize int) ([]byte, error) {
	switch id {
	case None:
		if len(src) != rawSize {
			return nil, ErrSize
		}
		return append(dst[:0], src...), nil
	case S2:
		return decodeS2(dst, src, rawSize)
	case Zstd:
		return decodeZstd(dst, src, rawSize)
	}
	return nil, ErrUnknown
}

func decodeS2(dst, src []byte, rawSize int) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return nil, ErrMalformed
	}
	if n != rawSize {
		return nil, ErrSize
	}
	raw, err := s2.Decode(resize(dst, rawSize), src)
	if err != nil {
		return nil, ErrMalformed
	}
	return raw, nil
}

func decodeZstd(dst, src []byte, rawSize int) ([]byte, error) {
	dec := decoders.Get().(*zstd.Decoder)
	defer decoders.Put(dec)
	raw, err := dec.DecodeAll(src, resize(dst, rawSize)[:0])
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, ErrSize
	case err != nil:
		return nil, ErrMalformed
	case len(raw) != rawSize:
		return nil, ErrSize
	}
	return raw, nil
}

// resize returns rawSize bytes without capacity beyond them: those of dst if it has enough.
func resize(dst []byte, rawSize int) []byte {
	if cap(dst) < rawSize {
		return make([]byte, rawSize)
	}
	return dst[:rawSize:rawSize]
}

func newEncoder() *zstd.Encoder {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true))
	if err != nil {
		panic(fmt.Sprintf("codec: zstd encoder options: %v", err)) // the options are constants
	}
	return enc
}

func newDecoder() *zstd.Decoder {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		panic(fmt.Sprintf("codec: zstd decoder options: %v", err)) // the options are constants
	}
	return dec
}
