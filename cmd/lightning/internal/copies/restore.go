package copies

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/userfile"
)

func (v Verbs) restoreCommand() *command.Command {
	var only bool
	var to pointFlags
	cmd := &command.Command{
		Use:     "restore DIR FROM",
		Aliases: entries.Synonyms["restore"],
		Short:   "Make a database of what backup has written",
		Help: `restore makes a database in DIR, which must be empty or absent. FROM is a file that backup has written ("-" is
standard input), a repository, or one backup of that: REPOSITORY/ID, where list shows the IDs. Of a
repository it takes the newest backup; if there are backups of several databases, it asks for an ID.

It writes to DIR.restoring, verifies every byte there, and renames that: DIR is there whole or not
at all. What an interrupted restore of a repository has left there, the next one uses as far as it
is whole; that of a file it removes.

A backup that is cut or was changed is refused before anything of DIR is there, with exit code 5.

If the program archives its commits, --to-sequence or --to-time restores the state after any of them, of
the newest backup before it and what follows in the archive. archive list shows what there is.

With --verify-only it does all of it but the renaming, and removes what it wrote: a drill. DIR says
only where there is space for that.`,
		MinArgs: 2, MaxArgs: 2, Exclusive: pointExclusive,
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&only, "verify-only", false, "restore next to DIR, verify it, and remove it again")
			to.define(f)
		},
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		dir, from := args[0], args[1]
		if dir == "" || from == "" {
			return console.Usage(errors.New("the name of a directory or backup is empty"), "name both")
		}
		v.Place = dir
		repository, id, ok := inRepository(from)
		if err := to.check(cmd, ok && id == ""); err != nil {
			return err
		}
		left := "run it again to go on: what was copied is in " + filepath.Clean(dir) + ".restoring; or remove that"
		if only || !ok {
			left = nothingLeft
		}
		var err error
		switch {
		case !ok:
			err = v.restoreFile(ctx, dir, from, only)
		case to.given:
			err = v.restoreTo(ctx, dir, repository, to, only)
		default:
			err = v.restoreFrom(ctx, dir, repository, id, only)
		}
		return ifInterrupted(ctx, err, left)
	}
	return cmd
}

// inRepository splits the name of a backup in a repository. id is empty if the name is that of the repository.
func inRepository(from string) (dir, id string, ok bool) {
	if info, err := os.Stat(from); err == nil {
		return from, "", info.IsDir()
	}
	dir, id = filepath.Split(filepath.Clean(from))
	return dir, id, dir != "" && IsRepository(dir)
}

// restoreFile restores what backup has written to one file.
func (v Verbs) restoreFile(ctx context.Context, dir, path string, only bool) error {
	in, _, err := userfile.Input(ctx, path, v.Stdin)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer in.Close()
	begun, line := time.Now(), repositories.Start(v.Screen(), "restore")
	info, err := backup.Restore(ctx, in, dir, &backup.RestoreOptions{VerifyOnly: only, Progress: line.ToldOf})
	line.Stop()
	if err != nil {
		return adviseRestore(err)
	}
	return v.reportRestore(resultOf(info, begun), only)
}

// restoreFrom restores a backup of a repository: the newest one if id is empty.
func (v Verbs) restoreFrom(ctx context.Context, dir, repository, id string, only bool) error {
	repo, err := v.openRepository(repository)
	v.Place = dir
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	of, err := chosen(ctx, repo, repository, id)
	if err != nil {
		return fmt.Errorf("restore from %s: %w", repository, err)
	}
	begun, line := time.Now(), repositories.Start(v.Screen(), "restore")
	err = repo.Restore(ctx, of.ID, dir, &backup.RestoreOptions{VerifyOnly: only, Progress: line.ToldOf})
	line.Stop()
	if err != nil {
		return adviseRestore(err)
	}
	return v.reportRestore(resultOfBackup(of, begun), only)
}

// chosen is the backup of an id, or the newest one. It refuses to choose where the newest whole one may not be what is
// wanted: a database of somebody else, or one before a backup that cannot be read.
func chosen(ctx context.Context, repo *backup.Repository, repository, id string) (backup.Backup, error) {
	all, err := repo.List(ctx)
	if id != "" {
		i := slices.IndexFunc(all, func(b backup.Backup) bool { return b.ID == id })
		if i >= 0 {
			return all[i], nil
		}
		if err == nil {
			err = console.Advise(fmt.Errorf("there is no backup %q: %w", id, fs.ErrNotExist),
				"`lightning list` shows which there are")
		}
		return backup.Backup{}, err
	}
	newest := repositories.NewestOfEach(all)
	var names []string
	for _, b := range newest {
		names = append(names, filepath.Join(repository, b.ID))
	}
	choose := "name one of them: " + strings.Join(names, ", ")
	switch {
	case len(newest) == 0 && err == nil:
		return backup.Backup{}, console.Advise(errors.New("there is no backup in it"), "check the path")
	case err != nil && len(newest) > 0:
		return backup.Backup{}, console.Advise(err, "what can be read may be older; "+choose)
	case err != nil:
		return backup.Backup{}, noRepository(repository, err)
	case len(newest) > 1:
		return backup.Backup{}, console.Advise(fmt.Errorf("there are backups of %d databases", len(newest)), choose)
	}
	return newest[0], nil
}

// adviseRestore says what to do about errors that only a restore has.
func adviseRestore(err error) error {
	switch {
	case errors.Is(err, fs.ErrExist):
		return console.Advise(err, emptyOrAbsent)
	case errors.Is(err, backup.ErrBadBackup):
		return console.Advise(err, "take another backup; nothing was restored")
	}
	return err
}

// reportRestore says what was restored.
func (v Verbs) reportRestore(r backupResult, only bool) error {
	if v.JSON {
		return jsonline.Write(v.Stdout, r)
	}
	if v.Quiet {
		return nil
	}
	done := "restored and verified"
	if only {
		done = "verified, and did not restore,"
	}
	what := r.Time.Local().Format(time.DateTime)
	if r.ID != "" {
		what = r.ID
	}
	if r.Commits != nil {
		what += " and " + units.Plural(int64(*r.Commits), "commit") + " of the archive"
	}
	_, err := fmt.Fprintf(v.Stderr, "%s %s of %s, up to commit %d, in %s\n", done, units.Bytes(r.Bytes), what, r.Sequence,
		units.Duration(time.Duration(r.Seconds*float64(time.Second))))
	return err
}
