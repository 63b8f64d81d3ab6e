package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/latency"
)

// worker does operations, one after the other.
type worker struct {
	*session
	done    atomic.Int64 // what it has counted; the progress line looks
	latency latency.Histogram
	seconds []int64 // what it has counted in each whole second of a long workload
	random  random
	at      int // offset of the next key in session.keys

	key, value []byte // memory to use again
	batch      lightningdb.Batch
	inserted   []uint64 // rows, where opLatest wants to know
	moved      []int64  // by its transfers into each account; out of it where negative
}

// sampling is how many fast operations there are for each whose latency is taken, because looking at the clock takes as
// long as some of them.
const sampling = 16

// repeat works until the session is over, however late it begins: once at least.
func (w *worker) repeat(ctx context.Context) error {
	group := 1
	if w.fast {
		group = sampling
	}
	count := int64(0)
	for before := time.Now(); ctx.Err() == nil; {
		first := count
		for i := range group {
			n, err := w.do(w.mix[w.random.below(uint64(len(w.mix)))])
			if err != nil {
				return err
			}
			count += int64(n)
			if i == 0 {
				now := time.Now()
				w.latency.Add(now.Sub(before))
				before = now
			}
		}
		w.done.Store(count)
		if group > 1 {
			before = time.Now()
		}
		if second := int(before.Sub(w.began) / time.Second); second < len(w.seconds) {
			w.seconds[second] += count - first
		}
		if w.over(count, before) {
			break
		}
	}
	return nil
}

// over reports whether the session is over for a worker that has counted so much.
func (s *session) over(count int64, now time.Time) bool {
	if s.limit > 0 {
		return count >= s.limit
	}
	return now.Sub(s.began) >= s.lasts()
}

// do performs one operation, and returns how much it counts.
func (w *worker) do(operation byte) (int, error) {
	switch operation {
	case opRead, opAbsent:
		return 1, w.read(w.nextKey(), operation == opRead)
	case opLatest:
		return 1, w.read(w.latestKey(), true)
	case opUpdate:
		w.add(w.nextKey())
		return 1, w.write()
	case opModify:
		return 1, w.modify(w.nextKey())
	case opInsert, opAscend:
		return w.insert(operation == opAscend)
	case opDelete:
		return w.remove()
	case opScan, opBack:
		return 1, w.scan(w.nextKey(), w.size, operation == opBack)
	case opShort:
		return 1, w.scan(w.nextKey(), 1+int(w.random.below(100)), false)
	case opAll, opAllBack:
		n := int(w.rows.entries())
		return n, w.scanAll(n, operation == opAllBack)
	case opTransfer:
		return 1, w.transfer()
	case opReopen:
		return 1, w.reopen()
	case opCompact:
		return int(w.rows.entries()), w.db.Compact(w.ctx, nil, nil)
	}
	return 1, w.disk.write(operation == opRewrite)
}

// nextKey is the key of the next row that was chosen.
func (w *worker) nextKey() []byte {
	key := w.keys[w.at : w.at+w.KeySize : w.at+w.KeySize]
	w.at += w.KeySize
	if w.at == len(w.keys) {
		w.at = 0
	}
	return key
}

// latestKey is the key of a row: the less likely, the longer ago it was inserted by this worker or loaded.
func (w *worker) latestKey() []byte {
	n := len(w.inserted)
	row := uint64(w.Rows - 1)
	if back := int(w.random.zipf(uint64(w.Rows))); back < n {
		row = w.inserted[n-1-back]
	} else {
		row -= uint64(back - n)
	}
	w.key = w.appendKey(w.key[:0], row)
	return w.key
}

// read reads a key that must be there, or must not.
func (w *worker) read(key []byte, there bool) error {
	value, err := w.db.GetAppend(w.value[:0], key)
	switch {
	case err != nil && (there || !errors.Is(err, lightningdb.ErrNotFound)):
		return missing(err, key)
	case err != nil:
		return nil
	case !there || !w.sound(key, value):
		return wrong("a value that was not written", key)
	}
	w.value = value
	return nil
}

// add adds a new version of a key to the batch.
func (w *worker) add(key []byte) {
	w.value = w.appendValue(w.value[:0], key, w.random.next())
	w.batch.Put(key, w.value)
}

