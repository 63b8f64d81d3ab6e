package validate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"lightningdb/cmd/lightning/internal/units"
)

// Sizes of the test of endurance.
const (
	enduranceWriters  = 4
	enduranceReaders  = 2
	enduranceKeys     = 20_000
	enduranceInterval = 5 * time.Second
)

// runEndurance is the test of mixed readers and writers on many keys for a long time. The rate of each interval is what
// was committed in it, divided by the time it took; an interval without a commit is a failure. A check is one value.
func runEndurance(ctx context.Context, s *stress) error {
	v := newVersions("long", enduranceKeys, s.Seed)
	c := newCrew(ctx, s.Endurance)
	for w := range enduranceWriters {
		rng := rand.New(rand.NewPCG(s.Seed, uint64(w)))
		c.start(func() error { return s.writeVersions(v, rng, w, enduranceWriters) })
	}
	for r := range enduranceReaders {
		reader := newReader(s, v, uint64(r))
		reader.n = r * scanEvery / 2 // not all at the same time
		c.start(reader.readSeldomScanning)
	}
	rates := &rates{stress: s, start: time.Now()}
	rates.last = rates.start
	ticker := time.NewTicker(min(enduranceInterval, s.Endurance/2))
	defer ticker.Stop()
	c.start(func() error {
		select {
		case <-c.ctx.Done():
			return nil
		case now := <-ticker.C:
			return rates.interval(now)
		}
	})
	err := c.wait()
	s.figures["commits_per_second"] = rates.perSecond
	if err != nil {
		return err
	}
	if len(rates.perSecond) == 0 {
		return broken("no interval was measured")
	}
	return newReader(s, v, enduranceReaders).scan()
}

// readSeldomScanning is read with a scan, which reads all of the many keys, after many reads only.
func (r *versionReader) readSeldomScanning() error {
	if r.n%scanEvery == scanEvery-1 && r.rng.IntN(200) > 0 {
		r.n++
	}
	return r.read()
}

// rates measures intervals.
type rates struct {
	*stress
	start, last time.Time
	commits     int64
	checks      int64
	perSecond   []int64
}

func (r *rates) interval(now time.Time) error {
	commits, checks, elapsed := r.stress.commits.Load(), r.stress.checks.Load(), now.Sub(r.last)
	done := commits - r.commits
	r.say.line("%6s  %14s commits %14s reads", fmt.Sprintf("%.0f s", now.Sub(r.start).Seconds()),
		perSecond(done, elapsed), perSecond(checks-r.checks, elapsed))
	r.perSecond = append(r.perSecond, units.Rate(done, elapsed))
	r.commits, r.checks, r.last = commits, checks, now
	if done == 0 {
		return broken("nothing was committed for %v", elapsed)
	}
	return nil
}
