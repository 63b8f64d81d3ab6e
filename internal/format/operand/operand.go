// Package operand owns what a merge does: the encoding of operands, and how an operand turns the value before it
// into the value after it. A merge is written without reading anything. The value is computed when somebody reads
// the key, or when a memtable, a flush or a compaction has both the operand and what it is based on. Where the
// operands of a key are, and which of them may be folded together, is not decided here.
//
// Functions are safe for concurrent use; a Chain belongs to one goroutine at a time.
//
// # Format
//
//	operand = operator (1 byte)  argument
//
// The argument of add, max and min is an integer: 8 bytes, little-endian, two's complement. The argument of append
// and user is any bytes. Keys that are added to, or compared with, have integers of the same form as values.
// Example: "add -2" is
//
//	01 fe ff ff ff ff ff ff ff
package operand

import (
	"encoding/binary"
	"errors"
	"fmt"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/space"
	"lightningdb/internal/system/goroutine"
)

// Operator says how an operand changes a value. The values are on disk: never renumber, never reuse.
type Operator uint8

const (
	// Add adds the argument to the integer, which is 0 if the key is absent, and wraps around.
	Add Operator = 1
	// Max and Min keep the greater or the lesser of the integer and the argument, or the argument if the key is
	// absent.
	Max Operator = 2
	Min Operator = 3
	// Append adds the argument to the end of the value, which is empty if the key is absent.
	Append Operator = 4
	// User leaves the change to the function in Rules.
	User Operator = 5
)

func (o Operator) String() string {
	switch o {
	case Add:
		return "add"
	case Max:
		return "max"
	case Min:
		return "min"
	case Append:
		return "append"
	case User:
		return "merge"
	}
	return fmt.Sprintf("operator(%d)", uint8(o))
}

// integerSize is the length of an integer in bytes, as a value and as an argument.
const integerSize = 8

// MaxArgumentSize is the largest size of an argument in bytes: an operand is no longer than a value.
const MaxArgumentSize = key.MaxValueSize - 1

// ErrMerge says that the value of a key cannot be computed, because an operand does not fit what is before it.
// Nothing is lost: the operands stay where they are until a put or a delete of the key supersedes them.
var ErrMerge = errors.New("merge cannot be applied")

// ErrTooLong says that the value would be longer than the caller wants it.
var ErrTooLong = errors.New("the merged value is longer than was asked for")

// AppendInt64 appends the encoding of n to dst.
func AppendInt64(dst []byte, n int64) []byte { return binary.LittleEndian.AppendUint64(dst, uint64(n)) }

// Int64 is the integer that value encodes. ok is false if value does not encode one.
func Int64(value []byte) (n int64, ok bool) {
	if len(value) != integerSize {
		return 0, false
	}
	return int64(binary.LittleEndian.Uint64(value)), true
}

// Check returns a *corrupt.Error unless operand is well-formed and this version of the program knows its operator.
func Check(operand []byte) error {
	if len(operand) == 0 {
		return corrupt.New("", -1, "a merge operand without an operator")
	}
	switch o := Operator(operand[0]); o {
	case Add, Max, Min:
		if len(operand) != 1+integerSize {
			return corrupt.New("", -1, "an operand of %v with an argument of %d bytes", o, len(operand)-1)
		}
	case Append, User:
	default:
		return corrupt.New("", -1, "a merge operand of an operator unknown to this version of the program: %v", o)
	}
	return nil
}

// Func computes the value of key from old, which is nil if there is none, and the argument of a merge. For the same
// input it must always return the same result. It must not change or keep what it is given, but may return parts of
// it.
type Func func(key, old, argument []byte) ([]byte, error)

// PartialFunc returns the one argument that does to every value what older and then newer do. ok is false if there is
// none. What Func promises holds for it too.
type PartialFunc func(key, older, newer []byte) (argument []byte, ok bool)

// Rules turn operands into values. The zero value knows every operator except User.
type Rules struct {
	User    Func        // the function of the operator User; nil if there is none
	Partial PartialFunc // joins its arguments; nil if that is not possible
	apart   bool        // see Apart
}

// Apart is r for callers that cannot do without their goroutine: the leader of a group of commits, flush and
// compaction. The user's function is called in another one there. If it ends that (runtime.Goexit), that is an ErrMerge
// like a panic. Elsewhere it ends the goroutine that reads, which has to leave everything in order.
func (r Rules) Apart() Rules {
	r.apart = true
	return r
}

// CallsApart reports whether folding operand takes another goroutine, which costs as much as several merges.
func (r Rules) CallsApart(operand []byte) bool { return r.apart && isUser(operand) }

// foldApart calls fold, which folds operands of the key user by the rules that it is given, in another goroutine.
func (r Rules) foldApart(user []byte, fold func(r Rules) ([]byte, error)) (value []byte, err error) {
	r.apart = false
	if !goroutine.Apart(func() { value, err = fold(r) }) {
		return nil, failed(user, "the merge function ended its goroutine")
	}
	return value, err
}

