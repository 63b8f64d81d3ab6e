package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/wal"
)

// ErrBadPiece says that a piece is cut, was changed, is missing, or is none. Use errors.Is.
var ErrBadPiece = errors.New("a piece of the archive is damaged")

// Moment says that everything up to a commit was there at a time of day.
type Moment struct {
	Time     time.Time
	Sequence key.SeqNum
}

// commit is what a piece has of one.
type commit struct {
	first key.SeqNum
	count int
	bytes []byte // as package batch encodes them
}

func (c commit) last() key.SeqNum { return c.first + key.SeqNum(c.count) - 1 }

// piece is a part of a branch: its base, or commits.
type piece struct {
	database [16]byte
	branch   uint64
	before   [32]byte // digest of the piece before it; zeros in a base
	first    key.SeqNum
	last     key.SeqNum // of a base, both are what its backup ends with
	end      wal.Predecessor
	moments  []Moment // with sequence numbers from first to last, in order

	base    *base // nil if it has commits
	commits []commit

	digest [32]byte // of its bytes; set by encode and decode
}

// base is what begins a branch.
type base struct {
	backup string // id
	cause  Cause
	after  uint64     // the branch that does not lead on, 0 if there was none
	ended  key.SeqNum // what that ends with
}

// Cause says why a branch was begun.
type Cause string

// The causes: see the package.
const (
	Begin       Cause = "begin"
	Gap         Cause = "gap"
	Transaction Cause = "transaction"
	Fork        Cause = "fork"
)

const (
	magic      = "LDBPIECE"
	format     = 1
	headerSize = 8 + 4 + 4 + 8 + 16
	fixedSize  = 8 + 8 + 32 + 8 + 8 + 8 + 8 + 4 + 4

	kindBase    = 1
	kindCommits = 2

	pieceBytes = 1 << 20 // of commits, at which a piece is full
	maxMoments = 1 << 10
	maxString  = 1 << 8

	// maxBody is the longest body: one commit, and what every piece has. maxPiece is that with all around it.
	maxBody  = wal.MaxPayloadSize + pieceBytes
	maxPiece = maxBody + maxBody/64 + 1<<10

	// maxRatio is how many bytes one byte of a compressed body may stand for. What compresses better is stored as it is,
	// so that a short piece never makes its reader take much memory.
	maxRatio = 64
)

// encode returns the bytes of a piece, and sets its digest.
func (p *piece) encode() []byte {
	le := binary.LittleEndian
	body := p.appendFixed(make([]byte, 0, fixedSize))
	if p.base != nil {
		body = appendString(body, p.base.backup)
		body = appendString(body, string(p.base.cause))
		body = le.AppendUint64(body, p.base.after)
		body = le.AppendUint64(body, uint64(p.base.ended))
	}
	for _, c := range p.commits {
		body = binary.AppendUvarint(body, uint64(c.count))
		body = binary.AppendUvarint(body, uint64(len(c.bytes)))
		body = append(body, c.bytes...)
	}
	id, packed := codec.S2, codec.EncodeS2(nil, body)
	if len(packed)*maxRatio < len(body) || len(packed) > len(body) {
		id, packed = codec.None, body
	}
	text := append(make([]byte, 0, headerSize+len(packed)+sha256.Size), magic...)
	text = le.AppendUint32(text, format)
	text = le.AppendUint32(text, uint32(id))
	text = le.AppendUint64(text, uint64(len(body)))
	text = append(text, p.database[:]...)
	text = append(text, packed...)
	p.digest = sha256.Sum256(text)
	return append(text, p.digest[:]...)
}

func (p *piece) appendFixed(body []byte) []byte {
	le := binary.LittleEndian
	kind := uint64(kindCommits)
	if p.base != nil {
		kind = kindBase
	}
	body = le.AppendUint64(body, kind)
	body = le.AppendUint64(body, p.branch)
	body = append(body, p.before[:]...)
	body = le.AppendUint64(body, uint64(p.first))
	body = le.AppendUint64(body, uint64(p.last))
	body = le.AppendUint64(body, uint64(p.end.Num))
	body = le.AppendUint64(body, uint64(p.end.Length))
	body = le.AppendUint32(body, p.end.Sum)
	body = le.AppendUint32(body, uint32(len(p.moments)))
	for _, m := range p.moments {
		body = le.AppendUint64(body, uint64(m.Time.UnixNano()))
		body = le.AppendUint64(body, uint64(m.Sequence))
	}
	return body
}

