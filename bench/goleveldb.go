package main

import (
	"errors"
	"path/filepath"
	"sync/atomic"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
)

func goleveldbKind() kind {
	return kind{
		name:   "goleveldb",
		peer:   true,
		module: "github.com/syndtr/goleveldb",
		config: "github.com/syndtr/goleveldb; BlockCacheCapacity as budgeted, and on top of it WriteBuffer 64 MiB, bloom " +
			"filters of 10 bits, DisableSeeksCompaction (as go-ethereum sets it), no compression, write merging on (default); " +
			"durable: Sync. Its one transaction at a time is not measured",
		open: openGoleveldb,
	}
}

type leveldbEngine struct {
	db      *leveldb.DB
	write   *opt.WriteOptions
	written atomic.Uint64 // bytes, when Busy last looked
}

func openGoleveldb(dir string, o options) (Engine, error) {
	compression := opt.NoCompression
	if o.compress {
		compression = opt.SnappyCompression
	}
	db, err := leveldb.OpenFile(filepath.Join(dir, "leveldb"), &opt.Options{
		BlockCacheCapacity:     int(o.memory),
		WriteBuffer:            64 << 20,
		Filter:                 filter.NewBloomFilter(10),
		DisableSeeksCompaction: true,
		Compression:            compression,
	})
	return &leveldbEngine{db: db, write: &opt.WriteOptions{Sync: o.sync}}, err
}

func (e *leveldbEngine) Write(keys, values [][]byte) error {
	if len(keys) == 1 && values != nil {
		return e.db.Put(keys[0], values[0], e.write)
	}
	var b leveldb.Batch
	for i, k := range keys {
		if values == nil {
			b.Delete(k)
		} else {
			b.Put(k, values[i])
		}
	}
	return e.db.Write(&b, e.write)
}

// Sync writes a removal of a key that never was: goleveldb has no other way to sync its log.
func (e *leveldbEngine) Sync() error {
	return e.db.Delete([]byte("sync"), &opt.WriteOptions{Sync: true})
}

// Busy takes bytes written since the last look for background work: goleveldb does not tell what is going on.
func (e *leveldbEngine) Busy() (bool, error) {
	var s leveldb.DBStats
	if err := e.db.Stats(&s); err != nil {
		return false, err
	}
	return e.written.Swap(s.IOWrite) != s.IOWrite, nil
}

func (e *leveldbEngine) Compact() error { return e.db.CompactRange(util.Range{}) }

func (e *leveldbEngine) Close() error { return e.db.Close() }

func (e *leveldbEngine) Reader(shared bool) (Reader, error) {
	if !shared {
		return leveldbReader{e.db, func() {}}, nil
	}
	s, err := e.db.GetSnapshot()
	if err != nil {
		return nil, err
	}
	return leveldbReader{s, s.Release}, nil
}

// leveldbReader reads a DB or a Snapshot.
type leveldbReader struct {
	reads interface {
		Get(key []byte, ro *opt.ReadOptions) ([]byte, error)
		NewIterator(slice *util.Range, ro *opt.ReadOptions) iterator.Iterator
	}
	end func()
}

func (r leveldbReader) Get(key []byte, use func([]byte)) (bool, error) {
	value, err := r.reads.Get(key, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	use(value)
	return true, nil
}

func (r leveldbReader) Scan(from []byte, d direction, limit int, use func(k, v []byte)) error {
	span := &util.Range{Start: from}
	if d == backward {
		span = &util.Range{Limit: from}
	}
	it := r.reads.NewIterator(span, nil)
	defer it.Release()
	start, step := it.First, it.Next
	if d == backward {
		start, step = it.Last, it.Prev
	}
	for ok := start(); ok && limit != 0; limit-- {
		use(it.Key(), it.Value())
		ok = step()
	}
	return it.Error()
}

func (r leveldbReader) ScanKeys(use func(k []byte)) error { return scanKeys(r, use) }

func (r leveldbReader) Close() error {
	r.end()
	return nil
}
