// Package child runs a process that talks by lines and is killed while it works. It owns the process and the reading
// end of its standard output; what the lines mean, and when the kill is due, is the caller's.
package child

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
)

// Run starts the command and calls read, from one goroutine, with every line of its standard output, also with those
// written between the kill and the death. kill sends SIGKILL and may be called by any goroutine, any number of times.
// A last line without its line break was cut off by the kill and is dropped.
//
// killed is false if the process ended well before a kill came. A process that fails of its own accord is an error,
// with what it wrote to standard error; so are a line that read refuses, and the end of ctx. The process is gone when
// Run returns.
func Run(ctx context.Context, command *exec.Cmd, read func(line string, kill func()) error) (killed bool, err error) {
	var complaint bytes.Buffer
	command.Stderr = &complaint
	lines, err := command.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := command.Start(); err != nil {
		return false, fmt.Errorf("start the process to be killed: %w", err)
	}
	var asked atomic.Bool
	kill := func() {
		asked.Store(true)
		_ = command.Process.Kill()
	}
	stop := context.AfterFunc(ctx, func() { _ = command.Process.Kill() })
	defer stop()
	readErr := collect(lines, func(line string) error { return read(line, kill) })
	if readErr != nil {
		_ = command.Process.Kill() // it must not wait for a reader that has gone
	}
	waitErr := command.Wait()
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case readErr != nil:
		return false, fmt.Errorf("read what the process says: %w", readErr)
	case waitErr == nil: // it was done before the kill came
		return false, nil
	case !asked.Load() || diedByItself(command.ProcessState):
		return false, fmt.Errorf("the process failed: %w: %s", waitErr, strings.TrimSpace(complaint.String()))
	}
	return true, nil
}

// diedByItself tells an exit from a kill. Windows cannot tell them apart.
func diedByItself(state *os.ProcessState) bool { return state.Exited() && runtime.GOOS != "windows" }

// collect calls read with every whole line, without its line break, to the end of in.
func collect(in io.Reader, read func(line string) error) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = read(strings.TrimSuffix(line, "\n"))
		}
		if err != nil {
			return err
		}
	}
}
