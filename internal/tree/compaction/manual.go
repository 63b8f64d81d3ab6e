package compaction

import (
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/manifest"
)

// PickRange returns the next job of a manual compaction of the user keys in s: one that brings a table of the range
// closer to the last level, or that rewrites one there which has garbage that no snapshot needs; when none is left, one
// that empties value files which these tables refer to, down to what is allowed while nothing else is to be done.
// Repeated, it ends for the same reasons as Pick.
//
// A nil job with done says that nothing is left to do, without done that running jobs have to end first, or that there
// is too little space.
func PickRange(v *manifest.Version, p Params, busy Busy, s span.Span) (job *Job, done bool) {
	pk := picker{v: v, p: p, busy: busy, shape: shapeOf(v, p)}
	if job := pk.byEditAlone(); job != nil {
		return job, false
	}
	if job, done = pk.lowerRange(s, ReasonManual); !done {
		return job, false
	}
	return pk.pickValuesOf(s)
}

// lowerRange is PickRange without what empties value files.
func (pk *picker) lowerRange(s span.Span, reason Reason) (job *Job, done bool) {
	done = true
	for level, tables := range pk.v.Levels {
		for i := range tables {
			t := tables[len(tables)-1-i] // the oldest of L0 first
			if !t.Touches(s) || level == lastLevel && !pk.worthRewriting(t) {
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