func appendString(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

// decode reads a piece, which may be anything. It borrows text.
func decode(text []byte) (*piece, error) {
	le := binary.LittleEndian
	if len(text) < headerSize+sha256.Size || string(text[:8]) != magic {
		return nil, fmt.Errorf("%w: it does not begin like one", ErrBadPiece)
	}
	if v := le.Uint32(text[8:]); v > format {
		return nil, fmt.Errorf("the piece is of format %d, and this program reads those up to %d: use a newer one", v, format)
	}
	packed, p := text[headerSize:len(text)-sha256.Size], new(piece)
	p.digest = sha256.Sum256(text[:len(text)-sha256.Size])
	if !bytes.Equal(p.digest[:], text[len(text)-sha256.Size:]) {
		return nil, fmt.Errorf("%w: its SHA-256 is %x", ErrBadPiece, p.digest)
	}
	size := le.Uint64(text[16:])
	if size < fixedSize || size > maxBody || size > uint64(len(packed))*maxRatio {
		return nil, fmt.Errorf("%w: it says that it has %d bytes", ErrBadPiece, size)
	}
	id := codec.ID(min(le.Uint32(text[12:]), 255))
	body, err := codec.Decode(id, nil, packed, int(size))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadPiece, err)
	}
	copy(p.database[:], text[24:])
	if what := p.decodeBody(body); what != "" {
		return nil, fmt.Errorf("%w: %s", ErrBadPiece, what)
	}
	return p, nil
}

// decodeBody reads a body, and returns what is wrong in it.
func (p *piece) decodeBody(body []byte) string {
	le := binary.LittleEndian
	kind := le.Uint64(body)
	p.branch = le.Uint64(body[8:])
	copy(p.before[:], body[16:])
	p.first, p.last = key.SeqNum(le.Uint64(body[48:])), key.SeqNum(le.Uint64(body[56:]))
	p.end = wal.Predecessor{Num: filename.Num(le.Uint64(body[64:])), Length: int64(le.Uint64(body[72:])),
		LastSeq: p.last, Sum: le.Uint32(body[80:])}
	moments, rest := int64(le.Uint32(body[84:])), body[fixedSize:]
	if p.first > p.last || p.last > key.MaxSeqNum || moments > maxMoments || moments*16 > int64(len(rest)) {
		return "its front is impossible"
	}
	for range moments {
		m := Moment{time.Unix(0, int64(le.Uint64(rest))).UTC(), key.SeqNum(le.Uint64(rest[8:]))}
		if n := len(p.moments); m.Sequence < p.first || m.Sequence > p.last ||
			n > 0 && m.Sequence <= p.moments[n-1].Sequence {
			return "its moments are not in order"
		}
		p.moments, rest = append(p.moments, m), rest[16:]
	}
	switch kind {
	case kindBase:
		return p.decodeBase(rest)
	case kindCommits:
		return p.decodeCommits(rest)
	}
	return fmt.Sprintf("it is of kind %d", kind)
}

func (p *piece) decodeBase(rest []byte) string {
	b := new(base)
	backup, rest, ok := cutString(rest)
	cause, rest, ok2 := cutString(rest)
	if !ok || !ok2 || len(rest) != 16 || p.first != p.last || p.before != [32]byte{} {
		return "it is no base"
	}
	b.backup, b.cause = backup, Cause(cause)
	b.after, b.ended = binary.LittleEndian.Uint64(rest), key.SeqNum(binary.LittleEndian.Uint64(rest[8:]))
	p.base = b
	return ""
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return "", nil, false
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], true
}

func (p *piece) decodeCommits(rest []byte) string {
	for next := p.first; len(rest) > 0; {
		count, n := binary.Uvarint(rest)
		size, m := binary.Uvarint(rest[max(n, 0):])
		if n <= 0 || m <= 0 || count == 0 || count > size || size > uint64(len(rest)-n-m) || next > p.last {
			return "its commits are cut"
		}
		rest = rest[n+m:]
		c := commit{first: next, count: int(count), bytes: rest[:size:size]}
		if _, err := batch.Decode(c.bytes, c.count); err != nil {
			return fmt.Sprintf("commit %d: %v", next, err)
		}
		p.commits, rest, next = append(p.commits, c), rest[size:], c.last()+1
	}
	if n := len(p.commits); n == 0 || p.commits[n-1].last() != p.last {
		return "its commits are not those that it names"
	}
	return ""
}
