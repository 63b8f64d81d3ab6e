package table

import (
	"encoding/binary"
	"iter"

	"lightningdb/internal/format/key"
)

// fences is a list of separators in one piece of memory, each a trailer, a length and a user key.
type fences struct {
	buf   []byte
	count int
}

func (f *fences) reset() { f.buf, f.count = f.buf[:0], 0 }

// begin and end frame the user key of a new fence, which the caller appends to buf.
func (f *fences) begin(t key.Trailer) (at int) {
	f.buf = binary.LittleEndian.AppendUint64(f.buf, uint64(t))
	f.buf = append(f.buf, 0, 0, 0, 0)
	f.count++
	return len(f.buf)
}

func (f *fences) end(at int) {
	binary.LittleEndian.PutUint32(f.buf[at-4:], uint32(len(f.buf)-at))
}

func (f *fences) add(k key.Internal) {
	at := f.begin(k.Trailer)
	f.buf = append(f.buf, k.User...)
	f.end(at)
}

// addBetween adds the separator of two pages: after the last key of one, not after the first key of the next. Between
// versions of one user key it is the next page's key itself, else a shortest user key, with a trailer that
// sorts before all its versions.
func (f *fences) addBetween(last, next key.Internal) {
	if len(last.User) == len(next.User) && key.CommonPrefix(last.User, next.User) == len(next.User) {
		f.add(next)
		return
	}
	at := f.begin(beforeAll)
	f.buf = key.Separator(f.buf, last.User, next.User)
	f.end(at)
}

// beforeAll is the trailer that sorts before every version of a user key.
const beforeAll = key.Trailer(uint64(key.MaxSeqNum)<<8 | uint64(key.KindMax))

// all yields the fences in order; they borrow the list's memory.
func (f *fences) all() iter.Seq[key.Internal] {
	return func(yield func(key.Internal) bool) {
		for at := 0; at < len(f.buf); {
			t := key.Trailer(binary.LittleEndian.Uint64(f.buf[at:]))
			n := int(binary.LittleEndian.Uint32(f.buf[at+8:]))
			at += 12
			if !yield(key.Internal{User: f.buf[at : at+n], Trailer: t}) {
				return
			}
			at += n
		}
	}
}
