package transaction

import (
	"cmp"
	"errors"
	"iter"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
)

// Operation is one operation of a batch, as a program reads it.
type Operation struct {
	Kind  string
	Key   []byte    // not nil
	Value []byte    // of a put, or the argument of a merge, not nil; of a delete nil; the end of a range, nil for none
	Until time.Time // of a put until, else zero
}

// operators are the kinds of merges.
var operators = [...]string{
	operand.Add: "add", operand.Max: "max", operand.Min: "min", operand.Append: "append", operand.User: "merge",
}

// Operations are the operations of a batch, each within the limits, and the error of the first that was not.
type Operations struct {
	Batch batch.Batch
	Err   error
	Space space.Space // of the keys that it is given, and shows

	resets uint64 // how often it was emptied
}

// Put adds a put.
func (o *Operations) Put(key, value []byte) error {
	if err := CheckValue(value); err != nil || !Fits(key) {
		return o.refuse(key, err)
	}
	o.Batch.Put(o.Space.Key(key), value)
	return nil
}

// PutUntil adds a put until t.
func (o *Operations) PutUntil(key, value []byte, t time.Time) error {
	end, err := CheckUntil(value, t)
	if err != nil || !Fits(key) {
		return o.refuse(key, err)
	}
	o.Batch.PutUntil(o.Space.Key(key), value, end)
	return nil
}

// Delete adds a removal.
func (o *Operations) Delete(key []byte) error {
	if !Fits(key) {
		return o.refuse(key, nil)
	}
	o.Batch.Delete(o.Space.Key(key))
	return nil
}

// DeleteRange adds a removal of the keys of s, if there are any.
func (o *Operations) DeleteRange(s span.Span) error {
	if s = o.Space.Span(s.Short(key.MaxUserKeySize)); !s.Empty() {
		o.Batch.DeleteRange(s)
	}
	return nil
}

// Merge adds a merge.
func (o *Operations) Merge(op operand.Operator, key, argument []byte) error {
	if err := CheckArgument(argument); err != nil || !Fits(key) {
		return o.refuse(key, err)
	}
	o.Batch.Merge(op, o.Space.Key(key), argument)
	return nil
}

// Integer adds a merge of an integer.
func (o *Operations) Integer(op operand.Operator, key []byte, n int64) error {
	var argument [8]byte
	return o.Merge(op, key, operand.AppendInt64(argument[:0], n))
}

// refuse returns and remembers why an operation is not added.
func (o *Operations) refuse(key []byte, limits error) error {
	err := errors.Join(CheckKey(key), limits)
	o.Err = cmp.Or(o.Err, err)
	return err
}

// Grow makes room for n bytes of encoded operations more, unless there would be more than limit: then most of it would
// never be used, and there may be no such room.
func (o *Operations) Grow(n, limit int) {
	if n <= limit-len(o.Batch.Bytes()) {
		o.Batch.Grow(n)
	}
}

// Reset forgets all of it, and keeps the memory.
func (o *Operations) Reset() {
	o.Batch.Reset()
	o.Err = nil
	o.resets++
}

// All yields the operations in order. They borrow the memory of o, so a Reset ends it: what is added afterwards is
// written over those that were to come.
func (o *Operations) All() iter.Seq[Operation] {
	return func(yield func(Operation) bool) {
		begun := o.resets
		for op := range o.Batch.Ops() {
			if !yield(o.operationOf(op)) || o.resets != begun {
				return
			}
		}
	}
}

func (o *Operations) operationOf(op batch.Op) Operation {
	shown := o.Space.Cut(op.Key)
	switch op.Kind {
	case key.KindDelete:
		return Operation{Kind: "delete", Key: shown}
	case key.KindRangeDelete:
		return Operation{Kind: "delete range", Key: shown, Value: o.Space.CutEnd(op.Span().Hi)}
	case key.KindPutUntil:
		end, value := key.SplitEnd(op.Value)
		return Operation{Kind: "put until", Key: shown, Value: value, Until: end.Moment()}
	case key.KindMerge:
		return Operation{Kind: operators[op.Value[0]], Key: shown, Value: op.Value[1:]}
	}
	return Operation{Kind: "put", Key: shown, Value: op.Value}
}
