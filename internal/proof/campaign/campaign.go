// Package campaign runs the levels of lightning-proof torture, each up to a count and within a share of the time, and
// says of each whether it found anything, did enough, and did anything to the database at all. What a level does is in
// package torture, for salvage in package destruction, for copies in package copies.
package campaign

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/proof/observer"
	"lightningdb/internal/proof/oracle"
)

// Campaign is a run of several levels, seeded, and bounded by time and counts. A level that does not reach its count in
// its share of the time has failed: it is not a shorter run.
type Campaign struct {
	Seed    uint64
	Time    time.Duration // for all levels together; 0 is no bound
	Count   int64         // minimum of each level in its own unit; 0 is that of Levels
	Times   int64         // multiplies the minima; 0 is 1
	Only    []string      // names of levels; none is all
	Workers int           // 0 is 1
	Dir     string        // empty, for the databases of killed processes
	Child   func(dir string) *exec.Cmd

	// Progress is told how far a level is, Failed of every violation. Both are called by one goroutine at a time.
	Progress func(level Level, done, minimum int64)
	Failed   func(level, where string, err error)
}

// Level is one way of torturing.
type Level struct {
	Name     string
	Key      string // in the line of JSON
	Noun     string // what is counted
	Minimum  int64
	Followed bool    // followers watch
	share    float64 // of the time
	run      func(r *run) Outcome
}

// Levels are all levels, in the order in which they run.
func Levels() []Level {
	return []Level{
		{"differential", "metamorphic", "operations", 1_000_000, false, 0.15, runDifferential},
		{"crash", "crash", "images", 150_000, true, 0.18, runCrash},
		{"error", "error", "runs", 25_000, true, 0.22, runErrors},
		{"pairs", "pairs", "runs", 3_000, true, 0.05, runPairs},
		{"concurrent", "concurrent", "lives", 1_000, false, 0.02, runConcurrent},
		{"damage", "corrupt", "opens", 150_000, true, 0.12, runDamage},
		{"craft", "craft", "opens", 15_000, false, 0.03, runCrafts},
		{"salvage", "salvage", "destructions", 4_000, false, 0.06, runSalvage},
		{"copies", "copies", "runs", 5_000, false, 0.05, runCopies},
		{"kill", "kill", "kills", 400, true, 0.20, runKills},
		{"isolation", "iso", "transactions", 375_000, false, 0.10, runIsolation},
		{"simulation", "sim", "seeds", 2_000, true, 0.06, runSimulation},
	}
}

// Figure is a number that a level reports, or a map of numbers by name.
type Figure struct {
	Name  string
	Value any
}

// Outcome is the result of a level.
type Outcome struct {
	Level    Level
	Count    int64
	Minimum  int64
	Injected int64 // what was done to the database: images, faults, damages, kills
	Duration time.Duration
	Failures int64
	Figures  []Figure
	oracle.Counts
	Followers  observer.Stats // what they were shown; those that were misled must be zero
	LostWrites int64          // acknowledged writes of transactions that later reads do not have; must be zero
}

// Problem says why the level is red; empty if it is green.
func (o Outcome) Problem() string {
	switch {
	case !o.Counts.Zero() || o.LostWrites > 0 || o.Followers.Misled > 0 || o.Failures > 0:
		return "failed"
	case o.Injected == 0:
		return "nothing was injected"
	case o.Level.Followed && o.Followers.Shown == 0:
		return "nobody followed"
	case o.Count < o.Minimum:
		return "too few"
	}
	return ""
}

// Run runs the levels one after the other and returns their outcomes. When ctx is done it ends soon.
func (c *Campaign) Run(ctx context.Context) []Outcome {
	levels := slices.DeleteFunc(Levels(), func(l Level) bool {
		return len(c.Only) > 0 && !slices.Contains(c.Only, l.Name)
	})
	shares := 0.0
	for _, l := range levels {
		shares += l.share
	}
	end := time.Now().Add(c.Time)
	var outcomes []Outcome
	for _, l := range levels {
		r := &run{Campaign: c, level: l, ctx: ctx, minimum: l.Minimum * max(c.Times, 1)}
		if c.Count > 0 {
			r.minimum = c.Count
		}
		if c.Time > 0 { // the time that a level does not use goes to those after it
			r.deadline = time.Now().Add(time.Duration(float64(time.Until(end)) * l.share / shares))
		}
		shares -= l.share
		start := time.Now()
		o := l.run(r)
		o.Level, o.Count, o.Minimum = l, r.done.Load(), r.minimum
		o.Duration, o.Failures = time.Since(start), r.failures
		o.Panics += r.panics
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// run is a level that is running.
type run struct {
	*Campaign
	level    Level
	ctx      context.Context
	minimum  int64
	deadline time.Time // zero is none
	done     atomic.Int64

	mu       sync.Mutex // held while Progress or Failed runs
	failures int64
	panics   int64
}

// stop reports whether the level has to end, reached or not.
func (r *run) stop() bool {
	return r.ctx.Err() != nil || !r.deadline.IsZero() && time.Now().After(r.deadline)
}

func (r *run) fail(where string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	if r.Failed != nil {
		r.Failed(r.level.Name, where, err)
	}
}

// adder is a pointer to statistics that can be added up.
type adder[S any] interface {
	*S
	Add(S)
}

// maxFailures ends a level. Where every unit fails at once, as in a directory that cannot be written, none counts,
// and the level would go on for ever.
const maxFailures = 100

// tooMany reports whether the level has failed so often that nothing is learnt any more.
func (r *run) tooMany() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures >= maxFailures
}

// gather does units 0, 1, 2 and so on, in several goroutines, until the minimum is reached, too many fail, or stop
// says so, and adds up what they return. count is how much of the level's unit is in it.
func gather[S any, P adder[S]](r *run, count func(S) int, unit func(n int) S) S {
	var total S
	var next atomic.Int64
	var workers sync.WaitGroup
	for range max(r.Workers, 1) {
		workers.Go(func() {
			for !r.stop() && r.done.Load() < r.minimum && !r.tooMany() {
				part := guarded(r, int(next.Add(1)-1), unit)
				done := r.done.Add(int64(count(part)))
				r.mu.Lock()
				P(&total).Add(part)
				if r.Progress != nil {
					r.Progress(r.level, done, r.minimum)
				}
				r.mu.Unlock()
			}
		})
	}
	workers.Wait()
	return total
}

// guarded does one unit and counts its panic, if it has one.
func guarded[S any](r *run, n int, unit func(n int) S) (part S) {
	defer func() {
		if p := recover(); p != nil {
			r.mu.Lock()
			r.panics++
			r.mu.Unlock()
			r.fail(fmt.Sprintf("unit %d of seed %d", n, r.Seed), fmt.Errorf("panic: %v", p))
		}
	}()
	return unit(n)
}
