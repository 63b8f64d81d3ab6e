package torture

import (
	"bytes"
	"errors"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/oracle"
)

// maxStepsBack is how often a walk over damaged files may show a key that is not after the one before.
const maxStepsBack = 1000

// errEndless is no mismatch, which damage excuses: nothing excuses a read that does not end.
var errEndless = errors.New("torture: a walk forward goes back again and again")

// Content reads all of e at the state of s (nil for the newest) three ways: forward, backward, and every key by Get,
// and returns it. ErrMismatch if the ways differ.
func Content(e *engine.Engine, s *engine.Snapshot) (entries []oracle.Entry, err error) {
	it, err := e.NewIterator(s, nil, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	back := 0
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.Value()
		if err != nil {
			return nil, err
		}
		if n := len(entries); n > 0 && bytes.Compare(entries[n-1].Key, it.Key()) >= 0 {
			if back++; back == maxStepsBack {
				return nil, errEndless
			}
		}
		entries = append(entries, oracle.Entry{Key: bytes.Clone(it.Key()), Value: bytes.Clone(value)})
	}
	if err := it.Err(); err != nil {
		return nil, err
	}
	if err := checkBackward(it, entries); err != nil {
		return nil, err
	}
	return entries, checkGets(e, s, entries)
}

func checkBackward(it *engine.Iterator, entries []oracle.Entry) error {
	i := len(entries)
	for ok := it.Last(); ok; ok = it.Prev() {
		i--
		value, err := it.Value()
		if err != nil {
			return err
		}
		if i < 0 || !bytes.Equal(it.Key(), entries[i].Key) || !bytes.Equal(value, entries[i].Value) {
			return mismatch("backward scan: %.40q at position %d of %d differs from the forward scan", it.Key(), i, len(entries))
		}
	}
	if err := it.Err(); err != nil {
		return err
	}
	if i != 0 {
		return mismatch("backward scan: it ends %d entries before the forward scan begins", i)
	}
	return nil
}

func checkGets(e *engine.Engine, s *engine.Snapshot, entries []oracle.Entry) error {
	var got []byte
	for i := range entries {
		var found bool
		var err error
		if got, found, err = getAt(e, s, got[:0], entries[i].Key); err != nil {
			return err
		}
		if !found || !bytes.Equal(got, entries[i].Value) {
			return mismatch("get %.40q: found %v, %d bytes; the scan has %d bytes", entries[i].Key, found, len(got),
				len(entries[i].Value))
		}
	}
	return nil
}

// getAt is the point read at the state of s (nil for the newest).
func getAt(e *engine.Engine, s *engine.Snapshot, dst, k []byte) (out []byte, found bool, err error) {
	if s == nil {
		return e.Get(dst, k, engine.Latest)
	}
	return s.Get(dst, k)
}

// Compare checks that e holds at the state of s (nil for the newest) exactly what the history says. Keys that were
// deleted are looked for, too.
func (s *Session) Compare(snapshot *engine.Snapshot) error {
	at := s.History.Last()
	if snapshot != nil {
		at = snapshot.Seq()
	}
	return s.compare(snapshot, at)
}

// compare checks that the state of snapshot (nil for the newest) is that of the history at at.
func (s *Session) compare(snapshot *engine.Snapshot, at key.SeqNum) error {
	now, err := s.timeOf(snapshot)
	if err != nil {
		return err
	}
	entries, err := Content(s.Engine, snapshot)
	if err != nil {
		return err
	}
	i := 0
	for want := range s.History.EntriesBy(now, nil, nil, at) {
		if i == len(entries) || !bytes.Equal(entries[i].Key, want.Key) || !bytes.Equal(entries[i].Value, want.Value) {
			return mismatch("scan at %d: position %d of %d is not %.40q as it should be", at, i, len(entries), want.Key)
		}
		i++
	}
	if i != len(entries) {
		return mismatch("scan at %d: %.40q should not be there", at, entries[i].Key)
	}
	for _, k := range s.History.Keys() {
		if _, exists := s.History.GetBy(now, []byte(k), at); exists {
			continue // the scan and its gets have seen it
		}
		if err := s.GetAt([]byte(k), snapshot, at); err != nil {
			return err
		}
	}
	return nil
}

// CompareAcknowledged checks that the newest state holds everything acknowledged, and nothing of a commit that failed.
func (s *Session) CompareAcknowledged() error {
	return s.compare(nil, s.History.Acknowledged())
}
