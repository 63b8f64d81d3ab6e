package copies

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/lightning/internal/userfile"
)

func (v *Verbs) restoreCommand() *command.Command {
	var o repositories.RestoreFlags
	cmd := &command.Command{
		Use:   "restore DIR FROM",
		Short: "Make a database of what backup has written",
		Help: `restore makes a database in DIR, which must be empty or absent. FROM is a file that backup has written ("-" is
standard input), a repository, or one backup of that: REPOSITORY/ID, where list shows the IDs. Of a
repository it takes the newest backup; if there are backups of several databases, it asks for an ID.

It writes to DIR.restoring, verifies every byte there, and renames that: DIR is there whole or not
at all. What an interrupted restore of a repository has left there, the next one uses as far as it
is whole; that of a file it removes.

A backup that is cut or was changed is refused before anything of DIR is there, with exit code 5.

` + repositories.RestoreHelp,
		MinArgs: 2, MaxArgs: 2, Exclusive: repositories.RestoreExclusive,
		Flags: o.Define,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		dir, from := args[0], args[1]
		if dir == "" || from == "" {
			return console.Usage(errors.New("the name of a directory or backup is empty"), "name both")
		}
		v.Place = dir
		repository, id, ok := inRepository(from)
		if err := o.Check(cmd, ok && id == ""); err != nil {
			return err
		}
		if ok {
			return v.repositories().Restore(ctx, dir, repository, id, &o)
		}
		err := v.restoreFile(ctx, dir, from, o.VerifyOnly)
		return repositories.IfInterrupted(ctx, err, repositories.NothingLeft)
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
func (v *Verbs) restoreFile(ctx context.Context, dir, path string, only bool) error {
	in, _, err := userfile.Input(ctx, path, v.Stdin)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer in.Close()
	line := repositories.Start(v.Screen(), "restore")
	info, err := backup.Restore(ctx, in, dir, &backup.RestoreOptions{VerifyOnly: only, Progress: line.ToldOf})
	took := line.Stop()
	if err != nil {
		return repositories.AdviseRestore(err)
	}
	return v.repositories().ReportRestore(resultOf(info, took), only)
}
