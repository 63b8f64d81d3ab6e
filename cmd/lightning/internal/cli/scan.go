package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/entries"
)

func (a *app) scanCommand() *command.Command {
	var s entries.Range
	var as entries.As
	var bucket entries.Bucket
	var reverse, keysOnly bool
	var limit int
	cmd := &command.Command{
		Use:     "scan DIR [--prefix P | --from A --to B]",
		Aliases: slices.DeleteFunc(slices.Clone(entries.Synonyms["scan"]), func(word string) bool { return word == "list" }),
		Short:   "List entries in key order",
		Help: `scan writes one line per entry, in key order: the key, a tab and the value. Unprintable bytes,
tabs, line breaks and backslashes are escaped as in Go (\xff, \t, \n, \\), so that a line is
always one entry. With --hex or --base64 both sides are encoded; with --json every line is an
object that import reads back, unless --as int shows numbers. Keys are compared as bytes. Those of
buckets are listed by --bucket, for each by itself.`,
		MinArgs: 1, MaxArgs: 1,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		lo, hi, err := s.Bounds()
		if err != nil {
			return err
		}
		if limit < 0 || limit == 0 && cmd.Given("limit") {
			return console.Usage(fmt.Errorf("--limit %d lists nothing", limit), "give a number above zero")
		}
		return a.read(args[0], func(from source) error {
			state := from.Snapshot()
			defer state.Close()
			in, err := bucket.Of(state)
			if err != nil {
				return err
			}
			found := in.Range(lo, hi)
			if reverse {
				found = found.Reverse()
			}
			if limit > 0 {
				found = found.Limit(limit)
			}
			show := entries.Show{Encoding: s.Of(), Counters: as.Int, JSON: a.JSON}
			return a.writeEntries(ctx, found, show.NewSink(a.Stdout), keysOnly)
		})
	}
	cmd.Exclusive, cmd.Empty = entries.RangeExclusive, entries.RangeEmpty
	cmd.Flags = func(f *flag.FlagSet) {
		s.Define(f)
		as.Define(f)
		bucket.Define(f)
		f.BoolVar(&reverse, "reverse", false, "last key first")
		f.IntVar(&limit, "limit", 0, "stop after `N` entries")
		f.BoolVar(&keysOnly, "keys-only", false, "write no values")
	}
	return cmd
}

func (a *app) writeEntries(ctx context.Context, found *lightningdb.Range, sink entries.Sink, keysOnly bool) error {
	err := entries.Each(ctx, found, keysOnly, func(key, value []byte) error {
		if keysOnly {
			return sink.WriteKey(key)
		}
		return sink.Write(key, value)
	})
	return errors.Join(err, sink.Flush())
}
