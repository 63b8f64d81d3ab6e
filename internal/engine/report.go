package engine

import (
	"sync/atomic"
	"time"

	"lightningdb/internal/system/clock"
)

// reportInterval is the least time between two reports.
const reportInterval = time.Second

// report is what ReportStep remembers.
type report struct {
	due  atomic.Bool   // something has happened since the last one
	last clock.Instant // when the last one was made; for the housekeeper
}

// noteReport has ReportStep tell followers what has happened.
func (e *Engine) noteReport() {
	if !e.background.report.due.Load() {
		e.background.report.due.Store(true)
		e.background.housekeeper.Wake()
	}
}

// ReportStep tells followers what the engine does, if that has changed. It returns when it is due again; far away if
// that takes a commit. Only one goroutine at a time may call it.
func (e *Engine) ReportStep() time.Duration {
	r := e.background.report
	if e.opts.Report == nil || e.dir.Page() == nil || !r.due.Load() {
		return time.Hour
	}
	if left := reportInterval - e.clock.Now().Since(r.last); r.last != 0 && left > 0 {
		return left
	}
	r.due.Store(false) // what happens during the report is in the next one
	r.last = e.clock.Now()
	m := e.Metrics()
	if m.Flush.Running+m.Compaction.Running > 0 || m.Locks.Waiters > 0 { // that goes on
		r.due.Store(true)
	}
	e.dir.Page().SetReport(e.opts.Report(m))
	return reportInterval
}
