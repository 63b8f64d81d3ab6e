package compaction

import (
	"iter"
	"slices"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/ranges"
)

// What a range tombstone hides goes in one of three ways: with the merges that come anyway, from a table that is
// written anew in its place for this, or with its whole table, by an edit alone. A table owes a tombstone that all
// readers see and from which it was not freed. It is written anew
//
//	when nothing else is to be done    if that is little to read, or there are settledRanges
//	before other jobs cannot be found  from busyRanges on
//	before all others                  from urgentRanges on
//
// because each tombstone costs every reader a little, and a table costs the more, the fewer of them it is written for.
const (
	settledRanges = 64
	busyRanges    = 1024
	urgentRanges  = 3072

	littleTables = 16    // of full size, are little to read
	littleShare  = 0.125 // and so is this share of all
)

// owes reports whether t owes a range tombstone.
func (pk *picker) owes(t *manifest.TableMeta) bool {
	if pk.v.Ranges == nil {
		return false
	}
	for range pk.owed(t) {
		return true
	}
	return false
}

// owed yields the range tombstones that t owes.
func (pk *picker) owed(t *manifest.TableMeta) iter.Seq[ranges.Tombstone] {
	of := span.Closed(t.Smallest, t.Largest)
	return pk.v.Ranges.Overlapping(of, max(t.SmallestSeq, t.Cleared), pk.p.OldestSnapshot)
}

// byEditAlone returns the job that takes away the tables of which range tombstones hide all, and otherwise the one that
// takes away the range tombstones that hide nothing; nil if there are none. The tombstones are in the version, so they
// are durable: without them, a power cut could undo the delete, and leave nothing that it has deleted.
func (pk *picker) byEditAlone() *Job {
	if pk.v.Ranges == nil {
		return nil
	}
	job, taken := &Job{Reason: ReasonRanges, Drop: true}, map[*manifest.TableMeta]bool{}
	for r := range pk.v.Ranges.All() {
		for level := range pk.v.Levels {
			for _, t := range pk.v.Touching(level, r.Span) {
				if pk.hidesAll(r, t) && !pk.isBusy(t) && !taken[t] {
					job.Inputs[level], taken[t] = append(job.Inputs[level], t), true
				}
			}
		}
	}
	if len(taken) > 0 {
		return job
	}
	if job.Needless = pk.v.Needless(pk.p.OldestSnapshot); len(job.Needless) > 0 {
		return job
	}
	return nil
}

// hidesAll reports whether no reader needs anything of t, because r hides it.
func (pk *picker) hidesAll(r ranges.Tombstone, t *manifest.TableMeta) bool {
	return r.Seq <= pk.p.OldestSnapshot && t.LargestSeq < r.Seq && t.LiesIn(r.Span)
}

// owesLittle reports whether the tables that owe range tombstones are worth writing anew when nothing else is to be
// done.
func (pk *picker) owesLittle() bool {
	owing, total := int64(0), int64(0)
	if pk.v.Ranges == nil || pk.v.Ranges.Len() >= settledRanges {
		return pk.v.Ranges != nil
	}
	for _, tables := range pk.v.Levels {
		for _, t := range tables {
			total += pagesOf(t)
			if pk.owes(t) {
				owing += pagesOf(t)
			}
		}
	}
	return owing <= max(littleTables*pk.p.TargetTableBytes, int64(littleShare*float64(total)))
}

// pickOwing returns the job that frees a table from most range tombstones for the least work; nil if running jobs
// prevent it for all. A table of level 0 goes down, where the order of age is that of the tables; any other is written
// anew in its place.
//
// Such jobs end, because each lowers the number of pairs of a table and a tombstone that it owes, and no job raises it:
// what a job writes owes nothing that was there when it was picked.
func (pk *picker) pickOwing() *Job {
	var best *Job
	most := 0.0
	for level, tables := range pk.v.Levels {
		for _, t := range tables {
			n := 0
			for range pk.owed(t) {
				n++
			}
			if ratio := float64(n) / float64(pagesOf(t)+1); ratio > most {
				if job := pk.free(level, t); job != nil {
					best, most = job, ratio
				}
			}
		}
	}
	return best
}

// free returns the job that frees t from the range tombstones that it owes.
func (pk *picker) free(level int, t *manifest.TableMeta) *Job {
	if level == 0 {
		return pk.lower(0, t, ReasonRanges)
	}
	return pk.job(level, []*manifest.TableMeta{t}, level, ReasonRanges)
}

// dropEdit is the edit of a drop.
func (j *Job) dropEdit() *manifest.Edit {
	e := &manifest.Edit{RangesRemoved: j.Needless}
	for level, tables := range j.Inputs {
		for _, t := range tables {
			e.Deleted = append(e.Deleted, manifest.Removed{Level: level, Num: t.Num})
		}
	}
	return e
}

// clear notes of outputs up to which number no range tombstone hides an entry of them, where bounds and numbers do not
// tell: of all that the oldest reader sees, their entries would have been dropped.
func (j *Job) clear(outputs []*manifest.TableMeta, oldest key.SeqNum) {
	if j.Ranges == nil {
		return
	}
	for _, t := range outputs {
		if j.Ranges.Overlaps(span.Closed(t.Smallest, t.Largest), t.SmallestSeq, key.MaxSeqNum) {
			t.Cleared = min(oldest, j.Known)
		}
	}
}

// rangesAdded are the range tombstones that a flush brings into the version: all of its memtables but those that hide
// nothing, neither in tables of the version nor in outputs, and that all readers see.
func (j *Job) rangesAdded(outputs []*manifest.TableMeta, oldest key.SeqNum) (added []ranges.Tombstone) {
	if len(j.Memtables) == 0 {
		return nil
	}
	v := manifest.Version{Levels: j.Overlaps}
	for r := range j.Ranges.All() {
		hides := slices.ContainsFunc(outputs, func(t *manifest.TableMeta) bool { return t.MayHold(r) })
		if r.Seq > oldest || hides || v.Needs(r) {
			added = append(added, r)
		}
	}
	return added
}

// HiddenBy is about how many bytes of the tables of v are hidden by range tombstones that are not in v: all of a table
// that lies in one, half of one that lies there in part.
func HiddenBy(v *manifest.Version, set *ranges.Set) (hidden int64) {
	most := map[*manifest.TableMeta]int64{}
	for r := range set.All() {
		for level := range v.Levels {
			for _, t := range v.Touching(level, r.Span) {
				switch {
				case !t.MayHold(r):
				case t.LiesIn(r.Span):
					most[t] = t.Held()
				default:
					most[t] = max(most[t], t.Held()/2)
				}
			}
		}
	}
	for _, bytes := range most {
		hidden += bytes
	}
	return hidden
}
