package wal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
)

// MaxPayloadSize is the largest payload of a record, in bytes.
const MaxPayloadSize = record.MaxBodySize - prefixSize

// Record types. The values are on disk: never renumber, never reuse.
const (
	typeCommit record.Type = 1
	typeSeal   record.Type = 2
)

// Predecessor is what a segment's header says about the log before it.
type Predecessor struct {
	Num     filename.Num // the number of the segment before; 0 in a root, which begins a chain
	Length  int64        // where its seal ends, in bytes; 0 in a root
	LastSeq key.SeqNum   // the last sequence number before this segment, also in a root; 0 if there is none
	Sum     uint32       // the checksum of its seal; 0 in a root
}

// Root is the predecessor of a segment that begins a chain, after everything up to lastSeq.
func Root(lastSeq key.SeqNum) Predecessor { return Predecessor{LastSeq: lastSeq} }

// Record is one commit on its way into the log. It borrows Payload.
type Record struct {
	First   key.SeqNum // the sequence number of the first operation
	Count   int        // the number of operations in Payload
	Payload []byte     // the operations as package batch encodes them
}

// Blank is the file of a segment to come. It exists durably, begins with zeros where the header will be, and holds
// no record of that segment.
type Blank struct {
	fs   vfs.FS
	f    vfs.File
	num  filename.Num
	name string
	size int64 // of the file, in bytes
}

// Prepare makes the file of segment num, with zeros where its header will be, so that Begin needs no space, and makes
// its name and content durable. Prepare may run long before the segment is begun, during appends to other segments.
// After an error the file may be there, and is of no use.
func Prepare(fs vfs.FS, num filename.Num) (*Blank, error) {
	b := &Blank{fs: fs, num: num, name: filename.Make(filename.Log, num), size: record.FileHeaderSize}
	var err error
	if b.f, err = fs.Create(b.name); err != nil {
		return nil, fmt.Errorf("create log segment: %w", err)
	}
	if err := b.fill(); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare log segment %s: %w", b.name, err), b.f.Close())
	}
	return b, nil
}

func (b *Blank) fill() error {
	if err := b.f.Allocate(b.size); err != nil {
		return err
	}
	if err := b.f.Sync(); err != nil {
		return err
	}
	return b.fs.SyncDir()
}

// Reuse is Prepare with the file of segment old, which nothing will ever read again, because the manifest durably
// names a later segment as the start of the log. The records of old stay in the file; none of them can pass for one
// of segment num, because each names its own segment. After an error the file has one of the two names, and is of no
// use. After an error that matches fs.ErrExist, file num is somebody else's.
func Reuse(fs vfs.FS, old, num filename.Num) (*Blank, error) {
	from := filename.Make(filename.Log, old)
	b := &Blank{fs: fs, num: num, name: filename.Make(filename.Log, num)}
	var err error
	if b.f, err = fs.OpenReadWrite(from); err != nil {
		return nil, fmt.Errorf("reuse log segment: %w", err)
	}
	err = b.clearHeader()
	if err = errors.Join(err, b.f.Close()); err == nil {
		err = b.takeName(from)
	}
	if err == nil {
		err = b.reopen()
	}
	if err != nil {
		return nil, fmt.Errorf("reuse log segment %s: %w", from, err)
	}
	return b, nil
}

// reopen opens the file by its new name, so that errors mention that one, and tells it that all of it is allocated:
// it was written from front to back.
func (b *Blank) reopen() error {
	var err error
	if b.f, err = b.fs.OpenReadWrite(b.name); err != nil {
		return err
	}
	if err := b.f.Allocate(b.size); err != nil {
		return errors.Join(err, b.f.Close())
	}
	return nil
}

// takeName gives the file its new name, durably, but never takes it away from another file: it creates an empty file
// of that name first, which fails if there is one, and renames over it.
func (b *Blank) takeName(from string) error {
	reserved, err := b.fs.Create(b.name)
	if err != nil {
		return err
	}
	if err = reserved.Close(); err == nil {
		err = b.fs.Rename(from, b.name)
	}
	if err == nil {
		err = b.fs.SyncDir()
	}
	return err
}

// clearHeader overwrites the header of the old segment, durably, because a seal may name the file before it has the
// new header. The zeros cover the header of the first record too: so nothing follows the new header.
func (b *Blank) clearHeader() error {
	var zeros [record.FileHeaderSize + record.HeaderSize]byte
	if _, err := b.f.WriteAt(zeros[:], 0); err != nil {
		return err
	}
	if err := b.f.Sync(); err != nil {
		return err
	}
	var err error
	b.size, err = b.f.Size()
	return err
}

// Num is the number of the segment to come.
func (b *Blank) Num() filename.Num { return b.num }

// Close closes the file and leaves it in place.
func (b *Blank) Close() error { return b.f.Close() }

// Begin makes b a segment of database db behind prev: it writes the header and syncs it. b must not be used
// afterwards.
func (b *Blank) Begin(db [16]byte, prev Predecessor) (*Segment, error) {
	h := segmentHeader(db, b.num, prev)
	data := h.Encode()
	_, err := b.f.WriteAt(data[:], 0)
	if err == nil {
		err = b.f.Sync()
	}
	if err != nil {
		err = fmt.Errorf("begin log segment %s: %w", b.name, err)
		return nil, errors.Join(err, b.f.Close())
	}
	return &Segment{out: record.NewAppender(b.f, b.name, &h), size: b.size, lastSeq: prev.LastSeq}, nil
}

