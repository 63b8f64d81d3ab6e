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
	cmd := &command.Command{
		Use:     "put DIR KEY VALUE",
		Aliases: entries.Synonyms["put"],
		Short:   "Set a key to a value",
		Help: `put sets a key to a value, and creates the database if there is none in DIR.
The value "-" reads standard input to its end (to store a single "-", use --hex 2d).`,
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
		return a.create(args[0], durability, func(db *lightningdb.DB) error {
			if err := db.Put(key, value); err != nil {
				return fmt.Errorf("put %q: %w", args[1], err)
			}
			return nil
		})
	}
	cmd.Exclusive = entries.EncodingExclusive
	cmd.Flags = func(f *flag.FlagSet) {
		enc.Define(f)
		durability.Define(f)
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

func (a *app) deleteCommand() *command.Command {
	var enc entries.Encoding
	var durability console.Durability
	var ignoreMissing bool
	cmd := &command.Command{
		Use:     "delete DIR KEY...",
		Aliases: entries.Synonyms["delete"],
		Short:   "Remove keys",
		Help: `delete removes one or more keys in one atomic commit. If one of them does not exist, none is
removed, and the exit code is 3; with --ignore-missing, that is no error.`,
		MinArgs: 2, MaxArgs: command.Unlimited,
	}
	cmd.Run = func(_ context.Context, args []string) error {
		var batch lightningdb.Batch
		for _, arg := range args[1:] {
			key, err := enc.Key(arg)
			if err != nil {
				return err
			}
			batch.Delete(key)
		}
		return a.change(args[0], durability, func(db *lightningdb.DB) error {
			if !ignoreMissing {
				if err := requireAll(db, enc, args[1:]); err != nil {
					return err
				}
			}
			return db.Write(&batch)
		})
	}
	cmd.Exclusive = entries.EncodingExclusive
	cmd.Flags = func(f *flag.FlagSet) {
		enc.Define(f)
		durability.Define(f)
		f.BoolVar(&ignoreMissing, "ignore-missing", false, "keys that do not exist are no error")
	}
	return cmd
}

// requireAll finds the first key that does not exist. Nobody else writes: the database is locked by this process.
func requireAll(db *lightningdb.DB, enc entries.Encoding, args []string) error {
	for _, arg := range args {
		key, err := enc.Key(arg)
		if err != nil {
			return err
		}
		found, err := db.Has(key)
		if err == nil && !found {
			err = lightningdb.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("delete %q: %w", arg, err)
		}
	}
	return nil
}
