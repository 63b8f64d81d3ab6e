package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
)

// Engine is what is measured: an open database, safe for concurrent use.
type Engine interface {
	// Write commits the pairs together, with the durability that the engine was opened with. With nil values it removes
	// the keys. It keeps neither.
	Write(keys, values [][]byte) error
	// Sync makes everything written durable.
	Sync() error
	// Busy reports whether background work that writes have caused is going on or due.
	Busy() (bool, error)
	// Compact gives back the space of what was removed, as far as the engine can.
	Compact() error
	// Reader returns a reader for one goroutine. A shared reader serves all its reads from one snapshot; one that is not
	// begins anew at each read.
	Reader(shared bool) (Reader, error)
	Close() error
}

// bulkLoader is an engine that has a better way than Write to take many pairs in. Both are durable after Sync.
type bulkLoader interface {
	// BulkLoad writes the batches that next returns, until it returns none.
	BulkLoad(next func() (keys, values [][]byte)) error
}

// Reader reads for one goroutine.
type Reader interface {
	// Get calls use with the value, which is borrowed for the call, and reports whether there is one.
	Get(key []byte, use func(value []byte)) (bool, error)
	// Scan calls use with up to limit entries in order: forward those at or after from (nil: from the first on), backward
	// those before it (nil: from the last on). limit < 0: all.
	Scan(from []byte, d direction, limit int, use func(key, value []byte)) error
	// ScanKeys calls use with all keys in order. It leaves values alone, as far as the engine can.
	ScanKeys(use func(key []byte)) error
	Close() error
}

// scanKeys is ScanKeys of engines whose Scan does not touch the values that it shows.
func scanKeys(r Reader, use func(key []byte)) error {
	return r.Scan(nil, forward, -1, func(k, _ []byte) { use(k) })
}

// direction of a scan.
type direction int

const (
	forward direction = iota
	backward
)

// errUnsupported is returned for what an engine cannot do; its rows stay empty.
var errUnsupported = errors.New("not supported")

// options are the same for all engines that are to be compared.
type options struct {
	sync    bool  // commits are durable when Write returns; else they are in the kernel's hands, where that can be had
	writers int   // how many goroutines will write at once
	memory  int64 // bytes: the whole budget, or that of the cache where an engine cannot tell memory more

	compress bool // where the engine can: S2, Snappy
	apart    bool // values of valuesApart bytes and more are kept apart from the keys, where the engine can
}

// kind describes an engine to the report and opens it.
type kind struct {
	name     string
	config   string // one line for the report
	module   string // its version is in the report
	peer     bool   // compared with: neither ours nor the map
	volatile bool   // nothing is on disk, so it is not closed and opened again
	// open opens the engine in dir, creating it. nil: only its transactions are measured.
	open func(dir string, o options) (Engine, error)

	bank        openBank // nil: it has no transactions
	lockingBank openBank // whose transactions lock what they read; nil if that is no choice of its own

	people openPeople         // nil: it has no indexes
	costs  func(r *run) error // what parts of its data model cost next to bytes alone; nil: not measured
}

// taggedKinds are engines that are there only with cgo or a build tag: each file adds its own.
var taggedKinds []kind

// taggedNames are the engines that taggedKinds may hold, in the order of the report.
var taggedNames = []string{"sqlite", "lmdb", "rocksdb"}

// kinds are the engines in the order of the report.
func kinds() []kind {
	all := []kind{lightningKind(), bboltKind(), bboltBatchKind(), pebbleKind(), badgerKind(), goleveldbKind()}
	for _, name := range taggedNames {
		for _, k := range taggedKinds {
			if k.name == name {
				all = append(all, k)
			}
		}
	}
	return append(all, mapKind())
}

// missingKinds are the names of engines that this program was built without.
func missingKinds() []string {
	return slices.DeleteFunc(slices.Clone(taggedNames), func(name string) bool {
		_, err := kindByName(name)
		return err == nil
	})
}

func kindByName(name string) (kind, error) {
	for _, k := range kinds() {
		if k.name == name {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("no engine %q in this build", name)
}

// version is that of the module that the engine comes from.
func (k kind) version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || k.module == "" {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == k.module {
			return m.Version
		}
	}
	return ""
}
