// Package crew is goroutines that repeat their steps until their time is over or one fails.
package crew

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"lightningdb"
)

// Crew is some goroutines. One goroutine starts them and waits for them; End may be called by all.
type Crew struct {
	ctx     context.Context
	end     context.CancelCauseFunc
	running sync.WaitGroup
	started uint64
}

// ErrTimeUp ends a crew that has worked long enough.
var ErrTimeUp = errors.New("the time is over")

// New returns a crew that ends after d; without end if that is 0.
func New(d time.Duration) *Crew {
	c := new(Crew)
	c.ctx, c.end = context.WithCancelCause(context.Background())
	if d > 0 {
		time.AfterFunc(d, func() { c.End(ErrTimeUp) })
	}
	return c
}

// Context ends with the crew.
func (c *Crew) Context() context.Context { return c.ctx }

// End ends the crew because of err: the first one counts.
func (c *Crew) End(err error) { c.end(err) }

// Go has a goroutine work, with a source of numbers of its own, until the crew ends or before.
func (c *Crew) Go(work func(rng *rand.Rand)) {
	c.started++
	rng := rand.New(rand.NewPCG(c.started, 7))
	c.running.Go(func() { work(rng) })
}

// Repeat has a goroutine take step again and again. Keys that are not there are no failure.
func (c *Crew) Repeat(step func(rng *rand.Rand) error) {
	c.Go(func(rng *rand.Rand) {
		for c.ctx.Err() == nil {
			if err := step(rng); err != nil && !errors.Is(err, lightningdb.ErrNotFound) {
				c.End(err)
			}
		}
	})
}

// Wait waits until all have ended. The end of the time is no error.
func (c *Crew) Wait() error {
	c.running.Wait()
	if err := context.Cause(c.ctx); !errors.Is(err, ErrTimeUp) {
		return err
	}
	return nil
}
