package compaction

import (
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/manifest"
)

// grandparentTables is how many target sizes of the level below the output level an output table may overlap.
const grandparentTables = 10

// grandparentBytes is how much of the level below its own an output may overlap.
func (p *Params) grandparentBytes() int64 {
	usual := grandparentTables * p.TargetTableBytes
	if p.MaxBytes > 0 {
		return min(usual, max(p.MaxBytes/pieceShare, 1))
	}
	return usual
}

// Pick returns the most urgent job that v calls for and that no running job prevents; nil if there is none.
// Repeating Pick, Execute and Version.Apply always ends with nil, because every job lowers the following measure of
// a version, a whole number that is never negative:
//
//	M = sum over all entries of (NumLevels - level of the entry's table)
//
// A job that goes from a level to a deeper one lowers the term of every entry from the upper level, leaves those of the
// output level as they are, and adds none. A job that rewrites a table in place is picked only if it is certain to drop
// an entry, and every entry counts at least 1; or if there are operands that may turn out not to be foldable, which
// Params.Unfoldable remembers. Two jobs leave M as it is: one that reduces the number of tables in L0, or of its sorted
// runs; and one that cuts a table of L0 in pieces, which are never cut again. No job but a flush raises it. Jobs that
// empty value files, and those for the sake of range tombstones, leave it, too, and end by measures of their own: see
// pickValues and pickOwing. Those that only bring the garbage of value files down to what it may be in quiet come last,
// when the levels hide no more of it.
func Pick(v *manifest.Version, p Params, busy Busy) *Job {
	pk := picker{v: v, p: p, busy: busy, shape: shapeOf(v, p)}
	if job := pk.byEditAlone(); job != nil {
		return job
	}
	if v.Ranges.Len() >= urgentRanges {
		if job := pk.pickOwing(); job != nil {
			return job
		}
	}
	if p.Short {
		if job := pk.pickGarbage(); job != nil {
			return job
		}
	}
	if job := pk.pickUrgentValues(); job != nil {
		return job
	}
	for _, d := range dueLevels(v, p, pk.shape, busy) {
		if job := pk.pickLevel(d.level, d.reason); job != nil {
			return job
		}
	}
	if p.Quiet && !p.Short {
		if job := pk.pickGarbage(); job != nil {
			return job
		}
	}
	if p.Quiet && pk.owesLittle() || v.Ranges.Len() >= busyRanges {
		return pk.pickOwing()
	}
	return nil
}

// picker is the state of one Pick.
type picker struct {
	v     *manifest.Version
	p     Params
	busy  Busy
	shape shape

	emptied map[filename.Num]bool // of jobs that are being picked: see Job
}

// pickLevel returns the job that takes most from a level for the least work; nil if running jobs prevent all of
// them.
func (pk *picker) pickLevel(level int, reason Reason) *Job {
	if level == 0 {
		if job := pk.withinL0(); job != nil {
			return job
		}
		if job := pk.anyFromL0(reason); job != nil {
			return job
		}
		return pk.inPieces(reason)
	}
	var best *Job
	bestRatio := 0.0
	for _, t := range pk.v.Levels[level] {
		gain := pagesOf(t) + pk.reclaimable(level, t) // bytes that leave the level or vanish
		if ratio := float64(gain) / float64(pk.costOf(level, t)); best == nil || ratio > bestRatio {
			if job := pk.lower(level, t, reason); job != nil {
				best, bestRatio = job, ratio
			}
		}
	}
	return best
}

// anyFromL0 returns the job that compacts the oldest tables of L0 that no running job has taken.
func (pk *picker) anyFromL0(reason Reason) *Job {
	for _, t := range slices.Backward(pk.v.Levels[0]) {
		if job := pk.lower(0, t, reason); job != nil {
			return job
		}
	}
	return nil
}

// withinL0 returns the job that turns all tables of L0 into one, or at least into fewer, if they are so small that
// merging them with the next level would write more than Multiplier times their size; nil otherwise. Without it, a
// program that opens a database, writes little and closes it would rewrite a large part of it every L0Trigger times.
func (pk *picker) withinL0() *Job {
	tables := pk.v.Levels[0]
	size, held := sizeOf(tables), int64(0)
	for _, t := range tables {
		held += heldBy(t)
	}
	if size > pk.p.TargetTableBytes || held/pk.p.FullBytes+1 >= int64(len(tables)) {
		return nil // too large, or there might be as many outputs, all but the last of them full, as inputs
	}
	if sizeOf(overlapping(pk.v, pk.shape.into, rangeOfAll(tables))) <= size*pk.p.Multiplier {
		return nil
	}
	if pk.p.MaxBytes > 0 && len(manifest.Runs(tables)) == 1 {
		return nil // what inPieces has cut would become one again
	}
	job := pk.job(0, tables, 0, ReasonSmall)
	if job != nil {
		job.TargetTableBytes, job.GrandparentBytes = 0, 0 // as few outputs as possible
	}
	return job
}

