// Package page is the layout of the leaf and inner pages of a table: sorted entries, a search array over them, and a
// footer. It works on the raw (uncompressed) payload of a page and owns no memory but that of a Builder. It knows
// nothing of checksums, files and caching. A page is immutable; any number of goroutines may read it.
//
// # Format
//
//	page = entry*  head{n}  slot{n}  footer
//
//	offset in page    size  meaning
//	             0       e  n entries in internal key order, each padded with zeros to a multiple of 8
//	             e      4n  heads: of each key the 4 bytes after the page's common prefix, zero-padded (u32)
//	       e +  4n      2n  slots: where each entry begins, in units of 8 bytes (u16)
//	       e +  6n       2  n, at least 1 (u16)
//	       e +  6n + 2   1  level: 0 leaf, 1 inner page over leaves, 2 inner page over level 1, and so on
//	       e +  6n + 3   1  zero
//	       e +  6n + 4   4  length of the prefix common to all user keys (u32)
//
//	offset in entry   size  meaning
//	             0       8  trailer: sequence number << 8 | kind (u64)
//	             8  varies  length of the user key (uvarint)
//	                varies  value word (uvarint): length of the value << 1 | 1 if the value is an extent, whose
//	                        length does not count the end of a put until
//	                varies  user key, whole: a locator position leads to all that a lookup compares
//	                varies  the value; of an extent its place, 20 bytes, and before that of a put until its end (i64,
//	                        big-endian):
//	                        offset (u64), stored length (u64), value file (u32): 0 for the table's own file, n for
//	                        the nth value file that the table's properties name
//
// An entry of an inner page is a separator and a child: its key sorts after everything in the child before and not
// after anything in this child (the first separator of a level is a lower bound of the table), its value is the
// child's page number (u32). All integers are little-endian. Head comparison is integer comparison, because a head
// is computed from the key's bytes in big-endian order.
package page

import (
	"bytes"
	"encoding/binary"
	"math"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
)

const (
	// MaxSize is the largest payload the layout can address, in bytes.
	MaxSize = entryAlign * (math.MaxUint16 + 1)

	entryAlign   = 8 // entries begin at multiples of it
	trailerSize  = 8
	headSize     = 4
	slotSize     = 2
	indexSize    = headSize + slotSize // of the search array, an entry
	footerSize   = 8
	extentSize   = 20
	endSize      = key.EndSize // of the end of an extent that ends, before its place
	childSize    = 4
	minEntrySize = 16
)

// Extent is the place of a value stored outside its page.
type Extent struct {
	Offset uint64 // in its file
	Stored uint64 // bytes stored there
	Raw    uint64 // length of the value
	File   uint32 // 0: the table's own file; n: the nth of the value files that the table refers to

	End key.Time // of an entry of key.KindPutUntil, which the value here does not begin with; 0 for others
}

const (
	// ChunkSize is how many bytes of a value are stored as one block, in bytes: a longer one is stored in chunks of that
	// size, of which the last may be shorter.
	ChunkSize = key.ChunkSize
	// MaxChunked is the longest value that is stored so, in bytes.
	MaxChunked = key.MaxStreamedSize
)

// Chunks is the number of chunks in which the value is stored; 0 if it is stored in one piece.
func (x Extent) Chunks() int {
	if x.Raw <= ChunkSize {
		return 0
	}
	return int((min(x.Raw, MaxChunked) + ChunkSize - 1) / ChunkSize)
}

// ScratchBytes is how much memory it takes to read x, which was checked: as stored, or its value.
func (x Extent) ScratchBytes() int {
	if x.Chunks() > 0 {
		return int(x.Raw)
	}
	return int(max(x.Stored, x.Raw))
}

// ChunkLen is how many bytes of the value the nth chunk holds.
func (x Extent) ChunkLen(n int) int { return int(min(x.Raw-uint64(n)*ChunkSize, ChunkSize)) }

// Reference is an Extent as any table may refer to it.
type Reference struct {
	Table filename.Num // the number of the file it is in
	ID    uint64       // the id of the table that this file was written as
	Extent
}

// Entry is one decoded entry. It borrows the page.
type Entry struct {
	Key   key.Internal
	value []byte // the value, or the place of an extent
	word  uint64
}

// IsExtent reports whether the value is stored outside the page.
func (e *Entry) IsExtent() bool { return e.word&1 != 0 }

// Value is the value of an entry that is not an extent.
func (e *Entry) Value() []byte { return e.value }

// Extent is the place of the value of an entry that is an extent, as the page says: nothing about it has been
// checked.
func (e *Entry) Extent() Extent {
	place, end := e.value, key.Time(0)
	if e.Key.Ends() {
		end, place = key.SplitEnd(e.value)
	}
	return Extent{
		Offset: binary.LittleEndian.Uint64(place),
		Stored: binary.LittleEndian.Uint64(place[8:]),
		File:   binary.LittleEndian.Uint32(place[16:]),
		Raw:    e.word >> 1,
		End:    end,
	}
}

