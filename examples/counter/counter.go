// Package counter is a number of things that many goroutines add to and take from at once, and that never falls below
// zero: a stock, seats, tickets, permits.
//
//	seats := counter.New("seats")
//	err := seats.Add(db, 500)
//	err = db.Update(ctx, func(tx *lightningdb.Tx) error { return seats.Take(tx, 2) }) // or ErrTooFew
//
// For a number that is only counted up, and that nothing depends on, DB.Add of one key does it.
//
// # Why it is correct
//
// The number is the sum of some keys, its shards. Add merges into one of them and reads nothing, so it conflicts
// with no other Add. Take reads a shard, because it must know that there is enough. So it conflicts with others at
// the same shard, and Update repeats it, but with nobody at the others. Each begins at a shard of its own choice,
// and steals from the next ones what is missing. Only when all of them together are too few, which it has then read
// in one state, is the answer ErrTooFew; Update returns it at once, so as the answer of one moment, after which
// others may have added.
//
// Each operation is in one transaction, whole or not there, so a kill can cut none in two, and the sum is exact after
// it. In a transaction with other writes, what was taken is gone if and only if they are there.
//
// # What it costs
//
// Add writes one key. Take reads and writes one key as a rule; when there is little left, up to all 16.
// Total reads the 16 in one range.
package counter

import (
	"bytes"
	"errors"
	"math/rand/v2"

	"lightningdb"
	"lightningdb/kv"
	"lightningdb/tuple"
)

var (
	// ErrTooFew: there are fewer than were to be taken. Nothing was written.
	ErrTooFew = errors.New("there are too few")

	// ErrNegative: a negative number cannot be added or taken. Nothing was written.
	ErrNegative = errors.New("the number is negative")
)

// shards is how many keys a counter has: about as many as goroutines take from it at once. It may grow, and not
// shrink, when there are counters already.
const shards = 16

// Counter is the number of one name. It may be used by any number of goroutines.
type Counter struct {
	name []byte         // what the keys begin with
	keys [shards][]byte // of the shards
}

// New returns the counter of a name; it is 0 until somebody adds to it.
func New(name string) *Counter {
	c := &Counter{name: tuple.AppendString(tuple.AppendString(nil, "counter"), name)}
	for n := range c.keys {
		c.keys[n] = tuple.AppendInt(bytes.Clone(c.name), int64(n))
	}
	return c
}

// Add adds n things. It may be a part of a batch or transaction.
func (c *Counter) Add(w kv.Writer, n int64) error {
	if n < 0 {
		return ErrNegative
	}
	return w.Add(c.keys[rand.IntN(shards)], n)
}

// Take takes n things, or none with ErrTooFew; the transaction can go on then.
func (c *Counter) Take(tx *lightningdb.Tx, n int64) error {
	if n < 0 {
		return ErrNegative
	}
	return tx.Update(func(tx *lightningdb.Tx) error { // a part, so that an error takes back what was taken
		first := rand.IntN(shards)
		for i := 0; n > 0; i++ {
			if i == shards {
				return ErrTooFew
			}
			key := c.keys[(first+i)%shards]
			there, err := read(tx, key)
			if err != nil {
				return err
			}
			if taken := min(there, n); taken > 0 {
				if err := tx.Put(key, lightningdb.AppendInt64(nil, there-taken)); err != nil {
					return err
				}
				n -= taken
			}
		}
		return nil
	})
}

// Total returns how many there are, at one moment. A transaction that asks for it conflicts with all that is added
// and taken until its commit.
func (c *Counter) Total(r kv.Reader) (total int64, err error) {
	all := r.Range(tuple.Prefix(c.name))
	for _, value := range all.All() {
		n, err := lightningdb.Int64(value)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, all.Err()
}

// read returns what is in a shard: 0 if it is not there.
func read(r kv.Reader, key []byte) (int64, error) {
	value, err := r.Get(key)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return lightningdb.Int64(value)
}
