package verbs

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/internal/units"
)

func (a *app) restoreCommand() *command.Command {
	var only bool
	var id string
	return &command.Command{
		Use:   "restore DIR REPOSITORY",
		Short: "Make a database of a backup",
		Help: `restore makes a database in DIR, which must be empty or absent, of the backup with the ID that --backup
names, where list shows the IDs. Without it, it takes the newest one; if there are backups of several
databases, it asks for an ID.

It writes to DIR.restoring, verifies every byte there, and renames that: DIR is there whole or not
at all. What an interrupted restore has left there, the next one uses as far as it is whole.

With --verify-only it does all of it but the renaming, and removes what it wrote: a drill. DIR says
only where there is space for that.`,
		MinArgs: 2, MaxArgs: 2,
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&id, "backup", "", "`ID` of the backup")
			f.BoolVar(&only, "verify-only", false, "restore next to DIR, verify it, and remove it again")
		},
		Run: func(ctx context.Context, args []string) error {
			if args[0] == "" {
				return console.Usage(errors.New("the database directory is empty"), "name a directory")
			}
			repo, err := a.open(ctx, args[1], true)
			if err != nil {
				return err
			}
			a.Place = args[0]
			of, err := chosen(ctx, repo, id)
			if err != nil {
				return fmt.Errorf("restore from %s: %w", args[1], err)
			}
			return a.restore(ctx, repo, args[0], of, only)
		},
	}
}

// chosen is the backup of an id, or the newest one. It refuses to choose where the newest whole one may not be what is
// wanted: a database of somebody else, or one before a backup that cannot be read.
func chosen(ctx context.Context, repo *backup.Repository, id string) (backup.Backup, error) {
	all, err := repo.List(ctx)
	if id != "" {
		if i := slices.IndexFunc(all, func(b backup.Backup) bool { return b.ID == id }); i >= 0 {
			return all[i], nil
		}
		return backup.Backup{}, cmp.Or(err, adviseID(fmt.Errorf("there is no backup %q: %w", id, fs.ErrNotExist)))
	}
	newest := repositories.NewestOfEach(all)
	var ids []string
	for _, b := range newest {
		ids = append(ids, b.ID)
	}
	choose := "name one with --backup: " + strings.Join(ids, ", ")
	switch {
	case err != nil && len(newest) > 0:
		return backup.Backup{}, console.Advise(err, "what can be read may be older; "+choose)
	case err != nil:
		return backup.Backup{}, err
	case len(newest) == 0:
		return backup.Backup{}, console.Advise(errors.New("there is no backup in it"),
			"check the bucket and what is after it")
	case len(newest) > 1:
		return backup.Backup{}, console.Advise(fmt.Errorf("there are backups of %d databases", len(newest)), choose)
	}
	return newest[0], nil
}

// restoreResult is the outcome of restore with --json.
type restoreResult struct {
	repositories.Listed
	Seconds float64 `json:"seconds"`
}

func (a *app) restore(ctx context.Context, repo *backup.Repository, dir string, of backup.Backup, only bool) error {
	m := repositories.Start(a.Screen(), "restore")
	err := repo.Restore(ctx, of.ID, dir, &backup.RestoreOptions{VerifyOnly: only, Progress: m.ToldOf})
	took := m.Stop()
	switch {
	case errors.Is(err, fs.ErrExist):
		return console.Advise(err, "name a directory that is empty or not there")
	case errors.Is(err, backup.ErrBadBackup):
		return console.Advise(err, "take another backup; nothing was restored")
	case err != nil && only:
		return interrupted(ctx, err, "run it again: nothing is left of this attempt")
	case err != nil:
		return interrupted(ctx, err, "run it again to go on: what was copied is in "+filepath.Clean(dir)+
			".restoring; or remove that")
	}
	done := "restored and verified"
	if only {
		done = "verified, and did not restore,"
	}
	return a.report(restoreResult{repositories.ListedOf(of), took.Seconds()}, "%s %s of %s, up to commit %d, in %s", done,
		units.Bytes(of.Bytes), of.ID, of.Sequence, units.Duration(took))
}
