package compaction

import (
	"slices"

	"lightningdb/internal/tree/manifest"
)

// pieceShare is the share of Params.MaxBytes that an output may overlap of the level below its own: so that it can go
// down together with that and with what it overlaps at either end.
const pieceShare = 8

// inPieces returns a job that takes a part of level 0 nearer to the next level, where all of it is too large to be
// merged at once; nil if there is none that fits, and where nothing bounds the size of a job.
//
// Of two sorted runs the older one may go down alone. So the oldest table goes down, with older ones that it overlaps,
// if that fits. If it does not, because the table overlaps too much, the oldest runs that fit become one, cut where
// tables of the next level end: each of these pieces overlaps few tables there.
func (pk *picker) inPieces(reason Reason) *Job {
	tables := pk.v.Levels[0]
	if pk.p.MaxBytes == 0 || slices.ContainsFunc(tables, pk.isBusy) {
		return nil
	}
	for i := range tables {
		at := len(tables) - 1 - i
		if job := pk.job(0, pk.withOlder(at), pk.shape.into, reason); job != nil {
			return job
		}
	}
	return pk.cut(reason)
}

// withOlder returns the table of level 0 at index at, and those behind it that must go down with it: older ones that
// overlap it, or one of these.
func (pk *picker) withOlder(at int) []*manifest.TableMeta {
	older := pk.v.Levels[0][at:]
	tables := older[:1]
	for {
		r := rangeOfAll(tables)
		var wider []*manifest.TableMeta
		for _, t := range older {
			if r.overlaps(t) {
				wider = append(wider, t)
			}
		}
		if len(wider) == len(tables) {
			return wider
		}
		tables = wider
	}
}

// cut returns the job that makes one sorted run of the oldest runs of level 0, or cuts the only one that fits.
func (pk *picker) cut(reason Reason) *Job {
	var oldest []*manifest.TableMeta
	runs := manifest.Runs(pk.v.Levels[0])
	var best *Job
	for i := range runs {
		run := runs[len(runs)-1-i]
		oldest = pk.v.Levels[0][len(pk.v.Levels[0])-len(oldest)-len(run):]
		if i == 0 && !slices.ContainsFunc(run, pk.isWide) {
			continue // it is cut already
		}
		job := pk.job(0, oldest, 0, reason)
		if job == nil {
			break
		}
		job.Grandparents = overlapping(pk.v, pk.shape.into, job.keys())
		best = job
	}
	return best
}

// isWide reports whether t, a table of level 0, overlaps more of the next level than a piece does: what a piece may
// overlap, and a table at either end.
func (pk *picker) isWide(t *manifest.TableMeta) bool {
	below := overlapping(pk.v, pk.shape.into, rangeOf(t))
	largest := int64(0)
	for _, b := range below {
		largest = max(largest, b.Size)
	}
	return sizeOf(below) > pk.p.grandparentBytes()+2*largest
}