// Size is the length of the value, wherever it is stored, without the end of one that ends.
func (e *Entry) Size() uint64 {
	if e.Key.Ends() && !e.IsExtent() {
		return e.word>>1 - endSize
	}
	return e.word >> 1
}

// End is when the entry ends; 0 if it does not.
func (e *Entry) End() key.Time {
	if !e.Key.Ends() {
		return 0
	}
	end, _ := key.SplitEnd(e.value)
	return end
}

// placeSize is how many bytes stand in the page for an extent of a kind.
func placeSize(kind key.Kind) int {
	if kind == key.KindPutUntil {
		return endSize + extentSize
	}
	return extentSize
}

// Page is a view of a payload that passed Check.
type Page struct {
	payload []byte
	count   int
	end     int // of the entries; heads begin here
	prefix  int
}

// View returns the view of a payload that passed Check.
func View(payload []byte) Page {
	foot := payload[len(payload)-footerSize:]
	count := int(binary.LittleEndian.Uint16(foot))
	return Page{
		payload: payload,
		count:   count,
		end:     len(payload) - footerSize - indexSize*count,
		prefix:  int(binary.LittleEndian.Uint32(foot[4:])),
	}
}

// Level is the level of a payload that passed Check: 0 for a leaf.
func Level(payload []byte) int { return int(payload[len(payload)-footerSize+2]) }

// EntriesEnd is where the entries of a payload that passed Check end.
func EntriesEnd(payload []byte) int {
	return len(payload) - footerSize - indexSize*int(binary.LittleEndian.Uint16(payload[len(payload)-footerSize:]))
}

// At decodes the entry that begins at offset at, and returns where the next one begins. It is safe for any payload
// and any offset, also inside an entry: it never reads outside payload. ok is false if no entry can begin there.
func At(payload []byte, at int) (e Entry, next int, ok bool) {
	s, ok := locate(payload, at)
	if !ok {
		return Entry{}, 0, false
	}
	e = Entry{
		Key: key.Internal{
			User:    payload[s.key:s.value:s.value],
			Trailer: key.Trailer(binary.LittleEndian.Uint64(payload[at:])),
		},
		value: payload[s.value:s.end:s.end],
		word:  s.word,
	}
	return e, padded(s.end), true
}

// Len is the number of entries, at least 1.
func (p *Page) Len() int { return p.count }

// Entry returns entry i, 0 <= i < Len.
func (p *Page) Entry(i int) Entry {
	b := p.payload[p.offset(i):p.end]
	user, value, word, ok := split(b)
	if !ok {
		e, _, _ := At(p.payload, p.offset(i)) // Check has decoded it
		return e
	}
	return Entry{
		Key:   key.Internal{User: user, Trailer: key.Trailer(binary.LittleEndian.Uint64(b))},
		value: value, word: word,
	}
}

// split finds the parts of the entry that b begins with, one that Check has decoded. It costs a third of At, and is
// most of the work of a scan. ok is false in rare cases: a key of 128 bytes or more, or a value of 8 KiB or more.
func split(b []byte) (user, value []byte, word uint64, ok bool) {
	klen, word, at := int(b[trailerSize]), uint64(b[trailerSize+1]), trailerSize+2
	if word >= 0x80 {
		word, at = word&0x7f|uint64(b[trailerSize+2])<<7, trailerSize+3
	}
	if klen >= 0x80 || word >= 0x80<<7 {
		return nil, nil, 0, false
	}
	vlen := int(word >> 1)
	if word&1 != 0 {
		vlen = placeSize(key.Kind(b[0]))
	}
	end := at + klen
	return b[at:end:end], b[end : end+vlen : end+vlen], word, true
}

// Lend fills dst with entry i and those after it, or before it if step is -1, and returns their number. It is less
// than the length of dst if an extent, or an entry that is neither put nor tombstone, comes before. The page must
// have that many entries.
func (p *Page) Lend(dst []key.Entry, i, step int) int {
	slots := p.payload[p.end+headSize*p.count:]
	touch(p.bytesOf(i, i+(len(dst)-1)*step))
	for n := range dst {
		b := p.payload[entryAlign*int(binary.LittleEndian.Uint16(slots[slotSize*(i+n*step):])) : p.end]
		t := key.Trailer(binary.LittleEndian.Uint64(b))
		user, value, word, ok := split(b)
		if !ok {
			e := p.Entry(i + n*step)
			user, value, word = e.Key.User, e.value, e.word
		}
		if word&1 != 0 || t.Kind() > key.KindPut {
			return n
		}
		e := &dst[n]
		e.Key.User, e.Key.Trailer, e.Value = user, t, value
	}
	return len(dst)
}

// bytesOf is the part of the payload that holds the entries from i to j, in either order, and the beginning of the
// entry after them, which is most likely read next.
func (p *Page) bytesOf(i, j int) []byte {
	end := p.end
	if next := max(i, j) + 1; next < p.count {
		end = p.offset(next) + minEntrySize
	}
	return p.payload[p.offset(min(i, j)):end]
}

