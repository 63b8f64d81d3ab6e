package resources

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/crew"
	"lightningdb/internal/proof/noise"
)

// spec is what a child is to be. What a role does not need is zero.
type spec struct {
	Role string
	Dir  string
	Seed uint64

	MemoryLimit    int64
	LogLimit       int64
	DiskLimit      int64
	ScrubRate      int64
	MaxSnapshotAge time.Duration

	Bytes int64 // of data
	Count int
	For   time.Duration // how long a load runs
	Think time.Duration // between two calls of a goroutine
	Heap  int           // bytes of other data in the process

	Ledgers string // the directory for what its writers were told
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
	"limit":     writeAtLimit,
	"limited":   returnFromLimit,
	"small":     holdSmallDisk,
	"full":      fillDisk,
	"scrub":     scrubUnderLoad,
}

// child is a process of a campaign, from inside.
type child struct {
	spec
	in    *bufio.Reader
	noise noise.Source // of values

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
	c.noise = noise.New(c.Seed)
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
		DiskLimit: c.DiskLimit, ScrubRate: c.ScrubRate, MaxSnapshotAge: c.MaxSnapshotAge}
}

// watch has the crew tell progress: by time, if total is 0.
func (c *child) watch(w *crew.Crew, step string, done *atomic.Int64, total int64) {
	start := time.Now()
	w.Repeat(func(*rand.Rand) error {
		if total > 0 {
			c.tell(step, done.Load(), total)
		} else {
			c.tell(step, int64(time.Since(start)/time.Second), int64(c.For/time.Second))
		}
		select {
		case <-w.Context().Done():
		case <-time.After(200 * time.Millisecond):
		}
		return nil
	})
}
