package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/entries"
)

func (a *app) deleteCommand() *command.Command {
	var which entries.Range
	var durability console.Durability
	var ignoreMissing, all bool
	cmd := &command.Command{
		Use:     "delete DIR KEY... | --prefix P | --from A --to B | --all",
		Aliases: entries.Synonyms["delete"],
		Short:   "Remove keys, or a range of them",
		Help: `delete removes one or more keys in one atomic commit. If one of them does not exist, none is
removed, and the exit code is 3; with --ignore-missing, that is no error. A range, or with --all
everything, is removed in one atomic commit as well, which takes the same time whatever lies in
it. Nothing is asked before; count, with the same flags but --all, says what would go.`,
		MinArgs: 1, MaxArgs: command.Unlimited,
	}
	cmd.Run = func(_ context.Context, args []string) error {
		ranges := all || cmd.Given("prefix") || cmd.Given("from") || cmd.Given("to")
		if err := checkDelete(len(args)-1, ranges, ignoreMissing); err != nil {
			return err
		}
		batch, keys, err := deletes(which, args[1:], ranges)
		if err != nil {
			return err
		}
		return a.change(args[0], durability, func(db *lightningdb.DB) error {
			if !ignoreMissing {
				if err := requireAll(db, args[1:], keys); err != nil {
					return err
				}
			}
			return db.Write(batch)
		})
	}
	cmd.Exclusive = append([][2]string{{"all", "prefix"}, {"all", "from"}, {"all", "to"}}, entries.RangeExclusive...)
	cmd.Flags = func(f *flag.FlagSet) {
		which.Define(f)
		durability.Define(f)
		f.BoolVar(&all, "all", false, "remove everything")
		f.BoolVar(&ignoreMissing, "ignore-missing", false, "keys that do not exist are no error")
	}
	return cmd
}

// checkDelete refuses what says nothing, or two things, about what to remove.
func checkDelete(keys int, ranges, ignoreMissing bool) error {
	hint := "give keys, or --prefix, or --from and --to, or --all"
	switch {
	case keys == 0 && !ranges:
		return console.Usage(errors.New("delete needs to know which keys"), hint)
	case keys > 0 && ranges:
		return console.Usage(errors.New("delete removes keys or a range, not both at once"), hint)
	case ranges && ignoreMissing:
		return console.Usage(errors.New("a range has no missing keys"), "leave out --ignore-missing")
	}
	return nil
}

// deletes returns the batch that removes a range, or the keys that args name.
func deletes(which entries.Range, args []string, ranges bool) (*lightningdb.Batch, [][]byte, error) {
	batch := new(lightningdb.Batch)
	if ranges {
		lo, hi, err := which.Bounds()
		if err == nil {
			err = batch.DeleteRange(lo, hi)
		}
		return batch, nil, err
	}
	var keys [][]byte
	for _, arg := range args {
		key, err := which.Key(arg)
		if err != nil {
			return nil, nil, err
		}
		keys = append(keys, key)
		batch.Delete(key)
	}
	return batch, keys, nil
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
