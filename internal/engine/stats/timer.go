package stats

import (
	"math/rand/v2"

	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/latency"
)

// CommitsPerTimed is the number of commits at Process durability of which one is timed. Two looks at the clock take a
// tenth of the time of the fastest ones.
const CommitsPerTimed = 16

// Timer measures how long one commit takes, from the call of its caller to its return. Commits that wait for a sync are
// all timed. Of the others one in CommitsPerTimed is, which counts for as many; but those that wait for room or a lock
// are timed all the same, from their first wait on, and each counts for itself. So the slowest are not missed, and no
// commit counts more often on the average than another.
type Timer struct {
	start clock.Instant // 0: it is not timed
	times uint64        // how many commits it counts for
}

// BeginCommit begins to measure a commit. sync says that it will wait for a sync.
func (s *Stats) BeginCommit(sync bool) (t Timer) {
	switch {
	case sync:
		t = Timer{s.Clock.Now(), 1}
	case rand.Uint32()%CommitsPerTimed == 0:
		t = Timer{s.Clock.Now(), CommitsPerTimed}
	}
	return t
}

// CommitWaits says that the commit will wait for room or a lock.
func (s *Stats) CommitWaits(t *Timer) {
	if t.start == 0 {
		t.start = s.Clock.Now()
	}
	t.times = 1
}

// EndCommit counts the commit, which has succeeded.
func (s *Stats) EndCommit(t Timer) {
	if t.start != 0 {
		s.commits.Add(s.Clock.Now().Since(t.start), t.times)
	}
}

// CommitLatencies returns how long commits took so far.
func (s *Stats) CommitLatencies() latency.Counts { return s.commits.Counts() }
