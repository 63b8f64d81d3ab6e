package engine

import "lightningdb/internal/tree/compaction"

// A scan pays for each sorted run: a seek in each, and changes from one to the other. A database that is written to pays less
// by having several; one that is scanned by having one. So scans count what they pay, and when that has come to one hop for
// each entry, about what it costs to merge them, they are merged, if there is nothing more urgent and no burst of writes:
// level 0 into one run, and after that all into one.

// noteHops adds what a scan of v has spent because there are several runs. Memtables among them are not to be helped.
func (e *Engine) noteHops(v *view, hops int) {
	if hops == 0 || len(v.runs) < 2 {
		return
	}
	e.hops.Add(int64(hops))
	if e.scansHavePaid(v) && e.isQuiet(v) {
		e.wake(e.wakeCompactor) // else it is woken after the burst
	}
}

// scansHavePaid reports whether pickForScans would find a job.
func (e *Engine) scansHavePaid(v *view) bool { return len(v.runs) > 1 && e.hops.Load() >= v.price }

// pickForScans returns the next job that brings the tables of v closer to one run, if scans have paid for it.
func (e *Engine) pickForScans(v *view, p compaction.Params) *compaction.Job {
	paid := e.hops.Load()
	job := compaction.PickForScans(v.version, p, noneBusy, uint64(paid))
	switch {
	case job != nil && job.OutputLevel == 0:
		e.hops.Add(-v.price) // the rest has to be paid for
	case job == nil && paid >= v.price:
		e.hops.Store(0) // there is one run
	}
	return job
}
