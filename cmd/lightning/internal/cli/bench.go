package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"lightningdb/cmd/lightning/internal/bench"
	"lightningdb/cmd/lightning/internal/command"
	"lightningdb/cmd/lightning/internal/jsonline"
)

func (a *app) benchCommand() *command.Command {
	c := bench.Config{Seed: rand.Uint64()}
	cmd := &command.Command{
		Use:   "bench",
		Short: "Measure what the disk and the database do on this machine",
		Help: `bench measures one workload after the other, and what the disk does without a database before that.
It takes a minute or two. Everything that is read is checked: a wrong value is an error.

Workloads: ` + strings.Join(bench.Names(), ", ") + `.
The number behind a name is that of goroutines, or of entries of a scan.`,
	}
	cmd.Run = func(ctx context.Context, _ []string) error { return a.bench(ctx, c) }
	cmd.Flags = func(f *flag.FlagSet) {
		f.StringVar(&c.Dir, "dir", "", "`DIR` to work in, absent or empty, which is kept (default: a temporary one)")
		f.IntVar(&c.Rows, "rows", 1_000_000, "`N` rows to load")
		f.IntVar(&c.KeySize, "key-size", 24, "`N` bytes of a key")
		f.IntVar(&c.ValueSize, "value-size", 150, "`N` bytes of a value")
		f.DurationVar(&c.Time, "time", 2*time.Second, "`TIME` of each workload")
		f.StringVar(&c.Only, "only", "", "`NAMES` of workloads, separated by commas; ycsb stands for all that begin so")
		f.Uint64Var(&c.Seed, "seed", c.Seed, "`N` from which all data follows (default: a random one)")
	}
	return cmd
}

// benchOutput is the report with what made it, so that a file of them can be compared with others.
type benchOutput struct {
	bench.Report
	Program version `json:"program"`
}

func (a *app) bench(ctx context.Context, c bench.Config) error {
	c.MemoryLimit, c.Out, c.Terminal, c.Bold = int64(a.memoryLimit), a.story(), a.progressOut(), a.bold
	a.tellVersion(c.Out)
	report, err := bench.Run(ctx, c)
	if errors.Is(err, bench.ErrWrong) {
		return reportable(err)
	}
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if a.json {
		return jsonline.Write(a.Stdout, benchOutput{report, thisVersion()})
	}
	return nil
}
