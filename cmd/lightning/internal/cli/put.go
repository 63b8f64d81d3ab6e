package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/interrupt"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/exchange"
)

func (a *app) putCommand() *command.Command {
	var enc entries.Encoding
	var durability console.Durability
	var bucket entries.Bucket
	cmd := &command.Command{
		Use:     "put DIR KEY VALUE",
		Aliases: entries.Synonyms["put"],
		Short:   "Set a key to a value",
		Help: `put sets a key to a value, and creates the database if there is none in DIR.
The value "-" reads standard input to its end (to store a single "-", use --hex 2d).
With --bucket, database and bucket must be there.`,
		MinArgs: 3, MaxArgs: 3,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		key, err := enc.Key(args[1])
		if err != nil {
			return err
		}
		value, err := a.valueArgument(ctx, enc, args[2])
		if err != nil {
			return err
		}
		return a.write(args[0], durability, bucket, func(db *lightningdb.DB) error {
			to, err := bucket.In(db)
			if err == nil {
				err = to.Put(key, value)
			}
			if err != nil {
				return fmt.Errorf("put %q: %w", args[1], err)
			}
			return nil
		})
	}
	cmd.Exclusive = entries.EncodingExclusive
	cmd.Flags = func(f *flag.FlagSet) {
		enc.Define(f)
		durability.Define(f)
		bucket.Define(f)
	}
	return cmd
}

// valueArgument is the value itself, or standard input for "-".
func (a *app) valueArgument(ctx context.Context, enc entries.Encoding, arg string) ([]byte, error) {
	if arg == "-" {
		text, err := a.readStdin(ctx, enc)
		if err != nil {
			return nil, err
		}
		arg = text
	}
	value, err := enc.Bytes("the value", arg)
	if err == nil && len(value) > lightningdb.MaxValueSize {
		err = console.Usage(fmt.Errorf("the value is larger than %d bytes", lightningdb.MaxValueSize), "split it")
	}
	return value, err
}

// readStdin reads at most what a value may have, and one byte more to know that it is too much. Hexadecimal and base64
// text may have blanks and line breaks around it.
func (a *app) readStdin(ctx context.Context, enc entries.Encoding) (string, error) {
	most := int64(lightningdb.MaxValueSize + 1)
	if enc.Of() != exchange.Text {
		most *= 2
	}
	text, err := io.ReadAll(io.LimitReader(interrupt.Reader(ctx, a.Stdin), most))
	if err != nil {
		return "", fmt.Errorf("read the value: %w", err)
	}
	if enc.Of() != exchange.Text {
		text = bytes.TrimSpace(text)
	}
	return string(text), nil
}
