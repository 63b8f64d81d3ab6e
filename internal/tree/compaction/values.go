package compaction

import (
	"cmp"
	"maps"
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/page"
)

// Values of Params.ValueThreshold and more stay where a flush has written them: a compaction writes references to
// them. The file becomes a value file, and what no table refers to in it any more is garbage, which ends when the
// tables that still refer to it are written anew with a copy of what they need. Keys and sequence numbers stay, so that
// nothing that was deleted can come back.
const (
	// busyValueGarbage is how much garbage there may be in value files while there are other things to do, in proportion
	// to the live values: as much again. The more it is, the less of a file is left to copy when its turn comes.
	busyValueGarbage = 1.0

	// emptyDown is what garbage is reduced to at once, in proportion to what there may be.
	emptyDown = 0.75

	// maxReferred is how many bytes of value files an output refers to, about: what may have to be copied at a time.
	maxReferred = 1 << 30
)

// keepsPlace reports whether the value at ref stays there.
func (j *Job) keepsPlace(ref page.Reference) bool {
	return j.ValueThreshold > 0 && ref.Stored >= uint64(j.ValueThreshold) && !j.Emptied[ref.Table]
}

// valueGarbage is the bytes of files, and how many of them no table refers to.
func valueGarbage(files []*manifest.ValueFile) (total, garbage int64) {
	for _, f := range files {
		total += f.Size
		garbage += f.Garbage()
	}
	return total, garbage
}

// liveValues is about how many bytes of values are live: what tables refer to in files, and what tables that may hold
// keys of s hold themselves. Without the latter, a job would lower what its garbage is measured by: it takes values out
// of files, so that the rest of these is too much again, until all values have been copied.
func (pk *picker) liveValues(files []*manifest.ValueFile, s span.Span) (n int64) {
	for _, f := range files {
		n += int64(f.Bytes)
	}
	for _, tables := range pk.v.Levels {
		for _, t := range tables {
			if t.Touches(s) {
				n += int64(t.ValueBytes)
			}
		}
	}
	return n
}

// pickUrgentValues returns the job of pickValues that comes before those of the levels; nil if there is none.
func (pk *picker) pickUrgentValues() *Job {
	share := busyValueGarbage
	if pk.p.Short {
		share = shortReturn
	}
	job, _ := pk.pickValues(pk.v.Values, share*float64(pk.liveValues(pk.v.Values, span.Span{})), 0, nil)
	return job
}

// pickValues returns a job that empties some of files, if together they hold more garbage than is allowed: one that
// writes a table anew that refers to one of the worst, of those that return more than least for each byte that is
// copied. A table of after comes last. A nil job with done says that they do not hold too much, without done that no
// such job can run now.
//
// Such jobs end, because each lowers the sum of what tables refer to in files with garbage: a table is written anew
// with all of its own values, so that its file goes and becomes no value file, whose pages would be garbage.
func (pk *picker) pickValues(files []*manifest.ValueFile, allowed, least float64,
	after *span.Span) (job *Job, done bool) {
	_, garbage := valueGarbage(files)
	if float64(garbage) <= allowed {
		return nil, true
	}
	files = slices.SortedFunc(slices.Values(files), func(f, g *manifest.ValueFile) int {
		return cmp.Compare(returns(g), returns(f))
	})
	pk.emptied = map[filename.Num]bool{}
	defer func() { pk.emptied = nil }()
	for n, f := range files {
		if float64(garbage) <= emptyDown*allowed || returns(f) <= least {
			files = files[:n]
			break
		}
		garbage -= f.Garbage()
		pk.emptied[f.Num] = true
	}
	for _, f := range files {
		if job := pk.empty(f, after); job != nil {
			return job, false
		}
	}
	return nil, false
}

// pickValuesOf is pickValues for the files that tables of a refer to, down to what is allowed while nothing else is to
// be done. A file gives its space back with the last table that refers to it, so those outside of a are written anew as
// well, and first: once no table of a refers to the file, it is none of these any more.
func (pk *picker) pickValuesOf(a Asked) (job *Job, done bool) {
	referred := map[filename.Num]bool{}
	for _, tables := range pk.v.Levels {
		for _, t := range tables {
			if !t.Touches(a.Span) {
				continue
			}
			for _, r := range t.Values {
				referred[r.File] = true
			}
		}
	}
	files := slices.DeleteFunc(slices.Clone(pk.v.Values), func(f *manifest.ValueFile) bool {
		return !referred[f.Num] || f.Num >= a.Num
	})
	return pk.pickValues(files, garbageToLive*float64(pk.liveValues(files, a.Span)), 0, &a.Span)
}

// returns is how many bytes come back for each that is copied to empty f.
func returns(f *manifest.ValueFile) float64 { return float64(f.Garbage()) / float64(f.Bytes) }

// empty returns the job that writes anew the table that refers to most of f, one of after only if no other does; nil if
// running jobs prevent it for all.
func (pk *picker) empty(f *manifest.ValueFile, after *span.Span) *Job {
	var best *Job
	most, bestLate := uint64(0), false
	for level, tables := range pk.v.Levels {
		for _, t := range tables {
			n, late := referredTo(t, f.Num), after != nil && t.Touches(*after)
			better := best == nil || bestLate && !late || bestLate == late && n > most
			if n == 0 || !better {
				continue
			}
			if job := pk.emptyFrom(level, t); job != nil {
				best, most, bestLate = job, n, late
			}
		}
	}
	return best
}

// emptyFrom returns the job that writes t anew without references to emptied files.
func (pk *picker) emptyFrom(level int, t *manifest.TableMeta) *Job {
	if level == 0 { // where the order of age is that of the tables
		return pk.lower(0, t, ReasonValues)
	}
	others := pk.emptied
	defer func() { pk.emptied = others }()
	pk.emptied = maps.Clone(others)
	pk.emptied[t.Num] = true
	return pk.job(level, []*manifest.TableMeta{t}, level, ReasonValues)
}

// referredTo is how many bytes of a value file t refers to.
func referredTo(t *manifest.TableMeta, num filename.Num) uint64 {
	i, there := slices.BinarySearchFunc(t.Values, num, func(r manifest.ValueRefs, num filename.Num) int {
		return cmp.Compare(r.File, num)
	})
	if !there {
		return 0
	}
	return t.Values[i].Bytes
}

// pagesOf is the bytes of t without the values that a compaction leaves where they are.
func pagesOf(t *manifest.TableMeta) int64 { return t.Size - int64(t.ValueBytes) }

// copied is the bytes of values outside of pages that j copies.
func (j *Job) copied() (n int64) {
	for _, tables := range j.Inputs {
		for _, t := range tables {
			if j.ValueThreshold == 0 || j.Emptied[t.Num] {
				n += int64(t.ValueBytes)
			}
			for _, r := range t.Values {
				if j.ValueThreshold == 0 || j.Emptied[r.File] {
					n += int64(r.Bytes)
				}
			}
		}
	}
	return n
}

// valueFiles are the inputs of j that outputs refer to: they become value files.
func (j *Job) valueFiles(outputs []*manifest.TableMeta) (files []manifest.ValueFile) {
	referred := map[filename.Num]bool{}
	for _, t := range outputs {
		for _, r := range t.Values {
			referred[r.File] = true
		}
	}
	for _, tables := range j.Inputs {
		for _, t := range tables {
			if referred[t.Num] {
				files = append(files, manifest.ValueFile{Num: t.Num, ID: t.ID, Size: t.Size})
			}
		}
	}
	return files
}
