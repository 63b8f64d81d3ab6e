package compaction

import (
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/manifest"
)

// Asked is what a manual compaction was asked for: the user keys in Span, as they were written and stored when it
// began. If it took along what comes later, it would not end while a program goes on writing.
type Asked struct {
	span.Span
	Seq key.SeqNum   // the last commit
	Num filename.Num // files from this number on came later
}

// PickRange returns the next job of the manual compaction a: one that brings a table of the range closer to the last
// level, or that rewrites one there which has garbage that no snapshot needs; when none is left, one
// that empties value files which these tables refer to, down to what is allowed while nothing else is to be done.
// Repeated, it ends for the same reasons as Pick.
//
// A nil job with done says that nothing is left to do, without done that running jobs have to end first, or that there
// is too little space.
func PickRange(v *manifest.Version, p Params, busy Busy, a Asked) (job *Job, done bool) {
	p.OldestSnapshot = min(p.OldestSnapshot, a.Seq)
	pk := picker{v: v, p: p, busy: busy, shape: shapeOf(v, p)}
	if job := pk.byEditAlone(); job != nil {
		return job, false
	}
	if job, done = pk.lowerRange(a, ReasonManual); !done {
		return job, false
	}
	return pk.pickValuesOf(a)
}

// lowerRange is PickRange without what empties value files.
func (pk *picker) lowerRange(a Asked, reason Reason) (job *Job, done bool) {
	done = true
	for level, tables := range pk.v.Levels {
		for i := range tables {
			t := tables[len(tables)-1-i] // the oldest of L0 first
			if !t.Touches(a.Span) || t.SmallestSeq > a.Seq || level == lastLevel && !pk.worthRewriting(t) {
				continue
			}
			done = false
			if job := pk.lower(level, t, reason); job != nil {
				return job, false
			}
		}
		if !done {
			return nil, false // what is above must come down first, or it would be merged twice
		}
	}
	return nil, true
}

// worthRewriting reports whether rewriting t, a table of the last level, will drop something.
func (pk *picker) worthRewriting(t *manifest.TableMeta) bool {
	return garbageEntries(t) > 0 && t.LargestSeq <= pk.p.OldestSnapshot && !pk.unfoldable(t) || pk.owes(t)
}
