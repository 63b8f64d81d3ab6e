package main

import (
	"bytes"
	"sync"
)

func mapKind() kind {
	return kind{
		name:   "gomap",
		config: "map[string][]byte and sync.RWMutex, values copied in; nothing on disk: a limit, not a peer",
		open: func(string, int) (Engine, error) {
			return &mapEngine{rows: make(map[string][]byte)}, nil
		},
	}
}

type mapEngine struct {
	mu   sync.RWMutex
	rows map[string][]byte
}

func (e *mapEngine) Write(keys, values [][]byte, sync bool) error {
	if sync {
		return errUnsupported
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, k := range keys {
		e.rows[string(k)] = bytes.Clone(values[i])
	}
	return nil
}

func (e *mapEngine) Sync() error { return nil }

func (e *mapEngine) Settle() error { return nil }

func (e *mapEngine) Close() error { return errUnsupported }

func (e *mapEngine) Reader(bool) (Reader, error) { return e, nil }

func (e *mapEngine) Get(key []byte, use func([]byte)) (bool, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	v, ok := e.rows[string(key)]
	if ok {
		use(v)
	}
	return ok, nil
}

func (e *mapEngine) Scan([]byte, int, func(k, v []byte)) error { return errUnsupported }
