package compaction

import (
	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/manifest"
	"lightningdb/metrics"
)

// ValueFiles is the number of value files of v, their bytes, and how many of these no table refers to.
func ValueFiles(v *manifest.Version) (files int, bytes, garbage int64) {
	bytes, garbage = valueGarbage(v.Values)
	return len(v.Values), bytes, garbage
}

// Content describes what is in all levels of v: no targets and no scores.
func Content(v *manifest.Version) []metrics.Level {
	states := make([]metrics.Level, len(v.Levels))
	for l, tables := range v.Levels {
		states[l] = metrics.Level{Level: l, Tables: len(tables)}
		for _, t := range tables {
			states[l].Bytes += t.Size
			states[l].Values += t.Held() - t.Size
			states[l].Entries += t.Entries
			states[l].Tombstones += t.Tombstones
		}
	}
	return states
}

// Levels describes all levels of v.
func Levels(v *manifest.Version, p Params) []metrics.Level {
	s, states := shapeOf(v, p), Content(v)
	for l := range states {
		states[l].Target = s.target[l]
	}
	states[0].Target = p.L0Bytes
	for _, d := range scoredLevels(v, p, s, func(filename.Num) bool { return false }) {
		states[d.level].Score = d.score
	}
	return states
}
