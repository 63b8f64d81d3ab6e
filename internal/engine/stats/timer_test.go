package stats

import (
	"testing"
	"time"

	"lightningdb/internal/system/clock"
)

// ticking is a clock that goes on by a microsecond at each look.
func ticking() clock.Monotonic {
	now := time.Duration(0)
	return func() time.Duration {
		now += time.Microsecond
		return now
	}
}

// A program whose commits are counted twice, or not at all, is told that it is fast while it waits.
func TestTimer_countsEachCommitOnTheAverage(t *testing.T) {
	const commits = 40_000
	s := Stats{Clock: ticking()}
	for range commits {
		s.EndCommit(s.BeginCommit(true))
	}
	if c := s.CommitLatencies(); c.Number() != commits || c.Max != time.Microsecond {
		t.Errorf("of %d commits that wait for a sync, %d are counted, the slowest with %v", commits, c.Number(), c.Max)
	}
	for range commits {
		s.EndCommit(s.BeginCommit(false))
	}
	got := s.CommitLatencies().Number() - commits
	if got < commits*9/10 || got > commits*11/10 || got%CommitsPerTimed != 0 {
		t.Errorf("of %d others, %d are counted", commits, got)
	}
}

// The slowest are those that wait: if fifteen of sixteen were missed, nobody would see why requests time out.
func TestTimer_missesNoneThatWaits(t *testing.T) {
	const commits = 1000
	s := Stats{Clock: ticking()}
	for range commits {
		timer := s.BeginCommit(false)
		s.CommitWaits(&timer)
		s.CommitWaits(&timer)
		s.EndCommit(timer)
	}
	if c := s.CommitLatencies(); c.Number() != commits || c.Max != time.Microsecond {
		t.Errorf("of %d commits that wait, %d are counted, the slowest with %v", commits, c.Number(), c.Max)
	}
}

// Every commit pays this.
func BenchmarkTimer(b *testing.B) {
	for _, c := range []struct {
		name string
		sync bool
	}{{"sync", true}, {"process", false}} {
		b.Run(c.name, func(b *testing.B) {
			s := Stats{Clock: clock.Stopwatch()}
			b.ReportAllocs()
			for b.Loop() {
				s.EndCommit(s.BeginCommit(c.sync))
			}
		})
	}
}
