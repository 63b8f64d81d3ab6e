package txn

import (
	"bytes"
	"errors"
	"slices"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/merge"
)

// fanIn is how many runs of a size are merged into one: so a read meets few of them, however much was spilled.
const fanIn = 16

// MaxSpilledSavepoints bounds the savepoints of a transaction that memory does not hold: each may cost a file.
const MaxSpilledSavepoints = 256

// ErrTooManySavepoints refuses to spill a transaction that has more than MaxSpilledSavepoints.
var ErrTooManySavepoints = errors.New("too many savepoints in a transaction that is larger than memory")

// Store keeps on disk what memory does not hold.
type Store interface {
	// NewRun returns a writer of a run whose entries will have the sequence number seq.
	NewRun(seq key.SeqNum) RunWriter
}

// RunWriter writes a run, by ascending keys.
type RunWriter interface {
	Add(user []byte, kind key.Kind, value []byte) error
	Finish() (Run, error)
	Abort()
}

// Run is writes on disk, in key order, one for each key. Whoever has it removes it.
type Run interface {
	// Get appends to dst what the run says of user, a value or an operand.
	Get(dst, user []byte) (out []byte, kind key.Kind, found bool, err error)
	NewIterator() merge.Iterator
	// NewSequentialIterator returns an iterator for one pass from front to back.
	NewSequentialIterator() merge.Iterator
	Remove()
}

// spilledRun is a run among the others.
type spilledRun struct {
	Run
	tier int // it was merged so often
}

// Spilled reports whether there are writes on disk.
func (w *Writes) Spilled() bool { return len(w.runs) > 0 }

// Spills rises whenever what is on disk changes: then iterators must be made anew.
func (w *Writes) Spills() uint64 { return w.spills }

// Spill moves everything from memory to store. After an error the set is of no use but for Reset.
func (w *Writes) Spill(store Store) error {
	if len(w.marks) > MaxSpilledSavepoints {
		return ErrTooManySavepoints
	}
	w.change++
	steps, first := w.steps()
	for i, step := range steps {
		if i > 0 {
			w.marks[first+i-1] = mark{runs: len(w.runs), undo: -1}
		}
		if err := w.writeRun(store, step); err != nil {
			return err
		}
	}
	w.forget()
	if w.spilledGaps = w.gaps; w.gaps != nil { // what was in memory is on disk
		w.gaps = w.gaps.Clone()
	}
	return w.mergeSmall(store)
}

// steps takes the memory apart: what was there at the first savepoint, then what changed from each savepoint to the next,
// and since the last. first is the savepoint between the first two.
func (w *Writes) steps() (steps [][]Write, first int) {
	first = len(w.marks)
	for first > 0 && w.marks[first-1].undo >= 0 {
		first--
		steps = append(steps, w.changedSince(w.marks[first].undo))
		w.unwind(w.marks[first].undo)
	}
	var base []Write
	for _, chunk := range w.chunks {
		for _, write := range chunk {
			if write.Live {
				base = append(base, *write)
			}
		}
	}
	steps = append(steps, base)
	slices.Reverse(steps)
	return steps, first
}

// changedSince returns the writes that were changed since undo had the given length, as they are now, by key.
func (w *Writes) changedSince(length int) []Write {
	var changed []Write
	for _, u := range w.undo[length:] {
		changed = append(changed, *u.write)
	}
	slices.SortFunc(changed, func(a, b Write) int { return bytes.Compare(a.Key, b.Key) })
	return slices.CompactFunc(changed, func(a, b Write) bool { return bytes.Equal(a.Key, b.Key) })
}

// writeRun writes a run that is newer than all others.
func (w *Writes) writeRun(store Store, writes []Write) error {
	if len(writes) == 0 {
		return nil
	}
	out := store.NewRun(w.nextSerial())
	for _, write := range writes {
		if err := out.Add(write.Key, write.Kind, write.Value); err != nil {
			out.Abort()
			return err
		}
	}
	return w.keep(out, 0)
}

// keep finishes out and takes it as the newest run.
func (w *Writes) keep(out RunWriter, tier int) error {
	run, err := out.Finish()
	if err != nil {
		return err
	}
	w.spills++
	w.runs = append(w.runs, spilledRun{run, tier})
	return nil
}

// nextSerial is the sequence number of the next run: the newer a run, the higher.
func (w *Writes) nextSerial() key.SeqNum {
	w.serial++
	return w.serial
}

// mergeSmall merges the newest runs while there are many of one size, as far as no savepoint lies between them.
func (w *Writes) mergeSmall(store Store) error {
	for {
		n := len(w.runs)
		if n < fanIn || len(w.marks) > 0 && w.marks[len(w.marks)-1].runs > n-fanIn {
			return nil
		}
		tier := w.runs[n-1].tier
		if w.runs[n-fanIn].tier != tier {
			return nil
		}
		out := store.NewRun(w.nextSerial())
		if err := mergeRuns(w.runs[n-fanIn:], out.Add); err != nil {
			out.Abort()
			return err
		}
		w.dropRuns(n - fanIn)
		if err := w.keep(out, tier+1); err != nil {
			return err
		}
	}
}

