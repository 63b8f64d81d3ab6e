package copies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"lightningdb/internal/checkpoint"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// source is an open database that is copied, and what is known of it.
type source struct {
	*torture.Session
	medium *memfs.FS
	disk   *errfs.FS // before medium: its calls can fail
	rng    *rand.Rand
	err    error // of what it did on the way
}

// open opens a new one of the victim.
func (t *Trial) open() (*source, error) {
	s := &source{medium: t.victim.FS.Kill(), rng: rand.New(rand.NewPCG(t.rng.Uint64(), 1))}
	s.disk = errfs.New(s.medium)
	s.Session = torture.NewSession(engine.Options{FS: s.disk, PageSize: 512, ValueThreshold: 300, Manual: true,
		MemoryLimit: engine.MinMemoryLimit, Random: destruction.NumbersFrom(t.rng.Uint64())}, t.victim.History.Clone())
	if err := s.Open(); err != nil {
		return nil, err
	}
	s.History.Recovered(key.SeqNum(s.Engine.Report().LastSequence))
	return s, nil
}

// move lets the database do something, once in a while: it is in use while it is copied.
func (s *source) move() {
	if s.err == nil && s.rng.IntN(3) == 0 {
		s.err = destruction.Live(s.Session, s.rng)
	}
}

// Copies is that of backup.Source.
func (s *source) Copies() checkpoint.Source {
	return checkpoint.Source{Tree: s.Engine.Tree(), Flush: s.Flush}
}

// to makes a checkpoint in dir.
func (s *source) to(dir vfs.FS) error {
	_, err := checkpoint.Write(context.Background(), s.Engine.Tree(), dir, destruction.NumbersFrom(7), nil)
	return errors.Join(err, s.err)
}

// stillWhole says what is wrong with the database after a copy, however that ended: it serves and takes what it did,
// and a power cut or a kill leaves of it what it should.
func (s *source) stillWhole(seed uint64) (counts oracle.Counts, err error) {
	if err := errors.Join(s.err, s.CompareAcknowledged()); err != nil {
		return counts, err
	}
	if err := s.Put("after", "the copy", true); err != nil {
		return counts, err
	}
	for _, end := range []struct {
		fs   *memfs.FS
		loss oracle.Loss
	}{{s.medium.Image(memfs.All, 0), oracle.Killed}, {s.medium.Image(memfs.Random, seed), oracle.PowerCut}} {
		last, entries, err := content(end.fs)
		if err != nil {
			return counts, fmt.Errorf("the database after it: %w", err)
		}
		n, err := s.History.Judge(end.loss, last, entries)
		counts.Add(n)
		if err != nil {
			return counts, fmt.Errorf("the database after it: %w", err)
		}
	}
	return counts, nil
}

// isPrefix says what is wrong with a copy that was begun when from was acknowledged: it is to be the state after one
// commit, not before that.
func (s *source) isPrefix(from, last key.SeqNum, entries []oracle.Entry) error {
	if last < from || !s.History.EndsAt(last) {
		return wrong("it ends at %d, where no commit ends, or before %d", last, from)
	}
	return s.isState(last, entries)
}

// isState says what is wrong with entries, which are to be the state at a sequence number.
func (s *source) isState(at key.SeqNum, entries []oracle.Entry) error {
	i := 0
	for want := range s.History.Entries(nil, nil, at) {
		if i == len(entries) || !bytes.Equal(entries[i].Key, want.Key) || !bytes.Equal(entries[i].Value, want.Value) {
			return wrong("of the state at %d, entry %d of %d is not %.40q", at, i, len(entries), want.Key)
		}
		i++
	}
	if i < len(entries) {
		return wrong("at %d, %.40q should not be there", at, entries[i].Key)
	}
	return nil
}

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", torture.ErrMismatch, fmt.Sprintf(format, args...))
}

// content opens the database in dir, which must be there, and returns all that it holds, verified.
func content(dir vfs.FS) (last key.SeqNum, entries []oracle.Entry, err error) {
	e, err := engine.Open(engine.Options{FS: dir, MustExist: true, Manual: true, Random: destruction.NumbersFrom(8),
		MemoryLimit: engine.MinMemoryLimit})
	if err != nil {
		return 0, nil, err
	}
	last = key.SeqNum(e.Report().LastSequence)
	if entries, err = torture.Content(e, nil); err == nil {
		err = e.Verify(context.Background(), nil)
	}
	return last, entries, errors.Join(err, e.Close())
}
