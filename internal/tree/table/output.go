package table

import (
	"fmt"

	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/table/piece"
)

// writeOutBytes is how much is written before the system is told to bring it to the medium. Without that the system
// begins when the table is synced, and the commits of a tenth of a second wait behind all of it.
const writeOutBytes = 1 << 20

// output appends to a file in pieces.
type output struct {
	file    vfs.File
	buffers *piece.Buffers
	buf     []byte // lent by buffers
	used    int
	written int64 // before buf
	leaving int64 // on its way to the medium, or there
}

func newOutput(f vfs.File, b *piece.Buffers) output {
	return output{file: f, buffers: b, buf: b.ForWriting()}
}

// offset is where the next byte goes.
func (o *output) offset() int64 { return o.written + int64(o.used) }

func (o *output) write(b []byte) error {
	if len(b) > len(o.buf)-o.used {
		if err := o.flush(); err != nil {
			return err
		}
		if len(b) >= len(o.buf) {
			return o.writeThrough(b)
		}
	}
	o.used += copy(o.buf[o.used:], b)
	return nil
}

func (o *output) flush() error {
	err := o.writeThrough(o.buf[:o.used])
	o.used = 0
	return err
}

func (o *output) writeThrough(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := o.file.WriteAt(b, o.written); err != nil {
		return fmt.Errorf("write %d bytes of a table at offset %d: %w", len(b), o.written, err)
	}
	o.written += int64(len(b))
	return o.writeOut()
}

func (o *output) writeOut() error {
	n := o.written - o.leaving
	if n < writeOutBytes {
		return nil
	}
	if err := o.file.WriteOut(o.leaving, n); err != nil {
		return fmt.Errorf("write out %d bytes of a table at offset %d: %w", n, o.leaving, err)
	}
	o.leaving = o.written
	return nil
}

// release gives the buffer back. The output must not be used afterwards.
func (o *output) release() {
	o.buffers.TakeBack(o.buf)
	o.buf = nil
}
