package tuple

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// Reader takes a key apart, element by element, in the order in which they were appended:
//
//	r := tuple.NewReader(key)
//	user, at := r.String(), r.Time()
//	if err := r.End(); err != nil { … }
//
// The first error stays: from then on every method returns the zero value, so one look at the end is enough. What a
// Reader returns is a copy. A method whose element has another type fails with ErrType and stays where it is.
//
// The zero value reads an empty key. A Reader belongs to one goroutine.
type Reader struct {
	key   []byte
	off   int // of the element to be read next
	err   error
	spare []byte // for elements that have to be rewritten before they are read
}

// NewReader returns a Reader of key, which must not change while it is read.
func NewReader(key []byte) *Reader { return &Reader{key: key} }

// Reset makes r read key from its beginning. It keeps the memory that r has.
func (r *Reader) Reset(key []byte) { *r = Reader{key: key, spare: r.spare[:0]} }

// More reports whether there is an element to be read, and no error.
func (r *Reader) More() bool { return r.err == nil && r.off < len(r.key) }

// Err returns the first error: a *DecodeError.
func (r *Reader) Err() error { return r.err }

// End returns the first error; without one it is ErrTrailing if there is an element left.
func (r *Reader) End() error {
	if r.More() {
		r.fail(ErrTrailing)
	}
	return r.err
}

// Fail makes err the error of r, at the element that is read next, unless there is one or err is nil. It is for codecs
// that find that what they read makes no sense to them.
func (r *Reader) Fail(err error) { r.fail(err) }

// fail is Fail.
func (r *Reader) fail(err error) {
	if r.err != nil || err == nil {
		return
	}
	e := &DecodeError{Offset: r.off, Err: err}
	if r.off < len(r.key) {
		e.Code = r.key[r.off]
	}
	r.err = e
}

// begin returns the code of the next element.
func (r *Reader) begin() (code byte, ok bool) {
	if r.err != nil {
		return 0, false
	}
	if r.off == len(r.key) {
		r.fail(ErrTruncated)
		return 0, false
	}
	return r.key[r.off], true
}

// wants fails because the next element, which has this code, is not what was asked for.
func (r *Reader) wants(what string, code byte) {
	if !isKnown(code) {
		r.fail(ErrUnknownCode)
		return
	}
	r.fail(fmt.Errorf("%w than %s", ErrType, what))
}

// fixed reads an element of a code and n bytes.
func (r *Reader) fixed(code byte, n int, what string) (b []byte, ok bool) {
	switch got, ok := r.begin(); {
	case !ok:
		return nil, false
	case got != code:
		r.wants(what, got)
		return nil, false
	case len(r.key)-r.off <= n:
		r.fail(ErrTruncated)
		return nil, false
	}
	b = r.key[r.off+1 : r.off+1+n]
	r.off += 1 + n
	return b, true
}

// Null reads a null if the next element is one, and reports whether it was.
func (r *Reader) Null() bool {
	if !r.More() || r.key[r.off] != nullCode {
		return false
	}
	r.off++
	return true
}

// Bool reads a boolean.
func (r *Reader) Bool() bool {
	code, ok := r.begin()
	if ok && code != falseCode && code != trueCode {
		r.wants("a boolean", code)
	}
	if r.err != nil {
		return false
	}
	r.off++
	return code == trueCode
}

// Float32 reads a float of 32 bits, bit by bit.
func (r *Reader) Float32() float32 {
	b, ok := r.fixed(float32Code, 4, "a float of 32 bits")
	if !ok {
		return 0
	}
	v := binary.BigEndian.Uint32(b)
	return math.Float32frombits(v ^ (uint32(int32(^v)>>31) | 1<<31))
}

// Float64 reads a float of 64 bits, bit by bit.
func (r *Reader) Float64() float64 {
	b, ok := r.fixed(float64Code, 8, "a float of 64 bits")
	if !ok {
		return 0
	}
	v := binary.BigEndian.Uint64(b)
	return math.Float64frombits(v ^ (uint64(int64(^v)>>63) | 1<<63))
}

// UUID reads a UUID.
func (r *Reader) UUID() (id [16]byte) {
	b, _ := r.fixed(uuidCode, len(id), "a UUID")
	copy(id[:], b)
	return id
}

// Versionstamp reads a FoundationDB versionstamp.
func (r *Reader) Versionstamp() (stamp [12]byte) {
	b, _ := r.fixed(versionstampCode, len(stamp), "a versionstamp")
	copy(stamp[:], b)
	return stamp
}

// String reads a string. The error is ErrUTF8 if it is not valid UTF-8; AppendString has its bytes.
func (r *Reader) String() string {
	start := r.off
	raw, zeros, ok := r.text(stringCode, "a string")
	if !ok {
		return ""
	}
	if zeros > 0 {
		raw = unescape(make([]byte, 0, len(raw)-zeros), raw)
	}
	if !utf8.Valid(raw) {
		r.off = start
		r.fail(ErrUTF8)
		return ""
	}
	return string(raw)
}

// AppendString reads a string and appends its bytes to dst, whether they are valid UTF-8 or not. It allocates nothing
// if dst has room. After an error it returns dst.
func (r *Reader) AppendString(dst []byte) []byte {
	raw, _, _ := r.text(stringCode, "a string")
	return unescape(dst, raw)
}

