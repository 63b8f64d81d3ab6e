// Package status is the page on which the writer of a database tells other processes what it has published: the file
// STATUS. Followers read it; nothing else rests on it. It is never synced, and after a power cut it may say anything
// that it has said before, or nothing.
//
// # The page
//
// A record.FileHeader with the database's id and the number of the manifest with which this writer began, zeros up to
// offset 128, and then, in words of 8 bytes, little-endian:
//
//	offset
//	   128  visible: the newest published sequence number     136  its complement
//	   144  durable: the newest that survives a power cut      152  its complement
//	   160  time: a time of the database that is not before     168  its complement, or 0 if there is no time
//	        that of any commit up to visible
//	   192  number of the manifest in force
//	   200  length of the manifest, in bytes, up to which its edits are durable
//	   208  complement of (the number xor the length with its halves exchanged)
//
// A reader that meets a word while it is being changed sees by the complement that it must look again.
//
// Behind it, at 4096 and 18432, are two places for a report, of 14 KiB each: a number that rises from report to report
// (8 bytes), length (4), CRC-32C of number, length and text (4), and the text. The writer uses one after the other, so
// that there is a whole one at any time; what it says is the program's.
//
// # Order
//
// The writer sets the manifest before it goes on with the version that the manifest ends with, and visible after the
// commits up to it can be read. So a reader that reads the place of the manifest first, and visible after it, gets a
// version that has dropped nothing of what visible shows. The time is set before visible. So a reader that reads it
// after visible has a time at which everything has ended that those commits saw ended.
//
// Each writer makes a file of its own (Create). One that was driven away goes on in a file that has no name any more.
package status

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/record"
	"lightningdb/internal/system/vfs"
)

// The file is a page and two reports.
const (
	pageBytes   = 4096
	reportBytes = 14 << 10
	fileBytes   = pageBytes + 2*reportBytes
)

// MaxReport is the length of the longest report, in bytes.
const MaxReport = reportBytes - reportHeader

const (
	visibleAt  = 128
	durableAt  = 144
	timeAt     = 160
	manifestAt = 192
	usedBytes  = manifestAt + 24
)

// ErrNone says that no writer has published anything that can be read: there is no page, or not a whole one. Use
// errors.Is.
var ErrNone = errors.New("no writer has published the state of the database")

// ErrAhead says that files do not hold what a page says: they were removed or used again since it was read, or a power
// cut has taken more from them than from the page. Use errors.Is.
var ErrAhead = errors.New("the files do not hold what was published")

// Manifest is a place in a manifest: its number, and the length up to which its edits count.
type Manifest struct {
	Num    filename.Num
	Length int64
}

func (m Manifest) check() uint64 { return ^(uint64(m.Num) ^ bits.RotateLeft64(uint64(m.Length), 32)) }

func (m Manifest) encode() (data [24]byte) {
	le := binary.LittleEndian
	le.PutUint64(data[:], uint64(m.Num))
	le.PutUint64(data[8:], uint64(m.Length))
	le.PutUint64(data[16:], m.check())
	return data
}

// encodeWord returns a word with its complement.
func encodeWord(word uint64) (data [16]byte) {
	binary.LittleEndian.PutUint64(data[:], word)
	binary.LittleEndian.PutUint64(data[8:], ^word)
	return data
}

// State is what a page says.
type State struct {
	DB       [16]byte
	Manifest Manifest
	Visible  key.SeqNum // read after Manifest
	Durable  key.SeqNum
	Time     key.Time // read after Visible; 0 if the database has none
}

// Page is the page of a writer. SetVisible, SetTime, SetManifest and SetReport are for one goroutine at a time each;
// apart from that its methods are safe for concurrent use. A nil Page publishes nothing.
type Page struct {
	fs     vfs.FS
	file   vfs.File // nil if it could not be made
	failed atomic.Bool
	stands atomic.Bool // one that failed, or that of the writer before, could not be removed either
	warn   func(error)

	reports uint64 // so far; for the goroutine of SetReport

	visible, durable, time [16]byte // what the words are written from; on the stack they would escape
	durableMu              sync.Mutex
}

// Create makes the page of a writer that has recovered database db up to visible, all of it durable, and has put m
// into force. It takes the place of the page of the writer before, in one step. random is a number that no other page
// had. If the page cannot be made, or written to later, warn is called once, with the reason, and there is no page: the
// one of the writer before would show its last state for ever.
func Create(fs vfs.FS, random uint64, db [16]byte, m Manifest, visible key.SeqNum, warn func(error)) *Page {
	p := &Page{fs: fs, warn: warn}
	p.check(p.make(filename.Make(filename.NextStatus, filename.Num(random>>1)), db, m, visible))
	return p
}

// make makes the page under the name next, and puts it in the place of the one before.
func (p *Page) make(next string, db [16]byte, m Manifest, visible key.SeqNum) error {
	f, err := p.fs.Create(next)
	if err != nil {
		return err
	}
	p.file = f
	if err = p.fill(db, m, visible); err == nil {
		err = p.fs.Rename(next, filename.Make(filename.Status, 0))
	}
	if err != nil {
		p.file = nil
		return errors.Join(err, f.Close(), p.fs.Remove(next))
	}
	return nil
}

// fill writes the page at once. The file is mapped when a word changes, and of many databases none ever does.
func (p *Page) fill(db [16]byte, m Manifest, visible key.SeqNum) error {
	h := record.FileHeader{Magic: record.MagicStatus, DB: db, Num: m.Num}
	header := h.Encode()
	p.visible, p.durable = encodeWord(uint64(visible)), encodeWord(uint64(visible))
	manifest := m.encode()
	var page [usedBytes]byte
	copy(page[:], header[:])
	copy(page[visibleAt:], p.visible[:])
	copy(page[durableAt:], p.durable[:])
	copy(page[manifestAt:], manifest[:])
	if err := p.file.Allocate(fileBytes); err != nil {
		return err
	}
	_, err := p.file.WriteAt(page[:], 0)
	return err
}

