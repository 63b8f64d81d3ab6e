// Package visible decides what a reader makes of an entry. It is the one place that knows what a kind means: point
// reads, iterators, the writes that a transaction lays over its snapshot, the memtable that folds operands, and
// compaction ask it and do not look at kinds themselves. It owns nothing and starts nothing. Its functions are pure,
// small enough to be inlined, and safe for concurrent use.
//
// A reader asks about the versions of a user key from the newest to the oldest, until one decides:
//
//	Skip   the entry is newer than the reader: look below
//	Show   the key has the value of the entry
//	Hide   the key has no value
//	Fold   the entry is an operand: keep it, look below, and apply it to what is found there
//	Until  the key has the value of the entry until its end, and none from then on: ask again, with the end
//
// What has ended hides what is older, as a delete does: nothing older shows through.
//
// To look below is to go on with the next older version, in the same run or in an older one. If there is none, the key
// has no value. Whoever meets the versions in the other order lets each that is not skipped replace the one before it.
//
// A range tombstone (package ranges) is a version of every key that it is over, which hides it. It is no entry: who
// asks about the versions of a key says which one is the newest over it, and what is older has its effect.
//
// What is not here: the order of versions (package key), which values a kind may have (packages batch, page and table),
// and which versions no snapshot needs any more (package compaction).
//
// # What comes next
//
// A new kind is a line in effects. Whatever else decides becomes a field of Reader and a case in Of:
//
//   - Values outside the tree: shown, as those in it. Only who reads the value has to know where it is.
package visible

import (
	"errors"
	"sync/atomic"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
)

// Effect is what an entry does to what a reader sees of its user key.
type Effect uint8

const (
	Unknown Effect = iota // of a kind that this version of the program does not know: the file is corrupt
	Skip                  // none: the entry is newer than the reader, or there is no entry. Older versions decide
	Show                  // the key has the entry's value
	Hide                  // the key has no value
	Fold                  // the key has what the entry's operand makes of the older versions
	Until                 // Show or Hide, as UntilEnd says
)

// effects is what the kinds mean to a reader that is not older than the entry. All others are Unknown.
var effects = [256]Effect{
	key.KindDelete: Hide,
	key.KindPut:    Show,
	key.KindMerge:  Fold,

	key.KindPutUntil: Until,
}

// OfKind is the effect of an entry of kind k on a reader that is not older than it.
func OfKind(k key.Kind) Effect { return effects[k] }

// Reader is who asks: the state that it reads.
type Reader struct {
	Seq     key.SeqNum // the newest sequence number that it sees
	Deleted key.SeqNum // that of the newest range tombstone over the key that it sees; 0 if there is none
	Now     key.Time   // its time, by which it decides what has ended; 0 as long as nobody has asked for it
	Seen    *Earliest  // the ends of what it is shown; nil if nobody wants to know
}

// Earliest is the earliest of some ends: until then, what they are the ends of is as it was seen. The zero value is
// that of none.
type Earliest struct{ end atomic.Int64 }

// Note adds an end.
func (e *Earliest) Note(end key.Time) {
	for {
		before := e.end.Load()
		if before != 0 && before <= int64(end) || e.end.CompareAndSwap(before, int64(end)) {
			return
		}
	}
}

// End is the earliest end; 0 if there is none.
func (e *Earliest) End() key.Time { return key.Time(e.end.Load()) }

// Passed reports whether an end has been reached at now.
func (e *Earliest) Passed(now key.Time) bool { return e.End() != 0 && e.End() <= now }

// Reset forgets all ends.
func (e *Earliest) Reset() { e.end.Store(0) }

// Of is the effect on r of an entry with trailer t.
func (r Reader) Of(t key.Trailer) Effect {
	switch seq := t.Seq(); {
	case seq > r.Seq:
		return Skip
	case seq < r.Deleted:
		return Hide
	}
	return OfKind(t.Kind())
}

// UntilEnd is the effect on r, whose time is known, of an entry whose effect is Until. The entry is there before its
// end, and not at it.
func (r Reader) UntilEnd(end key.Time) Effect {
	if r.Now < end {
		if r.Seen != nil {
			r.Seen.Note(end)
		}
		return Show
	}
	return Hide
}

// Part is UntilEnd of an entry whose effect is Until and whose value is b, and what of b it shows.
func (r Reader) Part(b []byte) (Effect, []byte) {
	end, value := key.SplitEnd(b)
	return r.UntilEnd(end), value
}

// OfValue is the effect of an entry with trailer t and value b on r, whose time is known, and what of b it shows.
func (r Reader) OfValue(t key.Trailer, b []byte) (Effect, []byte) {
	effect := r.Of(t)
	if effect != Until {
		return effect, b
	}
	return r.Part(b)
}

// At is r at a time. A database without a time, 0, is before the end of all entries.
func (r Reader) At(now key.Time) Reader {
	r.Now = max(now, 1)
	return r
}

// ErrNoTime is why a read whose time nobody has asked for cannot be decided: it has met an entry that ends.
var ErrNoTime = errors.New("visible: a reader without a time has met an entry that ends")

// Answer turns the effect of the version that decides into the answer of a point read: out is dst, and behind it the
// value of that version, if it has one. The error is ErrNoTime, as it is, if r has no time and needs one.
func (r Reader) Answer(dst, out []byte, effect Effect) ([]byte, bool, error) {
	if effect == Until {
		if r.Now == 0 {
			return dst, false, ErrNoTime
		}
		var value []byte
		effect, value = r.Part(out[len(dst):])
		out = append(out[:len(dst)], value...)
	}
	switch effect {
	case Show:
		return out, true, nil
	case Hide:
		return dst, false, nil
	}
	return dst, false, UnknownKind()
}

// UnknownKind refuses a version that a newer program may have written.
func UnknownKind() error {
	return corrupt.New("", -1, "entry of a kind unknown to this version of the program")
}