// Bytes reads a byte string. It is nil after an error only.
func (r *Reader) Bytes() []byte {
	raw, zeros, ok := r.text(bytesCode, "a byte string")
	if !ok {
		return nil
	}
	return unescape(make([]byte, 0, len(raw)-zeros), raw)
}

// AppendBytes reads a byte string and appends it to dst. It allocates nothing if dst has room. After an error it
// returns dst.
func (r *Reader) AppendBytes(dst []byte) []byte {
	raw, _, _ := r.text(bytesCode, "a byte string")
	return unescape(dst, raw)
}

// text reads an element that a terminator ends, and returns it as it is in the key, with how many zero bytes are in it,
// each of which has an escape behind it.
func (r *Reader) text(code byte, what string) (raw []byte, zeros int, ok bool) {
	switch got, ok := r.begin(); {
	case !ok:
		return nil, 0, false
	case got != code:
		r.wants(what, got)
		return nil, 0, false
	}
	start := r.off + 1
	for end := start; ; zeros++ {
		i := bytes.IndexByte(r.key[end:], terminator)
		if i < 0 {
			r.fail(ErrTruncated)
			return nil, 0, false
		}
		end += i
		if end+1 == len(r.key) || r.key[end+1] != escape {
			r.off = end + 1
			return r.key[start:end], zeros, true
		}
		end += 2
	}
}

// unescape appends raw to dst without its escapes.
func unescape(dst, raw []byte) []byte {
	for {
		i := bytes.IndexByte(raw, 0)
		if i < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:i+1]...)
		raw = raw[i+2:]
	}
}

// Skip reads an element of any type and forgets it. A string need not be valid UTF-8, as for AppendString.
func (r *Reader) Skip() { r.skip(0) }

func (r *Reader) skip(depth int) {
	switch code, ok := r.begin(); {
	case !ok:
	case isInteger(code), code == negativeBigCode, code == positiveBigCode:
		r.integer()
	case code == bytesCode, code == stringCode:
		r.text(code, "")
	case code == nestedCode:
		for r.enter(depth); ; {
			null, more := r.inside()
			if !more {
				return
			}
			if !null {
				r.skip(depth + 1)
			}
		}
	case code == nullCode, code == falseCode, code == trueCode:
		r.off++
	case code == float32Code:
		r.fixed(code, 4, "")
	case code == float64Code:
		r.fixed(code, 8, "")
	case code == uuidCode:
		r.fixed(code, 16, "")
	case code == versionstampCode:
		r.fixed(code, 12, "")
	default:
		r.fail(ErrUnknownCode)
	}
}

// Tuple reads a tuple within the key. It is nil after an error only.
func (r *Reader) Tuple() Tuple { return r.tuple(0) }

// tuple reads a tuple that is itself at a depth.
func (r *Reader) tuple(depth int) Tuple {
	switch code, ok := r.begin(); {
	case !ok:
		return nil
	case code != nestedCode:
		r.wants("a tuple", code)
		return nil
	}
	t := Tuple{}
	for r.enter(depth); ; {
		null, more := r.inside()
		switch {
		case r.err != nil:
			return nil
		case !more:
			return t
		case null:
			t = append(t, nil)
		default:
			t = append(t, r.any(depth+1))
		}
	}
}

// enter goes from the code of a tuple, which is itself at a depth, to what is in it.
func (r *Reader) enter(depth int) {
	if depth == MaxDepth {
		r.fail(ErrDepth)
		return
	}
	r.off++
}

// inside looks at what comes next in a tuple within the key. A null there, and the end, are read by that: the end is a
// zero byte, so null has an escape behind it.
func (r *Reader) inside() (null, more bool) {
	code, ok := r.begin()
	switch {
	case !ok:
		return false, false
	case code != terminator:
		return false, true
	case r.off+1 < len(r.key) && r.key[r.off+1] == escape:
		r.off += 2
		return true, true
	}
	r.off++
	return false, false
}

// Any reads an element of any type. Integers are int64, or uint64 if they are larger, or else *big.Int; other types are
// as Tuple lists them.
func (r *Reader) Any() any { return r.any(0) }

func (r *Reader) any(depth int) any {
	var v any
	switch code, ok := r.begin(); {
	case !ok:
	case isInteger(code), code == negativeBigCode, code == positiveBigCode:
		v = r.number()
	case code == nullCode:
		r.off++
	case code == falseCode, code == trueCode:
		v = r.Bool()
	case code == bytesCode:
		v = r.Bytes()
	case code == stringCode:
		v = r.String()
	case code == nestedCode:
		v = r.tuple(depth)
	case code == float32Code:
		v = r.Float32()
	case code == float64Code:
		v = r.Float64()
	case code == uuidCode:
		v = r.UUID()
	case code == versionstampCode:
		v = r.Versionstamp()
	default:
		r.fail(ErrUnknownCode)
	}
	if r.err != nil {
		return nil
	}
	return v
}

// number reads an integer as the smallest of the types that Any returns.
func (r *Reader) number() any {
	start := r.off
	negative, magnitude, fits := r.word()
	switch {
	case fits && !negative && magnitude <= math.MaxInt64:
		return int64(magnitude)
	case fits && negative && magnitude <= -math.MinInt64:
		return -int64(magnitude)
	case fits && !negative:
		return magnitude
	case r.err != nil:
		return nil
	}
	r.off = start
	return r.Big()
}
