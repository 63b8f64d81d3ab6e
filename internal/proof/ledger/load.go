package ledger

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/crew"
	"lightningdb/internal/proof/latency"
	"lightningdb/internal/proof/noise"
)

// writers is how many write to a database at once. With the number of a key, modulo writers, goes the writer.
const writers = 4

// The lengths of values in bytes. One in oneInMany is large: half of the largest at least.
const (
	shortest  = 100
	longest   = 2000
	oneInMany = 4096
)

// Load is a database that will be full, and those who write to it. Its methods are called by one goroutine, but for
// Read.
type Load struct {
	DB      *lightningdb.DB
	Writers []*Writer
	Opening time.Duration // how long Open took
	Reads   atomic.Int64
	Odd     atomic.Int64 // refusals of Drive that name another cause than Options.DiskLimit

	limited bool
	largest int
	noise   noise.Source
	rng     *rand.Rand
}

// OpenLoad opens a database, and the ledgers of its writers, which are files in another directory. Values have at most
// largest bytes.
func OpenLoad(dir string, o *lightningdb.Options, ledgers string, largest int, seed uint64) (l *Load, err error) {
	l = &Load{largest: largest, limited: o.DiskLimit > 0, noise: noise.New(seed),
		rng: rand.New(rand.NewPCG(seed, 3))}
	start := time.Now()
	if l.DB, err = lightningdb.Open(dir, o); err != nil {
		return nil, err
	}
	l.Opening = time.Since(start)
	if err := os.MkdirAll(ledgers, 0o700); err != nil {
		return nil, errors.Join(err, l.DB.Close())
	}
	for i := range uint64(writers) {
		w := &Writer{DB: l.DB, Key: func(n uint64) []byte { return noise.Key(nil, n*writers+i) }}
		w.Value = func(n uint64, version uint32) []byte { return l.value(n*writers+i, version) }
		if w.Ledger, err = Open(filepath.Join(ledgers, fmt.Sprint(i))); err == nil {
			err = w.Settle()
		}
		if err != nil {
			return nil, errors.Join(err, l.DB.Close())
		}
		l.Writers = append(l.Writers, w)
	}
	return l, nil
}

// value is that of a version of the n-th key.
func (l *Load) value(n uint64, version uint32) []byte {
	least, most := shortest, longest
	if noise.Mix(n+uint64(version)<<32)%oneInMany == 0 {
		least, most = l.largest/2, l.largest
	}
	return l.noise.Value(nil, n, uint64(version), least, most)
}

// Drive has everybody write without a pause, who deletes a little when that is refused, and somebody read, for some
// time; 0: until something fails.
func (l *Load) Drive(d time.Duration) error {
	all := crew.New(d)
	for _, w := range l.Writers {
		all.Repeat(func(rng *rand.Rand) error { return l.write(w, rng) })
	}
	all.Repeat(l.Read)
	return all.Wait()
}

// write puts some keys, and deletes others if that is refused.
func (l *Load) write(w *Writer, rng *rand.Rand) error {
	refused, err := w.Put(rng, 50)
	if refused == nil || err != nil {
		return err
	}
	if !strings.Contains(refused.Error(), "Options.DiskLimit is") {
		l.Odd.Add(1)
	}
	return l.remove(w, rng.Uint64N(8), 8, 100)
}

// Read gets a key, which may not be there, or walks over some.
func (l *Load) Read(rng *rand.Rand) error {
	l.Reads.Add(1)
	n := rng.Uint64N(1 << 16)
	if rng.IntN(100) == 0 {
		entries := l.DB.Range(noise.Key(nil, n), nil).Limit(500)
		for range entries.All() {
		}
		return entries.Err()
	}
	v, err := l.DB.Get(noise.Key(nil, n))
	if err != nil {
		return err
	}
	return noise.Check(n, v)
}

// remove deletes keys of a writer. With a disk limit that may not be refused.
func (l *Load) remove(w *Writer, first, every uint64, most int) error {
	_, refused, err := w.Remove(first, every, most)
	if refused != nil && l.limited {
		return errors.Join(err, fmt.Errorf("a delete was refused: %w", refused))
	}
	return err
}

// Fill puts new keys until each writer is refused.
func (l *Load) Fill() (err error) {
	for _, w := range l.Writers {
		for refused := error(nil); refused == nil; {
			if refused, err = w.Put(l.rng, 100); err != nil {
				return err
			}
		}
	}
	return nil
}

// Remove deletes the first of every few keys of every writer, and at most a number of each.
func (l *Load) Remove(every uint64, most int) error {
	for _, w := range l.Writers {
		if err := l.remove(w, 0, every, most); err != nil {
			return err
		}
	}
	return nil
}

// UntilTaken puts until that is taken, and returns after how long that was. A minute of refusals is an error.
func (l *Load) UntilTaken() (time.Duration, error) {
	start := time.Now()
	for {
		refused, err := l.Writers[0].Put(l.rng, 100)
		if refused == nil || err != nil {
			return time.Since(start), err
		}
		if time.Since(start) > time.Minute {
			return 0, fmt.Errorf("no put is taken for a minute: %w; %+v", refused, l.DB.Metrics().Disk)
		}
		time.Sleep(time.Millisecond)
	}
}

// PutMore puts some new keys, and returns how many commits were refused meanwhile.
func (l *Load) PutMore(keys int64) (refusals int64, err error) {
	w := l.Writers[0]
	for last := w.Next() + uint64(keys); w.Next() < last; {
		refused, err := w.Put(l.rng, 100)
		if err != nil {
			return refusals, err
		}
		if refused != nil {
			refusals++
		}
	}
	return refusals, nil
}

// Compare returns how many keys are not as they should be, and how many there should be.
func (l *Load) Compare() (wrong, keys int64, err error) {
	for _, w := range l.Writers {
		wrongs, there, err := w.Compare()
		if err != nil {
			return wrong, keys, err
		}
		wrong, keys = wrong+wrongs+int64(w.Changed), keys+there
	}
	found := int64(0)
	entries := l.DB.Range(nil, nil)
	for range entries.Keys() {
		found++
	}
	return wrong + max(found-keys, 0), keys, entries.Err() // more are keys that nobody was told are there
}

// Waits returns how long commits waited, and how many were refused.
func (l *Load) Waits() (puts, deletes latency.Histogram, refused int64) {
	for _, w := range l.Writers {
		puts.Merge(&w.Puts)
		deletes.Merge(&w.Deletes)
		refused += int64(w.Refused)
	}
	return puts, deletes, refused
}

// Close closes the database and the ledgers.
func (l *Load) Close() error {
	err := l.DB.Close()
	for _, w := range l.Writers {
		err = errors.Join(err, w.Ledger.Close())
	}
	return err
}
