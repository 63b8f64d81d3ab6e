package table

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"sync"

	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/locator"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/table/block/piece"
	"lightningdb/internal/tree/table/directory"
	"lightningdb/internal/tree/table/fence"
)

const (
	// DefaultPageSize is the page size where Options leave it open, in bytes.
	DefaultPageSize = 8 << 10
	// MinPageSize and MaxPageSize bound the page size, a power of two.
	MinPageSize = 1 << minPageBits
	MaxPageSize = 1 << maxPageBits

	// maxKeys bounds the user keys of a table, and so the memory of its writer: about 17 bytes a key.
	maxKeys = 1 << 20
	// maxFenceBytes bounds the memory of the separators a writer collects. Only long keys that begin alike in pairs
	// reach it before maxKeys.
	maxFenceBytes = 4 << 20
	// fullBytes is the size at which a table is full, in bytes: far below what the directory can address.
	fullBytes = directory.MaxFileSize / 4
)

// ErrFull says that the table takes no further user key: Full held before Add. Nothing was added.
var ErrFull = errors.New("table: full")

// Options say how a table is written.
type Options struct {
	ID       uint64           // identity of the table: part of every checksum, so that no block passes for another table's
	Codec    codec.Compressor // of pages, and of values stored outside them
	PageSize int              // a power of two from MinPageSize to MaxPageSize; 0 means DefaultPageSize
	Buffers  *piece.Buffers   // nil for memory on the Go heap
}

// Writer writes one table, in order, in pieces of up to 256 KiB. It ends with Finish or Release. Its memory is
// bounded: the piece, a page, 12 bytes for each user key and 5 more in Finish (at most 17 MiB), and at most 4 MiB of
// what separators have that the one before has not. A value as long as a piece is written from the caller's memory,
// unless it has to be compressed.
//
// After an error of the file every further call returns it. A Writer that is released before Finish leaves a file that
// is not a table.
type Writer struct {
	opts     Options
	pageBits uint8
	out      block.Writer
	pages    directory.List
	leaves   int
	props    Properties
	last     key.Internal            // owned
	files    map[filename.Num]uint32 // where they are in props.ValueFiles, from 1 on
	err      error                   // of the file, or errFinished
	*workspace
}

// workspace is the memory of a Writer that a later Writer can use again.
type workspace struct {
	page    page.Builder
	locator locator.Builder
	fences  fence.List // the first is a lower bound of leaf 0; fence i separates leaf i from leaf i-1
	upper   fence.List // the same of the level that is being written
	encoded piece.Scratch
}

var spareWorkspaces = sync.Pool{New: func() any { return new(workspace) }}

var errFinished = errors.New("table: the writer has finished")

// NewWriter returns a Writer that writes to f from offset 0. It does not own f. Impossible options are reported by
// the first Add.
func NewWriter(f vfs.File, o Options) *Writer {
	if o.PageSize == 0 {
		o.PageSize = DefaultPageSize
	}
	w := &Writer{
		opts:      o,
		pageBits:  uint8(bits.Len(uint(o.PageSize)) - 1),
		out:       block.Writer{Output: piece.NewOutput(f, o.Buffers), ID: o.ID, Codec: o.Codec},
		workspace: spareWorkspaces.Get().(*workspace),
	}
	if o.PageSize < MinPageSize || o.PageSize > MaxPageSize || o.PageSize&(o.PageSize-1) != 0 {
		w.err = fmt.Errorf("table: page size %d is not a power of two from %d to %d",
			o.PageSize, MinPageSize, MaxPageSize)
	}
	if !o.Codec.ID.Known() {
		w.err = fmt.Errorf("table: unknown %v", o.Codec.ID)
	}
	w.out.Encoded = &w.encoded
	w.page.Reset(0)
	w.locator.Reset()
	w.fences.Reset()
	return w
}

// Add appends an entry. Keys must increase strictly in internal order, and no two may share user key and sequence
// number. It keeps neither k nor value. It returns ErrFull if k is a new user key and Full reports true; further
// versions of the last user key are always accepted.
func (w *Writer) Add(k key.Internal, value []byte) error {
	if w.err != nil {
		return w.err
	}
	newest, err := w.admit(k, value)
	if err != nil {
		return err
	}
	if k.Ends() && !key.HasEnd(value) {
		return fmt.Errorf("table: a %v without an end", k.Trailer.Kind())
	}
	var at int
	if at, w.err = w.append(k, value); w.err != nil {
		return w.err
	}
	w.added(k, newest, at, uint64(len(value)-k.EndSize()))
	return nil
}

// ExtentBytes is how many bytes the values outside of pages take in the file, so far.
func (w *Writer) ExtentBytes() uint64 { return w.props.ExtentBytes }

// AddReference is Add of a put whose value stays where it is: at ref, in the file of another table.
func (w *Writer) AddReference(k key.Internal, ref page.Reference) error {
	if w.err != nil {
		return w.err
	}
	newest, err := w.admit(k, nil)
	if err != nil {
		return err
	}
	if !k.Puts() || ref.Stored == 0 || (ref.End > 0) != k.Ends() {
		return fmt.Errorf("table: a reference to %d bytes of %v", ref.Stored, k.Trailer.Kind())
	}
	if w.err = w.makeRoom(k, page.ExtentSize(k)); w.err != nil {
		return w.err
	}
	ref.File = w.refer(ref)
	w.added(k, newest, w.page.AddExtent(k, ref.Extent), ref.Raw)
	return nil
}

