package txn

import (
	"bytes"
	"errors"
	"slices"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/ranges"
)

// fanIn is the number of spills of one tier that are merged into one, so that a read meets few of them, however much
// was spilled.
const fanIn = 16

// MaxSpilledSavepoints bounds the savepoints of a transaction that is larger than memory: each may cost a file.
const MaxSpilledSavepoints = 256

// ErrTooManySavepoints refuses to spill a transaction that has more than MaxSpilledSavepoints.
var ErrTooManySavepoints = errors.New("too many savepoints in a transaction that is larger than memory")

// Store keeps on disk what does not fit into memory.
type Store interface {
	// NewSpill returns a writer of a spill whose entries will have the sequence number seq.
	NewSpill(seq key.SeqNum) SpillWriter
}

// SpillWriter writes a spill, in ascending order of keys.
type SpillWriter interface {
	Add(user []byte, kind key.Kind, value []byte) error
	Finish() (Spill, error)
	Abort()
}

// Spill is writes on disk, in key order, one for each key. Its owner removes it.
type Spill interface {
	// Get appends to dst what the spill has for user, a value or an operand.
	Get(dst, user []byte) (out []byte, kind key.Kind, found bool, err error)
	NewIterator() merge.Iterator
	// NewSequentialIterator returns an iterator for one pass from front to back.
	NewSequentialIterator() merge.Iterator
	Remove()
}

// tieredSpill is a spill and how it came about.
type tieredSpill struct {
	Spill
	tier int        // how often what it holds has been merged
	seq  key.SeqNum // of its entries
}

// Spilled reports whether there are writes on disk.
func (w *Writes) Spilled() bool { return len(w.spills) > 0 }

// SpillChanges grows whenever what is on disk changes. Iterators must be made anew then.
func (w *Writes) SpillChanges() uint64 { return w.spillChanges }

// Spill moves everything from memory to store. After an error only Reset may be called.
func (w *Writes) Spill(store Store) error {
	if len(w.savepoints) > MaxSpilledSavepoints {
		return ErrTooManySavepoints
	}
	w.change++
	steps, first := w.steps()
	for i, step := range steps {
		if i > 0 {
			w.savepoints[first+i-1] = savepoint{spills: len(w.spills), undo: -1, deleted: w.spilledDeleted}
		}
		serial := w.nextSerial()
		w.spillDeleted(step.deleted, serial)
		if err := w.writeSpill(store, step.writes, serial); err != nil {
			return err
		}
	}
	w.clearMemory()
	w.deleted = nil
	w.settleDeleted()
	if w.spilledGaps = w.gaps; w.gaps != nil { // what was in memory is on disk now
		w.gaps = w.gaps.Clone()
	}
	return w.mergeSmall(store)
}

// step is a part of the memory: what was deleted first, and what was written then.
type step struct {
	deleted []span.Span
	writes  []Write
}

// steps takes the memory apart: what was there at the first savepoint, then what changed from each savepoint to the
// next, and since the last one. first is the number of the savepoint between the first two.
func (w *Writes) steps() (steps []step, first int) {
	first = len(w.savepoints)
	deleted := w.deleted
	for first > 0 && w.savepoints[first-1].undo >= 0 {
		first--
		m := w.savepoints[first]
		steps = append(steps, step{deletedSince(deleted, m.serial), w.changedSince(m.undo)})
		w.unwind(m.undo)
		deleted = m.deleted
	}
	var base []Write
	for _, chunk := range w.chunks {
		for _, write := range chunk {
			if write.Live {
				base = append(base, *write)
			}
		}
	}
	steps = append(steps, step{deletedSince(deleted, 0), base})
	slices.Reverse(steps)
	return steps, first
}

// changedSince returns the writes that have changed since undo had the given length, as they are now, in key order,
// without what was dropped.
func (w *Writes) changedSince(length int) []Write {
	var changed []Write
	for _, u := range w.undo[length:] {
		if u.write.Live {
			changed = append(changed, *u.write)
		}
	}
	slices.SortFunc(changed, func(a, b Write) int { return bytes.Compare(a.Key, b.Key) })
	return slices.CompactFunc(changed, func(a, b Write) bool { return bytes.Equal(a.Key, b.Key) })
}

