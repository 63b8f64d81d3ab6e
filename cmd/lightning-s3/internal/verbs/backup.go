package verbs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/internal/units"
)

func (a *app) backupCommand() *command.Command {
	var readAll bool
	return &command.Command{
		Use:   "backup DIR REPOSITORY",
		Short: "Move what is new of a database to a repository",
		Help: `backup makes a backup of everything that is committed in DIR, and nothing after. Files that the repository
has are not moved again, and each table is verified before it is: if one is damaged, backup exits
with 5. The backup is there at the end, at one moment, or not at all.

If another process has DIR open, it copies what that one has published, while that one goes on.`,
		MinArgs: 2, MaxArgs: 2,
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&readAll, "read-all", false, "also read and compare tables that are in it already")
		},
		Run: func(ctx context.Context, args []string) error {
			repo, err := a.open(ctx, args[1], false)
			if err != nil {
				return err
			}
			return a.with(args[0], func(from backup.Source) error { return a.backup(ctx, repo, from, args[1], readAll) })
		},
	}
}

// backupResult is the outcome of backup with --json.
type backupResult struct {
	repositories.Listed
	Moved   repositories.Amount `json:"moved"`   // into the repository, now
	Shared  repositories.Amount `json:"shared"`  // with what was there before
	Seconds float64             `json:"seconds"` // that it took
}

func (a *app) backup(ctx context.Context, repo *backup.Repository, from backup.Source, place string, all bool) error {
	m := repositories.Start(a.Screen(), "backup")
	made, err := repo.Create(ctx, from, &backup.CreateOptions{ReadAll: all, Progress: m.Told})
	took := m.Stop()
	if err != nil {
		return interrupted(ctx, err, "run it again to go on: the backups that are there are whole, and what was moved is "+
			"not moved again")
	}
	r := backupResult{repositories.ListedOf(made.Backup), repositories.Amount(made.Moved),
		repositories.Amount(made.Shared), took.Seconds()}
	return a.report(r, "made %s/%s: everything up to commit %d, in %s; moved %s, %s was there", place, r.ID, r.Sequence,
		units.Duration(took), r.Moved, units.Bytes(r.Shared.Bytes))
}

func (a *app) pruneCommand() *command.Command {
	var o backup.PruneOptions
	return &command.Command{
		Use:   "prune REPOSITORY",
		Short: "Remove the backups of a repository that no rule keeps",
		Help: `prune keeps what any of the rules asks for, removes the other backups, and then every file that no backup
names. At least one rule is needed. Hours, days and weeks are those of UTC, weeks begin on Monday, and
only those count in which there is a backup. Backups of another database are counted by themselves.

  lightning-s3 prune s3://backups/orders --keep-last 3 --keep-daily 14 --keep-weekly 8

--dry-run removes nothing and lists what would be removed. While a backup is being made, files stay,
and the next prune removes them. If a backup is damaged nothing is removed, because nobody knows what
it needs. Prune may be interrupted at any time. What a killed backup has left half sent, it removes.`,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(f *flag.FlagSet) {
			repositories.PruneFlags(f, &o)
		},
		Run: func(ctx context.Context, args []string) error { return a.prune(ctx, args[0], o) },
	}
}

func (a *app) prune(ctx context.Context, place string, o backup.PruneOptions) error {
	if err := repositories.CheckKeep(o.Keep); err != nil {
		return err
	}
	repo, err := a.open(ctx, place, o.DryRun)
	if err != nil {
		return err
	}
	m := repositories.Start(a.Screen(), "prune")
	report, err := repo.Prune(ctx, o)
	took := m.Stop()
	if errors.Is(err, backup.ErrBadBackup) {
		return console.Advise(err, "nothing was removed; remove the object of that backup in backups/, and run it again")
	}
	if err != nil {
		return interrupted(ctx, err, "run it again to go on: every backup is there as a whole, or not at all")
	}
	r := repositories.PrunedOf(o, report, took)
	if a.JSON {
		return jsonline.Write(a.Stdout, r)
	}
	if err := repositories.WriteTable(a.Stdout, report.Removed); err != nil {
		return err
	}
	done, files := "removed", r.Freed.String()
	if o.DryRun {
		done = "would remove"
	}
	if report.InUse {
		files = "no file: a backup is being made; the next prune removes what is left"
	}
	return a.report(r, "%s %s and %s; kept %d", done, units.Plural(int64(len(r.Removed)), "backup"), files, len(r.Kept))
}

func (a *app) diffCommand() *command.Command {
	return &command.Command{
		Use:   "diff REPOSITORY A B",
		Short: "Tell how much of two backups is the same",
		Help: `diff compares the files of the backups with the IDs A and B, which list shows, by their contents: what only A
has, what only B has, and what both share. What only the later one has is what it took to make it.`,
		MinArgs: 3, MaxArgs: 3,
		Run: func(ctx context.Context, args []string) error {
			repo, err := a.open(ctx, args[0], true)
			if err != nil {
				return err
			}
			diff, err := repo.Diff(ctx, args[1], args[2])
			if err != nil {
				return fmt.Errorf("diff: %w", adviseID(err))
			}
			if a.JSON {
				return jsonline.Write(a.Stdout, repositories.DifferenceOf(diff))
			}
			_, err = io.WriteString(a.Stdout, repositories.DifferenceOf(diff).Text(args[1], args[2]))
			return err
		},
	}
}