// SetVisible publishes seq and everything before it.
func (p *Page) SetVisible(seq key.SeqNum) {
	if p.usable() {
		p.check(p.setWord(&p.visible, visibleAt, uint64(seq)))
	}
}

// SetTime says that the time of the database has come to now, 0 for none. It is called before SetVisible of what rests
// on that.
func (p *Page) SetTime(now key.Time) {
	if now > 0 && p.usable() {
		p.check(p.setWord(&p.time, timeAt, uint64(now)))
	}
}

// SetDurable says that everything up to seq survives a power cut.
func (p *Page) SetDurable(seq key.SeqNum) {
	if p.usable() {
		p.durableMu.Lock()
		defer p.durableMu.Unlock()
		if uint64(seq) > binary.LittleEndian.Uint64(p.durable[:]) { // of two syncs the later one may be told first
			p.check(p.setWord(&p.durable, durableAt, uint64(seq)))
		}
	}
}

// SetManifest says which manifest is in force, and how much of it is durable.
func (p *Page) SetManifest(m Manifest) {
	if p.usable() {
		p.check(p.setManifest(m))
	}
}

// usable reports whether there is a page to write to. One that should be gone is removed.
func (p *Page) usable() bool {
	if p != nil && p.stands.Load() {
		_ = p.remove() // the next one tries again
	}
	return p != nil && !p.failed.Load()
}

// check removes a page that could not be written to: one that is only partly right must not stand.
func (p *Page) check(err error) {
	if err != nil && !p.failed.Swap(true) {
		p.warn(errors.Join(err, p.remove()))
	}
}

func (p *Page) remove() error {
	err := p.fs.Remove(filename.Make(filename.Status, 0))
	if vfs.IsNotExist(err) {
		err = nil
	}
	p.stands.Store(err != nil)
	return err
}

func (p *Page) setWord(data *[16]byte, at int64, word uint64) error {
	*data = encodeWord(word)
	_, err := p.file.StoreAt(data[:], at)
	return err
}

func (p *Page) setManifest(m Manifest) error {
	data := m.encode()
	_, err := p.file.StoreAt(data[:], manifestAt)
	return err
}

// Close closes the file and leaves it: what was published stays published.
func (p *Page) Close() error {
	p.usable()
	if p == nil || p.file == nil {
		return nil
	}
	return p.file.Close()
}

// attempts is how often a reader looks at words that are being changed. A change takes nanoseconds.
const attempts = 1000

// Read reads the page in fs. The error is ErrNone if there is none, or it was left half written,
// record.ErrVersionTooNew for the page of a newer program, and that of the device if it cannot be read.
func Read(fs vfs.FS) (s State, err error) {
	f, err := fs.Open(filename.Make(filename.Status, 0))
	if vfs.IsNotExist(err) {
		return State{}, ErrNone
	}
	if err != nil {
		return State{}, fmt.Errorf("read the writer's page: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for range attempts {
		s, whole, err := readOnce(f)
		if whole || err != nil {
			return s, err
		}
	}
	return State{}, ErrNone
}

// LastTime is the time that the last writer of database db has told in fs; 0 if it has told none that can be read.
func LastTime(fs vfs.FS, db [16]byte) key.Time {
	if s, err := Read(fs); err == nil && s.DB == db {
		return s.Time
	}
	return 0
}

// readOnce reads the page three times, for the order of what it says. whole is false if a word was being changed
// meanwhile.
func readOnce(f vfs.File) (s State, whole bool, err error) {
	var pages [3][usedBytes]byte
	for i := range pages {
		if err := readPage(f, pages[i][:]); err != nil {
			return State{}, false, err
		}
	}
	if s, whole, err = decode(pages[0][:], pages[1][:]); whole {
		s.Time, whole = timeOf(pages[2][:])
	}
	return s, whole, err
}

// timeOf is the time in page; 0 if it has none.
func timeOf(page []byte) (t key.Time, whole bool) {
	var none [16]byte
	if bytes.Equal(page[timeAt:timeAt+16], none[:]) {
		return 0, true
	}
	now, whole := word(page[timeAt:])
	return max(key.Time(now), 0), whole
}

func readPage(f vfs.File, page []byte) error {
	n, err := f.ReadAt(page, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the writer's page: %w", err)
	}
	if n < len(page) {
		return ErrNone
	}
	return nil
}

// decode takes the place of the manifest from before, and all else but the time from after, which was read later. The
// header never changes, so one that cannot be read stays so.
func decode(before, after []byte) (s State, whole bool, err error) {
	h, err := record.DecodeFileHeader(record.MagicStatus, after)
	if errors.Is(err, record.ErrBadHeader) {
		return State{}, false, ErrNone
	}
	if err != nil {
		return State{}, false, fmt.Errorf("read the writer's page: %w", err)
	}
	le := binary.LittleEndian
	s.DB = h.DB
	s.Manifest = Manifest{filename.Num(le.Uint64(before[manifestAt:])), int64(le.Uint64(before[manifestAt+8:]))}
	visible, visibleOK := word(after[visibleAt:])
	durable, durableOK := word(after[durableAt:])
	s.Visible, s.Durable = key.SeqNum(visible), key.SeqNum(durable)
	return s, visibleOK && durableOK && s.Manifest.check() == le.Uint64(before[manifestAt+16:]), nil
}

func word(data []byte) (w uint64, ok bool) {
	w = binary.LittleEndian.Uint64(data)
	return w, binary.LittleEndian.Uint64(data[8:]) == ^w
}
