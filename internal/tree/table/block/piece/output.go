package piece

import (
	"fmt"

	"lightningdb/internal/system/vfs"
)

// WriteOutBytes is how much is written before the system is told to bring it to the medium. Without that the system
// begins when the table is synced, and the commits of a tenth of a second wait behind all of it.
const WriteOutBytes = 1 << 20

// Output appends to a file in pieces.
type Output struct {
	file    vfs.File
	buffers *Buffers
	buf     []byte // lent by buffers
	used    int
	written int64 // before buf
	leaving int64 // on its way to the medium, or there
}

// NewOutput returns an Output that writes to f from offset 0.
func NewOutput(f vfs.File, p *Buffers) Output {
	return Output{file: f, buffers: p, buf: p.ForWriting()}
}

// Offset is where the next byte goes.
func (o *Output) Offset() int64 { return o.written + int64(o.used) }

// Write appends b, which it does not keep.
func (o *Output) Write(b []byte) error {
	if len(b) > len(o.buf)-o.used {
		if err := o.Flush(); err != nil {
			return err
		}
		if len(b) >= len(o.buf) {
			return o.writeThrough(b)
		}
	}
	o.used += copy(o.buf[o.used:], b)
	return nil
}

// Flush writes what Write has kept back.
func (o *Output) Flush() error {
	err := o.writeThrough(o.buf[:o.used])
	o.used = 0
	return err
}

func (o *Output) writeThrough(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if _, err := o.file.WriteAt(b, o.written); err != nil {
		return fmt.Errorf("write %d bytes of a table at offset %d: %w", len(b), o.written, err)
	}
	o.written += int64(len(b))
	return o.writeOut()
}

func (o *Output) writeOut() error {
	n := o.written - o.leaving
	if n < WriteOutBytes {
		return nil
	}
	if err := o.file.WriteOut(o.leaving, n); err != nil {
		return fmt.Errorf("write out %d bytes of a table at offset %d: %w", n, o.leaving, err)
	}
	o.leaving = o.written
	return nil
}

// Release gives the buffer back. The Output must not be used afterwards.
func (o *Output) Release() {
	o.buffers.TakeBack(o.buf)
	o.buf = nil
}
