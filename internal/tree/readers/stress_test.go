package readers

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"lightningdb/internal/format/key"
)

// Readers of every kind come and leave while jobs look at the registry, one shard after the other. Whatever a job says
// must hold for every reader that is there when the job begins to drop: it stands where the job begins to keep
// everything, or later, or at one of the numbers that the job keeps.
//
// Cannot draw: readers that expire, Retain, a close of the database; those have tests of their own in the engine.
func TestHold_missesNobody(t *testing.T) {
	const readers, rounds, jobs = 8, 3000, 3000
	c := newClocked(Options{})
	l := living{regs: make(map[*Registration]bool)}
	var running sync.WaitGroup
	for i := range uint64(readers) {
		rng := rand.New(rand.NewPCG(i, 1))
		running.Go(func() {
			for range rounds {
				if err := l.comeAndLeave(c, rng); err != nil {
					t.Error(err)
				}
			}
		})
	}
	stop := make(chan struct{})
	running.Go(func() {
		for i := key.SeqNum(1); ; i++ {
			select {
			case <-stop:
				return
			default:
				c.Publish(i)
				runtime.Gosched()
			}
		}
	})
	running.Go(func() {
		defer close(stop)
		for range jobs {
			held := c.Hold(math.MaxInt64)
			if err := l.check(held); err != nil {
				t.Error(err)
			}
		}
	})
	running.Wait()
	if held := c.Hold(c.Visible()); len(held) != 1 {
		t.Errorf("all readers have left, and %d are held", held)
	}
}

// living is the readers that are there.
type living struct {
	mu   sync.Mutex // guards regs
	regs map[*Registration]bool
}

func (l *living) set(reg *Registration, there bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if there {
		l.regs[reg] = true
	} else {
		delete(l.regs, reg)
	}
}

// comeAndLeave is the life of a reader that leaves an iterator behind for some time.
func (l *living) comeAndLeave(c *clocked, rng *rand.Rand) error {
	reg := new(Registration)
	if rng.IntN(3) > 0 {
		c.Add(reg)
	} else if err := c.AddAt(reg, c.Visible()-min(c.Visible(), key.SeqNum(rng.IntN(20)))); err != nil {
		if errors.Is(err, ErrExpired) {
			return nil
		}
		return err
	}
	l.set(reg, true)
	walk := &Registration{On: reg}
	if err := c.AddIterator(walk); err != nil {
		return err
	}
	l.set(walk, true)
	l.set(reg, false)
	c.Leave(reg)
	l.set(walk, false)
	c.Remove(walk)
	return nil
}

// check holds what a job keeps against the readers that are there.
func (l *living) check(held []key.SeqNum) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := held[len(held)-1]
	for reg := range l.regs {
		if reg.Seq() < last && !slices.Contains(held, reg.Seq()) {
			return fmt.Errorf("a job keeps %d and everything from %d on; a reader stands at %d", held, last, reg.Seq())
		}
	}
	return nil
}