// touch loads b line by line, without waiting for any line. A loop over entries waits for memory at each of them,
// because the processor does not look far enough ahead. The result is of no use; inlined, the compiler would drop the
// loads, which make scans a fifth faster (docs/measurements/0009-scans.md, "the loading of lines").
//
//go:noinline
func touch(b []byte) (sum byte) {
	const line = 64
	for at := 0; at < len(b); at += line {
		sum += b[at]
	}
	return sum
}

// Child is the page number that entry i of an inner page leads to.
func (p *Page) Child(i int) uint32 {
	e := p.Entry(i)
	return binary.LittleEndian.Uint32(e.value)
}

// Seek returns the index of the first entry whose key is not before k, Len if there is none, and whether its key is k.
func (p *Page) Seek(k key.Internal) (i int, exact bool) { return p.SeekAmong(k, 0, p.count, -1) }

// SeekAmong is Seek among the entries from low up to high, which is the result if there is none. Apart from entry
// known, which should be in the processor's cache, it looks only at entries whose heads do not decide: what lies
// beyond the result is not read. If known is negative it looks at the result.
func (p *Page) SeekAmong(k key.Internal, low, high, known int) (i int, exact bool) {
	h := head(k.User, p.prefix)
	from := p.firstHead(h, low, high)
	if known < 0 {
		known = min(from, p.count-1)
	}
	switch c := p.comparePrefix(k.User, known); {
	case c < 0:
		return low, false
	case c > 0:
		return high, false
	}
	if from == high || p.head(from) != h {
		return from, false
	}
	if h != math.MaxUint32 {
		high = p.firstHead(h+1, from, high)
	}
	for from < high {
		mid := int(uint(from+high) / 2)
		e := p.Entry(mid)
		switch c := key.Compare(e.Key, k); {
		case c == 0:
			return mid, true
		case c < 0:
			from = mid + 1
		default:
			high = mid
		}
	}
	return from, false
}

// comparePrefix says on which side of all keys of the page user lies: negative before, positive after, zero if user
// has their common prefix too. For that it looks at entry i, the one that is most likely wanted: any other would be
// one more cache miss.
func (p *Page) comparePrefix(user []byte, i int) int {
	if p.prefix == 0 {
		return 0
	}
	e := p.Entry(i)
	prefix := e.Key.User[:p.prefix]
	if len(user) < p.prefix {
		if c := bytes.Compare(user, prefix[:len(user)]); c != 0 {
			return c
		}
		return -1
	}
	return bytes.Compare(user[:p.prefix], prefix)
}

// firstHead returns the first index from low up to high whose head is at least h, high if there is none.
func (p *Page) firstHead(h uint32, low, high int) int {
	heads := p.payload[p.end : p.end+headSize*p.count]
	for n := high - low; n > 0; { // only the loop's own branch can be mispredicted
		half := (n + 1) / 2
		if binary.LittleEndian.Uint32(heads[headSize*(low+half-1):]) < h {
			low += half
		}
		n -= half
	}
	return low
}

func (p *Page) head(i int) uint32 {
	return binary.LittleEndian.Uint32(p.payload[p.end+headSize*i:])
}

func (p *Page) offset(i int) int {
	return entryAlign * int(binary.LittleEndian.Uint16(p.payload[p.end+headSize*p.count+slotSize*i:]))
}

// head returns the four bytes of user after skip, as an integer that orders as the bytes do.
func head(user []byte, skip int) uint32 { return uint32(key.Head(user, skip) >> 32) }

// entryParts says where the parts of an entry lie in its payload; the key begins at key, the value at value.
type entryParts struct {
	key, value, end int
	word            uint64
}

// locate finds the parts of the entry that begins at offset at. It is safe for any payload and offset.
func locate(payload []byte, at int) (entryParts, bool) {
	if at < 0 || at > len(payload)-minEntrySize {
		return entryParts{}, false
	}
	klen, pos, ok := uvarint(payload, at+trailerSize)
	if !ok {
		return entryParts{}, false
	}
	word, pos, ok := uvarint(payload, pos)
	if !ok {
		return entryParts{}, false
	}
	vlen := word >> 1
	if word&1 != 0 {
		vlen = uint64(placeSize(key.Kind(payload[at])))
	}
	left := uint64(len(payload) - pos)
	if klen > left || vlen > left-klen {
		return entryParts{}, false
	}
	value := pos + int(klen)
	return entryParts{key: pos, value: value, end: value + int(vlen), word: word}, true
}

// uvarint decodes an unsigned varint of at most 64 bits at pos and returns the position behind it.
func uvarint(b []byte, pos int) (v uint64, next int, ok bool) {
	if pos < len(b) && b[pos] < 0x80 {
		return uint64(b[pos]), pos + 1, true
	}
	if pos+1 < len(b) && b[pos+1] < 0x80 {
		return uint64(b[pos]&0x7f) | uint64(b[pos+1])<<7, pos + 2, true
	}
	v, n := binary.Uvarint(b[min(pos, len(b)):])
	return v, pos + n, n > 0
}

// padded rounds n up to the unit at which entries begin.
func padded(n int) int { return (n + entryAlign - 1) &^ (entryAlign - 1) }
