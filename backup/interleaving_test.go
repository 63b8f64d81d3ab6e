package backup

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	interleavings     = flag.Int("interleavings", 200, "how many interleavings of Create and Prune are tried")
	interleavingsFrom = flag.Uint64("interleavings.from", 1, "the seed of the first of them")
)

// What a backup needs is never removed, whoever is killed, stands still or is not answered in between. If it were, a
// backup would be lost on the day when it is needed.
func TestRepository_everyInterleavingKeepsWhatBackupsNeed(t *testing.T) {
	var all tally
	for i := range uint64(*interleavings) {
		seed := *interleavingsFrom + i
		synctest.Test(t, func(t *testing.T) { all.add(interleave(t, seed)) })
		if t.Failed() {
			t.Fatalf("seed %d: see -interleavings.from", seed)
		}
	}
	t.Logf("%+v", all)
	if least := min(all.created, all.lost, all.pruned, all.freed, all.inUse, all.stopped, all.gaveWay, all.killed,
		all.unanswered); *interleavings >= 200 && least == 0 {
		t.Errorf("something never happened: %+v", all)
	}
}

// tally counts how calls ended.
type tally struct{ created, lost, pruned, freed, inUse, stopped, gaveWay, killed, unanswered int }

func (a *tally) add(b tally) {
	a.created += b.created
	a.lost += b.lost
	a.pruned += b.pruned
	a.freed += b.freed
	a.inUse += b.inUse
	a.stopped += b.stopped
	a.gaveWay += b.gaveWay
	a.killed += b.killed
	a.unanswered += b.unanswered
}

// interleave lets several machines make and prune backups of one database in one repository.
func interleave(t *testing.T, seed uint64) (all tally) {
	rng := rand.New(rand.NewPCG(seed, 1))
	m, source := newMemory(), newTables(rand.New(rand.NewPCG(seed, 2)), 6)
	var mu sync.Mutex
	var machines sync.WaitGroup
	kill, pause, late := rng.IntN(3) == 0, rng.IntN(3), rng.IntN(2)
	for i := range 2 + rng.IntN(3) {
		own := rand.New(rand.NewPCG(seed, 100+uint64(i)))
		machines.Go(func() {
			for range 1 + own.IntN(4) {
				p := &process{memory: m, rng: own, pause: pause, late: late}
				if kill && own.IntN(2) == 0 {
					p.killAt = 1 + own.IntN(150)
				}
				once := runOnce(t, p, source)
				mu.Lock()
				all.add(once)
				mu.Unlock()
			}
		})
	}
	machines.Wait()
	time.Sleep(5 * beatTerm) // what was not answered has had its effect
	m.mustBeWhole(t, fmt.Sprintf("seed %d", seed), source)
	return all
}

// runOnce is the life of one process: a Create or a Prune.
func runOnce(t *testing.T, p *process, source *tables) (once tally) {
	ctx := context.Background()
	r := &Repository{store: p, random: p.random}
	p.mu.Lock()
	creates, last := p.rng.IntN(5) < 3, 1+p.rng.IntN(2)
	p.mu.Unlock()
	if creates {
		created, err := r.create(ctx, nil, source.store)
		switch {
		case err == nil:
			once.created++
			p.memory.mu.Lock()
			if !p.backup[created.ID] {
				t.Errorf("backup %s was never there", created.ID)
			}
			p.memory.mu.Unlock()
		case errors.Is(err, ErrLeaseLost):
			once.lost++
		case errors.Is(err, errKilled):
			once.killed++
		case errors.Is(err, errTimeout):
			once.unanswered++
		default:
			t.Errorf("create: %v", err)
		}
		return once
	}
	report, err := r.Prune(ctx, PruneOptions{Keep: Keep{Last: last}})
	once.freed = report.Freed.Files
	switch {
	case errors.Is(err, errKilled):
		once.killed++
	case errors.Is(err, ErrPruneStopped):
		once.stopped++
	case errors.Is(err, ErrPruning):
		once.gaveWay++
	case err == nil && report.InUse:
		once.inUse++
	case err == nil:
		once.pruned++
	case errors.Is(err, errTimeout):
		once.unanswered++
	case !errors.Is(err, ErrNotRepository):
		t.Errorf("prune: %v", err)
	}
	return once
}

// random is that of the process.
func (p *process) random() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rng.Uint64()
}

// A process that is killed at any call, before or after its effect, leaves a repository that is whole, and in nobody's
// way.
func TestRepository_crashAtEveryCall(t *testing.T) {
	for _, c := range []struct {
		what string
		run  func(r *Repository, source *tables) error
	}{
		{"the first create", func(r *Repository, source *tables) error {
			_, err := r.create(context.Background(), nil, source.store)
			return err
		}},
		{"create", func(r *Repository, source *tables) error {
			_, err := r.create(context.Background(), nil, source.store)
			return err
		}},
		{"prune", func(r *Repository, _ *tables) error {
			_, err := r.Prune(context.Background(), PruneOptions{Keep: Keep{Last: 2}})
			return err
		}},
	} {
		for n, done := 1, false; !done; n++ {
			synctest.Test(t, func(t *testing.T) {
				source := newTables(rand.New(rand.NewPCG(1, 2)), 6)
				m := newMemory()
				if c.what != "the first create" {
					m = someBackups(t, source, 4)
				}
				rng := rand.New(rand.NewPCG(3, uint64(n)))
				p := &process{memory: m, rng: rng, killAt: n}
				err := c.run(&Repository{store: p, random: rng.Uint64}, source)
				if done = err == nil; err != nil && !errors.Is(err, errKilled) {
					t.Errorf("%s, killed at step %d: %v", c.what, n, err)
				}
				m.mustBeWhole(t, fmt.Sprintf("%s, killed at step %d", c.what, n), source)
			})
			if t.Failed() || n > 10_000 {
				t.Fatalf("%s: step %d", c.what, n)
			}
		}
	}
}

// someBackups is a repository with n backups.
func someBackups(t *testing.T, source *tables, n int) *memory {
	t.Helper()
	m := newMemory()
	r, err := Open(context.Background(), m)
	for range n {
		if err == nil {
			_, err = r.create(context.Background(), nil, source.store)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}
