// Package batch is the encoding of one commit's operations: the log stores it as the payload of a record, byte for
// byte, and the memtable is filled from it. It owns no files and is not safe for concurrent use.
//
// # Format
//
// A batch is a sequence of operations without a header. Their number is stored elsewhere, in the log record.
//
//	operation = kind (1 byte)  key length (uvarint)  [value length (uvarint)]  key  [value]
//
// A delete has no value length and no value; the value of a merge is an operand (package operand). The key of a range
// delete is its lower end, and its value the upper one, behind the lower, or of length 0 if there is none: no range
// ends at the empty key. The value of a put until begins with its end (key.WithEnd). Operation i of a
// batch whose first sequence number is s has sequence number s+i. Example: put "k"="vv", delete "k", append "w" to "k",
// delete all from "k" to before "m" is
//
//	01 01 02 6b 76 76   00 01 6b   02 01 02 6b 04 77   03 01 01 6b 6d
package batch

import (
	"encoding/binary"
	"errors"
	"iter"
	"slices"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/span"
)

// Batch collects operations. The zero value is an empty batch. It owns copies of all keys and values given to it.
type Batch struct {
	ops    []byte
	count  int
	ranges int  // how many are deletes of ranges
	ends   int  // bytes of the ends of these
	adds   bool // something in it is no deletion
	until  bool // something in it ends
}

// Op is one decoded operation. Key and Value borrow the batch's bytes.
type Op struct {
	Kind  key.Kind
	Key   []byte
	Value []byte
}

// grow makes room for an operation on k with n bytes more.
func (b *Batch) grow(k []byte, n int) { b.ops = slices.Grow(b.ops, operationOverheadBytes+len(k)+n) }

// operationOverheadBytes is the most that an operation takes besides its key and value.
const operationOverheadBytes = 1 + 2*binary.MaxVarintLen32

// SizeOfPut is the most memory that Put or PutUntil needs in an empty batch, in bytes.
func SizeOfPut(k, v []byte) int { return operationOverheadBytes + len(k) + key.EndSize + len(v) }

// In returns an empty batch that uses memory as long as its operations fit. The memory stays the caller's.
func In(memory []byte) Batch { return Batch{ops: memory[:0]} }

// Put adds "set k to v".
func (b *Batch) Put(k, v []byte) {
	b.grow(k, len(v))
	b.ops = append(b.ops, byte(key.KindPut))
	b.ops = binary.AppendUvarint(b.ops, uint64(len(k)))
	b.ops = binary.AppendUvarint(b.ops, uint64(len(v)))
	b.ops = append(append(b.ops, k...), v...)
	b.count++
	b.adds = true
}

// PutUntil adds "set k to v until end", which is after 1970.
func (b *Batch) PutUntil(k, v []byte, end key.Time) {
	b.begin(key.KindPutUntil, k, key.EndSize+len(v))
	b.ops = key.WithEnd(b.ops, end, v)
	b.adds, b.until = true, true
}

// Delete adds "remove k".
func (b *Batch) Delete(k []byte) {
	b.grow(k, 0)
	b.ops = append(b.ops, byte(key.KindDelete))
	b.ops = binary.AppendUvarint(b.ops, uint64(len(k)))
	b.ops = append(b.ops, k...)
	b.count++
}

// Merge adds "change k by argument". The argument must suit the operator: the integer operators take what
// operand.AppendInt64 makes.
func (b *Batch) Merge(o operand.Operator, k, argument []byte) {
	b.begin(key.KindMerge, k, 1+len(argument))
	b.ops = append(append(b.ops, byte(o)), argument...)
	b.adds = true
}

// DeleteRange adds "remove the keys of s", which is not empty.
func (b *Batch) DeleteRange(s span.Span) {
	b.begin(key.KindRangeDelete, s.Lo, len(s.Hi))
	b.ops = append(b.ops, s.Hi...)
	b.ranges++
	b.ends += len(s.Lo) + len(s.Hi)
}

// begin adds an operation on k but for its value, which has n bytes: the caller appends them.
func (b *Batch) begin(kind key.Kind, k []byte, n int) {
	b.grow(k, n)
	b.ops = append(b.ops, byte(kind))
	b.ops = binary.AppendUvarint(b.ops, uint64(len(k)))
	b.ops = binary.AppendUvarint(b.ops, uint64(n))
	b.ops = append(b.ops, k...)
	b.count++
}

