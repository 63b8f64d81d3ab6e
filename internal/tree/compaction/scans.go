package compaction

import (
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
)

// MinReadDebt is the smallest read debt, in merged entries, for which PickForScans finds anything in v.
func MinReadDebt(v *manifest.Version) uint64 {
	if len(manifest.Runs(v.Levels[0])) > 1 {
		return entriesOf(v.Levels[:1])
	}
	return entriesOf(v.Levels[:])
}

// PickForScans returns the next job that brings v closer to one sorted run, for scans that have run up a read debt:
// they have merged that many entries because there are several runs. It returns nil if the debt is too small, if
// there is one run, or if running jobs prevent it. L0, which has most of the runs and few of the entries, becomes
// one run first, unless the debt covers everything.
func PickForScans(v *manifest.Version, p Params, busy Busy, debt uint64) *Job {
	if debt < MinReadDebt(v) {
		return nil
	}
	pk := picker{v: v, p: p, busy: busy, shape: shapeOf(v, p)}
	if debt < entriesOf(v.Levels[:]) {
		return pk.job(0, v.Levels[0], 0, ReasonScans)
	}
	job, _ := pk.lowerRange(Asked{Seq: key.MaxSeqNum}, ReasonScans)
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
