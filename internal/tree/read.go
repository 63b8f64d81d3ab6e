package tree

import (
	"fmt"
	"sync"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree/tables"
)

// Latest reads the newest published state.
const Latest = key.MaxSeqNum

// Get appends the value of user at seq (Latest for the newest) to dst. found is false if the key is absent or
// deleted; dst is then returned as it was. seq must be Latest or held by a Snapshot; with MaxSnapshotAge only
// Snapshot.Get notices that it no longer is. Get allocates nothing if dst has room.
func (tr *Tree) Get(dst, user []byte, seq key.SeqNum) (out []byte, found bool, err error) {
	guard := tr.epochs.Enter()
	defer guard.Exit()
	v := tr.view.Load()
	if v == nil {
		return dst, false, calls.ErrClosed
	}
	hash := key.Hash(user)
	if out, found, ok := tr.rows.Get(dst, user, hash, seq, guard.Tick()); ok {
		return out, found, nil
	}
	if seq == Latest {
		seq = tr.readers.Visible()
	}
	out, found, err = tr.search(v, dst, user, hash, seq)
	if err == nil {
		tr.rows.Offer(user, out[len(dst):], hash, found, seq, guard.Tick())
	}
	return out, found, err
}

// search is Get by way of the tree.
func (tr *Tree) search(v *View, dst, user []byte, hash uint64, seq key.SeqNum) (out []byte, found bool, err error) {
	for _, m := range v.mems {
		if out, kind, ok := m.Get(dst, user, hash, seq); ok {
			if kind == key.KindMerge {
				return tr.getMerged(v, dst, user, hash, seq)
			}
			return resolve(dst, out, kind)
		}
	}
	for i := range v.runs {
		t := v.runs[i].find(user)
		if t == nil {
			continue
		}
		if out, kind, ok, err := tr.getFromTable(t, dst, user, hash, seq); ok || err != nil {
			if kind == key.KindMerge && err == nil {
				return tr.getMerged(v, dst, user, hash, seq)
			}
			return resolveTable(dst, out, kind, err)
		}
	}
	return dst, false, nil
}

func (tr *Tree) getFromTable(t *tables.Ref, dst, user []byte, hash uint64, seq key.SeqNum) (
	out []byte, kind key.Kind, found bool, err error) {
	r, err := tr.tables.Reader(t)
	if err != nil {
		return dst, 0, false, err
	}
	return r.Get(dst, user, hash, seq)
}

func resolveTable(dst, out []byte, kind key.Kind, err error) ([]byte, bool, error) {
	if err != nil {
		return dst, false, fmt.Errorf("get: %w", err)
	}
	return resolve(dst, out, kind)
}

// resolve turns the newest visible version of a key into the answer.
func resolve(dst, out []byte, kind key.Kind) ([]byte, bool, error) {
	switch kind {
	case key.KindPut:
		return out, true, nil
	case key.KindDelete:
		return dst, false, nil
	}
	return dst, false, corrupt.New("", -1, "entry of unknown kind %d", kind)
}

// smallValues keeps the memory that Has reads small values into.
var smallValues = sync.Pool{New: func() any { return new([512]byte) }}

// Has reports whether user has a value at seq. It reads the value if that is small, and allocates nothing then.
func (tr *Tree) Has(user []byte, seq key.SeqNum) (bool, error) {
	room := smallValues.Get().(*[512]byte) // on the stack it would escape
	defer smallValues.Put(room)
	_, found, err := tr.Get(room[:0], user, seq)
	return found, err
}
