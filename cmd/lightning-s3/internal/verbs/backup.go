package verbs

import (
	"context"
	"flag"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
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
			return a.with(args[0], func(from backup.Source) error {
				return a.repositories().Create(ctx, from, args[1], readAll)
			})
		},
	}
}

func (a *app) verifyCommand() *command.Command {
	var readData bool
	return &command.Command{
		Use:   "verify REPOSITORY",
		Short: "Check that every file which a backup names is there",
		Help: `verify looks whether every file that a backup names is there and has its size; with --read-data it reads
them all and compares the digests, and reads every piece of an archive. It writes a line for each
damage, and exits with 5 if there is one. It changes nothing.`,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&readData, "read-data", false, "read every file and compare its digest")
		},
		Run: func(ctx context.Context, args []string) error {
			return a.repositories().Verify(ctx, args[0], readData)
		},
	}
}