// dropRuns removes all runs but the n oldest.
func (w *Writes) dropRuns(n int) {
	if n == len(w.runs) {
		return
	}
	for _, r := range w.runs[n:] {
		r.Remove()
	}
	clear(w.runs[n:])
	w.runs = w.runs[:n]
	w.spills++
}

// All calls add for every write, by key, those on disk included. What is in memory goes to store first.
func (w *Writes) All(store Store, add func(user []byte, kind key.Kind, value []byte) error) error {
	w.marks = nil
	w.dropUndo(0)
	if err := w.Spill(store); err != nil {
		return err
	}
	return mergeRuns(w.runs, add)
}

// mergeRuns calls add for every key in runs, by key, with what the newest run says of it.
func mergeRuns(runs []spilledRun, add func(user []byte, kind key.Kind, value []byte) error) (err error) {
	all := mergedIterator(runs, Run.NewSequentialIterator)
	defer func() { err = errors.Join(err, all.Close()) }()
	var last []byte
	for ok := all.First(); ok; ok = all.Next() {
		k := all.Key()
		if bytes.Equal(k.User, last) {
			continue // an older run's; no key is empty
		}
		value, err := all.Value()
		if err != nil {
			return err
		}
		if err := add(k.User, k.Trailer.Kind(), value); err != nil {
			return err
		}
		last = append(last[:0], k.User...)
	}
	return all.Err()
}

// mergedIterator returns an iterator over runs, in which the newest run's entry of a key comes first.
func mergedIterator(runs []spilledRun, open func(Run) merge.Iterator) merge.Iterator {
	its := make([]merge.Iterator, 0, len(runs))
	for _, r := range slices.Backward(runs) {
		its = append(its, open(r.Run))
	}
	return merge.New(its...)
}

// getSpilled is Get on disk.
func (w *Writes) getSpilled(k []byte) (*Write, error) {
	for _, r := range slices.Backward(w.runs) {
		value, kind, found, err := r.Get(nil, k)
		if err != nil {
			return nil, err
		}
		if found {
			return &Write{Key: k, Kind: kind, Value: value, Live: true, Spilled: true}, nil
		}
	}
	return nil, nil
}

// OverSpilled is a Source with what a transaction has spilled laid over it. It holds for as long as Writes.Spills stays the
// same, and must be closed.
type OverSpilled struct {
	Overlay
	layer spilledLayer
}

// Reset makes o show what writes has on disk over base, which is the keys in bounds, in the snapshot at seq. It borrows
// everything.
func (o *OverSpilled) Reset(base Source, seq key.SeqNum, writes *Writes, bounds span.Span) {
	writes.goOver(seq)
	o.layer = spilledLayer{runs: mergedIterator(writes.runs, Run.NewIterator)}
	o.reset(base, &o.layer, writes, &writes.spilledGaps, bounds)
}

// Close gives back the iterators of the runs.
func (o *OverSpilled) Close() error { return o.layer.runs.Close() }

// spilledLayer is runs as a layer.
type spilledLayer struct {
	runs  merge.Iterator
	write Write  // the last answer
	asked []byte // forward: nothing lies from here to where runs is
	ahead bool   // asked is valid
}

func (l *spilledLayer) changes() uint64 { return 0 }

func (l *spilledLayer) ceiling(k []byte) (*Write, error) {
	near := l.ahead && bytes.Compare(l.asked, k) <= 0
	for range 2 * fanIn { // versions of a key, mostly of the one that was the last answer
		if !near || !l.runs.Valid() || bytes.Compare(l.runs.Key().User, k) >= 0 {
			break
		}
		l.runs.Next()
	}
	if !near || !l.runs.Valid() || bytes.Compare(l.runs.Key().User, k) < 0 {
		l.runs.SeekGE(key.SeekTo(k, key.MaxSeqNum))
	}
	l.asked, l.ahead = append(l.asked[:0], k...), true
	return l.answer()
}

func (l *spilledLayer) below(k []byte) (*Write, error) {
	l.ahead = false
	if k == nil {
		l.runs.Last()
	} else {
		l.runs.SeekLT(key.SeekTo(k, key.MaxSeqNum))
	}
	if !l.runs.Valid() {
		return nil, l.runs.Err()
	}
	l.asked = append(l.asked[:0], l.runs.Key().User...)
	l.runs.SeekGE(key.SeekTo(l.asked, key.MaxSeqNum)) // its newest run
	return l.answer()
}

// answer is the entry that runs is at.
func (l *spilledLayer) answer() (*Write, error) {
	if !l.runs.Valid() {
		return nil, l.runs.Err()
	}
	k := l.runs.Key()
	value, err := l.runs.Value()
	if err != nil {
		return nil, err
	}
	l.write.Key = append(l.write.Key[:0], k.User...)
	l.write.Value = append(l.write.Value[:0], value...)
	l.write.Kind, l.write.Live = k.Trailer.Kind(), true
	return &l.write, nil
}