// write commits the batch and empties it.
func (w *worker) write() error {
	w.batch.SetDurability(w.durability())
	err := w.db.Write(&w.batch)
	w.batch.Reset()
	return err
}

func (s *session) durability() lightningdb.Durability {
	if s.sync {
		return lightningdb.Sync
	}
	return lightningdb.Process
}

// part is how many entries the next commit of a fixed amount of work has.
func (w *worker) part(left int64) int {
	if w.limit > 0 && left < int64(w.size) {
		return int(left)
	}
	return w.size
}

func (w *worker) insert(ascending bool) (int, error) {
	n := w.part(w.limit - w.done.Load())
	first := w.rows.next.Add(uint64(n)) - uint64(n)
	for row := first; row < first+uint64(n); row++ {
		if ascending {
			w.key = w.appendAscending(w.key[:0], row)
		} else {
			w.key = w.appendKey(w.key[:0], row)
		}
		w.add(w.key)
	}
	if err := w.write(); err != nil {
		return 0, err
	}
	if w.mix[0] == opLatest {
		w.inserted = append(w.inserted, first)
	}
	return n, nil
}

func (w *worker) remove() (int, error) {
	first := w.done.Load()
	n := w.part(w.limit - first)
	for row := range uint64(n) {
		w.key = w.appendKey(w.key[:0], uint64(first)+row)
		w.batch.Delete(w.key)
	}
	if err := w.write(); err != nil {
		return 0, err
	}
	w.rows.removed.Add(int64(n))
	return n, nil
}

func (w *worker) modify(key []byte) error {
	return w.db.UpdateWith(w.ctx, lightningdb.TxOptions{Durability: w.durability()}, func(tx *lightningdb.Tx) error {
		value, err := tx.GetAppend(w.value[:0], key)
		if err != nil {
			return missing(err, key)
		}
		if !w.sound(key, value) {
			return wrong("a transaction read a value that was not written", key)
		}
		w.value = w.appendValue(value[:0], key, w.random.next())
		return tx.Put(key, w.value)
	})
}

// scan reads limit entries from key on, which must be there.
func (w *worker) scan(key []byte, limit int, back bool) error {
	entries := w.db.Range(key, nil)
	if back {
		w.key = append(append(w.key[:0], key...), 0) // the first key behind
		entries = w.db.Range(nil, w.key).Reverse()
	}
	n, first, err := w.walk(entries.Limit(limit), back)
	if err == nil && (n == 0 || first != head(key)) {
		err = wrong("a scan that does not begin at its key", key)
	}
	return err
}

// scanAll reads everything, which must be n entries.
func (w *worker) scanAll(n int, back bool) error {
	entries := w.db.Range(nil, nil)
	if back {
		entries = entries.Reverse()
	}
	found, _, err := w.walk(entries, back)
	if err == nil && found != n {
		err = wrong("a scan of everything that has more or fewer entries than there are", nil)
	}
	return err
}

// head is the beginning of a key, from which the order of two keys follows.
func head(key []byte) uint64 {
	if len(key) < minKeySize {
		return 0
	}
	return binary.BigEndian.Uint64(key)
}

// checkEvery is how many entries of a walk are read between two looks at the context.
const checkEvery = 1 << 16

// walk reads entries, which must be sound and in order, and returns the head of the first.
func (w *worker) walk(entries *lightningdb.Range, back bool) (n int, first uint64, err error) {
	var last uint64
	for key, value := range entries.All() {
		this := head(key)
		switch {
		case !w.sound(key, value):
			return n, first, wrong("an entry of a scan that was not written", bytes.Clone(key))
		case n == 0:
			first = this
		case this == last || (this < last) != back:
			return n, first, wrong("a scan that is out of order", bytes.Clone(key))
		case n%checkEvery == 0 && w.ctx.Err() != nil:
			return n, first, context.Cause(w.ctx)
		}
		last = this
		n++
	}
	return n, first, entries.Err()
}

// reopen closes the database and opens it, to the first read.
func (w *worker) reopen() error {
	err := w.db.Close()
	if w.run.db = nil; err != nil {
		return err
	}
	if w.run.db, err = w.open(loadName); err != nil {
		return err
	}
	w.db = w.run.db
	return w.read(w.nextKey(), true)
}
