package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
)

func (a *app) restoreCommand() *command.Command {
	var only bool
	return &command.Command{
		Use:     "restore DIR FILE",
		Aliases: entries.Synonyms["restore"],
		Short:   "Make a database of what backup has written",
		Help: `restore makes a database in DIR, which must be empty or absent, of the backup in FILE ("-" is standard
input). It writes to DIR.restoring, verifies every byte there, and renames that: DIR is there whole
or not at all. What an interrupted restore has left there, the next one removes.

A backup that is cut or was changed is refused before anything of DIR is there.

With --verify-only it does all of it but the renaming, and removes what it wrote: a drill. DIR says
only where there is space for that.`,
		MinArgs: 2, MaxArgs: 2,
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&only, "verify-only", false, "restore next to DIR, verify it, and remove it again")
		},
		Run: func(ctx context.Context, args []string) error { return a.restore(ctx, args[0], args[1], only) },
	}
}

func (a *app) restore(ctx context.Context, dir, path string, only bool) error {
	if dir == "" {
		return console.Usage(errors.New("the database directory is empty"), "name a directory")
	}
	a.Place = dir
	in, _, err := a.openInput(ctx, path)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer in.Close()
	start, line := time.Now(), a.startBytes("restore")
	info, err := backup.Restore(ctx, in, dir, &backup.RestoreOptions{VerifyOnly: only,
		Progress: func(_ string, done, total int64) { line.told(done, total) }})
	line.Stop()
	switch {
	case errors.Is(err, fs.ErrExist):
		err = console.Advise(err, "name a directory that is empty or not there")
	case errors.Is(err, backup.ErrBadBackup):
		err = console.Advise(err, "take another backup; nothing was restored")
	}
	if err != nil {
		return err
	}
	r := resultOf(info, time.Since(start))
	if a.JSON {
		return jsonline.Write(a.Stdout, r)
	}
	if a.Quiet {
		return nil
	}
	done := "restored and verified"
	if only {
		done = "verified, and did not restore,"
	}
	_, err = fmt.Fprintf(a.Stderr, "%s %s of %s, up to commit %d, in %s\n", done, units.Bytes(r.Bytes),
		r.Time.Local().Format(time.DateTime), r.Sequence, units.Duration(time.Since(start)))
	return err
}
