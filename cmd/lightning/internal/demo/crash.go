package demo

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"lightningdb/cmd/lightning/internal/progress"
)

// crash loads in a child process and kills it when about half of the files are acknowledged.
func (r *run) crash(ctx context.Context) error {
	r.say.stage("Load in a child process, and kill it in the middle")
	command, err := r.Child(r.Dir, r.Source, r.MemoryLimit)
	if err != nil {
		return err
	}
	c := child{files: len(r.tree.files), killAt: killPoint(len(r.tree.files))}
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
	r.report.Killed, r.report.AckedBeforeKill = c.killed.Load(), len(r.acked)
	r.say.killed(r, time.Since(start))
	return nil
}

// killPoint is the acknowledgement after which the kill is due: a random one between 40 and 60 % of all.
func killPoint(files int) int {
	return max(1, files*2/5+rand.IntN(files/5+1))
}

// child is a loading process and its fate.
type child struct {
	files  int
	killAt int // number of acknowledgements
	acked  atomic.Int64
	killed atomic.Bool
}

// run starts the command, collects acknowledgements and kills the process at a random instant after the killAt-th. It
// returns every acknowledgement that was written, also those written between the decision to kill and the death.
func (c *child) run(ctx context.Context, command *exec.Cmd) ([]string, error) {
	var complaint bytes.Buffer
	command.Stderr = &complaint
	acks, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the loading process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = command.Process.Kill() })
	defer stop()
	kill := func() { _ = command.Process.Kill() }
	paths, readErr := c.collect(acks, kill)
	if readErr != nil {
		kill() // it must not wait for a reader that has gone
	}
	waitErr := command.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case readErr != nil:
		return nil, fmt.Errorf("read acknowledgements: %w", readErr)
	case waitErr == nil: // it was done before the kill came
		c.killed.Store(false)
	case !c.killed.Load() || diedByItself(command.ProcessState):
		return nil, fmt.Errorf("the loading process failed: %w: %s", waitErr, strings.TrimSpace(complaint.String()))
	}
	return paths, nil
}

// diedByItself tells an exit from a kill. Windows cannot tell them apart.
func diedByItself(state *os.ProcessState) bool { return state.Exited() && runtime.GOOS != "windows" }

// collect reads acknowledgements to the end of the pipe and calls kill once. A last line without its line break was
// cut off by the kill and is none.
func (c *child) collect(acks io.Reader, kill func()) ([]string, error) {
	var paths []string
	start := time.Now()
	in := bufio.NewReader(acks)
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return paths, nil
		}
		if err != nil {
			return nil, err
		}
		path, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("not an acknowledgement: %q", line)
		}
		paths = append(paths, path)
		c.acked.Add(1)
		if len(paths) == c.killAt {
			c.killed.Store(true)
			time.AfterFunc(randomDelay(time.Since(start)), kill)
		}
	}
}

// randomDelay is up to a tenth of the time the first half took, so that the kill is tied to no acknowledgement.
func randomDelay(soFar time.Duration) time.Duration {
	return rand.N(soFar/10 + 1)
}
