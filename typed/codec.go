package typed

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"

	"lightningdb/tuple"
)

// Codec writes values of one type, and reads them. It may be used by several goroutines at once. One of your own is
// made by Func, of two functions.
type Codec[V any] interface {
	// Append appends v to dst and returns all of it. After an error what it returns is not used.
	Append(dst []byte, v V) ([]byte, error)

	// Decode reads what Append wrote: all of raw, or it is an error. raw is valid until Decode returns, and must not be
	// changed: what it returns has copies.
	Decode(raw []byte) (V, error)
}

// Codecs of bytes and numbers as they are. Bytes does not tell nil from empty, and reads what is not nil. Int and Uint
// have 8 bytes, the highest first.
var (
	Bytes  Codec[[]byte] = Func(appendBytes, decodeBytes)
	String Codec[string] = Func(appendString, decodeString)
	Int    Codec[int64]  = Func(appendInt, decodeInt)
	Uint   Codec[uint64] = Func(appendUint, decodeUint)
)

// Func returns the codec of two functions, which are Append and Decode. For messages of protobuf's own package:
//
//	typed.Func(func(dst []byte, u *pb.User) ([]byte, error) {
//		return proto.MarshalOptions{}.MarshalAppend(dst, u)
//	}, func(raw []byte) (*pb.User, error) {
//		u := new(pb.User)
//		return u, proto.Unmarshal(raw, u)
//	})
func Func[V any](write func(dst []byte, v V) ([]byte, error), read func(raw []byte) (V, error)) Codec[V] {
	return functions[V]{write, read}
}

type functions[V any] struct {
	write func(dst []byte, v V) ([]byte, error)
	read  func(raw []byte) (V, error)
}

func (c functions[V]) Append(dst []byte, v V) ([]byte, error) { return c.write(dst, v) }

func (c functions[V]) Decode(raw []byte) (V, error) { return c.read(raw) }

// JSON returns the codec of what encoding/json can write. What that package does not keep, such as fields that are not
// exported and bytes that are not UTF-8, is not kept.
func JSON[V any]() Codec[V] {
	return Func(func(dst []byte, v V) ([]byte, error) {
		text, err := json.Marshal(v)
		return append(dst, text...), err
	}, func(raw []byte) (v V, err error) {
		err = json.Unmarshal(raw, &v)
		return v, err
	})
}

// Gob returns the codec of what encoding/gob can write. Each row tells its type anew, some hundred bytes, and to read
// that takes some ten microseconds: for rows that are large, or few.
func Gob[V any]() Codec[V] {
	return Func(func(dst []byte, v V) ([]byte, error) {
		w := bytes.NewBuffer(dst)
		err := gob.NewEncoder(w).Encode(&v)
		return w.Bytes(), err
	}, func(raw []byte) (v V, err error) {
		r := bytes.NewReader(raw)
		if err = gob.NewDecoder(r).Decode(&v); err == nil && r.Len() > 0 {
			err = fmt.Errorf("%d bytes behind the value", r.Len())
		}
		return v, err
	})
}

// Binary returns the codec of a type that is an encoding.BinaryMarshaler, and whose pointer is an
// encoding.BinaryUnmarshaler: time.Time, netip.Addr, url.URL, types of your own. P is found by the compiler:
//
//	typed.Binary[time.Time]()
func Binary[V any, P interface {
	*V
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}]() Codec[V] {
	return Func(func(dst []byte, v V) ([]byte, error) {
		raw, err := P(&v).MarshalBinary()
		return append(dst, raw...), err
	}, func(raw []byte) (v V, err error) {
		err = P(&v).UnmarshalBinary(raw)
		return v, err
	})
}

// Message is what generated code of protobuf has, of several generators, and what a type of your own may have.
// Unmarshal reads into a zero value, and keeps nothing of raw.
type Message interface {
	Marshal() ([]byte, error)
	Unmarshal(raw []byte) error
}

// errNoMessage: a row has a message.
var errNoMessage = errors.New("the message is nil")

// Proto returns the codec of messages whose pointers are a Message. Rows are the pointers, for messages must not be
// copied; nil is an error. P is found by the compiler:
//
//	typed.Proto[pb.User]() // of *pb.User
func Proto[M any, P interface {
	*M
	Message
}]() Codec[P] {
	return Func(func(dst []byte, m P) ([]byte, error) {
		if m == nil {
			return dst, errNoMessage
		}
		raw, err := m.Marshal()
		return append(dst, raw...), err
	}, func(raw []byte) (P, error) {
		m := P(new(M))
		return m, m.Unmarshal(raw)
	})
}

// Tuple returns the codec of values that a codec of keys can write: floats, booleans, times, UUIDs, pairs.
func Tuple[V any](c tuple.Codec[V]) Codec[V] {
	return Func(c.Append, func(raw []byte) (V, error) { return tuple.Decode(c, raw) })
}

func appendBytes(dst, v []byte) ([]byte, error) { return append(dst, v...), nil }

func decodeBytes(raw []byte) ([]byte, error) { return append([]byte{}, raw...), nil }

func appendString(dst []byte, v string) ([]byte, error) { return append(dst, v...), nil }

func decodeString(raw []byte) (string, error) { return string(raw), nil }

func appendInt(dst []byte, v int64) ([]byte, error) { return appendUint(dst, uint64(v)) }

func decodeInt(raw []byte) (int64, error) {
	v, err := decodeUint(raw)
	return int64(v), err
}

func appendUint(dst []byte, v uint64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, v), nil
}

func decodeUint(raw []byte) (uint64, error) {
	if len(raw) != 8 {
		return 0, fmt.Errorf("an integer of %d bytes", len(raw))
	}
	return binary.BigEndian.Uint64(raw), nil
}
