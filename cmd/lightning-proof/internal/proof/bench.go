package proof

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"time"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning-proof/internal/bench"
)

func (a *app) benchCommand() *command.Command {
	c := bench.Config{Seed: rand.Uint64()}
	cmd := &command.Command{
		Use:   "bench",
		Short: "Measure what the disk and the database do on this machine",
		Help: `bench measures one workload after the other, and before that what the disk does without a database.
It takes a minute or two. Everything that is read is checked: a wrong value is an error.

  disk                     4 KiB are written and synced, again and again
  fill, load, open         writing in key order and at random; opening
  uniform, zipfian, hot,
  absent                   reads of single rows
  scan                     reads of 10, 100 and all entries, both ways
  durable, process         commits that survive a power cut, or a kill
  ycsb                     reads, writes and scans in the mixes A to F
  sustained                updates for longer, with the worst second
  remove, compact          deletes; compaction
  bank, check              transfers; everything read once more

The number behind a name is that of goroutines, or of the entries of a scan. Latencies are those of a
call: of a commit, a read, a scan.`,
	}
	cmd.Run = func(ctx context.Context, _ []string) error { return a.bench(ctx, c) }
	cmd.Flags = func(f *flag.FlagSet) {
		f.StringVar(&c.Dir, "dir", "", "`DIR` to work in, absent or empty, which is kept (default: a temporary one)")
		f.IntVar(&c.Rows, "rows", 1_000_000, "`N` rows to load (default: a million)")
		f.IntVar(&c.KeySize, "key-size", 24, "`N` bytes of a key (default: 24)")
		f.IntVar(&c.ValueSize, "value-size", 150, "`N` bytes of a value (default: 150)")
		f.DurationVar(&c.Time, "time", 2*time.Second, "`TIME` of each workload (default: 2s)")
		f.StringVar(&c.Only, "only", "", "`NAMES` of workloads, whole or their first words, separated by commas "+
			"(default: all)")
		f.Uint64Var(&c.Seed, "seed", c.Seed, "`N` from which all data follows (default: a random one)")
	}
	return cmd
}

// benchOutput is the report, and the program and machine that made it, so that reports can be compared.
type benchOutput struct {
	bench.Report
	Program console.Version `json:"program"`
}

func (a *app) bench(ctx context.Context, c bench.Config) error {
	c.MemoryLimit, c.Out, c.Terminal, c.Bold = int64(a.MemoryLimit), a.Story(), a.Screen(), a.Bold
	a.tellVersion(c.Out)
	report, err := bench.Run(ctx, c)
	if errors.Is(err, bench.ErrWrong) {
		return reportable(err)
	}
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if a.JSON {
		return jsonline.Write(a.Stdout, benchOutput{report, console.ThisVersion()})
	}
	return nil
}
