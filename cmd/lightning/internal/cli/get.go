package cli

import (
	"context"
	"flag"
	"fmt"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/cmd/lightning/internal/text"
)

func (a *app) getCommand() *command.Command {
	var enc entries.Encoding
	var as entries.As
	var bucket entries.Bucket
	cmd := &command.Command{
		Use:     "get DIR KEY",
		Aliases: entries.Synonyms["get"],
		Short:   "Write the value of a key",
		Help: `get writes the value of a key to standard output: into a pipe or file exactly its bytes,
on a terminal with unprintable bytes escaped and a line break at the end. With --hex or
--base64 the value is one line of text; with --json it is an object as in an export.`,
		MinArgs: 2, MaxArgs: 2,
	}
	cmd.Run = func(_ context.Context, args []string) error {
		key, err := enc.Key(args[1])
		if err != nil {
			return err
		}
		return a.read(args[0], func(from source) error {
			state := from.Snapshot()
			defer state.Close()
			var value []byte
			in, err := bucket.Of(state)
			if err == nil {
				value, err = in.Get(key)
			}
			if err != nil {
				return fmt.Errorf("get %q: %w", args[1], err)
			}
			if _, counter := exchange.Counter(value); as.Int && !counter {
				return fmt.Errorf("get %q: the value has %d bytes: it is no counter, which has 8", args[1], len(value))
			}
			return a.writeValue(entries.Show{Encoding: enc.Of(), Counters: as.Int, JSON: a.JSON}, key, value)
		})
	}
	cmd.Exclusive = entries.EncodingExclusive
	cmd.Flags = func(f *flag.FlagSet) {
		enc.Define(f)
		as.Define(f)
		bucket.Define(f)
	}
	return cmd
}

func (a *app) writeValue(show entries.Show, key, value []byte) error {
	var err error
	switch {
	case show.JSON:
		out := show.NewSink(a.Stdout)
		if err = out.Write(key, value); err == nil {
			err = out.Flush()
		}
	case show.Counters || show.Encoding != exchange.Text:
		_, err = a.Stdout.Write(append(show.AppendValue(nil, value), '\n'))
	case a.StdoutTerminal:
		_, err = a.Stdout.Write(text.AppendForScreen(nil, value))
	default:
		_, err = a.Stdout.Write(value)
	}
	return err
}
