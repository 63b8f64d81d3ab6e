package lightningdb

import (
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/space"
	"lightningdb/internal/transaction"
)

// PutUntil sets key to value until t, by the time of the database (Now): no read that begins at t or later finds it,
// nor what was there before. A t that has passed is a delete. A later Put does not expire; PutUntil of the same value
// renews. It may be 8 bytes shorter than others; ErrExpiry refuses t. The package's comment says more.
func (db *DB) PutUntil(key, value []byte, t time.Time) error {
	return db.put(key, value, func(b *Batch) { b.PutUntil(key, value, t) })
}

// PutUntil sets key to value until t; see DB.PutUntil. A transaction larger than memory cannot merge into what it has
// put so: that is ErrMerge, of the merge, or of the write with which it became so large.
func (tx *Tx) PutUntil(key, value []byte, t time.Time) error {
	return tx.in(space.Space{}).PutUntil(key, value, t)
}

// PutUntil sets key to value until t; see DB.PutUntil.
func (b *Bucket) PutUntil(key, value []byte, t time.Time) error {
	return b.write(func(w transaction.Writes) error { return w.PutUntil(key, value, t) })
}

// PutUntil adds "set key to value until t"; see DB.PutUntil.
func (b *Batch) PutUntil(key, value []byte, t time.Time) error { return b.ops.PutUntil(key, value, t) }

// Expiry is when the newest value of key expires, or the zero time if it never does, as what was merged into an entry.
// It gives ErrNotFound where Get does.
func (db *DB) Expiry(key []byte) (time.Time, error) {
	return expiryOf(db.keys(space.Space{}).Measure(key))
}

// Expiry is when the value of key expires; see DB.Expiry.
func (s *Snapshot) Expiry(key []byte) (time.Time, error) {
	return expiryOf(s.keys(space.Space{}).Measure(key))
}

// Expiry is when the value of key expires; see DB.Expiry. It counts as a read of the key.
func (tx *Tx) Expiry(key []byte) (time.Time, error) {
	return expiryOf(tx.in(space.Space{}).Measure(key))
}

// Expiry is when the value of key expires; see DB.Expiry.
func (b *Bucket) Expiry(key []byte) (time.Time, error) {
	if err := b.check(); err != nil {
		return time.Time{}, err
	}
	m, err := b.keys.Measure(key)
	return expiryOf(m, b.goneOr(err))
}

func expiryOf(m engine.Measure, err error) (time.Time, error) { return m.End.Moment(), err }

// Now is the time of the database, by which entries expire: the latest that its clock has shown. It never goes back.
func (db *DB) Now() time.Time { return db.engine.Tree().Time().First().Moment() }