// Fold returns the value of the key user after operand, given the value before it. If there was none, present is
// false and value is only memory to use. value belongs to Fold, and the result is in its memory if it fits. The
// error is an ErrMerge that names the key, or a *corrupt.Error if operand is not well-formed. After an error value
// is as it was, unless a user's function broke its promise.
func (r Rules) Fold(user, value []byte, present bool, operand []byte) ([]byte, error) {
	return r.FoldWithin(key.MaxValueSize, user, value, present, operand)
}

// FoldWithin is Fold for values of at most limit bytes. It fails with ErrTooLong, without copying anything, rather
// than make a longer one.
func (r Rules) FoldWithin(limit int, user, value []byte, present bool, operand []byte) ([]byte, error) {
	if r.CallsApart(operand) {
		return r.foldApart(user, func(r Rules) ([]byte, error) { return r.FoldWithin(limit, user, value, present, operand) })
	}
	f := fold{rules: r, user: user, limit: limit, buf: value, value: value, present: present}
	if err := f.apply(operand); err != nil {
		return nil, err
	}
	return f.own(), nil
}

// isUser reports whether operand is of the user's function.
func isUser(operand []byte) bool { return len(operand) > 0 && Operator(operand[0]) == User }

// fold is a value on its way through operands.
type fold struct {
	rules   Rules
	user    []byte
	limit   int    // the most bytes that the value may have
	buf     []byte // memory for the value
	value   []byte // in buf, or lent
	present bool
	lent    bool // value is memory of the user's function or of an argument, and must not be changed
}

// apply applies the next operand. After an error f is unchanged.
func (f *fold) apply(operand []byte) error {
	if err := Check(operand); err != nil {
		return err
	}
	operator, argument := Operator(operand[0]), operand[1:]
	if operator == User {
		return f.call(argument)
	}
	old := 0
	if f.present {
		old = len(f.value)
	}
	switch {
	case operator == Append || !f.present:
		if err := f.allow(old + len(argument)); err != nil {
			return err
		}
		f.buf = append(f.own(), argument...)
	case old != integerSize:
		return failed(f.user, "%v on a value of %d bytes, which is no integer", operator, old)
	default:
		f.buf = combineIntegers(operator, f.own(), argument)
	}
	f.value, f.present = f.buf, true
	return nil
}

// own returns the value in memory that may be changed; empty if there is none.
func (f *fold) own() []byte {
	if !f.present {
		return f.buf[:0]
	}
	if f.lent {
		f.buf = append(f.buf[:0], f.value...)
		f.value, f.lent = f.buf, false
	}
	return f.value
}

// call sets the value to the result of the user's function. That may be a part of the value before or of the
// argument; it is copied at the end, not at every step.
func (f *fold) call(argument []byte) error {
	if f.rules.User == nil {
		return failed(f.user, "Options.Merge must be given to read what was written by Merge")
	}
	old := f.value
	switch {
	case !f.present:
		old = nil
	case old == nil:
		old = []byte{} // empty but present
	}
	result, err := f.rules.call(f.user, old, argument)
	if err != nil {
		return fmt.Errorf("%w: key %.40q: %w", ErrMerge, f.user, err)
	}
	if err := f.allow(len(result)); err != nil {
		return err
	}
	f.value, f.present, f.lent = result, true, true
	return nil
}

// allow returns an error if a value of size bytes would be too long.
func (f *fold) allow(size int) error {
	switch {
	case size > key.MaxValueSize:
		return failed(f.user, "the value would have %d bytes, more than %d", size, key.MaxValueSize)
	case size > f.limit:
		return ErrTooLong
	}
	return nil
}

// combineIntegers puts the result of operator on two integers into the memory of the first.
func combineIntegers(operator Operator, into, argument []byte) []byte {
	old, _ := Int64(into)
	n, _ := Int64(argument)
	switch operator {
	case Add:
		n += old
	case Max:
		n = max(n, old)
	case Min:
		n = min(n, old)
	}
	return AppendInt64(into[:0], n)
}

// call calls the user's function. A panic in it is an error like any other, because it may happen in a commit or in
// the background, where it must not take the database down.
func (r Rules) call(user, old, argument []byte) (result []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the merge function panicked: %v", p)
		}
	}()
	return r.User(space.Shown(user), old, argument)
}

// partial calls the user's function that joins arguments. A panic in it, and what would be too long, is a no.
func (r Rules) partial(user, older, newer []byte) (argument []byte, ok bool) {
	defer func() {
		if recover() != nil {
			argument, ok = nil, false
		}
	}()
	argument, ok = r.Partial(space.Shown(user), older, newer)
	return argument, ok && len(argument) <= MaxArgumentSize
}

// TooLong is the ErrMerge about a value of size bytes, into which nothing can be merged.
func TooLong(user []byte, size uint64) error {
	return failed(user, "something was merged into a value of %d bytes, and it may have %d", size, key.MaxValueSize)
}

// failed returns an ErrMerge about the key user.
func failed(user []byte, format string, args ...any) error {
	return fmt.Errorf("%w: key %.40q: %s", ErrMerge, space.Shown(user), fmt.Sprintf(format, args...))
}
