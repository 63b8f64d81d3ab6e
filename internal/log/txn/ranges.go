package txn

import (
	"fmt"
	"slices"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/ranges"
)

// What a transaction may delete as ranges: that much is kept in memory, and goes into one commit. Ranges that overlap
// count as one, unless there is a savepoint between them.
const (
	MaxRanges     = 4 << 10
	maxRangeBytes = 16 << 20
)

// errTooManyRanges refuses to delete a range in a transaction that has deleted too many.
var errTooManyRanges = fmt.Errorf("%w: a transaction deletes more than %d ranges, or their ends take more than %d "+
	"MiB; use several transactions, or delete wider ranges", batch.ErrTooManyRanges, MaxRanges, maxRangeBytes>>20)

// DeleteRange records "remove every key in s".
//
// What the set has for these keys goes: from memory at once, so that nothing has to walk through it, and on disk it
// counts no more. So whatever is in memory is newer than every range over it, and a commit deletes the ranges first.
//
// Each range has a number, from the row of those of the spills. It hides what has a lower one, as a tombstone in the
// tree does: the snapshot, and spills. Since numbers of spills grow when they are merged, ranges get new ones when the
// memory is spilled, and spills are merged without what is hidden.
func (w *Writes) DeleteRange(s span.Span) error {
	if s.Empty() {
		return nil
	}
	left := w.deleted
	joined := []span.Span{s.Clone()}
	for t := range w.deleted.Overlapping(s, 0, key.MaxSeqNum) {
		switch {
		case t.Seq > w.newestPoint():
			joined = append(joined, t.Span)
			left = left.Without(t)
		case s.Holds(t.Span):
			left = left.Without(t)
		}
	}
	left = left.With(ranges.Tombstone{Span: span.Union(joined)[0], Seq: w.nextSerial()})
	if left.Len()+w.spilledDeleted.Len() > MaxRanges || left.Bytes()+w.spilledDeleted.Bytes() > maxRangeBytes {
		return errTooManyRanges
	}
	w.change++
	w.deleted = left
	w.drop(s)
	return nil
}

// newestPoint is the number that the newest range had when the newest savepoint was made.
func (w *Writes) newestPoint() key.SeqNum {
	if n := len(w.savepoints); n > 0 {
		return w.savepoints[n-1].serial
	}
	return 0
}

// Deleted is the ranges that a commit deletes before it writes anything. They are borrowed.
func (w *Writes) Deleted() span.Set {
	if w.deleted == nil && w.spilledDeleted == nil {
		return nil
	}
	return span.Union(append(deletedSince(w.deleted, 0), deletedSince(w.spilledDeleted, 0)...))
}

// drop takes the writes in s out of memory.
func (w *Writes) drop(s span.Span) {
	c, from, _ := w.locate(s.Lo)
	empty, emptied := c, 0 // the chunks that have no writes left: the first, and how many
	for more := true; more && c < len(w.chunks); c, from = c+1, 0 {
		chunk, to := w.chunks[c], from
		for to < len(chunk) && !s.Below(chunk[to].Key) {
			w.dropped(chunk[to])
			to++
		}
		w.count -= to - from
		more = to == len(chunk)
		if w.chunks[c] = slices.Delete(chunk, from, to); len(w.chunks[c]) == 0 {
			empty, emptied = c-emptied, emptied+1
		}
	}
	w.chunks = slices.Delete(w.chunks, empty, empty+emptied)
}

// dropped accounts for write, which leaves memory, and remembers it if a rollback may bring it back.
func (w *Writes) dropped(write *Write) {
	if len(w.savepoints) == 0 {
		w.size -= len(write.Key) + write.valueBytes() + writeOverheadBytes
		return
	}
	w.undo = append(w.undo, undone{write: write, was: *write, dropped: true})
	w.size += writeOverheadBytes
	write.Live, write.Value, write.Merged = false, nil, nil
}

// bringBack puts write, which was dropped, into memory again. What was written for its key since then has been taken
// back already.
func (w *Writes) bringBack(write *Write) {
	c, i, found := w.locate(write.Key)
	if found {
		w.chunks[c][i] = write
		w.size -= len(write.Key) + writeOverheadBytes
		return
	}
	w.insert(c, i, write)
}

// removal is what the set has for a key of a range that it deletes.
func removal(k []byte) *Write { return &Write{Key: k, Kind: key.KindDelete, Live: true} }

// deletedSince returns what of deleted is newer than a number.
func deletedSince(deleted *ranges.Set, after key.SeqNum) (spans []span.Span) {
	for t := range deleted.Overlapping(span.Span{}, after, key.MaxSeqNum) {
		spans = append(spans, t.Span)
	}
	return spans
}

// spillDeleted makes what was deleted before the spill with a number part of what spills delete.
func (w *Writes) spillDeleted(spans []span.Span, serial key.SeqNum) {
	for _, s := range spans {
		for t := range w.spilledDeleted.Overlapping(s, 0, key.MaxSeqNum) {
			if t.Seq < serial && s.Holds(t.Span) {
				w.spilledDeleted = w.spilledDeleted.Without(t)
			}
		}
		w.spilledDeleted = w.spilledDeleted.With(ranges.Tombstone{Span: s, Seq: serial})
	}
}

// settleDeleted makes what spills delete part of what memory does, if there are none: then there is nothing below
// memory but the snapshot.
func (w *Writes) settleDeleted() {
	if len(w.spills) == 0 {
		w.deleted, w.spilledDeleted = w.spilledDeleted, nil
	}
}
