package engine

import (
	"lightningdb/internal/compaction"
	"lightningdb/internal/manifest"
)

// A scan pays for each sorted run: a seek in each, and changes from one to the other. A database that is written to pays less
// by having several; one that is scanned by having one. So scans count what they pay, and when that has come to one hop for
// each entry, about what it costs to merge all of them, they are merged, if there is nothing more urgent.

// noteHops adds what a scan of v has spent because there are several runs. Memtables among them are not to be helped.
func (e *Engine) noteHops(v *view, hops int) {
	if hops > 0 && len(v.runs) > 1 && e.hops.Add(int64(hops)) >= entriesOf(v.version) {
		e.wake(e.wakeCompactor)
	}
}

// pickForScans returns the next job that brings the tables closer to one run, if scans have paid for it.
func (e *Engine) pickForScans(v *manifest.Version, p compaction.Params) *compaction.Job {
	if !p.Quiet || e.hops.Load() < entriesOf(v) {
		return nil
	}
	job, _ := compaction.PickRange(v, p, noneBusy, nil, nil)
	if job == nil {
		e.hops.Store(0)
		return nil
	}
	job.Reason = compaction.ReasonScans
	return job
}

func entriesOf(v *manifest.Version) (n int64) {
	for _, tables := range v.Levels {
		for _, t := range tables {
			n += int64(t.Entries)
		}
	}
	return n
}
