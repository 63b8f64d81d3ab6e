package main

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Engine is what is measured: an open database, safe for concurrent use.
type Engine interface {
	// Write commits the pairs together: durable when it returns if sync, else at least in the hands of the engine.
	Write(keys, values [][]byte, sync bool) error
	// Sync makes everything written durable.
	Sync() error
	// Settle waits until background work that writes have caused is done.
	Settle() error
	// Reader returns a reader for one goroutine. A shared reader may serve all its reads from one transaction; one
	// that is not begins anew at each read.
	Reader(shared bool) (Reader, error)
	Close() error
}

// Reader reads for one goroutine.
type Reader interface {
	// Get calls use with the value, which is borrowed for the call, and reports whether there is one.
	Get(key []byte, use func(value []byte)) (bool, error)
	// Scan calls use with up to limit entries at or after from (nil: from the first), in order; limit < 0: all.
	Scan(from []byte, limit int, use func(key, value []byte)) error
	Close() error
}

// errUnsupported is returned for what an engine cannot do; its rows stay empty.
var errUnsupported = errors.New("not supported")

// kind describes an engine to the report and opens it.
type kind struct {
	name   string
	config string // one line for the report
	module string // its version is in the report
	peer   bool   // compared with: neither ours nor the map
	// open opens the engine in dir, creating it. writers is how many goroutines will write at once. nil: only its
	// transactions are measured.
	open func(dir string, writers int) (Engine, error)

	bank        openBank // nil: it has no transactions
	lockingBank openBank // whose transactions lock what they read; nil if that is no choice of its own
}

// cgoKinds are engines that are there only if cgo or a build tag is: each file adds its own.
var cgoKinds []kind

// kinds are the engines in the order of the report.
func kinds() []kind {
	lightning := lightningKind("lightning", 256<<20)
	lightning.bank, lightning.lockingBank = openLightningBank, openLightningLockingBank
	return slices.Concat([]kind{
		lightning,
		lightningKind("lightning-512", 512<<20),
		bboltKind(),
		bboltBatchKind(),
		pebbleKind(),
		badgerKind(),
	}, cgoKinds, []kind{mapKind()})
}

func kindByName(name string) (kind, error) {
	for _, k := range kinds() {
		if k.name == name {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("no engine %q", name)
}

// calmTime is how long an engine must be without background work to count as settled.
const calmTime = 50 * time.Millisecond

// pollQuiet returns once quiet has been true for calmTime.
func pollQuiet(quiet func() (bool, error)) error {
	const interval = calmTime / 5
	for calm := time.Duration(0); calm < calmTime; calm += interval {
		time.Sleep(interval)
		ok, err := quiet()
		if err != nil {
			return err
		}
		if !ok {
			calm = -interval
		}
	}
	return nil
}
