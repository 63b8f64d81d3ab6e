package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"sync/atomic"
	"time"

	"lightningdb/cmd/internal/child"
	"lightningdb/cmd/internal/progress"
)

// crash loads in a child process and kills it when about half of the files are acknowledged.
func (r *run) crash(ctx context.Context) error {
	r.say.stage("Load in a child process, and kill it in the middle")
	command, err := r.Child(r.Dir, r.Source, r.MemoryLimit)
	if err != nil {
		return err
	}
	c := load{files: len(r.tree.files), killAt: killPoint(len(r.tree.files))}
	line := progress.Start(r.Terminal, "load", func() progress.Sample {
		done := c.acked.Load()
		return progress.Sample{Done: done, Total: int64(c.files), Count: done, Noun: "files"}
	})
	start := time.Now()
	paths, err := c.run(ctx, command)
	line.Stop()
	if err != nil {
		return err
	}
	for _, path := range paths {
		r.acked[path] = true
	}
	r.report.Killed, r.report.AckedBeforeKill = c.killed, len(r.acked)
	r.say.killed(r, time.Since(start))
	return nil
}

// killPoint is the acknowledgement after which the kill is due: a random one between 40 and 60 % of all.
func killPoint(files int) int {
	return max(1, files*2/5+rand.IntN(files/5+1))
}

// load is a loading process and its fate.
type load struct {
	files  int
	killAt int // number of acknowledgements
	acked  atomic.Int64
	killed bool // set at its end
}

// run starts the command, collects acknowledgements and kills the process at a random instant after the killAt-th. It
// returns every acknowledgement that was written, also those written between the decision to kill and the death.
func (c *load) run(ctx context.Context, command *exec.Cmd) (paths []string, err error) {
	start := time.Now()
	c.killed, err = child.Run(ctx, command, func(line string, kill func()) error {
		path, err := strconv.Unquote(line)
		if err != nil {
			return fmt.Errorf("not an acknowledgement: %q", line)
		}
		paths = append(paths, path)
		c.acked.Add(1)
		if len(paths) == c.killAt {
			time.AfterFunc(randomDelay(time.Since(start)), kill)
		}
		return nil
	})
	return paths, err
}

// randomDelay is up to a tenth of the time the first half took, so that the kill is tied to no acknowledgement.
func randomDelay(soFar time.Duration) time.Duration {
	return rand.N(soFar/10 + 1)
}
