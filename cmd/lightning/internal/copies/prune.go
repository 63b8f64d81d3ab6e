package copies

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
)

func (v Verbs) pruneCommand() *command.Command {
	var o backup.PruneOptions
	return &command.Command{
		Use:     "prune REPOSITORY",
		Aliases: entries.Synonyms["prune"],
		Short:   "Remove the backups of a repository that no rule keeps",
		Help: `prune keeps what any of the rules asks for, removes the other backups, and then every file that no backup
names. At least one rule is needed. Hours, days and weeks are those of UTC, weeks begin on Monday, and
only those count in which there is a backup. Backups of another database are counted by themselves.

  lightning prune /backup/orders --keep-last 3 --keep-daily 14 --keep-weekly 8

--dry-run removes nothing and lists what would be removed. While a backup is being made, files stay,
and the next prune removes them. If a backup is damaged nothing is removed, because nobody knows what
it needs. Prune may be interrupted at any time.`,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(f *flag.FlagSet) {
			repositories.PruneFlags(f, &o)
		},
		Run: func(ctx context.Context, args []string) error { return v.prune(ctx, args[0], o) },
	}
}

func (v Verbs) prune(ctx context.Context, dir string, o backup.PruneOptions) error {
	if err := repositories.CheckKeep(o.Keep); err != nil {
		return err
	}
	repo, err := v.openRepository(dir)
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	begun := time.Now()
	report, err := repo.Prune(ctx, o)
	if err != nil {
		err = adviseBadBackup(noRepository(dir, err))
		return fmt.Errorf("%s: %w", dir, ifInterrupted(ctx, err,
			"run it again to go on: every backup is there as a whole, or not at all"))
	}
	if v.JSON {
		return jsonline.Write(v.Stdout, repositories.PrunedOf(o, report, time.Since(begun)))
	}
	if err := repositories.WriteTable(v.Stdout, report.Removed); err != nil || v.Quiet {
		return err
	}
	done, files := "removed", repositories.Amount(report.Freed).String()
	if o.DryRun {
		done = "would remove"
	}
	if report.InUse {
		files = "no file: a backup is being made; the next prune removes what is left"
	}
	_, err = fmt.Fprintf(v.Stderr, "%s %s and %s; kept %d\n", done,
		units.Plural(int64(len(report.Removed)), "backup"), files, len(report.Kept))
	return err
}

// adviseBadBackup says what to do about a backup that keeps the others from being pruned.
func adviseBadBackup(err error) error {
	if !errors.Is(err, backup.ErrBadBackup) {
		return err
	}
	return console.Advise(err, "nothing was removed; remove the file of that backup in backups/, and run it again")
}
