package compaction

import "lightningdb/internal/tree/manifest"

// MinReadDebt is the least that scans must have paid, in merged entries, for PickForScans to find anything in v.
func MinReadDebt(v *manifest.Version) uint64 {
	if len(manifest.Runs(v.Levels[0])) > 1 {
		return entriesOf(v.Levels[:1])
	}
	return entriesOf(v.Levels[:])
}

// PickForScans returns the next job that brings v closer to one run, for scans that have paid for the merging of so many
// entries; nil if that is not enough, if there is one run, or if running jobs stand in the way. L0, which has most
// of the runs and few of the entries, becomes one run first, unless all is paid for.
func PickForScans(v *manifest.Version, p Params, busy Busy, debt uint64) *Job {
	if debt < MinReadDebt(v) {
		return nil
	}
	if debt < entriesOf(v.Levels[:]) {
		pk := picker{v: v, p: p, busy: busy, shape: shapeOf(v, p)}
		return pk.job(0, v.Levels[0], 0, ReasonScans)
	}
	job, _ := PickRange(v, p, busy, nil, nil)
	if job != nil {
		job.Reason = ReasonScans
	}
	return job
}

// entriesOf counts the entries of levels.
func entriesOf(levels [][]*manifest.TableMeta) (n uint64) {
	for _, tables := range levels {
		for _, t := range tables {
			n += t.Entries
		}
	}
	return n
}
