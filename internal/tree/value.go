package tree

import (
	"errors"
	"fmt"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree/visible"
)

// Size is the length of the value that Get would append, and found is what it would say. A value outside the pages is
// not read; operands are folded.
func (tr *Tree) Size(user []byte, seq key.SeqNum) (size int64, found bool, err error) {
	if tr.view.Load() == nil {
		return 0, false, calls.ErrClosed
	}
	guard := tr.epochs.Enter()
	defer guard.Exit()
	v := tr.view.Load()
	if v == nil {
		return 0, false, calls.ErrClosed
	}
	if seq == Latest {
		seq = tr.newestIn(v)
	}
	return tr.sizeIn(v, user, seq)
}

// sizeIn is Size in v. The caller is inside the epoch.
func (tr *Tree) sizeIn(v *View, user []byte, seq key.SeqNum) (size int64, found bool, err error) {
	hash, reader := key.Hash(user), visible.Reader{Seq: seq}
	for _, m := range v.mems {
		version := m.Find(user, hash, seq)
		if !version.Exists() {
			continue
		}
		effect := reader.Of(version.Trailer())
		if effect == visible.Fold {
			return tr.sizeMerged(v, user, hash, reader)
		}
		return decidedSize(len(version.Value()), effect)
	}
	for i := range v.runs {
		t := v.runs[i].Find(user)
		if t == nil {
			continue
		}
		r, err := tr.tables.Reader(t)
		if err != nil {
			return 0, false, fmt.Errorf("size: %w", err)
		}
		size, effect, err := r.Size(user, hash, reader)
		switch {
		case err != nil:
			return 0, false, fmt.Errorf("size: %w", err)
		case effect == visible.Fold:
			return tr.sizeMerged(v, user, hash, reader)
		case effect != visible.Skip:
			return decidedSize(int(size), effect)
		}
	}
	return 0, false, nil
}

func (tr *Tree) sizeMerged(v *View, user []byte, hash uint64, reader visible.Reader) (int64, bool, error) {
	value, found, err := tr.getMerged(v, nil, user, hash, reader)
	return int64(len(value)), found, err
}

// decidedSize turns the effect of the version that decides, and its length, into the answer.
func decidedSize(size int, effect visible.Effect) (int64, bool, error) {
	_, found, err := resolve(nil, nil, effect)
	if !found {
		size = 0
	}
	return int64(size), found, err
}

// Size is Tree.Size at s.
func (s *Snapshot) Size(user []byte) (size int64, found bool, err error) {
	if size, found, err = s.size(user); !errors.Is(err, calls.ErrClosed) {
		if expired := s.Check(); expired != nil {
			return 0, false, expired
		}
	}
	return size, found, err
}

func (s *Snapshot) size(user []byte) (int64, bool, error) {
	if !s.tree.opts.Follow {
		return s.tree.Size(user, s.Seq())
	}
	guard := s.tree.epochs.Enter()
	defer guard.Exit()
	v := s.pinned.Load()
	if v == nil {
		return 0, false, calls.ErrClosed
	}
	return s.tree.sizeIn(v, user, v.seq)
}

// Chunks is the number of chunks in which the current value is stored, or 0: then Value is as good. The iterator must
// stand on a key, and its range be of that key alone.
func (it *Iterator) Chunks() int { return it.visible.Chunks() }

// Size is the length of the current value. If that lies outside the pages it is not read.
func (it *Iterator) Size() (int64, error) {
	size, err := it.visible.Size()
	return size, it.reason(err)
}

// Chunk appends the nth chunk of the value to dst. Before, it changes to the current view: so who reads a long value
// slowly holds its file, and not all that there was when he began.
func (it *Iterator) Chunk(dst []byte, n int) ([]byte, error) {
	if !it.usable() {
		return dst, it.err
	}
	if it.current.Load() != it.view && !(it.changeView() && it.visible.First()) {
		return dst, it.Err()
	}
	out, err := it.visible.Chunk(dst, n)
	return out, it.reason(err)
}