// Create begins segment num in a new file. When it returns, the header is durable. The name is durable once the
// directory is synced, which must happen before a manifest durably names the segment and before anything is
// appended.
func Create(fs vfs.FS, num filename.Num, db [16]byte, prev Predecessor) (*Segment, error) {
	b := &Blank{fs: fs, num: num, name: filename.Make(filename.Log, num), size: record.FileHeaderSize}
	var err error
	if b.f, err = fs.Create(b.name); err != nil {
		return nil, fmt.Errorf("create log segment: %w", err)
	}
	return b.Begin(db, prev)
}

// Segment is a segment that is being written. Append, Store and Seal are for one goroutine at a time; all other
// methods may run concurrently with them. Its memory is at most about 1 MiB, whatever is appended.
type Segment struct {
	out     *record.Appender
	size    int64      // of the file when the segment was begun, in bytes
	lastSeq key.SeqNum // the last sequence number in the log so far
	prefix  [prefixSize]byte
}

// AllocateAhead makes s, to which nothing has been appended yet, allocate its file ahead of the records, so that
// these always go into blocks that were written before. That makes syncs faster, and is what Store needs.
func (s *Segment) AllocateAhead() { s.out.AllocateAhead(s.size) }

// Reused reports whether the file belonged to another segment before.
func (s *Segment) Reused() bool { return s.size > record.FileHeaderSize }

// Num is the number of the segment.
func (s *Segment) Num() filename.Num { return s.out.Num() }

// Size is the end of what was appended, in bytes from the beginning of the file.
func (s *Segment) Size() int64 { return s.out.Size() }

// FileSize is the least size of the segment's file in bytes: more than Size if the file was used before.
func (s *Segment) FileSize() int64 { return max(s.size, s.Size()) }

// Synced is the offset below which everything is durable.
func (s *Segment) Synced() int64 { return s.out.Synced() }

// Err is nil while the segment is usable, and otherwise the failure that every later call returns.
func (s *Segment) Err() error { return s.out.Err() }

// Append writes records, all or none of them, and returns where the last one ends: they are durable when Synced has
// reached that. Together they take one write if they are smaller than 1 MiB. Their sequence numbers must follow on
// the log's last one.
//
// After an error that matches vfs.ErrNoSpace while Err is still nil, nothing of the group is in the log, not even
// after a crash, and the segment can go on. After any error with Err set, it is not known what a restart finds of
// the group.
func (s *Segment) Append(records ...Record) (end int64, err error) {
	return s.append(record.Written, records)
}

// Store is Append for records that no Sync waits for. It may write through a mapping of the file, which is several
// times as fast.
func (s *Segment) Store(records ...Record) (end int64, err error) {
	return s.append(record.Stored, records)
}

func (s *Segment) append(way record.Way, records []Record) (end int64, err error) {
	if err := s.check(records); err != nil {
		return 0, err
	}
	if err := s.out.Begin(way); err != nil {
		return 0, err
	}
	for _, r := range records {
		putPrefix(&s.prefix, prefix{synced: s.Synced(), seq: r.First, count: uint32(r.Count)})
		if err := s.out.Add(typeCommit, s.prefix[:], r.Payload); err != nil {
			return 0, err
		}
	}
	if end, err = s.out.Flush(); err != nil {
		return 0, err
	}
	s.lastSeq = after(s.lastSeq, records)
	return end, nil
}

// check refuses what Replay would refuse, before anything is written.
func (s *Segment) check(records []Record) error {
	last := s.lastSeq
	for _, r := range records {
		if r.First != last+1 {
			return fmt.Errorf("log: record begins at sequence number %d, the log ends at %d", r.First, last)
		}
		if r.Count < 1 || r.Count > len(r.Payload) || len(r.Payload) > MaxPayloadSize {
			return fmt.Errorf("log: impossible record of %d operations in %d bytes", r.Count, len(r.Payload))
		}
		if last += key.SeqNum(r.Count); last >= key.MaxSeqNum {
			return fmt.Errorf("log: sequence number %d is beyond the largest", last)
		}
	}
	return nil
}

// after is the last sequence number once records have been added behind last.
func after(last key.SeqNum, records []Record) key.SeqNum {
	for _, r := range records {
		last += key.SeqNum(r.Count)
	}
	return last
}

// Sync makes everything durable that was appended before the call. After a failure it never succeeds again.
func (s *Segment) Sync() error { return s.out.Sync() }

// ToWriteOut is the number of bytes that WriteOut would write out.
func (s *Segment) ToWriteOut() int64 { return s.out.ToWriteOut() }

// WriteOut makes the system write to the medium what was appended, except less than the last MiB, so that the next
// Sync or Seal has little to wait for. It makes nothing durable. Its failure is as final as that of Sync.
func (s *Segment) WriteOut() error { return s.out.WriteOut() }

// Seal ends the segment: it appends the seal, syncs and closes the file. next is the segment that follows, whose
// file must exist durably (see Prepare), or 0 if none does. The result is what the next segment begins with.
func (s *Segment) Seal(next filename.Num) (Predecessor, error) {
	defer s.out.Recycle() // the next segment needs as much memory as this one
	if err := s.out.Begin(record.Written); err != nil {
		return Predecessor{}, err
	}
	putPrefix(&s.prefix, prefix{synced: s.Synced(), seq: s.lastSeq})
	if err := s.out.Add(typeSeal, s.prefix[:], binary.LittleEndian.AppendUint64(nil, uint64(next))); err != nil {
		return Predecessor{}, err
	}
	end, err := s.out.Flush()
	if err != nil {
		return Predecessor{}, err
	}
	if err := s.out.Sync(); err != nil {
		return Predecessor{}, err
	}
	return Predecessor{Num: s.Num(), Length: end, LastSeq: s.lastSeq, Sum: s.out.Sum()}, s.out.Close()
}

// Close closes the file without making anything durable: what was not synced may be lost.
func (s *Segment) Close() error { return s.out.Close() }
