package stats

import (
	"math/rand/v2"
	"time"

	"lightningdb/event"
	"lightningdb/internal/log/commit"
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
	Spent *Spent // nil unless somebody wants to know of slow ones

	start clock.Instant // 0: it is not timed
	times uint64        // how many commits it counts for
}

// Spent is when a commit began, and where its time went.
type Spent struct {
	Begun clock.Instant
	Parts event.Parts  // but for those of Group, which are part of Queue
	Group commit.Times // those of its group
}

// BeginCommit begins to measure a commit. sync says that it will wait for a sync.
func (s *Stats) BeginCommit(sync bool) (t Timer) {
	switch {
	case sync:
		t = Timer{start: s.Clock.Now(), times: 1}
	case rand.Uint32()%CommitsPerTimed == 0:
		t = Timer{start: s.Clock.Now(), times: CommitsPerTimed}
	}
	if s.Slow {
		t.Spent = &Spent{Begun: s.Clock.Now()}
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

// Part calls do, which is a part of the commit that t measures, and adds its time to that part.
func (s *Stats) Part(t *Timer, part func(*event.Parts) *time.Duration, do func() error) error {
	_, err := Measured(s, t, part, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// Measured is Stats.Part where do has a result.
func Measured[T any](s *Stats, t *Timer, part func(*event.Parts) *time.Duration, do func() (T, error)) (T, error) {
	if t.Spent == nil {
		return do()
	}
	start := s.Clock.Now()
	result, err := do()
	*part(&t.Spent.Parts) += s.Clock.Now().Since(start)
	return result, err
}

// Space is the part of a commit that waits for space under the disk limit, Room that for a flush or compaction, Lock
// that for locks, and Queue that in the commit queue.
func Space(p *event.Parts) *time.Duration { return &p.Space }
func Room(p *event.Parts) *time.Duration  { return &p.Room }
func Lock(p *event.Parts) *time.Duration  { return &p.Lock }
func Queue(p *event.Parts) *time.Duration { return &p.Queue }
