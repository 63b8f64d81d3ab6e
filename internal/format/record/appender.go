package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
)

// Way says how a group reaches the file.
type Way uint8

const (
	Written Way = iota // by WriteAt, because a sync waits for it
	Stored             // by StoreAt, because no sync does
)

// An Appender that allocates ahead does so in pieces as large as the file is so far, within these bounds.
const (
	minAheadBytes = 1 << 10
	maxAheadBytes = 1 << 20
)

// writeOutPieceBytes is the size of the pieces in which WriteOut writes.
const writeOutPieceBytes = 1 << 20

// comparePieceBytes is how much is read at once of a file that may hold what could not be written.
const comparePieceBytes = 16 << 10

// writeBufferBytes is how much an Appender encodes before it writes. A smaller group takes one write.
const writeBufferBytes = 1 << 20

// spareBuffers holds buffers that Recycle has put back.
var spareBuffers = sync.Pool{New: func() any { return new([]byte) }}

// Appender writes records to the end of a file. It owns the file.
//
// Begin, Add and Flush are for one goroutine at a time. All other methods may run concurrently with them.
//
// # When a write fails
//
// A group is written whole or taken back. After a failed write the first header of the group is overwritten with
// zeros, and that is synced, so that no restart can find any of the group. If the file lacks a part of the group's
// first record, no restart would believe that record, and taking back is put off until the next group begins: in
// file systems that copy on write, overwriting takes space too, and there is none.
//
// After ErrNoSpace the Appender goes on. After any other failure, and if taking back fails, it is poisoned: it is
// not known what became of the group, and every later call returns the same error. A failed sync poisons it too. The
// operating system may have dropped the data and reported that once, so a second sync that succeeds would prove
// nothing.
//
// Invariant: synced <= end <= size of the file.
type Appender struct {
	f    vfs.File
	name string
	at   place

	buf       []byte // what is encoded and not written
	bufAt     int64  // where buf goes
	next      int64  // where the next record goes: bufAt+len(buf)
	first     int64  // where the first record of the group ends; 0 if there is none yet
	sum       uint32 // the checksum of the record that ends at next
	endSum    uint32 // the checksum of the record that ends at end
	attempt   uint32
	leftover  bool  // behind end stands a part of a refused group, to be taken back before the next group
	way       Way   // how the group reaches the file
	allocated int64 // the file is allocated up to here; math.MaxInt64 if it is not allocated ahead

	end        atomic.Int64          // where the last whole group ends; written by the appending goroutine
	synced     atomic.Int64          // everything below is durable; written under syncMu
	writtenOut atomic.Int64          // everything below is on its way to the medium, or there; written under syncMu
	failure    atomic.Pointer[error] // set once

	syncMu sync.Mutex // held while f is synced or written out
}

// NewAppender takes over f, a file of database db whose header is h, written and synced. Records begin at
// FileHeaderSize.
func NewAppender(f vfs.File, name string, h *FileHeader) *Appender {
	a := &Appender{f: f, name: name, at: placeOf(h.DB, h.Num), endSum: h.Sum(), allocated: math.MaxInt64}
	spare := spareBuffers.Get().(*[]byte)
	a.buf = *spare
	a.end.Store(FileHeaderSize)
	a.synced.Store(FileHeaderSize)
	return a
}

// AllocateAhead makes a, which must be new, allocate the file ahead of what it writes, so that records always go
// into blocks that were written before, and a sync has no metadata to write. The file is already allocated up to
// size.
func (a *Appender) AllocateAhead(size int64) { a.allocated = size }

// Num is the number of the file.
func (a *Appender) Num() filename.Num { return a.at.num }

// Size is where the next group begins, which is the end of what was appended.
func (a *Appender) Size() int64 { return a.end.Load() }

// Synced is the offset below which everything is durable.
func (a *Appender) Synced() int64 { return a.synced.Load() }

// Sum is the checksum of the last record appended. It is for the appending goroutine.
func (a *Appender) Sum() uint32 { return a.endSum }

