package verbs

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
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
	listed
	Moved   amount  `json:"moved"`   // into the repository, now
	Shared  amount  `json:"shared"`  // with what was there before
	Seconds float64 `json:"seconds"` // that it took
}

func (a *app) backup(ctx context.Context, repo *backup.Repository, from backup.Source, place string, all bool) error {
	m := a.start("backup")
	made, err := repo.Create(ctx, from, &backup.CreateOptions{ReadAll: all, Progress: m.told})
	took := m.stop()
	if err != nil {
		return interrupted(ctx, err, "run it again to go on: the backups that are there are whole, and what was moved is "+
			"not moved again")
	}
	r := backupResult{listedOf(made.Backup), amount(made.Moved), amount(made.Shared), took.Seconds()}
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
			f.IntVar(&o.Keep.Last, "keep-last", 0, "keep the newest `N` backups")
			f.IntVar(&o.Keep.Hourly, "keep-hourly", 0, "keep the newest backup of each of the newest `N` hours")
			f.IntVar(&o.Keep.Daily, "keep-daily", 0, "keep the newest backup of each of the newest `N` days")
			f.IntVar(&o.Keep.Weekly, "keep-weekly", 0, "keep the newest backup of each of the newest `N` weeks")
			f.BoolVar(&o.DryRun, "dry-run", false, "remove nothing")
		},
		Run: func(ctx context.Context, args []string) error { return a.prune(ctx, args[0], o) },
	}
}

// pruneResult is the outcome of prune with --json.
type pruneResult struct {
	DryRun  bool     `json:"dry_run"`
	Kept    []listed `json:"kept"`
	Removed []listed `json:"removed"`
	Freed   amount   `json:"freed"`  // files that no backup named any more
	InUse   bool     `json:"in_use"` // a backup was being made: files stay until the next prune
	Seconds float64  `json:"seconds"`
}

func (a *app) prune(ctx context.Context, place string, o backup.PruneOptions) error {
	if min(o.Keep.Last, o.Keep.Hourly, o.Keep.Daily, o.Keep.Weekly) < 0 || o.Keep == (backup.Keep{}) {
		return console.Usage(errors.New("prune is not told what to keep"),
			"give at least one of --keep-last, --keep-hourly, --keep-daily and --keep-weekly, and none below 0")
	}
	repo, err := a.open(ctx, place, o.DryRun)
	if err != nil {
		return err
	}
	m := a.start("prune")
	report, err := repo.Prune(ctx, o)
	took := m.stop()
	if errors.Is(err, backup.ErrBadBackup) {
		return console.Advise(err, "nothing was removed; remove the object of that backup in backups/, and run it again")
	}
	if err != nil {
		return interrupted(ctx, err, "run it again to go on: every backup is there as a whole, or not at all")
	}
	r := pruneResult{o.DryRun, listOf(report.Kept), listOf(report.Removed), amount(report.Freed), report.InUse,
		took.Seconds()}
	if a.JSON {
		return jsonline.Write(a.Stdout, r)
	}
	if err := writeTable(a.Stdout, report.Removed); err != nil {
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
				return jsonline.Write(a.Stdout, struct {
					OnlyA amount `json:"only_a"`
					OnlyB amount `json:"only_b"`
					Both  amount `json:"both"`
				}{amount(diff.OnlyA), amount(diff.OnlyB), amount(diff.Both)})
			}
			_, err = fmt.Fprintf(a.Stdout, "only %s: %s\nonly %s: %s\nboth: %s\n", args[1], amount(diff.OnlyA), args[2],
				amount(diff.OnlyB), amount(diff.Both))
			return err
		},
	}
}
