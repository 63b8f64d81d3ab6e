package verbs

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/repositories"
)

func (a *app) restoreCommand() *command.Command {
	var o repositories.RestoreFlags
	cmd := &command.Command{
		Use:   "restore DIR REPOSITORY",
		Short: "Make a database of a backup",
		Help: `restore makes a database in DIR, which must be empty or absent, of the newest backup in a repository, or of
one backup: REPOSITORY/ID, where list shows the IDs. If there are backups of several databases, it asks
for an ID.

It writes to DIR.restoring, verifies every byte there, and renames that: DIR is there whole or not
at all. What an interrupted restore has left there, the next one uses as far as it is whole.

` + repositories.RestoreHelp,
		MinArgs: 2, MaxArgs: 2, Exclusive: repositories.RestoreExclusive,
		Flags: o.Define,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		if args[0] == "" {
			return console.Usage(errors.New("the name of a directory or backup is empty"), "name both")
		}
		place, id := inRepository(args[1])
		if err := o.Check(cmd, id == ""); err != nil {
			return err
		}
		return a.repositories().Restore(ctx, args[0], place, id, &o)
	}
	return cmd
}

// inRepository splits the name of a backup in a repository. id is empty if the name is that of the repository.
func inRepository(name string) (place, id string) {
	name = strings.TrimRight(name, "/")
	if i := strings.LastIndex(name, "/"); i >= 0 && isID(name[i+1:]) {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// isID reports whether a name has the form of an ID: a time in UTC, and a number.
func isID(name string) bool {
	moment, number, _ := strings.Cut(name, "-")
	_, err := time.Parse("20060102T150405Z", moment)
	_, err2 := hex.DecodeString(number)
	return err == nil && err2 == nil && len(number) == 8
}
