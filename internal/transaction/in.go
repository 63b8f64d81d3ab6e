package transaction

import (
	"errors"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/format/space"
	"lightningdb/internal/format/span"
)

// ErrReadOnly refuses what is for those that may write. The root package publishes it.
var ErrReadOnly = errors.New("the transaction is read-only")

// Writes takes operations on keys of a space: Operations collects them, In does them.
type Writes interface {
	Put(key, value []byte) error
	PutUntil(key, value []byte, t time.Time) error
	Delete(key []byte) error
	DeleteRange(s span.Span) error
	Merge(o operand.Operator, key, argument []byte) error
}

// In is the keys of a space as a transaction has them, and implements Keys and Writes. What may write locks and reads
// as Tx does; a transaction that only reads refuses the rest. Each method is a call by itself.
type In struct {
	*Body
	*Use // of Body.Reader
	space.Space
}

// Get appends the value of key to dst.
func (in In) Get(dst, key []byte) ([]byte, error) {
	if in.Writer == nil {
		return OrNotFound(in.Reader.Get(in.Use, in.Space, dst, key))
	}
	if err := in.Writer.Enter(); err != nil {
		return dst, err
	}
	defer in.Writer.Leave()
	if !Fits(key) {
		return dst, CheckKey(key)
	}
	return in.Writer.Get(dst, in.Key(key))
}

// Has reports whether key has a value.
func (in In) Has(key []byte) (found bool, err error) {
	if in.Writer == nil {
		return in.Reader.Has(in.Use, in.Space, key)
	}
	err = in.Do(key, nil, func(tx *Tx, k []byte) error {
		found, err = tx.Has(k)
		return err
	})
	return found, err
}

// Measure is that of the value of key.
func (in In) Measure(key []byte) (m engine.Measure, err error) {
	if in.Writer == nil {
		return OrNotFound(in.Reader.Measure(in.Use, in.Space, key))
	}
	err = in.Do(key, nil, func(tx *Tx, k []byte) error {
		m, err = tx.Measure(k)
		return err
	})
	return m, err
}

// GetForUpdate returns the newest value of key, which the transaction locks.
func (in In) GetForUpdate(key []byte) (value []byte, err error) {
	err = in.Do(key, nil, func(tx *Tx, k []byte) error {
		if err := tx.Lock(k); err != nil {
			return err
		}
		value, err = tx.Get(nil, k)
		return err
	})
	return value, err
}

// Open implements Keys.
func (in In) Open(stored span.Span) (Walker, error) {
	if in.Writer == nil {
		return orNil(in.Reader.OpenIterator(in.Use, stored))
	}
	return orNil(in.Writer.OpenIterator(stored))
}

// Left implements Keys.
func (in In) Left() { in.Body.Leave() }

// Put sets key to value.
func (in In) Put(key, value []byte) error {
	return in.Do(key, CheckValue(value), func(tx *Tx, k []byte) error { return tx.Put(k, value) })
}

// PutUntil sets key to value until t.
func (in In) PutUntil(key, value []byte, t time.Time) error {
	end, err := CheckUntil(value, t)
	return in.Do(key, err, func(tx *Tx, k []byte) error { return tx.PutUntil(k, value, end) })
}

// Delete removes key.
func (in In) Delete(key []byte) error { return in.Do(key, nil, (*Tx).Delete) }

// DeleteRange removes the keys in s.
func (in In) DeleteRange(s span.Span) error {
	return in.Do(nil, nil, func(tx *Tx, _ []byte) error { return tx.DeleteRange(in.Span(s)) })
}

// Merge changes key by what o makes of its value and argument.
func (in In) Merge(o operand.Operator, key, argument []byte) error {
	return in.Do(key, CheckArgument(argument), func(tx *Tx, k []byte) error {
		return tx.Merge(k, append([]byte{byte(o)}, argument...))
	})
}

// Fold returns what o would make of the value of key and argument, of which it writes nothing.
func (in In) Fold(o operand.Operator, key, argument []byte) (value []byte, err error) {
	err = in.Do(key, CheckArgument(argument), func(tx *Tx, k []byte) error {
		old, err := tx.Get(nil, k)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		value, err = tx.writes.Rules.Fold(k, old, err == nil, append([]byte{byte(o)}, argument...))
		return err
	})
	return value, err
}

// Claim counts stored keys as read, at any isolation, if there may be a commit.
func (in In) Claim(stored span.Span) error {
	if in.Writer == nil {
		return nil
	}
	return in.Do(nil, nil, func(tx *Tx, _ []byte) error { tx.Claim(stored); return nil })
}

// Do calls fn, within a call of the transaction, with the stored key of key, unless key or what limits says cannot be.
func (in In) Do(key []byte, limits error, fn func(tx *Tx, k []byte) error) error {
	if in.Writer == nil {
		if in.Ended() {
			return ErrDone
		}
		return ErrReadOnly
	}
	if err := in.Writer.Enter(); err != nil {
		return err
	}
	defer in.Writer.Leave()
	if err := errors.Join(CheckKey(key), limits); err != nil {
		return err
	}
	return fn(in.Writer, in.Key(key))
}
