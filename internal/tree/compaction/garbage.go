package compaction

import (
	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/manifest"
)

// The promise about space is a directory of at most 1.25 times the live data when nothing is going on: at most 20 %
// of the bytes may be garbage. As the figures are estimates, work begins earlier.
const (
	maxGarbage      = 0.18 // share of all bytes that may be garbage
	maxTableGarbage = 0.15 // share of the bytes of a table of the last level that may be

	garbageToLive = maxGarbage / (1 - maxGarbage) // maxGarbage in proportion to the live bytes

	// shortReturn is the least share of what a job reads that it has to return where space is short.
	shortReturn = 1.0 / 16
)

// candidate is a table whose compaction would give space back.
type candidate struct {
	level int
	table *manifest.TableMeta
	bytes int64 // estimate of what can be reclaimed
	cost  int64 // bytes to be read
}

// pickGarbage returns the job that reclaims most space for the least work, if too much of the whole is garbage or if
// too much of a table of the last level is; where space is short, if the job returns enough of what it reads. It is nil
// if there is none. In quiet the garbage of value files counts as well, and the job empties some of these if they
// return more for the work than any table.
func (pk *picker) pickGarbage() *Job {
	candidates, total, garbage := pk.survey()
	_, inValues := valueGarbage(pk.v.Values)
	everywhere := float64(garbage+inValues) > maxGarbage*float64(total)
	enough := func(c candidate) bool { return everywhere || tooMuchGarbage(c) }
	if pk.p.Short {
		enough = func(c candidate) bool { return float64(c.bytes) >= shortReturn*float64(c.cost) }
	}
	var best *Job
	bestRatio := 0.0
	for _, c := range candidates {
		ratio := float64(c.bytes) / float64(c.cost)
		if ratio <= bestRatio || !enough(c) {
			continue
		}
		if job := pk.lower(c.level, c.table, ReasonGarbage); job != nil {
			best, bestRatio = job, ratio
		}
	}
	if everywhere && !pk.p.Short {
		allowed := garbageToLive*float64(total-garbage-inValues) - float64(garbage)
		if job, _ := pk.pickValues(pk.v.Values, max(allowed, 0), bestRatio, nil); job != nil {
			return job
		}
	}
	if best == nil && (everywhere || pk.p.Short && enough(pk.wholeL0(candidates))) {
		return pk.inPieces(ReasonGarbage)
	}
	return best
}

// wholeL0 is level 0 as one candidate: its tables are often merged together, and each alone would return little for
// what they have in common.
func (pk *picker) wholeL0(candidates []candidate) candidate {
	all := candidate{cost: 1}
	for _, c := range candidates {
		if c.level == 0 {
			all.bytes += c.bytes
		}
	}
	if tables := pk.v.Levels[0]; len(tables) > 0 {
		all.cost = sizeOf(tables) + sizeOf(overlapping(pk.v, pk.shape.into, rangeOfAll(tables)))
	}
	return all
}

// survey lists all tables whose compaction would give space back, with the size of all tables and the sum of the
// estimates.
func (pk *picker) survey() (candidates []candidate, total, garbage int64) {
	total, _ = valueGarbage(pk.v.Values)
	for level, tables := range pk.v.Levels {
		for _, t := range tables {
			total += t.Size
			if pk.busy(t.Num) {
				continue
			}
			if bytes := pk.reclaimable(level, t); bytes > 0 {
				candidates = append(candidates, candidate{level, t, bytes, pk.costOf(level, t)})
				garbage += bytes
			}
		}
	}
	return candidates, total, garbage
}

// tooMuchGarbage reports whether c is a table of the last level worth rewriting for its own sake.
func tooMuchGarbage(c candidate) bool {
	return c.level == lastLevel && float64(c.bytes) > maxTableGarbage*float64(c.table.Held())
}

// CallsForSpace reports whether more of v would be garbage than may be, if more further bytes became garbage.
func CallsForSpace(v *manifest.Version, p Params, more int64) bool {
	pk := picker{v: v, p: p, busy: func(filename.Num) bool { return false }, shape: shapeOf(v, p)}
	_, total, garbage := pk.survey()
	_, inValues := valueGarbage(v.Values)
	share := maxGarbage
	if p.Short {
		share = shortReturn
	}
	return float64(garbage+inValues+more) > share*float64(total)
}

// garbageEntries is the number of entries that a table of the last level would lose if it were rewritten, provided
// that no snapshot needs them and that all operands can be folded.
func garbageEntries(t *manifest.TableMeta) uint64 { return t.Tombstones + t.Shadowed }

// reclaimable estimates how many bytes vanish once t has been merged all the way down: its own garbage, and one
// older entry of average size for every user key in it, as far as there are older entries in its range. It is 0
// while a snapshot may need what would be dropped: a job would drop nothing then.
func (pk *picker) reclaimable(level int, t *manifest.TableMeta) int64 {
	if t.LargestSeq > pk.p.OldestSnapshot || t.Entries == 0 || level == lastLevel && pk.unfoldable(t) {
		return 0
	}
	if pk.p.Garbage != nil {
		if bytes, known := pk.p.Garbage(t); known {
			return bytes
		}
	}
	own := share(t.Held(), garbageEntries(t), t.Entries)
	bytes, entries := pk.olderThan(level, t)
	if entries == 0 {
		return own
	}
	users := min(t.Entries-t.Shadowed, entries)
	return own + share(bytes, users, entries)
}

// unfoldable reports whether rewriting t, a table of the last level, is known to drop nothing.
func (pk *picker) unfoldable(t *manifest.TableMeta) bool {
	return pk.p.Unfoldable != nil && pk.p.Unfoldable(t.Num)
}

// olderThan measures the tables that may hold older versions of what is in t.
func (pk *picker) olderThan(level int, t *manifest.TableMeta) (bytes int64, entries uint64) {
	seen := level > 0 // whether t has been passed, in L0
	for l := level; l < manifest.NumLevels; l++ {
		if l == level && l > 0 {
			continue
		}
		for _, older := range overlapping(pk.v, l, rangeOf(t)) {
			if seen {
				bytes += older.Held()
				entries += older.Entries
			}
			seen = seen || older == t
		}
	}
	return bytes, entries
}

// share is part/whole of bytes.
func share(bytes int64, part, whole uint64) int64 {
	return int64(float64(bytes) * float64(part) / float64(whole))
}
