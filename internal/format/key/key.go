// Package key is the vocabulary of order: sequence numbers, kinds, and the internal key, which joins a user key to
// the commit that wrote it. It owns no memory and starts nothing. Every function is safe for concurrent use.
//
// # Order
//
// Internal keys are ordered by user key ascending (as bytes.Compare) and, for equal user keys, by sequence number
// descending: the newest version of a key comes first. In practice kinds break no ties, because no two entries share
// a user key and a sequence number; they take part so that the order is total.
package key

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"lightningdb/internal/format/space"
)

// Limits of what a user may store, enforced before anything is written. The formats allow more. A key may be empty.
const (
	MaxUserKeySize = 64 << 10
	MaxValueSize   = 64 << 20

	// MaxStoredKeySize is that of a key with what says whose it is.
	MaxStoredKeySize = MaxUserKeySize + space.MaxPrefix

	MaxStreamedSize = 1 << 30 // of a value that is written and read as a stream
	ChunkSize       = 1 << 20 // of the chunks in which that is done
)

// SeqNum is the position of an operation in the one order of all commits. It has 56 bits. Zero means "before
// everything": no operation has it.
type SeqNum uint64

// MaxSeqNum is the largest sequence number that the formats can hold. No operation has it. A lookup at MaxSeqNum sees
// every version.
const MaxSeqNum SeqNum = 1<<56 - 1

// Kind says what an entry does to its user key. The values are on disk: never renumber, never reuse.
type Kind uint8

const (
	// KindDelete removes the key: a tombstone. Its value is empty.
	KindDelete Kind = 0
	// KindPut sets the key to the entry's value.
	KindPut Kind = 1
	// KindMerge changes the key's value by the entry's value, an operand as package operand encodes it.
	KindMerge Kind = 2
	// KindRangeDelete removes the keys of a range: its key is the lower end, its value the upper one. A batch has it; no
	// entry of a memtable or table does (see package ranges).
	KindRangeDelete Kind = 3

	// KindPutUntil sets the key to the entry's value until a moment, its end, which the value begins with (see WithEnd).
	// From then on the key has no value.
	KindPutUntil Kind = 4

	// Reserved for formats to come: 5 value outside the tree. A reader that meets a kind it does not know reports
	// corruption; it never guesses.

	// KindMax is the kind of a seek target: it sorts before every real kind of the same sequence number.
	KindMax Kind = 255
)

// Known reports whether this version of the program understands entries of kind k.
func (k Kind) Known() bool { return k <= KindMerge || k == KindPutUntil }

func (k Kind) String() string {
	switch k {
	case KindDelete:
		return "delete"
	case KindPut:
		return "put"
	case KindMerge:
		return "merge"
	case KindRangeDelete:
		return "range delete"
	case KindPutUntil:
		return "put until"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Trailer packs a sequence number (upper 56 bits) and a kind (lower 8 bits).
type Trailer uint64

// MakeTrailer packs seq and kind.
func MakeTrailer(seq SeqNum, kind Kind) Trailer { return Trailer(uint64(seq)<<8 | uint64(kind)) }

// Seq is the sequence number of t.
func (t Trailer) Seq() SeqNum { return SeqNum(t >> 8) }

// Kind is the kind of t.
func (t Trailer) Kind() Kind { return Kind(t & 0xff) }

// Internal is a user key and one version of it: what every sorted run is ordered by. It borrows User.
type Internal struct {
	User    []byte
	Trailer Trailer
}

// Make returns the internal key of one version of user. It borrows user.
func Make(user []byte, seq SeqNum, kind Kind) Internal {
	return Internal{User: user, Trailer: MakeTrailer(seq, kind)}
}

// SeekTo returns the internal key that sorts before every version of user that is visible at seq, and after every
// newer one. A search for it finds the newest visible version.
func SeekTo(user []byte, seq SeqNum) Internal { return Make(user, seq, KindMax) }

// Compare orders internal keys: user key ascending, then trailer descending.
func Compare(a, b Internal) int {
	if c := bytes.Compare(a.User, b.User); c != 0 {
		return c
	}
	switch {
	case a.Trailer > b.Trailer:
		return -1
	case a.Trailer < b.Trailer:
		return 1
	}
	return 0
}

// Zero reports whether k is the zero Internal, which no entry and no seek to a version has: the empty user key is a key
// like any other, so its length says nothing.
func (k Internal) Zero() bool { return k.Trailer == 0 && len(k.User) == 0 }

// Clone returns a copy of k that owns its bytes.
func (k Internal) Clone() Internal {
	return Internal{User: bytes.Clone(k.User), Trailer: k.Trailer}
}

// Entry is an internal key and its value. It borrows both.
type Entry struct {
	Key   Internal
	Value []byte
}

func (k Internal) String() string {
	return fmt.Sprintf("%q#%d,%s", k.User, k.Trailer.Seq(), k.Trailer.Kind())
}

// Hash is the hash by which memtables and locators find a user key. It is on disk (in locators), so the function
// never changes within a format version.
func Hash(user []byte) uint64 { return xxhash.Sum64(user) }

// Head returns the first eight bytes of k after skip bytes, as a big-endian integer padded with zeros. Comparing two
// heads as integers orders the keys wherever the heads differ. Equal heads decide nothing.
func Head(k []byte, skip int) uint64 {
	if len(k) >= skip+8 {
		return binary.BigEndian.Uint64(k[skip:])
	}
	var b [8]byte
	if len(k) > skip {
		copy(b[:], k[skip:])
	}
	return binary.BigEndian.Uint64(b[:])
}

// Separator appends to dst a shortest user key s with a < s <= b, for user keys a < b, and returns the result. Pages
// use it to keep inner entries short.
func Separator(dst, a, b []byte) []byte {
	n := CommonPrefix(a, b)
	return append(dst, b[:n+1]...)
}

// CommonPrefix is the number of leading bytes that a and b share.
func CommonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
