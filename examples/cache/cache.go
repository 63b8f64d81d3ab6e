// Package cache keeps values up to a size in bytes, and removes those first that were used longest ago.
//
//	c, err := cache.New(db, 1<<30)
//	err = c.Put(ctx, "page", value)
//	value, err := c.Get(ctx, "page") // or lightningdb.ErrNotFound
//
// # Why it is correct
//
// Next to each value there is when it was used last, an entry for it in the order of these times, and the size of
// all, in one key. One transaction writes all of that, and removes what is too much: so at every moment, also after
// a kill or a power cut, the size is that of the values that are there, to the byte, and not above the limit.
// Transactions that put lock the size first, so they take turns instead of doing work that conflicts; one that meets
// a Get that has moved the same value is repeated.
//
// Time only orders: if the clock is set back, values go out in another order, and nothing else happens.
//
// # What it costs
//
// Get reads two keys, and at most once in Grain it writes two and deletes one for a value: a use within Grain of the
// last one is not noted. Put reads the size, and two keys more if the key has a value, and writes four keys, or five.
// For each value that it removes it reads a range of one or two entries and two keys, and deletes three. The commits
// are at Process durability: they wait for no sync, and a power cut may take the last second, whole commits of it.
package cache

import (
	"context"
	"errors"
	"time"

	"lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
	"lightningdb/typed"
)

var (
	// ErrTooLarge: the value and its key are larger than the limit of the cache. Nothing was changed.
	ErrTooLarge = errors.New("the value is larger than the cache")

	// ErrLimit: a cache has room for at least one byte.
	ErrLimit = errors.New("the limit of the cache is not positive")
)

// Grain is how exact the order of uses is.
const Grain = time.Minute

// use is a value in the order of last uses.
type use = tuple.Two[time.Time, string]

var (
	values  = typed.Must(typed.New("cache: values", tuple.String, typed.Bytes, nil))
	used    = typed.Must(typed.New("cache: last use", tuple.String, typed.Tuple(tuple.Time), nil))
	order   = typed.Must(typed.New("cache: order", tuple.Pair(tuple.Time, tuple.String), typed.Int, nil)) // has the size
	sizeKey = tuple.AppendString(nil, "cache: size")
)

// Cache is the cache in a database, which has one. It may be used by any number of goroutines.
type Cache struct {
	db    *lightningdb.DB
	limit int64
	now   func() time.Time // the clock, which tests set
}

// New returns the cache in db, of which all keys and values together have up to limit bytes. If it has more, from a
// time with a higher limit, the next Put removes what is too much.
func New(db *lightningdb.DB, limit int64) (*Cache, error) {
	if limit <= 0 {
		return nil, ErrLimit
	}
	return &Cache{db, limit, time.Now}, nil
}

// Get returns a value, which is used by that. The error is lightningdb.ErrNotFound if it is not there.
func (c *Cache) Get(ctx context.Context, key string) (value []byte, err error) {
	err = c.update(ctx, func(tx *lightningdb.Tx) error {
		if value, err = values.Get(tx, key); err != nil {
			return err
		}
		last, err := used.Get(tx, key)
		now := c.now()
		if err != nil || now.Sub(last) < Grain && last.Sub(now) < Grain {
			return err
		}
		return errors.Join(order.Delete(tx, use{A: last, B: key}), place(tx, key, now, sizeOf(key, value)))
	})
	if err != nil {
		return nil, err
	}
	return value, nil
}

// Put puts a value, which is used by that, and removes others until there is room for it.
func (c *Cache) Put(ctx context.Context, key string, value []byte) error {
	if sizeOf(key, value) > c.limit {
		return ErrTooLarge
	}
	return c.update(ctx, func(tx *lightningdb.Tx) error {
		size, err := lockSize(tx)
		if err != nil {
			return err
		}
		removed, err := remove(tx, key)
		if err != nil {
			return err
		}
		size += sizeOf(key, value) - removed
		for size > c.limit {
			oldest, _, err := order.All(tx).Page("", 1) // never the new one, which is not there yet
			if err != nil {
				return err
			}
			if removed, err = remove(tx, oldest[0].Key.B); err != nil {
				return err
			}
			size -= removed
		}
		return errors.Join(
			values.Put(tx, key, value),
			place(tx, key, c.now(), sizeOf(key, value)),
			tx.Put(sizeKey, lightningdb.AppendInt64(nil, size)))
	})
}

// Remove removes a value. It is no error if it is not there.
func (c *Cache) Remove(ctx context.Context, key string) error {
	return c.update(ctx, func(tx *lightningdb.Tx) error {
		size, err := lockSize(tx)
		if err != nil {
			return err
		}
		removed, err := remove(tx, key)
		if err != nil {
			return err
		}
		return tx.Put(sizeKey, lightningdb.AppendInt64(nil, size-removed))
	})
}

// Size returns how many bytes the keys and values have.
func (c *Cache) Size() (int64, error) { return asSize(c.db.Get(sizeKey)) }

func (c *Cache) update(ctx context.Context, fn func(tx *lightningdb.Tx) error) error {
	return c.db.UpdateWith(ctx, lightningdb.TxOptions{Durability: lightningdb.Process}, fn)
}

// lockSize returns the size of all, which nobody else changes until tx ends.
func lockSize(tx *lightningdb.Tx) (int64, error) { return asSize(tx.GetForUpdate(sizeKey)) }

func asSize(value []byte, err error) (int64, error) {
	if errors.Is(err, lightningdb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return lightningdb.Int64(value)
}

// place writes that a value was used at a time.
func place(w kv.Writer, key string, at time.Time, size int64) error {
	return errors.Join(used.Put(w, key, at), order.Put(w, use{A: at, B: key}, size))
}

// remove removes a value and all about it, and returns the bytes that it had: 0 if it is not there.
func remove(tx *lightningdb.Tx, key string) (size int64, err error) {
	last, err := used.Get(tx, key)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if size, err = order.Get(tx, use{A: last, B: key}); err != nil {
		return 0, err
	}
	return size, errors.Join(values.Delete(tx, key), used.Delete(tx, key), order.Delete(tx, use{A: last, B: key}))
}

func sizeOf(key string, value []byte) int64 { return int64(len(key)) + int64(len(value)) }
