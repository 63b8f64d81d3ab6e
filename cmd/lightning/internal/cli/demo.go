package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"strconv"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning/internal/demo"
)

func (a *app) demoCommand() *command.Command {
	c := demo.Config{Bold: a.Bold, Child: loadingProcess}
	cmd := &command.Command{
		Use:   "demo",
		Short: "Load a source tree, kill the process in the middle, and check that nothing is lost",
		Help: `demo loads a tree of source files in a second process: each file in one atomic batch, with its
content, its metadata and one entry per distinct word. In the middle of the load it kills that
process with SIGKILL, reopens the database, and holds every entry against the source. Then it
loads the rest, checks everything again, asks questions, and has many transactions change one value.

The last line is "acked N, lost 0, torn 0": N files were acknowledged, none of them is lost, none
is there in part. The numbers are counted; if they are not these, the exit code is not 0.`,
	}
	cmd.Run = func(ctx context.Context, _ []string) error { return a.demo(ctx, c) }
	cmd.Flags = func(f *flag.FlagSet) {
		f.StringVar(&c.Source, "source", "", "`DIR` to load (default: the Go standard library)")
		f.StringVar(&c.Dir, "db", "", "database `DIR`, absent or empty, which is kept (default: a temporary one)")
		f.BoolVar(&c.Keep, "keep", false, "keep the temporary directory")
	}
	return cmd
}

func (a *app) demo(ctx context.Context, c demo.Config) error {
	c.MemoryLimit, c.AfterKill = int64(a.MemoryLimit), a.afterDemoKill
	c.Out, c.Terminal = a.Story(), a.Screen()
	report, err := demo.Run(ctx, c)
	if errors.Is(err, demo.ErrNotWhole) {
		err = console.Advise(err, "please report this, with the output above")
	}
	switch {
	case err != nil && !errors.Is(err, demo.ErrNotWhole):
		return fmt.Errorf("demo: %w", err)
	case a.JSON:
		return errors.Join(err, jsonline.Write(a.Stdout, report))
	}
	_, writeErr := fmt.Fprintln(a.Stdout, report.Verdict())
	return errors.Join(err, writeErr)
}

// loadingProcess is this program again, as the process to be killed.
func loadingProcess(dir, source string, memoryLimit int64) (*exec.Cmd, error) {
	args := []string{"demo-load"}
	if memoryLimit > 0 {
		args = append(args, "--memory-limit", strconv.FormatInt(memoryLimit, 10))
	}
	return console.ThisProgram(append(args, "--", dir, source)...)
}

// demoLoadCommand is the other end of loadingProcess.
