// Package stats counts what an engine did since Open, and how far the work in progress is.
package stats

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/log/lock"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/latency"
	"lightningdb/metrics"
)

// Stats are the counts of an engine. Its methods are safe for concurrent use.
type Stats struct {
	Clock clock.Monotonic // set before anything is counted
	Slow  bool            // somebody wants to know where the time of commits goes; set before, too

	Commits, Operations     atomic.Uint64
	Appends, LogBytes       atomic.Uint64 // group writes to the log, and bytes of batches in them
	Conflicts               atomic.Uint64 // commits refused because of what they had read
	LockWaits               atomic.Uint64 // times that a transaction or a commit found a key locked
	Deadlocks, LockTimeouts atomic.Uint64 // of them, those that would not have ended, or took too long
	NoSpace                 atomic.Uint64 // commits for which the log had no space, those of the disk limit aside
	Ingests                 atomic.Uint64 // commits of tables, past the log
	CompactionWaits         atomic.Bool   // for the end of a burst of writes; those that scans pay for aside
	Flush, Compaction       Jobs

	commits latency.Histogram // see Timer

	mu     sync.Mutex
	stalls stalls
}

// Logged counts a group of commits, which one write has brought into the log: operations, and bytes of batches.
func (s *Stats) Logged(commits, operations, bytes int) {
	s.Commits.Add(uint64(commits))
	s.Operations.Add(uint64(operations))
	s.Appends.Add(1)
	s.LogBytes.Add(uint64(bytes))
}

// NoteLock counts a wait for a lock that has ended with err, if that is one of the two that say what went wrong.
func (s *Stats) NoteLock(err error) {
	switch {
	case errors.Is(err, lock.ErrDeadlock):
		s.Deadlocks.Add(1)
	case errors.Is(err, lock.ErrTimeout):
		s.LockTimeouts.Add(1)
	}
}

// stalls is a metrics.Stall with the commits that wait now.
type stalls struct {
	metrics.Stall
	waiting int
	since   clock.Instant // when the first of those came
}

// Stalled says that a commit begins to wait at now. It ends with Resumed.
func (s *Stats) Stalled(now clock.Instant, cause string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stalls.waiting == 0 {
		s.stalls.since = now
	}
	s.stalls.waiting++
	s.stalls.Count++
	s.stalls.Cause = cause
}

// Resumed says that at now a commit waits no more.
func (s *Stats) Resumed(now clock.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stalls.waiting--; s.stalls.waiting == 0 {
		s.stalls.Duration += now.Since(s.stalls.since)
	}
}

// Stall returns the waits until now.
func (s *Stats) Stall(now clock.Instant) metrics.Stall {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := s.stalls.Stall
	if s.stalls.waiting > 0 {
		sum.Duration += now.Since(s.stalls.since)
	}
	return sum
}

// Jobs are the flushes or the compactions of an engine, of which one is in progress at most.
type Jobs struct {
	done, total atomic.Int64 // bytes of keys and values that the one in progress has read, and will read in all
	running     atomic.Bool

	times latency.Histogram // of those that have succeeded

	mu       sync.Mutex
	sum      metrics.Work
	rawBytes int64 // keys and values that jobs have read; guarded by mu
}

// Begin begins a job that will read total bytes of keys and values, as far as is known. End ends it.
func (j *Jobs) Begin(total int64) {
	j.done.Store(0)
	j.total.Store(total)
	j.running.Store(true)
}

// Read says that the job in progress has read n bytes more.
func (j *Jobs) Read(n int64) { j.done.Add(n) }

// End says that there is no job in progress any more.
func (j *Jobs) End() {
	j.running.Store(false)
	j.done.Store(0)
	j.total.Store(0)
}

// Succeeded counts the job in progress.
func (j *Jobs) Succeeded(read, written int64, d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sum.Count++
	j.sum.BytesRead += read
	j.sum.BytesWritten += written
	j.sum.Duration += d
	j.rawBytes += j.done.Load()
	j.times.Add(d, 1)
}

// Times returns how long jobs took that have succeeded.
func (j *Jobs) Times() latency.Counts { return j.times.Counts() }

// Work returns what was done so far.
func (j *Jobs) Work() metrics.Work {
	j.mu.Lock()
	w := j.sum
	j.mu.Unlock()
	if j.running.Load() {
		w.Running = 1
	}
	w.Total = j.total.Load()
	w.Done = min(j.done.Load(), w.Total)
	return w
}

// RawBytes is how many bytes of keys and values were read by jobs that have succeeded.
func (j *Jobs) RawBytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.rawBytes
}