// heldBy is how much t holds, in the measure of Params.FullBytes.
func heldBy(t *manifest.TableMeta) int64 { return int64(t.RawBytes + entryOverhead*t.Entries) }

// lower returns the job that takes t from level to the next one down, with all of L0 that must go with it; on the last
// level the job that writes t anew without its garbage. It is nil if running jobs prevent it.
func (pk *picker) lower(level int, t *manifest.TableMeta, reason Reason) *Job {
	tables := []*manifest.TableMeta{t}
	if level == 0 {
		tables = connected(pk.v, t)
	}
	return pk.job(level, tables, pk.outputOf(level), reason)
}

// outputOf is the level that a job from level goes to.
func (pk *picker) outputOf(level int) int {
	if level == 0 {
		return pk.shape.into
	}
	return min(level+1, lastLevel)
}

// costOf is the size of what is read with t when lower takes it from level.
func (pk *picker) costOf(level int, t *manifest.TableMeta) int64 {
	cost := pagesOf(t)
	if output := pk.outputOf(level); output != level {
		cost += sizeOf(overlapping(pk.v, output, rangeOf(t)))
	}
	return cost
}

// job returns the job that merges the given tables of level into the level output; nil if it needs a busy table, or
// more space than there is.
func (pk *picker) job(level int, tables []*manifest.TableMeta, output int, reason Reason) *Job {
	j := &Job{Reason: reason, OutputLevel: output, TargetTableBytes: pk.p.TargetTableBytes,
		GrandparentBytes: pk.p.grandparentBytes(), ValueThreshold: pk.p.ValueThreshold, Emptied: pk.emptied,
		Ranges: pk.v.Ranges, Known: pk.v.LastSeq}
	j.Inputs[level] = tables
	if output != level {
		j.Inputs[output] = overlapping(pk.v, output, rangeOfAll(tables))
	}
	if slices.ContainsFunc(tables, pk.isBusy) || slices.ContainsFunc(j.Inputs[output], pk.isBusy) {
		return nil
	}
	pk.findOverlaps(j, level)
	if output < lastLevel {
		j.Grandparents = overlapping(pk.v, output+1, j.keys())
	}
	j.Move = pk.canMove(j, level)
	if pk.p.MaxBytes > 0 && j.OutputBytes() > pk.p.MaxBytes {
		return nil
	}
	return j
}

// keys is the range of the input tables.
func (j *Job) keys() keyRange { return rangeOfAll(slices.Concat(j.Inputs[:]...)) }

// findOverlaps fills j.Overlaps. By A1 and A2, older versions than those of the upper inputs are in deeper levels and
// in later tables of L0, and nowhere else. Older versions than those of the inputs at the output level are deeper
// still.
func (pk *picker) findOverlaps(j *Job, level int) {
	r := j.keys()
	if level == 0 {
		newest := slices.Index(pk.v.Levels[0], j.Inputs[0][0])
		j.Overlaps[0] = without(overlapping(pk.v, 0, r), j.Inputs[0], pk.v.Levels[0][:newest])
	}
	for l := level + 1; l < manifest.NumLevels; l++ {
		j.Overlaps[l] = without(overlapping(pk.v, l, r), j.Inputs[l], nil)
	}
}

// without returns the tables that are neither in a nor in b.
func without(tables, a, b []*manifest.TableMeta) []*manifest.TableMeta {
	var result []*manifest.TableMeta
	for _, t := range tables {
		if !slices.Contains(a, t) && !slices.Contains(b, t) {
			result = append(result, t)
		}
	}
	return result
}

// canMove reports whether the only input of j can change its level as it is: nothing in it can be dropped, and it
// does not overlap so much of the level below that a later job would be too large.
func (pk *picker) canMove(j *Job, level int) bool {
	if level == j.OutputLevel || len(j.Inputs[level]) != 1 || len(j.Inputs[j.OutputLevel]) != 0 {
		return false
	}
	if sizeOf(j.Grandparents) > j.GrandparentBytes {
		return false
	}
	t := j.Inputs[level][0]
	pinned := t.SmallestSeq > pk.p.OldestSnapshot
	buried := slices.ContainsFunc(j.Overlaps[:], func(tables []*manifest.TableMeta) bool { return len(tables) > 0 })
	return (pinned || t.Shadowed == 0 && (t.Tombstones == 0 || buried)) && !pk.owes(t)
}

func (pk *picker) isBusy(t *manifest.TableMeta) bool { return pk.busy(t.Num) }
