package main

import (
	"bytes"
	"sync"
)

func mapKind() kind {
	return kind{
		name:     "gomap",
		volatile: true,
		config:   "map[string][]byte and sync.RWMutex, values copied in; nothing on disk: a limit, not a peer",
		open: func(string, options) (Engine, error) {
			return &mapEngine{rows: make(map[string][]byte)}, nil
		},
	}
}

type mapEngine struct {
	mu   sync.RWMutex
	rows map[string][]byte
}

func (e *mapEngine) Write(keys, values [][]byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, k := range keys {
		if values == nil {
			delete(e.rows, string(k))
		} else {
			e.rows[string(k)] = bytes.Clone(values[i])
		}
	}
	return nil
}

func (e *mapEngine) Sync() error { return nil }

func (e *mapEngine) Busy() (bool, error) { return false, nil }

func (e *mapEngine) Compact() error { return errUnsupported }

func (e *mapEngine) Close() error { return nil }

func (e *mapEngine) Reader(bool) (Reader, error) { return mapReader{e}, nil }

type mapReader struct{ *mapEngine }

func (r mapReader) Get(key []byte, use func([]byte)) (bool, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v, ok := r.rows[string(key)]
	if ok {
		use(v)
	}
	return ok, nil
}

func (r mapReader) Scan([]byte, direction, int, func(k, v []byte)) error { return errUnsupported }

func (r mapReader) ScanKeys(func(k []byte)) error { return errUnsupported }

func (r mapReader) Close() error { return nil }
