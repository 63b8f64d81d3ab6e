package verbs

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/internal/units"
)

func (a *app) listCommand() *command.Command {
	return &command.Command{
		Use:   "list REPOSITORY",
		Short: "List the backups of a repository",
		Help: `list writes a line for each backup, the oldest first: its ID, when it was begun, its newest commit, its
files and their size, and the id of the database that was backed up. Files that several backups
share are stored once.

A backup that cannot be read is named on standard error, and list exits with 5; the others are listed
all the same.`,
		MinArgs: 1, MaxArgs: 1,
		Run: func(ctx context.Context, args []string) error {
			repo, err := a.open(ctx, args[0], true)
			if err != nil {
				return err
			}
			all, err := repo.List(ctx)
			if err != nil && len(all) == 0 {
				return fmt.Errorf("list %s: %w", args[0], err)
			}
			if written := a.writeList(all); written != nil {
				return written
			}
			if err != nil {
				return fmt.Errorf("list %s: %w", args[0], err)
			}
			return nil
		},
	}
}

// writeList writes backups as a result: an object with all of them, or a table.
func (a *app) writeList(all []backup.Backup) error {
	if a.JSON {
		return jsonline.Write(a.Stdout, struct {
			Backups []repositories.Listed `json:"backups"`
		}{repositories.ListOf(all)})
	}
	return repositories.WriteTable(a.Stdout, all)
}

func (a *app) verifyCommand() *command.Command {
	var readData bool
	return &command.Command{
		Use:   "verify REPOSITORY",
		Short: "Check that every file which a backup names is there",
		Help: `verify looks whether every file that a backup names is there and has its size; with --read-data it reads
them all, and compares the digests. It writes a line for each damage, and exits with 5 if there is one.
It changes nothing.`,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&readData, "read-data", false, "read every file and compare its digest")
		},
		Run: func(ctx context.Context, args []string) error {
			repo, err := a.open(ctx, args[0], true)
			if err != nil {
				return err
			}
			return a.verify(ctx, repo, args[0], readData)
		},
	}
}

func (a *app) verify(ctx context.Context, repo *backup.Repository, place string, readData bool) error {
	m := repositories.Start(a.Screen(), "verify")
	all, err := repo.List(ctx)
	if err == nil || errors.Is(err, backup.ErrBadBackup) { // Verify finds that again
		err = repo.Verify(ctx, &backup.VerifyOptions{ReadData: readData, Progress: m.Told})
	}
	took := m.Stop()
	r := repositories.Verification{Backups: len(all), ReadData: readData, Bytes: m.Done(), Seconds: took.Seconds(),
		Damage: []string{}}
	if err == nil {
		how := "by the names and sizes of their files; --read-data reads them"
		if readData {
			how = "and read " + units.Bytes(r.Bytes)
		}
		return a.report(r, "verified %s in %s, %s: no damage", units.Plural(int64(r.Backups), "backup"),
			units.Duration(took), how)
	}
	err = fmt.Errorf("verify %s: %w", place, err)
	if ctx.Err() != nil || !errors.Is(err, backup.ErrBadBackup) {
		return interrupted(ctx, err, "run it again: it changes nothing")
	}
	r.Damage = repositories.Damages(errors.Unwrap(err))
	if a.JSON {
		return errors.Join(err, jsonline.Write(a.Stdout, r))
	}
	for _, d := range r.Damage {
		if _, err := fmt.Fprintln(a.Stdout, d); err != nil {
			return err
		}
	}
	return &damaged{err, fmt.Sprintf("verify %s: %s", place, units.Plural(int64(len(r.Damage)), "damage"))}
}

// damaged is an error with a text that does not repeat what was listed.
type damaged struct {
	error
	text string
}

func (d *damaged) Error() string { return d.text }
func (d *damaged) Unwrap() error { return d.error }
