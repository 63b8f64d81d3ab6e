package main

import (
	"errors"
	"fmt"

	lightningdb "lightningdb"
)

func lightningKind(name string, memory int64) kind {
	return kind{
		name: name,
		config: fmt.Sprintf("this repository; MemoryLimit %d MiB (memtables, page cache, open tables and buffers together), "+
			"NoCompression; synced: Sync, else Process", memory>>20),
		open: func(dir string, _ int) (Engine, error) {
			db, err := lightningdb.Open(dir, &lightningdb.Options{
				MemoryLimit: memory,
				Compression: lightningdb.NoCompression,
			})
			return &lightning{db}, err
		},
	}
}

type lightning struct{ db *lightningdb.DB }

func (l *lightning) Write(keys, values [][]byte, sync bool) error {
	var b lightningdb.Batch
	b.SetDurability(lightningdb.Process)
	if sync {
		b.SetDurability(lightningdb.Sync)
	}
	for i, k := range keys {
		b.Put(k, values[i])
	}
	return l.db.Write(&b)
}

func (l *lightning) Sync() error { return l.db.Sync() }

func (l *lightning) Settle() error {
	return pollQuiet(func() (bool, error) {
		m := l.db.Metrics()
		busy := m.Memtable.Frozen+m.Flush.Running+m.Compaction.Running > 0
		for _, level := range m.Levels {
			busy = busy || level.Score >= 1
		}
		return !busy, m.BackgroundError
	})
}

func (l *lightning) Close() error { return l.db.Close() }

func (l *lightning) Reader(bool) (Reader, error) { return &lightningReader{db: l.db}, nil }

type lightningReader struct {
	db    *lightningdb.DB
	value []byte
}

func (r *lightningReader) Get(key []byte, use func([]byte)) (bool, error) {
	value, err := r.db.GetAppend(r.value[:0], key)
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

func (r *lightningReader) Scan(from []byte, limit int, use func(k, v []byte)) error {
	entries := r.db.Range(from, nil).Limit(limit)
	for k, v := range entries.All() {
		use(k, v)
	}
	return entries.Err()
}

func (r *lightningReader) Close() error { return nil }
