package cli

import (
	"context"
	"flag"
	"fmt"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/lightning/internal/entries"
)

func (a *app) countCommand() *command.Command {
	var s entries.Range
	var bucket entries.Bucket
	cmd := &command.Command{
		Use:     "count DIR [--prefix P | --from A --to B]",
		Aliases: entries.Synonyms["count"],
		Short:   "Count entries",
		Help: `count writes the number of entries, all or of a range, in the root or with --bucket in that bucket;
those of buckets in it are not counted. It reads every key: nothing is estimated.`,
		MinArgs: 1, MaxArgs: 1,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		lo, hi, err := s.Bounds()
		if err != nil {
			return err
		}
		return a.read(args[0], func(from source) error {
			state := from.Snapshot()
			defer state.Close()
			in, err := bucket.Of(state)
			if err != nil {
				return err
			}
			n, err := a.count(ctx, in.Range(lo, hi))
			if err != nil {
				return err
			}
			if a.JSON {
				return jsonline.Write(a.Stdout, map[string]int64{"count": n})
			}
			_, err = fmt.Fprintln(a.Stdout, n)
			return err
		})
	}
	cmd.Exclusive, cmd.Empty = entries.RangeExclusive, entries.RangeEmpty
	cmd.Flags = func(f *flag.FlagSet) {
		s.Define(f)
		bucket.Define(f)
	}
	return cmd
}

func (a *app) count(ctx context.Context, found *lightningdb.Range) (int64, error) {
	var done meter
	line := progress.Start(a.Screen(), "count", done.sample)
	defer line.Stop()
	const keysOnly = true
	err := entries.Each(ctx, found, keysOnly, func(_, _ []byte) error { done.entries.Add(1); return nil })
	return done.entries.Load(), err
}
