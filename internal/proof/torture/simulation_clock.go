package torture

import (
	"math/rand/v2"
	"time"
)

// wallClock is the time of day of a simulation. Now and then somebody sets it, forward or back, by up to ten years;
// nothing that is measured may depend on it. It has a random source of its own, so that the rest of a run is the same
// without it.
type wallClock struct {
	at time.Time
	r  *rand.Rand
}

func newWallClock(seed uint64) wallClock {
	return wallClock{at: time.Unix(1_000_000_000, 0), r: rand.New(rand.NewPCG(seed, 14))}
}

// pass lets d pass, and perhaps sets the clock.
func (c *wallClock) pass(d time.Duration) {
	const furthest = 10 * 365 * 24 * time.Hour
	c.at = c.at.Add(d)
	if c.r.IntN(8) > 0 {
		return
	}
	step := time.Duration(c.r.Int64N(int64(furthest) >> c.r.IntN(40))) // from milliseconds to years
	if c.r.IntN(2) == 0 {
		step = -step
	}
	c.at = c.at.Add(step)
}
