package validate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"lightningdb/cmd/internal/units"
)

// Sizes of the test of endurance.
const (
	enduranceWriters  = 4
	enduranceReaders  = 2
	enduranceKeys     = 20_000
	enduranceInterval = 5 * time.Second
	enduranceJudged   = time.Second // in a shorter interval the machine may have had other things to do
)

// runEndurance is the test of mixed readers and writers on many keys for a long time. The rate of each interval is what
// was committed in it, divided by the time it took; one of at least enduranceJudged without a commit is a failure. A
// check is one value.
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
	interval := min(enduranceInterval, s.Endurance/2)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last error // of the last interval, which may end with the crew
	c.start(func() error {
		select {
		case <-c.ctx.Done():
			if time.Since(rates.last) <= interval/2 {
				return nil // the end and the last tick come together
			}
		case <-ticker.C:
		}
		last = rates.interval()
		return last
	})
	err := c.wait()
	if err == nil {
		err = last
	}
	s.figures["commits_per_second"] = rates.perSecond
	if err != nil {
		return err
	}
	if len(rates.perSecond) == 0 {
		return broken("no interval was measured")
	}
	return newReader(s, v, enduranceReaders).scan()
}

// readSeldomScanning is read, but with fewer scans, because a scan reads all of the many keys.
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

// interval ends one interval and begins the next. It reads the clock with the counters, not when it was due.
func (r *rates) interval() error {
	now, commits, checks := time.Now(), r.stress.commits.Load(), r.stress.checks.Load()
	elapsed := now.Sub(r.last)
	done := commits - r.commits
	r.say.line("%6s  %14s commits %14s reads", fmt.Sprintf("%.0f s", now.Sub(r.start).Seconds()),
		perSecond(done, elapsed), perSecond(checks-r.checks, elapsed))
	r.perSecond = append(r.perSecond, units.Rate(done, elapsed))
	r.commits, r.checks, r.last = commits, checks, now
	if done == 0 && elapsed >= enduranceJudged {
		return broken("nothing was committed for %v", elapsed)
	}
	return nil
}
