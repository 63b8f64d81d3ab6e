package cli

import (
	"context"
	"errors"
	"flag"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/entries"
)

func (a *app) deleteCommand() *command.Command {
	var which entries.Range
	var durability console.Durability
	var bucket entries.Bucket
	var ignoreMissing, all bool
	cmd := &command.Command{
		Use:     "delete DIR KEY... | --prefix P | --from A --to B | --all",
		Aliases: entries.Synonyms["delete"],
		Short:   "Remove keys, or a range of them",
		Help: `delete removes one or more keys in one atomic commit. If one of them does not exist, none is
removed, and the exit code is 3; with --ignore-missing, that is no error. A range, or with --all
everything, is removed in one atomic commit as well, which takes the same time whatever lies in
it. Nothing is asked before; count, with the same flags but --all, says what would go. Buckets and
what is in them stay; "lightning bucket drop" removes those.`,
		MinArgs: 1, MaxArgs: command.Unlimited,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		ranges := all || cmd.Given("prefix") || cmd.Given("from") || cmd.Given("to")
		if err := checkDelete(len(args)-1, ranges, ignoreMissing); err != nil {
			return err
		}
		work := entries.Removal{Args: args[1:], Ranges: ranges, IgnoreMissing: ignoreMissing}
		var err error
		if work.Lo, work.Hi, err = which.Bounds(); err != nil {
			return err
		}
		for _, arg := range work.Args {
			key, err := which.Key(arg)
			if err != nil {
				return err
			}
			work.Keys = append(work.Keys, key)
		}
		return a.change(args[0], durability, func(db *lightningdb.DB) error {
			return db.Update(ctx, func(tx *lightningdb.Tx) error {
				from, err := bucket.In(tx)
				if err != nil {
					return err
				}
				return work.Do(from)
			})
		})
	}
	cmd.Exclusive = append([][2]string{{"all", "prefix"}, {"all", "from"}, {"all", "to"}}, entries.RangeExclusive...)
	cmd.Flags = func(f *flag.FlagSet) {
		which.Define(f)
		durability.Define(f)
		bucket.Define(f)
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