// writeSpill writes a spill that is newer than all others.
func (w *Writes) writeSpill(store Store, writes []Write, serial key.SeqNum) error {
	if len(writes) == 0 {
		return nil
	}
	out := store.NewSpill(serial)
	for _, write := range writes {
		if len(write.Merged) > 0 {
			out.Abort()
			return ErrMergedSpill
		}
		if err := out.Add(write.Key, write.Kind, write.Value); err != nil {
			out.Abort()
			return err
		}
	}
	return w.addSpill(out, 0, serial)
}

// addSpill finishes out, whose entries have serial, and adds it as the newest spill.
func (w *Writes) addSpill(out SpillWriter, tier int, serial key.SeqNum) error {
	spill, err := out.Finish()
	if err != nil {
		return err
	}
	w.spillChanges++
	w.spills = append(w.spills, tieredSpill{spill, tier, serial})
	return nil
}

// nextSerial returns the sequence number of the next spill, or range: newer ones have higher ones.
func (w *Writes) nextSerial() key.SeqNum {
	w.serial++
	return w.serial
}

// mergeSmall merges the newest spills while there are fanIn of one tier without a savepoint between them.
func (w *Writes) mergeSmall(store Store) error {
	for {
		n := len(w.spills)
		if n < fanIn || len(w.savepoints) > 0 && w.savepoints[len(w.savepoints)-1].spills > n-fanIn {
			return nil
		}
		tier := w.spills[n-1].tier
		if w.spills[n-fanIn].tier != tier {
			return nil
		}
		serial := w.nextSerial()
		out := store.NewSpill(serial)
		if err := mergeSpills(w.spills[n-fanIn:], w.spilledDeleted, out.Add); err != nil {
			out.Abort()
			return err
		}
		w.dropSpills(n - fanIn)
		if err := w.addSpill(out, tier+1, serial); err != nil {
			return err
		}
	}
}

// dropSpills removes all spills but the n oldest.
func (w *Writes) dropSpills(n int) {
	for _, s := range w.spills[n:] {
		s.Remove()
	}
	clear(w.spills[n:])
	w.spills = w.spills[:n]
	w.spillChanges++
}

// All calls add for every write of a key in key order, also for those on disk. It moves what is in memory to store
// first. Deleted is what is to be deleted before them.
func (w *Writes) All(store Store, add func(user []byte, kind key.Kind, value []byte) error) error {
	w.savepoints = nil
	w.dropUndo(0)
	if err := w.Spill(store); err != nil {
		return err
	}
	return mergeSpills(w.spills, w.spilledDeleted, add)
}

// mergeSpills calls add for every key in spills, in key order, with what the newest spill has for it, unless deleted
// hides that.
func mergeSpills(spills []tieredSpill, deleted *ranges.Set,
	add func(user []byte, kind key.Kind, value []byte) error) (err error) {
	all := mergedIterator(spills, Spill.NewSequentialIterator)
	defer func() { err = errors.Join(err, all.Close()) }()
	var last []byte
	for n, ok := 0, all.First(); ok; n, ok = n+1, all.Next() {
		k := all.Key()
		if n > 0 && bytes.Equal(k.User, last) {
			continue // an older spill's
		}
		last = append(last[:0], k.User...)
		if deleted.Covering(k.User, key.MaxSeqNum).Seq > k.Trailer.Seq() {
			continue
		}
		value, err := all.Value()
		if err != nil {
			return err
		}
		if err := add(k.User, k.Trailer.Kind(), value); err != nil {
			return err
		}
	}
	return all.Err()
}

// mergedIterator returns an iterator over spills. Of the entries of one key, that of the newest spill comes first.
func mergedIterator(spills []tieredSpill, open func(Spill) merge.Iterator) merge.Iterator {
	its := make([]merge.Iterator, 0, len(spills))
	for _, s := range slices.Backward(spills) {
		its = append(its, open(s.Spill))
	}
	return merge.New(its...)
}

// getSpilled is Get for what is on disk.
func (w *Writes) getSpilled(k []byte) (*Write, error) {
	over := w.spilledDeleted.Covering(k, key.MaxSeqNum).Seq
	for _, s := range slices.Backward(w.spills) {
		if s.seq < over {
			break
		}
		value, kind, found, err := s.Get(nil, k)
		if err != nil {
			return nil, err
		}
		if found {
			return &Write{Key: k, Kind: kind, Value: value, Live: true, Spilled: true}, nil
		}
	}
	if over > 0 {
		return removal(k), nil
	}
	return nil, nil
}

