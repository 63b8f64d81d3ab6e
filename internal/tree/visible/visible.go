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
//   - Expiry: the clock of the reader. A put whose time has come is hidden. Of will need that time next to the trailer,
//     which its callers have at hand. OfKind, which knows no reader, has to go then, and the row cache, which answers
//     before any entry is looked at, must not keep what expires.
//   - Values outside the tree: shown, as those in it. Only who reads the value has to know where it is.
package visible

import "lightningdb/internal/format/key"

// Effect is what an entry does to what a reader sees of its user key.
type Effect uint8

const (
	Unknown Effect = iota // of a kind that this version of the program does not know: the file is corrupt
	Skip                  // none: the entry is newer than the reader, or there is no entry. Older versions decide
	Show                  // the key has the entry's value
	Hide                  // the key has no value
	Fold                  // the key has what the entry's operand makes of the older versions
)

// effects is what the kinds mean to a reader that is not older than the entry. All others are Unknown.
var effects = [256]Effect{
	key.KindDelete: Hide,
	key.KindPut:    Show,
	key.KindMerge:  Fold,
}

// OfKind is the effect of an entry of kind k on a reader that is not older than it.
func OfKind(k key.Kind) Effect { return effects[k] }

// Reader is who asks: the state that it reads.
type Reader struct {
	Seq     key.SeqNum // the newest sequence number that it sees
	Deleted key.SeqNum // that of the newest range tombstone over the key that it sees; 0 if there is none
}

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
