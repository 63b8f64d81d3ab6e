package tuple

import (
	"fmt"
	"math/big"
	"sync"
	"time"
	"unicode/utf8"
)

// Codec writes keys of one type, and reads them. What is made of codecs is a codec:
//
//	visits := tuple.Pair(tuple.String, tuple.Desc(tuple.Time)) // by user, the newest first
//	key, err := visits.Append(nil, tuple.Two[string, time.Time]{A: "ann", B: time.Now()})
//	visit, err := tuple.Decode(visits, key)
//
// A codec may be used by several goroutines at once. One of your own writes one or more elements, always as many, by
// the Append functions of this package, and reads them in the same order; Map makes most of them.
type Codec[T any] interface {
	// Append appends the elements of v to dst. Where v is before another value, what is appended is before what is
	// appended for that one. After an error, dst is returned as it was.
	Append(dst []byte, v T) ([]byte, error)

	// Read reads what Append wrote. If it cannot, it leaves an error in r, by the methods of r or by Fail, and what it
	// returns is not used.
	Read(r *Reader) T
}

// Codecs of single elements. They order values as the Append functions of the same names say, and hold what Go can hold
// but for what fails: String refuses what is not valid UTF-8 with ErrUTF8, and Big nil and what has more than 255
// bytes. Time forgets the zone.
var (
	Bool         Codec[bool]      = element[bool]{AppendBool, (*Reader).Bool}
	Int          Codec[int64]     = element[int64]{AppendInt, (*Reader).Int}
	Uint         Codec[uint64]    = element[uint64]{AppendUint, (*Reader).Uint}
	Float32      Codec[float32]   = element[float32]{AppendFloat32, (*Reader).Float32}
	Float64      Codec[float64]   = element[float64]{AppendFloat64, (*Reader).Float64}
	Bytes        Codec[[]byte]    = element[[]byte]{AppendBytes, (*Reader).Bytes}
	UUID         Codec[[16]byte]  = element[[16]byte]{AppendUUID, (*Reader).UUID}
	Versionstamp Codec[[12]byte]  = element[[12]byte]{AppendVersionstamp, (*Reader).Versionstamp}
	Time         Codec[time.Time] = element[time.Time]{AppendTime, (*Reader).Time}
	Big          Codec[*big.Int]  = bigCodec{}
	String       Codec[string]    = stringCodec{}
)

// element is the codec of an element that can always be written.
type element[T any] struct {
	write func(dst []byte, v T) []byte
	read  func(*Reader) T
}

func (c element[T]) Append(dst []byte, v T) ([]byte, error) { return c.write(dst, v), nil }

func (c element[T]) Read(r *Reader) T { return c.read(r) }

type bigCodec struct{}

func (bigCodec) Append(dst []byte, v *big.Int) ([]byte, error) { return AppendBig(dst, v) }

func (bigCodec) Read(r *Reader) *big.Int { return r.Big() }

type stringCodec struct{}

func (stringCodec) Append(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return dst, fmt.Errorf("tuple: %w", ErrUTF8)
	}
	return AppendString(dst, s), nil
}

func (stringCodec) Read(r *Reader) string { return r.String() }

// readers are those of Decode: a codec may keep what it is given, as far as the compiler knows, so each would be a new
// one on the heap.
var readers = sync.Pool{New: func() any { return new(Reader) }}

// Decode reads a whole key. The error is a *DecodeError; ErrTrailing if c leaves elements unread. To read many keys in
// a loop, a Reader that is Reset for each does as well.
func Decode[T any](c Codec[T], key []byte) (T, error) {
	r := readers.Get().(*Reader)
	r.Reset(key)
	v := c.Read(r)
	err := r.End()
	r.Reset(nil)
	readers.Put(r)
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}

// Two is a value of a codec that Pair made.
type Two[A, B any] struct {
	A A
	B B
}

// Three is a value of a codec that Triple made.
type Three[A, B, C any] struct {
	A A
	B B
	C C
}

// Pair returns the codec of two things one after the other, ordered by the first, then by the second. It adds no byte:
// the key of the first is a beginning of the key of both, for Prefix.
func Pair[A, B any](a Codec[A], b Codec[B]) Codec[Two[A, B]] { return pair[A, B]{a, b} }

type pair[A, B any] struct {
	a Codec[A]
	b Codec[B]
}

func (c pair[A, B]) Append(dst []byte, v Two[A, B]) ([]byte, error) {
	start := len(dst)
	dst, err := c.a.Append(dst, v.A)
	if err == nil {
		dst, err = c.b.Append(dst, v.B)
	}
	if err != nil {
		return dst[:start], err
	}
	return dst, nil
}

func (c pair[A, B]) Read(r *Reader) Two[A, B] {
	a := c.a.Read(r)
	return Two[A, B]{a, c.b.Read(r)}
}

// Triple is as Pair, of three things.
func Triple[A, B, C any](a Codec[A], b Codec[B], c Codec[C]) Codec[Three[A, B, C]] {
	return triple[A, B, C]{a, b, c}
}

type triple[A, B, C any] struct {
	a Codec[A]
	b Codec[B]
	c Codec[C]
}

func (c triple[A, B, C]) Append(dst []byte, v Three[A, B, C]) ([]byte, error) {
	start := len(dst)
	dst, err := c.a.Append(dst, v.A)
	if err == nil {
		dst, err = c.b.Append(dst, v.B)
	}
	if err == nil {
		dst, err = c.c.Append(dst, v.C)
	}
	if err != nil {
		return dst[:start], err
	}
	return dst, nil
}

func (c triple[A, B, C]) Read(r *Reader) Three[A, B, C] {
	a := c.a.Read(r)
	b := c.b.Read(r)
	return Three[A, B, C]{a, b, c.c.Read(r)}
}

// Map returns the codec of a type of your own, by way of one that c can write. Keys are in the order of what to gives.
// The function from may refuse what it is given; its error is then that of the Reader. For a struct, c is a Pair or
// Triple:
//
//	type visit struct {
//		user string
//		at   time.Time
//	}
//	visits := tuple.Map(tuple.Pair(tuple.String, tuple.Time),
//		func(v visit) tuple.Two[string, time.Time] { return tuple.Two[string, time.Time]{A: v.user, B: v.at} },
//		func(k tuple.Two[string, time.Time]) (visit, error) { return visit{k.A, k.B}, nil })
func Map[T, U any](c Codec[U], to func(T) U, from func(U) (T, error)) Codec[T] {
	return mapped[T, U]{c, to, from}
}

type mapped[T, U any] struct {
	c    Codec[U]
	to   func(T) U
	from func(U) (T, error)
}

func (c mapped[T, U]) Append(dst []byte, v T) ([]byte, error) { return c.c.Append(dst, c.to(v)) }

func (c mapped[T, U]) Read(r *Reader) T {
	var none T
	start := r.off
	u := c.c.Read(r)
	if r.err != nil {
		return none
	}
	v, err := c.from(u)
	if err != nil {
		r.off = start
		r.fail(err)
		return none
	}
	return v
}
