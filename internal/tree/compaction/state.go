package compaction

import (
	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/manifest"
)

// LevelState describes one level to people and monitors.
type LevelState struct {
	Level      int
	Tables     int
	Bytes      int64
	Entries    uint64
	Tombstones uint64
	Target     int64   // bytes above which the level is compacted; 0 if it is not in use
	Score      float64 // how urgent its compaction is; from 1 on it is due, from Params.Due on if that is more
}

// Levels describes all levels of v.
func Levels(v *manifest.Version, p Params) []LevelState {
	s := shapeOf(v, p)
	states := make([]LevelState, len(v.Levels))
	for l, tables := range v.Levels {
		states[l] = LevelState{Level: l, Tables: len(tables), Bytes: sizeOf(tables), Target: s.target[l]}
		for _, t := range tables {
			states[l].Entries += t.Entries
			states[l].Tombstones += t.Tombstones
		}
	}
	states[0].Target = p.L0Bytes
	for _, d := range scoredLevels(v, p, s, func(filename.Num) bool { return false }) {
		states[d.level].Score = d.score
	}
	return states
}