// OverSpilled is a Source with what a transaction has spilled laid over it. It is valid as long as
// Writes.SpillChanges stays the same, and must be closed.
type OverSpilled struct {
	Overlay
	layer spilledLayer
}

// Reset makes o show what writes has on disk over base, which is the keys in bounds, in the snapshot at seq. It
// borrows everything.
func (o *OverSpilled) Reset(base Source, seq key.SeqNum, writes *Writes, bounds span.Span) {
	writes.useSnapshot(seq)
	o.layer = spilledLayer{spills: mergedIterator(writes.spills, Spill.NewIterator), deleted: writes.spilledDeleted}
	if n := len(writes.spills); n > 0 {
		o.layer.newest = writes.spills[n-1].seq
	}
	o.layer.write.Key = []byte{} // where the first answer is the empty key a copy into nil would be no key
	o.reset(base, &o.layer, writes, &writes.spilledGaps, bounds)
}

// Close closes the iterators of the spills.
func (o *OverSpilled) Close() error { return o.layer.spills.Close() }

// spilledLayer is the spills of a transaction as a layer, without what deleted hides of them.
type spilledLayer struct {
	spills  merge.Iterator
	deleted *ranges.Set
	newest  key.SeqNum // of the spills
	write   Write      // the last answer
	asked   []byte     // moving forward: there is nothing from here up to where spills stands
	ahead   bool       // asked is valid
}

func (l *spilledLayer) changes() uint64            { return 0 }
func (l *spilledLayer) deletedRanges() *ranges.Set { return l.deleted }

func (l *spilledLayer) ceiling(k []byte) (*Write, error) {
	near := l.ahead && bytes.Compare(l.asked, k) <= 0
	for range 2 * fanIn { // these are versions of one key, mostly of the last answer's
		if !near || !l.spills.Valid() || bytes.Compare(l.spills.Key().User, k) >= 0 {
			break
		}
		l.spills.Next()
	}
	if !near || !l.spills.Valid() || bytes.Compare(l.spills.Key().User, k) < 0 {
		l.spills.SeekGE(key.SeekTo(k, key.MaxSeqNum))
	}
	l.asked, l.ahead = append(l.asked[:0], k...), true
	for {
		over, hidden := l.hidden()
		switch {
		case !hidden:
			return l.answer()
		case over.Seq <= l.newest:
			l.spills.Next()
		case over.Hi != nil: // there is nothing in it that is newer
			l.spills.SeekGE(key.SeekTo(over.Hi, key.MaxSeqNum))
		default:
			l.ahead = false
			return nil, nil
		}
	}
}

func (l *spilledLayer) below(k []byte) (*Write, error) {
	l.ahead = false
	if k == nil {
		l.spills.Last()
	} else {
		l.spills.SeekLT(key.SeekTo(k, key.MaxSeqNum))
	}
	for l.spills.Valid() {
		l.asked = append(l.asked[:0], l.spills.Key().User...)
		l.spills.SeekGE(key.SeekTo(l.asked, key.MaxSeqNum)) // the entry of its newest spill
		over, hidden := l.hidden()
		if !hidden {
			break
		}
		to := l.asked
		if over.Seq > l.newest { // there is nothing in it that is newer
			to = over.Lo
		}
		l.spills.SeekLT(key.SeekTo(to, key.MaxSeqNum))
	}
	return l.answer()
}

// hidden reports whether a range that was deleted later hides the entry that spills stands at.
func (l *spilledLayer) hidden() (over ranges.Tombstone, hidden bool) {
	if l.deleted == nil || !l.spills.Valid() {
		return over, false
	}
	k := l.spills.Key()
	over = l.deleted.Covering(k.User, key.MaxSeqNum)
	return over, over.Seq > k.Trailer.Seq()
}

// answer returns the entry that spills stands at.
func (l *spilledLayer) answer() (*Write, error) {
	if !l.spills.Valid() {
		return nil, l.spills.Err()
	}
	k := l.spills.Key()
	value, err := l.spills.Value()
	if err != nil {
		return nil, err
	}
	l.write.Key = append(l.write.Key[:0], k.User...)
	l.write.Value = append(l.write.Value[:0], value...)
	l.write.Kind, l.write.Live = k.Trailer.Kind(), true
	return &l.write, nil
}
