package tree

import (
	"fmt"
	"math"
	"sync"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree/tables"
	"lightningdb/internal/tree/visible"
)

// Latest reads the newest published state.
const Latest = key.MaxSeqNum

// Get appends the value of user at seq (Latest for the newest) to dst. found is false if the key is absent or
// deleted; dst is then returned as it was. seq must be Latest or held by a Snapshot; only Snapshot.Get has a time by
// which entries end, and notices that it no longer is, with MaxSnapshotAge. Get allocates nothing if dst has room.
func (tr *Tree) Get(dst, user []byte, seq key.SeqNum) (out []byte, found bool, err error) {
	return tr.getWithin(math.MaxInt, dst, user, seq)
}

// getWithin is Get that reads no value of more than limit bytes from a table: there it returns operand.ErrTooLong as it
// is, found, and dst as it was.
func (tr *Tree) getWithin(limit int, dst, user []byte, seq key.SeqNum) (out []byte, found bool, err error) {
	if tr.gets.Apart() && limit&inSpan == 0 {
		return tr.getApart(limit, dst, user, seq)
	}
	limit &^= inSpan
	guard := tr.epochs.Enter()
	defer guard.Exit()
	v := tr.view.Load()
	if v == nil {
		return dst, false, calls.ErrClosed
	}
	start := tr.gets.Begin(guard.Tick())
	hash := key.Hash(user)
	if out, found, ok := tr.rows.Get(dst, user, hash, seq, guard.Tick()); ok {
		tr.gets.Hit(start)
		return out, found, nil
	}
	latest := seq == Latest
	if latest {
		seq = tr.newestIn(v)
	}
	search := tr.gets.Search(start)
	out, found, err = tr.search(v, limit, dst, user, hash, v.Cover(seq).Reader(user))
	if err == visible.ErrNoTime && latest {
		out, found, err = tr.searchNewest(limit, dst, user, hash)
	} else if err == nil && tr.view.Load() == v { // otherwise a commit up to seq may be in a memtable that v does not have
		tr.rows.Offer(user, out[len(dst):], hash, found, seq, guard.Tick())
	}
	tr.gets.End(search, user, err)
	return out, found, err
}

// inSpan is the bit of a limit that getWithin gets from getApart. Another parameter would not be in a register.
const inSpan = math.MinInt

// getApart is getWithin of a tree that is closed, or whose reads are traced.
func (tr *Tree) getApart(limit int, dst, user []byte, seq key.SeqNum) (out []byte, found bool, err error) {
	out = dst
	err = tr.gets.Traced(func() (err error) {
		out, found, err = tr.getWithin(limit|inSpan, dst, user, seq)
		return err
	})
	return out, found, err
}

// newestIn is the newest sequence number that v shows.
func (tr *Tree) newestIn(v *View) key.SeqNum {
	if v.seq != 0 {
		return v.seq
	}
	return tr.readers.Visible()
}

// newest is the current view, nil once closed, the newest sequence number that it shows, and the time; 0 if nothing
// that is there ends.
func (tr *Tree) newest() (v *View, seq key.SeqNum, now key.Time) {
	if v = tr.view.Load(); v == nil {
		return nil, 0, 0
	}
	if seq = tr.newestIn(v); tr.readers.Time.Told() == 0 { // asked after the number: see readers.Time
		return v, seq, 0
	}
	return tr.moment()
}

// moment is newest of what may end: view, number and time in one step, in which nothing is published. So the view has
// all commits up to the number.
func (tr *Tree) moment() (v *View, seq key.SeqNum, now key.Time) {
	seq, now = tr.readers.Moment(func() { v = tr.view.Load() })
	if v != nil && v.seq != 0 {
		seq = v.seq
	}
	return v, seq, now
}

// searchNewest is getWithin of the newest state, with a time and without the row cache, which is not for what ends. The
// caller is inside the epoch.
func (tr *Tree) searchNewest(limit int, dst, user []byte, hash uint64) (out []byte, found bool, err error) {
	v, seq, now := tr.moment()
	if v == nil {
		return dst, false, calls.ErrClosed
	}
	return tr.search(v, limit, dst, user, hash, v.Cover(seq).Reader(user).At(now))
}

// search is getWithin without the row cache. See visible.ErrNoTime.
func (tr *Tree) search(v *View, limit int, dst, user []byte, hash uint64, reader visible.Reader) (
	out []byte, found bool, err error) {
	for _, m := range v.mems {
		switch out, effect := m.Get(dst, user, hash, reader); effect {
		case visible.Skip:
		case visible.Fold:
			return tr.getMerged(v, dst, user, hash, reader)
		default:
			return reader.Answer(dst, out, effect)
		}
	}
	for i := range v.runs {
		t := v.runs[i].Find(user)
		if t == nil || t.Meta().LargestSeq < reader.Deleted { // what is deleted need not be read
			continue
		}
		out, effect, err := tr.getFromTable(t, limit, dst, user, hash, reader)
		switch {
		case err == operand.ErrTooLong || err == visible.ErrNoTime:
			return dst, err == operand.ErrTooLong, err
		case err != nil:
			return dst, false, fmt.Errorf("get: %w", err)
		case effect == visible.Fold:
			return tr.getMerged(v, dst, user, hash, reader)
		case effect != visible.Skip:
			return reader.Answer(dst, out, effect)
		}
	}
	return dst, false, nil
}

func (tr *Tree) getFromTable(t *tables.Ref, limit int, dst, user []byte, hash uint64, reader visible.Reader) (
	out []byte, effect visible.Effect, err error) {
	r, err := tr.tables.Reader(t)
	if err != nil {
		return dst, visible.Skip, err
	}
	return r.GetWithin(limit, dst, user, hash, reader)
}

// maxHasBytes is the longest value that Has reads from a table, for the row cache. Values outside the pages are longer,
// at the default size of pages.
const maxHasBytes = 512

// smallValues keeps the memory that Has reads small values into.
var smallValues = sync.Pool{New: func() any { return new([maxHasBytes]byte) }}

// Has reports whether user has a value at seq. A value outside the pages is not read; operands are folded. It allocates
// nothing, unless a value of more than maxHasBytes is in a memtable.
func (tr *Tree) Has(user []byte, seq key.SeqNum) (bool, error) {
	room := smallValues.Get().(*[maxHasBytes]byte) // on the stack it would escape
	defer smallValues.Put(room)
	_, found, err := tr.getWithin(maxHasBytes, room[:0], user, seq)
	if err == operand.ErrTooLong {
		err = nil
	}
	return found, err
}
