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

// Way is how a group reaches the file.
type Way uint8

const (
	Written Way = iota // by WriteAt: a sync waits for it
	Stored             // by StoreAt: no sync does
)

// An Appender that allocates ahead does so in pieces as large as the file is so far, within these bounds.
const (
	minAheadBytes = 1 << 10
	maxAheadBytes = 1 << 20
)

// writeOutPieceBytes is how many bytes WriteOut waits for.
const writeOutPieceBytes = 1 << 20

// comparePieceBytes is how many bytes are read at once of a file that may hold what could not be written.
const comparePieceBytes = 16 << 10

// writeBufferBytes is how many encoded bytes an Appender collects before it writes: a group below it is one write.
const writeBufferBytes = 1 << 20

// spareBuffers holds what Recycle was given.
var spareBuffers = sync.Pool{New: func() any { return new([]byte) }}

// Appender writes records to the end of a file. It owns the file.
//
// Begin, Add and Flush are for one goroutine at a time; all other methods may run beside them.
//
// # When a write fails
//
// A group is written whole or taken back: after a failed write the first header of the group is overwritten with
// zeros and that is synced, so that no restart can find any of it. Where the file lacks something of the group's first
// record, which a restart would not believe, that is put off until the next group begins: overwriting may take space too,
// in file systems that copy on write, and there is none. After ErrNoSpace the Appender then works on. After any other
// failure, and if taking back fails, it is poisoned: what became of the group is not known, and every later call returns
// the same error. A failed sync poisons it too, because the operating system may have dropped the data and reported that
// once; it is never tried again and believed.
//
// Invariant: synced <= end <= size of the file.
type Appender struct {
	f    vfs.File
	name string
	at   place

	buf       []byte // encoded, not written
	bufAt     int64  // where buf goes
	next      int64  // where the next record goes; bufAt+len(buf)
	first     int64  // where the first record of the group ends; 0 if it has none yet
	sum       uint32 // checksum of the record that ends at next
	endSum    uint32 // checksum of the record that ends at end
	attempt   uint32
	leftover  bool  // behind end is what arrived of a group that was refused: to be taken back before the next
	way       Way   // of the group
	allocated int64 // the file is allocated up to here; math.MaxInt64 if it is not to be allocated ahead

	end        atomic.Int64          // end of the last whole group; written by the appending goroutine
	synced     atomic.Int64          // all below is durable; written under syncMu
	writtenOut atomic.Int64          // all below is on its way to the medium, or there; written under syncMu
	failure    atomic.Pointer[error] // set once

	syncMu sync.Mutex // held during a sync of f, or its writing out
}

// NewAppender takes over f, a file of database db, whose header has been written and synced, and which goes on at
// FileHeaderSize.
func NewAppender(f vfs.File, name string, h *FileHeader) *Appender {
	a := &Appender{f: f, name: name, at: placeOf(h.DB, h.Num), endSum: h.Sum(), allocated: math.MaxInt64}
	spare := spareBuffers.Get().(*[]byte)
	a.buf = *spare
	a.end.Store(FileHeaderSize)
	a.synced.Store(FileHeaderSize)
	return a
}

// AllocateAhead has a, which is new, see to it that the file always goes on behind what is written next, in blocks that
// were written before: a sync then has no metadata to write. The file is allocated up to size.
func (a *Appender) AllocateAhead(size int64) { a.allocated = size }

// Num is the number of the file.
func (a *Appender) Num() filename.Num { return a.at.num }

// Size is where the next group begins: the end of what was appended.
func (a *Appender) Size() int64 { return a.end.Load() }

// Synced is the offset below which everything is durable.
func (a *Appender) Synced() int64 { return a.synced.Load() }

// Sum is the checksum of the last record appended. For the appending goroutine.
func (a *Appender) Sum() uint32 { return a.endSum }

// Err is the failure that poisoned a, or nil.
func (a *Appender) Err() error {
	if err := a.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// Begin starts a group that goes the given way. Its error is like that of Flush.
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

// Add adds a record to the group, whose body is prefix followed by payload. It borrows both during the call.
func (a *Appender) Add(t Type, prefix, payload []byte) error {
	n := len(prefix) + len(payload)
	if n > MaxBody {
		return fmt.Errorf("%s: record of %d bytes is larger than %d", a.name, n, MaxBody)
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

// addLarge writes a payload that is not worth copying, straight behind its header.
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

// Flush writes the group and returns where it ends. The group is not durable before a Sync that begins later. Where the
// file goes on behind it, in bytes that were written before, a header's length of zeros says that nothing follows; the next
// group overwrites them.
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

// allocate makes sure that the file is allocated up to end. On a full disk it is not any more: what is left of it belongs
// to the data.
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

// takeBack makes sure that nothing of the group that failed with cause is ever read, and returns cause. What could not be
// written, or not whole, is data.
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

// lacks reports whether the file is known to differ from data, which belongs at bufAt, within the first record of the
// group. How many bytes were written does not tell: a record may end as the file did before, with zeros for instance.
// A power cut does not complete it: what was behind end before is on the medium, and what is there now will be before the
// next group.
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

// erase takes back what was left of a group.
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
// space.
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

// Sync makes everything durable that was appended before the call. Calls that wait for a running sync share the
// next one.
func (a *Appender) Sync() error {
	target := a.end.Load()
	a.syncMu.Lock()
	defer a.syncMu.Unlock()
	err := a.Err()
	if a.synced.Load() >= target && (err == nil || errors.Is(err, fs.ErrClosed)) { // sealing syncs, then closes
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

// ToWriteOut is how many bytes WriteOut would write out.
func (a *Appender) ToWriteOut() int64 {
	return max(0, a.end.Load()/writeOutPieceBytes*writeOutPieceBytes-max(a.writtenOut.Load(), a.synced.Load()))
}

// WriteOut has the system bring to the medium what was appended, but for the last piece, so that the next Sync has little
// to wait for. It makes nothing durable. Its failure is that of a Sync, and for ever: the system may report it to this call
// only, so that no Sync may pass it.
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

// poison makes err the answer to every later call, unless there is one already, and returns that answer.
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

// Close closes the file; a is of no use afterwards. It makes nothing durable. Its error counts: data that was not
// synced may be lost.
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