// Grow makes room for n bytes of encoded operations more, if n is positive.
func (b *Batch) Grow(n int) { b.ops = slices.Grow(b.ops, max(n, 0)) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { *b = Batch{ops: b.ops[:0]} }

// Count returns the number of operations.
func (b *Batch) Count() int { return b.count }

// Ranges returns how many of the operations are deletes of ranges.
func (b *Batch) Ranges() int { return b.ranges }

// RangeBytes returns how many bytes the ends of these ranges have.
func (b *Batch) RangeBytes() int { return b.ends }

// Adds reports whether anything was put or merged, and not only deleted. Of a decoded batch it is not known.
func (b *Batch) Adds() bool { return b.adds }

// Ends reports whether something in the batch ends.
func (b *Batch) Ends() bool { return b.until }

// Bytes returns the encoding. It is valid until the next change of the batch.
func (b *Batch) Bytes() []byte { return b.ops }

// ErrTooManyRanges refuses a delete of a range where too many are kept in memory. Whoever refuses it adds how many, and
// what to do.
var ErrTooManyRanges = errors.New("too many deletes of ranges")

var errMalformed = errors.New("malformed batch")

// Decode returns the batch encoded in data. That must hold exactly count operations, each with a known kind, with
// sizes within the limits, for a merge with a well-formed operand of a known operator, for a put until with an end,
// and for a range delete with a range that is not empty. Decode borrows data and checks all of it, so that Ops of the
// result never fails.
func Decode(data []byte, count int) (Batch, error) {
	b, rest := Batch{ops: data, count: count}, data
	for range count {
		op, tail, ok := next(rest)
		if !ok {
			return Batch{}, errMalformed
		}
		if op.Kind == key.KindRangeDelete {
			b.ranges++
			b.ends += len(op.Key) + len(op.Value)
		}
		b.until = b.until || op.Kind == key.KindPutUntil
		rest = tail
	}
	if len(rest) != 0 {
		return Batch{}, errMalformed
	}
	return b, nil
}

// Ops yields the operations in order.
func (b *Batch) Ops() iter.Seq[Op] {
	return func(yield func(Op) bool) {
		for rest := b.ops; len(rest) > 0; {
			op, tail, ok := next(rest)
			if !ok || !yield(op) { // !ok cannot happen: the bytes come from what adds, or Decode
				return
			}
			rest = tail
		}
	}
}

// Span is the keys that a range delete removes. It borrows the bytes of op.
func (op Op) Span() span.Span {
	s := span.Span{Lo: op.Key}
	if len(op.Value) > 0 {
		s.Hi = op.Value
	}
	return s
}

// Keys yields the key of each operation in order, of a range delete its lower end.
func (b *Batch) Keys() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for op := range b.Ops() {
			if !yield(op.Key) {
				return
			}
		}
	}
}

// next decodes the operation at the front of data. ok is false if there is no whole and valid one.
func next(data []byte) (op Op, rest []byte, ok bool) {
	if len(data) == 0 {
		return Op{}, nil, false
	}
	op.Kind = key.Kind(data[0])
	if !op.Kind.Known() && op.Kind != key.KindRangeDelete {
		return Op{}, nil, false
	}
	data = data[1:]
	keySize, n := binary.Uvarint(data)
	if n <= 0 || keySize > key.MaxStoredKeySize {
		return Op{}, nil, false
	}
	data = data[n:]
	valueSize := uint64(0)
	if op.Kind != key.KindDelete {
		valueSize, n = binary.Uvarint(data)
		if n <= 0 || valueSize > key.MaxValueSize {
			return Op{}, nil, false
		}
		data = data[n:]
	}
	if uint64(len(data)) < keySize+valueSize {
		return Op{}, nil, false
	}
	op.Key = data[:keySize:keySize]
	op.Value = data[keySize : keySize+valueSize : keySize+valueSize]
	if op.Kind == key.KindMerge && operand.Check(op.Value) != nil {
		return Op{}, nil, false
	}
	if op.Kind == key.KindPutUntil && !key.HasEnd(op.Value) {
		return Op{}, nil, false
	}
	if op.Kind == key.KindRangeDelete && (len(op.Value) > key.MaxStoredKeySize || op.Span().Empty()) {
		return Op{}, nil, false
	}
	return op, data[keySize+valueSize:], true
}
