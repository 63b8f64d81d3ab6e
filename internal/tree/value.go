package tree

import (
	"errors"
	"fmt"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table"
	"lightningdb/internal/tree/table/block"
	"lightningdb/internal/tree/visible"
)

// Measure is what can be told of a value without reading it.
type Measure struct {
	Size int64    // its length in bytes
	End  key.Time // until when it is there; 0 if it does not end, as what operands are folded into
}

// Measure is that of the value that Get would append, and found is what it would say. A value outside the pages is
// not read; operands are folded.
func (tr *Tree) Measure(user []byte, seq key.SeqNum) (m Measure, found bool, err error) {
	guard := tr.epochs.Enter()
	defer guard.Exit()
	v, newest, now := tr.newest()
	if v == nil {
		return m, false, calls.ErrClosed
	}
	if seq == Latest {
		seq = newest
	}
	return tr.measureIn(v, user, v.Cover(seq).Reader(user).At(now))
}

// measureIn is Measure in v for a reader that has a time. The caller is inside the epoch.
func (tr *Tree) measureIn(v *View, user []byte, reader visible.Reader) (m Measure, found bool, err error) {
	hash, effect := key.Hash(user), visible.Skip
	for _, mem := range v.mems {
		if version := mem.Find(user, hash, reader.Seq); version.Exists() {
			e, value := reader.OfValue(version.Trailer(), version.Value())
			if m.Size, effect = int64(len(value)), e; reader.Of(version.Trailer()) == visible.Until {
				m.End, _ = key.SplitEnd(version.Value())
			}
			break
		}
	}
	if effect == visible.Skip {
		var x page.Extent
		if _, x, effect, err = tr.locate(v, user, hash, reader); err != nil {
			return m, false, err
		}
		m.Size, m.End = int64(x.Raw), x.End
		if effect == visible.Until {
			effect = reader.UntilEnd(x.End)
		}
	}
	switch effect {
	case visible.Show:
		return m, true, nil
	case visible.Skip, visible.Hide:
		return Measure{}, false, nil
	case visible.Fold:
		value, found, err := tr.getMerged(v, nil, user, hash, reader)
		return Measure{Size: int64(len(value))}, found, err
	}
	return m, false, visible.UnknownKind()
}

// locate is table.Reader.Locate of the newest version of user in the tables of v that reader sees, with the table that
// x counts from.
func (tr *Tree) locate(v *View, user []byte, hash uint64, reader visible.Reader) (
	r *table.Reader, x page.Extent, effect visible.Effect, err error) {
	effect = visible.Skip
	for i := 0; i < len(v.runs) && effect == visible.Skip; i++ {
		t := v.runs[i].Find(user)
		if t == nil {
			continue
		}
		if r, err = tr.tables.Reader(t); err == nil {
			x, effect, err = r.Locate(user, hash, reader)
		}
		if err != nil {
			return nil, x, visible.Skip, fmt.Errorf("find a value: %w", err)
		}
	}
	return r, x, effect, nil
}

// Measure is Tree.Measure at s.
func (s *Snapshot) Measure(user []byte) (m Measure, found bool, err error) {
	m, found, err = s.measure(user)
	if expired := s.Check(); expired != nil && !errors.Is(err, calls.ErrClosed) {
		return Measure{}, false, expired
	}
	return m, found, err
}

func (s *Snapshot) measure(user []byte) (Measure, bool, error) {
	guard := s.tree.epochs.Enter()
	defer guard.Exit()
	v, seq := s.tree.view.Load(), s.Seq()
	if s.tree.opts.Follow {
		v = s.pinned.Load()
	}
	if v == nil {
		return Measure{}, false, calls.ErrClosed
	}
	if s.tree.opts.Follow {
		seq = v.seq
	}
	return s.tree.measureIn(v, user, s.reader(v, user, seq))
}

// OpenValue is Get of user at s, or at the newest state if s is nil, for values of any length. One that is stored in
// chunks it does not read: it returns an iterator that is on no key, and whose Chunk reads it. What else there is, it
// returns as value, which is nil if there is none. user is borrowed until the iterator is closed. The sources are asked
// one by one, as by Get: an iterator over the key would read in all that overlap, and meet damage that is not its own.
func (tr *Tree) OpenValue(s *Snapshot, user []byte) (value []byte, long *Iterator, size int64, err error) {
	it, err := tr.NewIterator(s, user, []byte{}) // an empty range
	if err != nil {
		return nil, nil, 0, err
	}
	defer func() { // outside the epoch, which ends with the last of what it closes
		if long == nil {
			err = errors.Join(err, it.Close())
		}
	}()
	guard := tr.epochs.Enter()
	defer guard.Exit()
	found, reader := false, it.view.Cover(it.hold.Seq()).Reader(user).At(it.hold.Now())
	reader.Seen = it.seen
	value, found, err = tr.search(it.view, key.ChunkSize, nil, user, key.Hash(user), reader)
	if err == operand.ErrTooLong {
		m, _, err := tr.measureIn(it.view, user, reader)
		if err == nil {
			long = it
		}
		return nil, long, m.Size, it.reason(err)
	}
	if found {
		value = notNil(value)
	}
	return value, nil, int64(len(value)), it.reason(err)
}

// Chunk appends the nth chunk of the value that OpenValue has opened it for to dst. Before, it changes to the current
// view: so who reads a long value slowly holds its file, and not all that there was when he began.
func (it *Iterator) Chunk(dst []byte, n int) ([]byte, error) {
	if !it.usable() || !it.changeView() {
		return dst, it.Err()
	}
	guard := it.tree.epochs.Enter()
	defer guard.Exit()
	reader := it.view.Cover(it.hold.Seq()).Reader(it.lo)
	r, x, _, err := it.tree.locate(it.view, it.lo, key.Hash(it.lo), reader)
	switch {
	case err != nil:
		return dst, it.reason(err)
	case n >= x.Chunks():
		return dst, corrupt.New("", -1, "there is no chunk %d of the value of %.40q any more", n, it.lo)
	}
	var chunks block.Chunks
	out, err := r.ReadChunk(dst, x, &chunks, n)
	return out, it.reason(err)
}
