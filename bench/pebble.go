package main

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

const pebbleCache = 256 << 20

func pebbleKind() kind {
	return kind{
		name:   "pebble",
		peer:   true,
		module: "github.com/cockroachdb/pebble/v2",
		config: "github.com/cockroachdb/pebble/v2; block cache 256 MiB and beside it memtables of 64 MiB (up to 4), " +
			"L0CompactionThreshold 2, L0StopWritesThreshold 1000, LBaseMaxBytes 64 MiB, blocks 32 KiB, index blocks 256 KiB, " +
			"bloom filters of 10 bits, no compression, up to 2 compactions; synced: pebble.Sync, else pebble.NoSync (a kill of " +
			"the process may lose the last of these)",
		open: openPebble,
	}
}

type pebbleEngine struct{ db *pebble.DB }

func openPebble(dir string, _ int) (Engine, error) {
	cache := pebble.NewCache(pebbleCache)
	defer cache.Unref()
	o := &pebble.Options{
		Cache:                       cache,
		MemTableSize:                64 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       2,
		L0StopWritesThreshold:       1000,
		LBaseMaxBytes:               64 << 20,
		FormatMajorVersion:          pebble.FormatNewest,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		Logger:                      quiet{},
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 32 << 10
		o.Levels[i].IndexBlockSize = 256 << 10
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
		o.Levels[i].Compression = func() *block.CompressionProfile { return block.NoCompression }
	}
	db, err := pebble.Open(dir, o)
	return &pebbleEngine{db}, err
}

// quiet drops what is not fatal.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func (e *pebbleEngine) Write(keys, values [][]byte, sync bool) error {
	durability := pebble.NoSync
	if sync {
		durability = pebble.Sync
	}
	if len(keys) == 1 {
		return e.db.Set(keys[0], values[0], durability)
	}
	b := e.db.NewBatch()
	defer b.Close()
	for i, k := range keys {
		if err := b.Set(k, values[i], nil); err != nil {
			return err
		}
	}
	return b.Commit(durability)
}

func (e *pebbleEngine) Sync() error { return e.db.LogData(nil, pebble.Sync) }

func (e *pebbleEngine) Settle() error {
	return pollQuiet(func() (bool, error) {
		m := e.db.Metrics()
		return m.Compact.NumInProgress == 0 && m.Flush.NumInProgress == 0, nil
	})
}

func (e *pebbleEngine) Close() error { return e.db.Close() }

func (e *pebbleEngine) Reader(bool) (Reader, error) { return pebbleReader{e.db}, nil }

type pebbleReader struct{ db *pebble.DB }

func (r pebbleReader) Get(key []byte, use func([]byte)) (bool, error) {
	value, closer, err := r.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	use(value)
	return true, closer.Close()
}

func (r pebbleReader) Scan(from []byte, limit int, use func(k, v []byte)) error {
	it, err := r.db.NewIter(&pebble.IterOptions{LowerBound: from})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && limit != 0; limit-- {
		use(it.Key(), it.Value())
		ok = it.Next()
	}
	return errors.Join(it.Error(), it.Close())
}

func (r pebbleReader) Close() error { return nil }