// refer counts a reference to an extent, and returns which of the value files it is in, from 1 on, in the order of
// their first use.
func (w *Writer) refer(ref page.Reference) uint32 {
	n, known := w.files[ref.Table]
	if !known {
		if w.files == nil {
			w.files = map[filename.Num]uint32{}
		}
		w.props.ValueFiles = append(w.props.ValueFiles, ValueFile{Num: ref.Table, ID: ref.ID})
		n = uint32(len(w.props.ValueFiles))
		w.files[ref.Table] = n
	}
	w.props.ValueFiles[n-1].Bytes += ref.Stored
	return n
}

// admit checks an entry before anything is changed, and reports whether it is the newest version of its user key.
func (w *Writer) admit(k key.Internal, value []byte) (newest bool, err error) {
	kind := k.Trailer.Kind()
	if !kind.Known() || kind == key.KindDelete && len(value) > 0 || kind == key.KindMerge && operand.Check(value) != nil {
		return false, fmt.Errorf("table: an entry of %v with a value of %d bytes", kind, len(value))
	}
	if len(k.User) > key.MaxStoredKeySize || len(value) > key.MaxValueSize {
		return false, fmt.Errorf("table: a key of %d bytes with a value of %d bytes", len(k.User), len(value))
	}
	if w.props.Entries > 0 {
		order := bytes.Compare(w.last.User, k.User)
		if order > 0 || (order == 0 && w.last.Trailer.Seq() <= k.Trailer.Seq()) {
			return false, fmt.Errorf("table: key %v added after %v", k, w.last)
		}
		if order == 0 {
			return false, nil
		}
	}
	if w.Full() {
		return false, ErrFull
	}
	return true, nil
}

// append puts an entry into a leaf, and returns where it begins there.
func (w *Writer) append(k key.Internal, value []byte) (at int, err error) {
	if len(value)-k.EndSize() <= w.opts.PageSize/4 {
		err = w.makeRoom(k, page.InlineSize(k, len(value)))
		if err != nil {
			return 0, err
		}
		return w.page.Add(k, value), nil
	}
	if err := w.makeRoom(k, page.ExtentSize(k)); err != nil {
		return 0, err
	}
	x, err := w.writeExtent(value[k.EndSize():])
	if err != nil {
		return 0, err
	}
	if k.Ends() {
		x.End, _ = key.SplitEnd(value)
	}
	w.props.ExtentBytes += x.Stored
	return w.page.AddExtent(k, x), nil
}

// makeRoom makes the current leaf one into which an entry goes that is size bytes long.
func (w *Writer) makeRoom(k key.Internal, size int) error {
	if w.page.Len() > 0 && !w.page.Fits(size, w.payloadSize()) {
		if err := w.writeLeaf(); err != nil {
			return err
		}
		w.fences.AddBetween(w.last, k)
	}
	if w.props.Entries == 0 {
		w.fences.Add(key.SeekTo(k.User, key.MaxSeqNum))
	}
	return nil
}

// added counts an entry that begins at an offset of the current leaf.
func (w *Writer) added(k key.Internal, newest bool, at int, valueSize uint64) {
	if newest {
		w.locator.Add(key.Hash(k.User), position(w.leaves, at, w.pageBits))
	}
	w.props.count(k, valueSize, newest)
	w.last.User = append(w.last.User[:0], k.User...)
	w.last.Trailer = k.Trailer
}

// payloadSize is how large a page of several entries may grow: with its trailer it has the nominal size.
func (w *Writer) payloadSize() int { return w.opts.PageSize - block.TrailerSize }

// Full reports whether the next user key belongs in another table. Older versions of the last one still fit.
func (w *Writer) Full() bool {
	return uint64(w.leaves+2)<<(w.pageBits-3) > locator.MaxPosition ||
		w.locator.Len() >= maxKeys ||
		w.fences.Held() >= maxFenceBytes ||
		w.out.Offset() >= fullBytes
}

// EstimatedSize is about the size of the file if Finish were called now, in bytes.
func (w *Writer) EstimatedSize() int64 {
	return w.out.Offset() + int64(w.page.Size()) + w.locator.EstimatedSize() +
		int64(len(w.pages)*directory.EntrySize) + int64(w.fences.Size()) + footerSize
}

// Finish writes the rest of the table and returns what it holds. It does not make the file durable, nor close it. A
// table has at least one entry.
func (w *Writer) Finish() (Properties, error) {
	defer w.Release()
	if w.err != nil {
		return Properties{}, w.err
	}
	if w.props.Entries == 0 {
		return Properties{}, errors.New("table: no entry was added")
	}
	p, err := w.finish()
	w.err = err
	return p, err
}

