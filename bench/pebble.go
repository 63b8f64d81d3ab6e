package main

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

func pebbleKind() kind {
	return kind{
		name:   "pebble",
		peer:   true,
		module: "github.com/cockroachdb/pebble/v2",
		config: "github.com/cockroachdb/pebble/v2; block cache as budgeted, and on top of it memtables of 64 MiB " +
			"(up to 4), L0CompactionThreshold 2, L0StopWritesThreshold 1000, LBaseMaxBytes 64 MiB, " +
			"blocks 32 KiB, index blocks 256 KiB, bloom filters of 10 bits, no compression, up to 2 compactions; durable: " +
			"pebble.Sync, else pebble.NoSync, which waits in the process: a kill may lose the last of these. No transactions. " +
			"Large values: ValueSeparationPolicy with MinimumSize 4 KiB, MaxBlobReferenceDepth 10, " +
			"TargetGarbageRatio 0.2, at any age",
		open: openPebble,
	}
}

type pebbleEngine struct {
	db         *pebble.DB
	durability *pebble.WriteOptions
}

func openPebble(dir string, opts options) (Engine, error) {
	cache := pebble.NewCache(opts.memory)
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
	compression := block.NoCompression
	if opts.compress {
		compression = block.SnappyCompression
	}
	for i := range o.Levels {
		o.Levels[i].BlockSize = 32 << 10
		o.Levels[i].IndexBlockSize = 256 << 10
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
		o.Levels[i].Compression = func() *block.CompressionProfile { return compression }
	}
	if opts.apart {
		o.Experimental.ValueSeparationPolicy = separateValues
	}
	db, err := pebble.Open(dir, o)
	durability := pebble.NoSync
	if opts.sync {
		durability = pebble.Sync
	}
	return &pebbleEngine{db, durability}, err
}

// separateValues has a reference depth that CockroachDB uses, and the share of garbage that Pebble's documentation
// names. Blob files are rewritten as soon as that is reached, not after minutes.
func separateValues() pebble.ValueSeparationPolicy {
	return pebble.ValueSeparationPolicy{
		Enabled:               true,
		MinimumSize:           valuesApart,
		MaxBlobReferenceDepth: 10,
		RewriteMinimumAge:     0,
		TargetGarbageRatio:    0.20,
	}
}

// quiet drops what is not fatal.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

func (e *pebbleEngine) Write(keys, values [][]byte) error {
	if len(keys) == 1 && values != nil {
		return e.db.Set(keys[0], values[0], e.durability)
	}
	b := e.db.NewBatch()
	defer b.Close()
	for i, k := range keys {
		var err error
		if values == nil {
			err = b.Delete(k, nil)
		} else {
			err = b.Set(k, values[i], nil)
		}
		if err != nil {
			return err
		}
	}
	return b.Commit(e.durability)
}

func (e *pebbleEngine) Sync() error { return e.db.LogData(nil, pebble.Sync) }

func (e *pebbleEngine) Busy() (bool, error) {
	m := e.db.Metrics()
	return m.Compact.NumInProgress+m.Flush.NumInProgress > 0, nil
}

func (e *pebbleEngine) Compact() error {
	if err := e.db.Flush(); err != nil {
		return err
	}
	return e.db.Compact(ctx, []byte{}, afterEveryKey, true /* parallelize */)
}

func (e *pebbleEngine) Close() error { return e.db.Close() }

func (e *pebbleEngine) Reader(shared bool) (Reader, error) {
	if !shared {
		return pebbleReader{e.db, func() error { return nil }}, nil
	}
	s := e.db.NewSnapshot()
	return pebbleReader{s, s.Close}, nil
}

// pebbleReader reads a DB or a Snapshot.
type pebbleReader struct {
	reads pebble.Reader
	end   func() error
}

func (r pebbleReader) Get(key []byte, use func([]byte)) (bool, error) {
	value, closer, err := r.reads.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	use(value)
	return true, closer.Close()
}

func (r pebbleReader) Scan(from []byte, d direction, limit int, use func(k, v []byte)) error {
	bounds := &pebble.IterOptions{LowerBound: from}
	if d == backward {
		bounds = &pebble.IterOptions{UpperBound: from}
	}
	it, err := r.reads.NewIter(bounds)
	if err != nil {
		return err
	}
	start, step := it.First, it.Next
	if d == backward {
		start, step = it.Last, it.Prev
	}
	for ok := start(); ok && limit != 0; limit-- {
		use(it.Key(), it.Value())
		ok = step()
	}
	return errors.Join(it.Error(), it.Close())
}

func (r pebbleReader) ScanKeys(use func(k []byte)) error {
	it, err := r.reads.NewIter(nil)
	if err != nil {
		return err
	}
	for ok := it.First(); ok; ok = it.Next() {
		use(it.Key())
	}
	return errors.Join(it.Error(), it.Close())
}

func (r pebbleReader) Close() error { return r.end() }
