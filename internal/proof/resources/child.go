package resources

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
)

// spec is what a child is to be. What a role does not need is zero.
type spec struct {
	Role string
	Dir  string
	Seed uint64

	MemoryLimit    int64
	LogLimit       int64
	MaxSnapshotAge time.Duration

	Bytes int64 // of data
	Count int
	For   time.Duration // how long a load runs
	Think time.Duration // between two calls of a goroutine
	Heap  int           // bytes of other data in the process
}

// message is a line that a child says. Without a phase it is progress.
type message struct {
	Phase   string           `json:",omitempty"` // at which it stops until the parent lets it go on
	Numbers map[string]int64 `json:",omitempty"`
	Notes   []string         `json:",omitempty"`

	Step        string `json:",omitempty"`
	Done, Total int64  `json:",omitempty"`
}

// roles are what children can be.
var roles = map[string]func(c *child) error{
	"copy":      copyCompacted,
	"memory":    loadMixed,
	"overwrite": overwrite,
	"queue":     queue,
	"tail":      leaveTail,
	"reopen":    reopen,
	"stalls":    drive,
	"age":       holdSnapshot,
	"views":     viewWhileWriting,
	"turns":     turnWhileWriting,
	"databases": openMany,
}

// child is a process of a campaign, from inside.
type child struct {
	spec
	in    *bufio.Reader
	noise []byte // what values are made of; it does not compress

	mu  sync.Mutex
	out *json.Encoder
}

// RunChild is what the process does that Campaign.Child returns.
func RunChild(text string, in io.Reader, out io.Writer) error {
	c := &child{in: bufio.NewReader(in), out: json.NewEncoder(out)}
	if err := json.Unmarshal([]byte(text), &c.spec); err != nil {
		return fmt.Errorf("spec of a child: %w", err)
	}
	role := roles[c.Role]
	if role == nil {
		return fmt.Errorf("there is no role %q", c.Role)
	}
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	c.noise = make([]byte, noiseBytes)
	for i := range c.noise {
		c.noise[i] = byte(rng.Uint32())
	}
	return role(c)
}

// tell says how far a step is.
func (c *child) tell(step string, done, total int64) {
	c.say(message{Step: step, Done: done, Total: total})
}

func (c *child) say(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.out.Encode(m) // a parent that has gone is noticed at the next phase
}

// stop says that a phase is reached, and waits until the parent lets it go on.
func (c *child) stop(m message) error {
	c.say(m)
	if _, err := c.in.ReadString('\n'); err != nil {
		return fmt.Errorf("the parent has gone: %w", err)
	}
	return nil
}

// open opens the database with the options of the spec.
func (c *child) open() (*lightningdb.DB, error) { return lightningdb.Open(c.Dir, c.options()) }

func (c *child) options() *lightningdb.Options {
	return &lightningdb.Options{Durability: lightningdb.Process, MemoryLimit: c.MemoryLimit, LogLimit: c.LogLimit,
		MaxSnapshotAge: c.MaxSnapshotAge}
}

// crew is goroutines that repeat their steps until their time is over or one fails.
type crew struct {
	ctx     context.Context
	end     context.CancelCauseFunc
	running sync.WaitGroup
	started uint64
}

// errTimeUp ends a crew that has worked long enough.
var errTimeUp = errors.New("the time is over")

// newCrew returns a crew that ends after d; without end if that is 0.
func newCrew(d time.Duration) *crew {
	c := new(crew)
	c.ctx, c.end = context.WithCancelCause(context.Background())
	if d > 0 {
		time.AfterFunc(d, func() { c.end(errTimeUp) })
	}
	return c
}

// repeat has a goroutine take step again and again. Keys that are not there are no failure.
func (c *crew) repeat(step func(rng *rand.Rand) error) {
	c.started++
	rng := rand.New(rand.NewPCG(c.started, 7))
	c.running.Go(func() {
		for c.ctx.Err() == nil {
			if err := step(rng); err != nil && !errors.Is(err, lightningdb.ErrNotFound) {
				c.end(err)
			}
		}
	})
}

// wait waits until all have ended. The end of the time is no error.
func (c *crew) wait() error {
	c.running.Wait()
	if err := context.Cause(c.ctx); !errors.Is(err, errTimeUp) {
		return err
	}
	return nil
}

// watch has the crew tell progress: by time, if total is 0.
func (c *child) watch(w *crew, step string, done *atomic.Int64, total int64) {
	start := time.Now()
	w.repeat(func(*rand.Rand) error {
		if total > 0 {
			c.tell(step, done.Load(), total)
		} else {
			c.tell(step, int64(time.Since(start)/time.Second), int64(c.For/time.Second))
		}
		select {
		case <-w.ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
		return nil
	})
}
