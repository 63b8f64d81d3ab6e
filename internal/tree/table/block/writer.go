package block

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block/piece"
)

// ErrTooLong refuses a value of more than page.MaxChunked bytes.
var ErrTooLong = errors.New("table: a streamed value is too long")

// Writer writes the blocks of one table to its output.
type Writer struct {
	piece.Output
	ID      uint64           // of the table
	Codec   codec.Compressor // of chunks
	Encoded *piece.Scratch   // memory for a compressed payload
	Digest  uint64           // sum of the checksums of all blocks so far
}

// WriteBlock writes a payload and its trailer, compressed by c if that saves an eighth.
func (w *Writer) WriteBlock(at Place, raw []byte, c codec.Compressor) error {
	payload, id := raw, codec.None
	if c.ID != codec.None {
		defer w.Encoded.ReleaseLarge()
		encoded := c.Encode(w.Encoded.Bytes(codec.MaxEncodedSize(len(raw)))[:0], raw)
		if len(encoded) <= len(raw)-len(raw)/8 {
			payload, id = encoded, c.ID
		}
	}
	trailer, sum := at.Seal(w.ID, payload, id, len(raw))
	w.Digest += sum
	if err := w.Write(payload); err != nil {
		return err
	}
	return w.Write(trailer[:])
}

// WriteChunks writes a chunked extent. next returns page.ChunkSize bytes, which it lends until its next call, fewer at
// the end of the value, and after that io.EOF. The value must have more bytes than one chunk.
func (w *Writer) WriteChunks(next func() ([]byte, error)) (page.Extent, error) {
	x := page.Extent{Offset: uint64(w.Offset())}
	var lengths []byte
	for ended := false; ; {
		chunk, err := next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return x, err
		}
		if ended || len(chunk) == 0 || len(chunk) > page.ChunkSize {
			return x, fmt.Errorf("table: a chunk of %d bytes after %d", len(chunk), x.Raw)
		}
		ended = len(chunk) < page.ChunkSize
		if x.Raw += uint64(len(chunk)); x.Raw > page.MaxChunked {
			return x, ErrTooLong
		}
		at := w.Offset()
		if err := w.WriteBlock(At(Chunk, 0, at), chunk, w.Codec); err != nil {
			return x, err
		}
		lengths = binary.LittleEndian.AppendUint32(lengths, uint32(w.Offset()-at))
	}
	if x.Chunks() == 0 {
		return x, fmt.Errorf("table: chunks of %d bytes", x.Raw)
	}
	err := w.WriteBlock(At(Lengths, 0, w.Offset()), lengths, codec.Compressor{})
	x.Stored = uint64(w.Offset()) - x.Offset
	return x, err
}

// InChunks returns the chunks of value one by one.
func InChunks(value []byte) func() ([]byte, error) {
	return func() (chunk []byte, err error) {
		if len(value) == 0 {
			return nil, io.EOF
		}
		n := min(len(value), page.ChunkSize)
		chunk, value = value[:n], value[n:]
		return chunk, nil
	}
}
