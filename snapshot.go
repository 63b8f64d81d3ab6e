package lightningdb

import (
	"sync"
	"sync/atomic"

	"lightningdb/internal/engine"
	"lightningdb/internal/key"
)

// Snapshot is the database at one moment. It stays readable, unchanged, until Close. Its methods may be called from any
// number of goroutines.
type Snapshot struct {
	engine *engine.Engine
	held   *engine.Snapshot
	closed atomic.Bool
	ended  error // what reads give once it is closed
	errMu  sync.Mutex
	err    error // the first error of any of its ranges
}

// Snapshot returns a snapshot of everything committed so far. Close it when done: until then the versions it sees stay
// on disk.
func (db *DB) Snapshot() *Snapshot {
	return &Snapshot{engine: db.engine, held: db.engine.Snapshot(), ended: ErrClosed}
}

// Close ends the snapshot. Further calls do nothing and return nil.
func (s *Snapshot) Close() error {
	if !s.closed.Swap(true) {
		s.held.Close()
	}
	return nil
}

// Sequence is the number of the newest commit that the snapshot sees.
func (s *Snapshot) Sequence() uint64 { return uint64(s.held.Seq()) }

// Get returns a copy of the value of key, or ErrNotFound.
func (s *Snapshot) Get(key []byte) ([]byte, error) { return s.GetAppend(nil, key) }

// GetAppend appends the value of key to dst and returns the result; see DB.GetAppend.
func (s *Snapshot) GetAppend(dst, key []byte) ([]byte, error) {
	if s.closed.Load() {
		return dst, s.ended
	}
	return get(s.engine, dst, key, s.held.Seq())
}

// Has reports whether key has a value.
func (s *Snapshot) Has(key []byte) (bool, error) {
	if s.closed.Load() {
		return false, s.ended
	}
	return has(s.engine, key, s.held.Seq())
}

// Range returns the entries with lo <= key < hi. A nil bound is open.
func (s *Snapshot) Range(lo, hi []byte) *Range {
	return newRange(lo, hi, s.iterator, s.note)
}

// Prefix returns the entries whose keys begin with p.
func (s *Snapshot) Prefix(p []byte) *Range { return s.Range(prefixBounds(p)) }

func (s *Snapshot) iterator(lo, hi []byte) (iterator, error) {
	if s.closed.Load() {
		return nil, s.ended
	}
	return opened(s.engine.NewIterator(s.held, lo, hi))
}

// note remembers the first error of a range, for View.
func (s *Snapshot) note(err error) {
	s.errMu.Lock()
	defer s.errMu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

func (s *Snapshot) firstError() error {
	s.errMu.Lock()
	defer s.errMu.Unlock()
	return s.err
}

// get is the point read that every reader shares.
func get(e *engine.Engine, dst, k []byte, seq key.SeqNum) ([]byte, error) {
	out, found, err := e.Get(dst, k, seq)
	if err == nil && !found {
		err = ErrNotFound
	}
	return out, err
}

func has(e *engine.Engine, k []byte, seq key.SeqNum) (bool, error) {
	return e.Has(k, seq)
}
