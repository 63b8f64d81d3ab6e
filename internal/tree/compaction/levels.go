package compaction

import (
	"bytes"
	"cmp"
	"slices"
	"sort"

	"lightningdb/internal/tree/manifest"
)

// shape is the size that each level should have, given how much data there is.
//
//	target(last) = the share of the last level in a full tree
//	target(l)    = target(l+1) / Multiplier             for base <= l < last
//	target(l)    = 0                                    for l < base
//	BaseBytes < target(base) <= BaseBytes * Multiplier  unless base is L1 or the last level
type shape struct {
	base   int // the level that L0 goes to once the levels above it are empty
	into   int // the level that L0 goes to now: base or the first level that holds anything, whichever is higher up
	target [manifest.NumLevels]int64
}

func shapeOf(v *manifest.Version, p Params) shape {
	s := shape{base: lastLevel, into: lastLevel}
	total := int64(0)
	for l := lastLevel; l > 0; l-- {
		total += sizeOf(v.Levels[l])
		if len(v.Levels[l]) > 0 {
			s.into = l
		}
	}
	s.target[lastLevel] = total - total/p.Multiplier
	for s.base > 1 && s.target[s.base] > p.BaseBytes*p.Multiplier {
		s.base--
		s.target[s.base] = s.target[s.base+1] / p.Multiplier
	}
	s.into = min(s.into, s.base)
	return s
}

// l0RunTables is how many tables in L0 count as much as a sorted run: small flushes of ascending keys form a single
// run, however many they are.
const l0RunTables = 8

// due is a level that holds too much, with its score: from 1 on something must be done.
type due struct {
	level  int
	score  float64
	reason Reason
}

// dueLevels lists the levels that are to be compacted, the worst first.
func dueLevels(v *manifest.Version, p Params, s shape, busy Busy) []due {
	dues := scoredLevels(v, p, s, busy)
	n := 0
	for n < len(dues) && dues[n].score >= max(p.Due, 1) {
		n++
	}
	return dues[:n]
}

// scoredLevels lists the levels that hold anything to compact, the worst first. Tables of running jobs will leave
// their level and do not count.
func scoredLevels(v *manifest.Version, p Params, s shape, busy Busy) []due {
	runs := float64(len(manifest.Runs(v.Levels[0]))) / float64(p.L0Trigger)
	size := float64(sizeOf(v.Levels[0])) / float64(p.L0Bytes)
	tables := float64(len(v.Levels[0])) / float64(p.L0Trigger*l0RunTables)
	dues := []due{{0, max(runs, size, tables), ReasonL0}}
	for l := 1; l < lastLevel; l++ {
		idle := int64(0)
		for _, t := range v.Levels[l] {
			if !busy(t.Num) {
				idle += pagesOf(t)
			}
		}
		switch {
		case idle == 0:
		case l < s.base:
			dues = append(dues, due{l, 1 + float64(idle)/float64(p.BaseBytes), ReasonDrain})
		default:
			dues = append(dues, due{l, float64(idle) / float64(max(s.target[l], 1)), ReasonSize})
		}
	}
	slices.SortStableFunc(dues, func(a, b due) int { return cmp.Compare(b.score, a.score) })
	return dues
}

// overlapping returns the tables of a level that overlap r. Those of L0 keep their order.
func overlapping(v *manifest.Version, level int, r keyRange) []*manifest.TableMeta {
	tables := v.Levels[level]
	if level == 0 {
		var result []*manifest.TableMeta
		for _, t := range tables {
			if r.overlaps(t) {
				result = append(result, t)
			}
		}
		return result
	}
	from := sort.Search(len(tables), func(i int) bool { return bytes.Compare(tables[i].Largest, r.smallest) >= 0 })
	to := sort.Search(len(tables), func(i int) bool { return bytes.Compare(tables[i].Smallest, r.largest) > 0 })
	return tables[from:max(from, to)]
}

// connected returns the tables of L0 that overlap t or that overlap one of these, in the order of L0.
func connected(v *manifest.Version, t *manifest.TableMeta) []*manifest.TableMeta {
	tables := []*manifest.TableMeta{t}
	for {
		wider := overlapping(v, 0, rangeOfAll(tables))
		if len(wider) == len(tables) {
			return wider
		}
		tables = wider
	}
}

// DeepestLevel is the deepest level in which a new table can stand whose entries are newer than everything in v: one
// that no table above it, nor in it, overlaps. Running jobs need not be asked: their inputs cover their range without a
// gap (see the package comment), so that what overlaps none of the inputs overlaps none of the outputs either, and what
// overlaps one goes above it.
func DeepestLevel(v *manifest.Version, t *manifest.TableMeta) int {
	for level := range v.Levels {
		if len(overlapping(v, level, rangeOf(t))) > 0 {
			return max(level-1, 0)
		}
	}
	return lastLevel
}