// Err is the failure that poisoned a, or nil.
func (a *Appender) Err() error {
	if err := a.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Begin starts a group that reaches the file in the given way. Its errors mean the same as those of Flush.
func (a *Appender) Begin(way Way) error {
	if err := a.Err(); err != nil {
		return err
	}
	if a.leftover {
		err := a.erase()
		if errors.Is(err, vfs.ErrNoSpace) && a.Err() == nil {
			return err
		}
		if err != nil {
			return a.poison(err)
		}
	}
	a.buf, a.way = a.buf[:0], way
	a.bufAt, a.next, a.first, a.sum = a.end.Load(), a.end.Load(), 0, a.endSum
	return nil
}

// Add adds a record to the group. Its body is prefix followed by payload, which are borrowed during the call.
func (a *Appender) Add(t Type, prefix, payload []byte) error {
	n := len(prefix) + len(payload)
	if n > MaxBodySize {
		return fmt.Errorf("%s: record of %d bytes is larger than %d", a.name, n, MaxBodySize)
	}
	if len(a.buf) > 0 && int64(len(a.buf))+Size(n) > writeBufferBytes {
		if err := a.drain(); err != nil {
			return err
		}
	}
	start := len(a.buf)
	a.buf = appendHeader(a.buf, header{
		length: uint32(n), chain: a.sum, typ: t, attempt: a.attempt, num: a.at.num, offset: a.next,
	})
	a.buf = append(a.buf, prefix...)
	pad, large := zeros[:padding(n)], Size(n) > writeBufferBytes
	if !large {
		a.buf = append(append(a.buf, payload...), pad...)
	}
	sum := crc32.Update(a.at.seed, castagnoli, a.buf[start+4:])
	if large {
		sum = crc32.Update(crc32.Update(sum, castagnoli, payload), castagnoli, pad)
	}
	binary.LittleEndian.PutUint32(a.buf[start:], sum)
	a.sum = sum
	a.next += Size(n)
	if a.first == 0 {
		a.first = a.next
	}
	if large {
		return a.addLarge(payload, pad)
	}
	return nil
}

// addLarge writes a payload that is too large to copy, right behind its header.
func (a *Appender) addLarge(payload, pad []byte) error {
	if err := a.drain(); err != nil {
		return err
	}
	if err := a.write(payload); err != nil {
		return err
	}
	a.buf = append(a.buf, pad...)
	return nil
}

// Flush writes the group and returns where it ends. Only a Sync that begins later makes it durable. If the file goes
// on behind the group, in bytes that were written before, zeros of a header's length say that nothing follows. The
// next group overwrites them.
func (a *Appender) Flush() (end int64, err error) {
	if a.allocated < math.MaxInt64 {
		a.buf = append(a.buf, zeros[:HeaderSize]...)
	}
	if err := a.drain(); err != nil {
		return 0, err
	}
	a.endSum = a.sum
	a.end.Store(a.next)
	return a.next, nil
}

// drain writes what buf holds.
func (a *Appender) drain() error {
	err := a.write(a.buf)
	a.buf = a.buf[:0]
	return err
}

func (a *Appender) write(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	err := a.allocate(a.bufAt + int64(len(data)))
	if err == nil {
		err = a.put(data)
	}
	if err != nil {
		return a.takeBack(data, fmt.Errorf("append to %s: %w", a.name, err))
	}
	a.bufAt += int64(len(data))
	return nil
}

func (a *Appender) put(data []byte) (err error) {
	if a.way == Stored {
		_, err = a.f.StoreAt(data, a.bufAt)
		return err
	}
	_, err = a.f.WriteAt(data, a.bufAt)
	return err
}

// allocate makes sure that the file is allocated up to end. Once the disk is full, it stops allocating ahead: what
// space is left belongs to the data.
func (a *Appender) allocate(end int64) error {
	if end <= a.allocated {
		return nil
	}
	size := end + min(max(end, minAheadBytes), maxAheadBytes)
	err := a.f.Allocate(size)
	if errors.Is(err, vfs.ErrNoSpace) {
		a.allocated = math.MaxInt64
		return nil
	}
	a.allocated = size
	return err
}

// takeBack makes sure that nothing of the group that failed with cause is ever read, and returns cause. data is what
// could not be written, or not as a whole.
func (a *Appender) takeBack(data []byte, cause error) error {
	a.leftover = true
	full := errors.Is(cause, vfs.ErrNoSpace)
	if full && a.lacks(data) {
		return cause
	}
	if err := a.erase(); err != nil {
		return a.poison(fmt.Errorf("%w (and %w)", cause, err))
	}
	if !full {
		return a.poison(cause)
	}
	return cause
}

// lacks reports whether the file is known to differ from data, which belongs at bufAt, within the first record of
// the group. The number of bytes that were written does not tell: the record may end with the same bytes as the file
// had there before, for instance zeros. Nor does a power cut complete the record: the old bytes are on the medium,
// and what has arrived is taken back, and that is synced, before the next group is written.
func (a *Appender) lacks(data []byte) bool {
	data = data[:max(0, min(int64(len(data)), a.first-a.bufAt))]
	there := make([]byte, min(len(data), comparePieceBytes))
	for off := a.bufAt; len(data) > 0; {
		there = there[:min(len(there), len(data))]
		n, err := a.f.ReadAt(there, off)
		if !bytes.Equal(there[:n], data[:n]) {
			return true
		}
		if n < len(there) {
			return errors.Is(err, io.EOF)
		}
		data, off = data[n:], off+int64(n)
	}
	return false
}

// erase takes back what has arrived of a refused group.
func (a *Appender) erase() error {
	if a.attempt == maxAttempt {
		return fmt.Errorf("append to %s: %d writes have failed", a.name, a.attempt)
	}
	if err := a.eraseHeader(); err != nil {
		return fmt.Errorf("take back what %s got of a group: %w", a.name, err)
	}
	a.attempt++
	a.leftover = false
	return nil
}

// eraseHeader overwrites the header at end, as far as the file reaches, and makes that durable. It needs no new
// space, unless the file system copies on write.
func (a *Appender) eraseHeader() error {
	size, err := a.f.Size()
	if err != nil {
		return err
	}
	end := a.end.Load()
	if n := min(size-end, HeaderSize); n > 0 {
		if _, err := a.f.WriteAt(zeros[:n], end); err != nil {
			return err
		}
	}
	a.syncMu.Lock()
	defer a.syncMu.Unlock()
	return a.syncLocked()
}

// Sync makes everything durable that was appended before the call. Calls that wait for a running sync share the next
// one.
func (a *Appender) Sync() error {
	target := a.end.Load()
	a.syncMu.Lock()
	defer a.syncMu.Unlock()
	err := a.Err()
	if a.synced.Load() >= target && (err == nil || errors.Is(err, fs.ErrClosed)) { // Seal syncs, then closes
		return nil
	}
	if err != nil {
		return err
	}
	return a.syncLocked()
}

func (a *Appender) syncLocked() error {
	end := a.end.Load()
	if err := a.f.Sync(); err != nil {
		return a.poison(fmt.Errorf("sync %s: %w", a.name, err))
	}
	a.synced.Store(end)
	return nil
}

// ToWriteOut is the number of bytes that WriteOut would write out.
func (a *Appender) ToWriteOut() int64 {
	return max(0, a.end.Load()/writeOutPieceBytes*writeOutPieceBytes-max(a.writtenOut.Load(), a.synced.Load()))
}

// WriteOut makes the system write to the medium what was appended, except the last piece, so that the next Sync has
// little to wait for. It makes nothing durable. Its failure is as final as that of a Sync: the system may report the
// lost data to this call only, so no Sync may succeed after it.
func (a *Appender) WriteOut() error {
	a.syncMu.Lock()
	defer a.syncMu.Unlock()
	n, from := a.ToWriteOut(), max(a.writtenOut.Load(), a.synced.Load())
	if n == 0 || a.Err() != nil {
		return a.Err()
	}
	if err := a.f.WriteOut(from, n); err != nil {
		return a.poison(fmt.Errorf("write out %s: %w", a.name, err))
	}
	a.writtenOut.Store(from + n)
	return nil
}

// poison makes err the answer to every later call, unless there is an answer already, and returns that answer.
func (a *Appender) poison(err error) error {
	a.failure.CompareAndSwap(nil, &err)
	return a.Err()
}

// Recycle gives the memory of a to the next Appender. It is for the appending goroutine, between groups.
func (a *Appender) Recycle() {
	buf := a.buf[:0]
	a.buf = nil
	spareBuffers.Put(&buf)
}

// Close closes the file; a must not be used afterwards. It makes nothing durable. Its error counts, because data
// that was not synced may be lost.
func (a *Appender) Close() error {
	a.syncMu.Lock()
	defer a.syncMu.Unlock()
	closed := fmt.Errorf("%s: %w", a.name, fs.ErrClosed)
	a.failure.CompareAndSwap(nil, &closed)
	if err := a.f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", a.name, err)
	}
	return nil
}
