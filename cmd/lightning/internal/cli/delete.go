package cli

import (
	"context"
	"flag"
	"fmt"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/entries"
)

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
		var keys [][]byte
		for _, arg := range args[1:] {
			key, err := enc.Key(arg)
			if err != nil {
				return err
			}
			keys = append(keys, key)
			batch.Delete(key)
		}
		return a.change(args[0], durability, func(db *lightningdb.DB) error {
			if !ignoreMissing {
				if err := requireAll(db, args[1:], keys); err != nil {
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

// requireAll finds the first of the keys, which args name, that does not exist. Nobody else writes: the database is
// locked by this process.
func requireAll(db *lightningdb.DB, args []string, keys [][]byte) error {
	for i, arg := range args {
		found, err := db.Has(keys[i])
		if err == nil && !found {
			err = lightningdb.ErrNotFound
		}
		if err != nil {
			return fmt.Errorf("delete %q: %w", arg, err)
		}
	}
	return nil
}
