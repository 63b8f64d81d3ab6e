package main

import (
	"errors"
	"sync"

	lightningdb "lightningdb"
)

func lightningKind() kind {
	return kind{
		name: "lightning",
		config: "this repository; MemoryLimit as budgeted (memtables, page cache, open tables and buffers together), " +
			"NoCompression (S2 if asked for); durable: Sync, else Process; one snapshot: Snapshot, one Get each: GetAppend; " +
			"transactions: Update; values of 4 KiB and more stay where a flush writes them (ValueThreshold, by default), " +
			"their keys are scanned by Range.Keys",
		open:        openLightning,
		bank:        openLightningBank,
		lockingBank: openLightningLockingBank,
		people:      openLightningPeople,
		costs:       lightningCosts,
	}
}

type lightning struct{ db *lightningdb.DB }

func openLightning(dir string, o options) (Engine, error) {
	db, err := openLightningFor(dir, o)
	return &lightning{db}, err
}

func openLightningFor(dir string, o options) (*lightningdb.DB, error) {
	return openLightningWith(dir, o, nil)
}

func openLightningWith(dir string, o options, indexes []lightningdb.Index) (*lightningdb.DB, error) {
	durability := lightningdb.Process
	if o.sync {
		durability = lightningdb.Sync
	}
	compression := lightningdb.NoCompression
	if o.compress {
		compression = lightningdb.S2
	}
	return lightningdb.Open(dir, &lightningdb.Options{
		MemoryLimit: o.memory,
		Compression: compression,
		Durability:  durability,
		Indexes:     indexes,
	})
}

func (l *lightning) Write(keys, values [][]byte) error {
	if len(keys) == 1 && values != nil {
		return l.db.Put(keys[0], values[0])
	}
	b := batches.Get().(*lightningdb.Batch)
	defer batches.Put(b)
	b.Reset()
	for i, k := range keys {
		if values == nil {
			b.Delete(k)
		} else {
			b.Put(k, values[i])
		}
	}
	return l.db.Write(b)
}

// batches are used again, as a program would that writes many.
var batches = sync.Pool{New: func() any { return new(lightningdb.Batch) }}

func (l *lightning) Sync() error { return l.db.Sync() }

func (l *lightning) Busy() (bool, error) {
	m := l.db.Metrics()
	busy := m.Memtable.Frozen+m.Flush.Running+m.Compaction.Running > 0 || m.CompactionWaits
	for _, level := range m.Levels {
		busy = busy || level.Score >= 1
	}
	return busy, m.BackgroundError
}

func (l *lightning) Compact() error { return l.db.Compact(ctx, nil, nil) }

func (l *lightning) Close() error { return l.db.Close() }

func (l *lightning) Reader(shared bool) (Reader, error) {
	if shared {
		s := l.db.Snapshot()
		return &lightningReader{reads: s, end: s.Close}, nil
	}
	return &lightningReader{reads: l.db, end: func() error { return nil }}, nil
}

// lightningReader reads a DB or a Snapshot.
type lightningReader struct {
	reads interface {
		GetAppend(dst, key []byte) ([]byte, error)
		Range(lo, hi []byte) *lightningdb.Range
	}
	end   func() error
	value []byte
}

func (r *lightningReader) Get(key []byte, use func([]byte)) (bool, error) {
	value, err := r.reads.GetAppend(r.value[:0], key)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.value = value
	use(value)
	return true, nil
}

func (r *lightningReader) Scan(from []byte, d direction, limit int, use func(k, v []byte)) error {
	entries := r.reads.Range(from, nil)
	if d == backward {
		entries = r.reads.Range(nil, from).Reverse()
	}
	for k, v := range entries.Limit(limit).All() {
		use(k, v)
	}
	return entries.Err()
}

func (r *lightningReader) ScanKeys(use func(k []byte)) error {
	entries := r.reads.Range(nil, nil)
	for k := range entries.Keys() {
		use(k)
	}
	return entries.Err()
}

func (r *lightningReader) Close() error { return r.end() }
