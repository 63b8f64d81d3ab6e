// Package fence keeps the separators of the pages of a table while it is written. A List is for one goroutine.
package fence

import (
	"bytes"
	"encoding/binary"
	"iter"

	"lightningdb/internal/format/key"
)

// List is a list of separators in one piece of memory. A separator is long only where neighbouring keys begin alike,
// and mostly the one before it begins so too: only what differs from that is kept.
//
//	trailer (8 bytes)  bytes like in the one before (4)  bytes that follow (4)  the bytes that follow
type List struct {
	buf   []byte
	count int
	size  int    // bytes of all separators, each kept whole, as they are in inner pages
	last  []byte // user key of the last one
	next  []byte // room for the one being made
}

const (
	fenceHeader = 16
	wholeHeader = 12        // what a separator has besides its key, if it is kept whole
	keptFences  = 256 << 10 // bytes of memory that the next list uses again
)

// Reset empties the list, and keeps its memory unless that is large.
func (f *List) Reset() {
	if cap(f.buf) > keptFences {
		f.buf = nil
	}
	f.buf, f.count, f.size, f.last = f.buf[:0], 0, 0, f.last[:0]
}

// Add appends a separator and keeps nothing of it.
func (f *List) Add(k key.Internal) {
	same := key.CommonPrefix(f.last, k.User)
	f.buf = binary.LittleEndian.AppendUint64(f.buf, uint64(k.Trailer))
	f.buf = binary.LittleEndian.AppendUint32(f.buf, uint32(same))
	f.buf = binary.LittleEndian.AppendUint32(f.buf, uint32(len(k.User)-same))
	f.buf = append(f.buf, k.User[same:]...)
	f.last = append(f.last[:same], k.User[same:]...)
	f.size += wholeHeader + len(k.User)
	f.count++
}

// AddBetween adds the separator of two pages: after the last key of one, not after the first key of the next. Between
// versions of one user key it is the next page's key itself, else a shortest user key, with a trailer that
// sorts before all its versions.
func (f *List) AddBetween(last, next key.Internal) {
	if bytes.Equal(last.User, next.User) {
		f.Add(next)
		return
	}
	f.next = key.Separator(f.next[:0], last.User, next.User)
	f.Add(key.SeekTo(f.next, key.MaxSeqNum))
}

// All yields the separators in order, each valid until the next.
func (f *List) All() iter.Seq[key.Internal] {
	return func(yield func(key.Internal) bool) {
		var user []byte
		for at := 0; at < len(f.buf); {
			t := key.Trailer(binary.LittleEndian.Uint64(f.buf[at:]))
			same := int(binary.LittleEndian.Uint32(f.buf[at+8:]))
			n := int(binary.LittleEndian.Uint32(f.buf[at+12:]))
			at += fenceHeader
			user = append(user[:same], f.buf[at:at+n]...)
			if !yield(key.Internal{User: user, Trailer: t}) {
				return
			}
			at += n
		}
	}
}

// First returns the first separator; nothing if there is none.
func (f *List) First() key.Internal {
	for k := range f.All() {
		return k
	}
	return key.Internal{}
}

// Len is how many separators there are.
func (f *List) Len() int { return f.count }

// Size is how many bytes they have, each kept whole, as they are in inner pages.
func (f *List) Size() int { return f.size }

// Held is how many bytes of memory the list uses.
func (f *List) Held() int { return len(f.buf) }