// Release gives the writer's memory back. After Finish it does nothing.
func (w *Writer) Release() {
	if w.workspace == nil {
		return
	}
	if w.err == nil {
		w.err = errFinished
	}
	w.out.Release()
	spareWorkspaces.Put(w.workspace)
	w.workspace = nil
}

func (w *Writer) finish() (Properties, error) {
	if err := w.writeLeaf(); err != nil {
		return Properties{}, err
	}
	f := footer{codec: w.opts.Codec.ID, pageBits: w.pageBits, id: w.opts.ID, leaves: uint32(w.leaves)}
	if err := w.writeInnerLevels(); err != nil {
		return Properties{}, err
	}
	f.inners = uint32(len(w.pages) - w.leaves)
	if err := w.writeLocator(); err != nil {
		return Properties{}, err
	}
	f.locators = uint32(len(w.pages)) - f.leaves - f.inners
	p := w.props
	p.Digest = w.out.Digest // now: it is of pages and extents, not of the blocks of the tail
	p.Smallest, p.Largest = bytes.Clone(w.fences.First().User), bytes.Clone(w.last.User)
	if err := w.writeTail(&f, p.encode()); err != nil {
		return Properties{}, err
	}
	p.FileSize = f.size
	return p, w.out.Flush()
}

// writeTail writes properties, directory and footer, which it completes.
func (w *Writer) writeTail(f *footer, properties []byte) error {
	f.properties = w.out.Offset()
	if err := w.out.WriteBlock(block.At(block.Properties, 0, f.properties), properties, codec.Compressor{}); err != nil {
		return err
	}
	f.directory = w.out.Offset()
	if err := w.writeDirectory(f); err != nil {
		return err
	}
	f.size = w.out.Offset() + footerSize
	return w.out.Write(f.encode())
}

func (w *Writer) writeDirectory(f *footer) error {
	l := f.layout()
	var block []byte // that of a small table is far smaller than a page
	for i := range l.Blocks() {
		from := i * l.PerBlock()
		block = w.pages[from:min(from+l.PerBlock(), l.Pages)].Encode(block[:0])
		if err := w.out.WriteBlock(f.directoryPlace(i), block, codec.Compressor{}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) writeLeaf() error {
	err := w.writePage(block.Leaf, w.page.Finish(), w.opts.Codec)
	w.leaves++
	w.page.Reset(0)
	return err
}

// writeInnerLevels writes the pages above the leaves, level by level, until a level has one page.
func (w *Writer) writeInnerLevels() error {
	below, firstChild := &w.fences, 0
	for level := 1; below.Len() > 1; level++ {
		next := len(w.pages)
		w.upper.Reset()
		if err := w.writeInnerLevel(level, below, firstChild); err != nil {
			return err
		}
		// The leaves' fences stay: the first of them is the smallest key.
		if level == 1 {
			below = new(fence.List)
		}
		*below, w.upper = w.upper, *below
		firstChild = next
	}
	return nil
}

// writeInnerLevel writes the pages over the children that below separates, and collects their separators in upper. A
// page has at least two entries, unless it is the last, however long they are: so each level has at most half as
// many pages as the one below, rounded up.
func (w *Writer) writeInnerLevel(level int, below *fence.List, firstChild int) error {
	w.page.Reset(level)
	child := firstChild
	for k := range below.All() {
		if w.page.Len() >= 2 && !w.page.Fits(page.InlineSize(k, 4), w.payloadSize()) {
			if err := w.writePage(block.Inner, w.page.Finish(), w.opts.Codec); err != nil {
				return err
			}
			w.page.Reset(level)
		}
		if w.page.Len() == 0 {
			w.upper.Add(k)
		}
		w.page.AddChild(k, uint32(child))
		child++
	}
	return w.writePage(block.Inner, w.page.Finish(), w.opts.Codec)
}

func (w *Writer) writeLocator() error {
	pages, size := w.locator.Pages()
	for at := 0; at < len(pages); at += size {
		if err := w.writePage(block.Locator, pages[at:at+size], codec.Compressor{}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) writePage(u block.Unit, payload []byte, c codec.Compressor) error {
	at := block.At(u, len(w.pages), w.out.Offset())
	err := w.out.WriteBlock(at, payload, c)
	w.pages.Add(at.Offset, int(w.out.Offset()-at.Offset))
	return err
}

func (w *Writer) writeExtent(value []byte) (page.Extent, error) {
	if len(value) > page.ChunkSize {
		return w.out.WriteChunks(block.InChunks(value))
	}
	at := block.At(block.Extent, 0, w.out.Offset())
	err := w.out.WriteBlock(at, value, w.opts.Codec)
	return page.Extent{
		Offset: uint64(at.Offset),
		Stored: uint64(w.out.Offset() - at.Offset),
		Raw:    uint64(len(value)),
	}, err
}

// position is what a locator says of the entry at an offset of a leaf: the leaf's number, then the offset in units
// of 8 bytes. An entry that does not begin within the nominal page size has none; such a page has one entry, at 0.
func position(leaf, offset int, pageBits uint8) uint32 {
	return uint32(leaf)<<(pageBits-3) | uint32(offset>>3)
}
