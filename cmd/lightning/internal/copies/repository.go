package copies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
)

func (v Verbs) listCommand() *command.Command {
	return &command.Command{
		Use:     "list REPOSITORY",
		Aliases: entries.Synonyms["list"],
		Short:   "List the backups of a repository",
		Help: `list writes a line for each backup, the oldest first: its ID, when it was begun, its newest commit, its
files and their size, and the id of the database that was backed up. Files that several backups
share are stored once.

A backup that cannot be read is named on standard error, and list exits with 5; the others are listed
all the same.`,
		MinArgs: 1, MaxArgs: 1,
		Run: func(ctx context.Context, args []string) error {
			repo, err := v.openRepository(args[0])
			if err != nil {
				return err
			}
			all, err := repo.List(ctx)
			if err != nil && len(all) == 0 {
				return fmt.Errorf("list %s: %w", args[0], noRepository(args[0], err))
			}
			if written := v.writeList(all); written != nil {
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
func (v Verbs) writeList(all []backup.Backup) error {
	if v.JSON {
		return jsonline.Write(v.Stdout, struct {
			Backups []repositories.Listed `json:"backups"`
		}{repositories.ListOf(all)})
	}
	return repositories.WriteTable(v.Stdout, all)
}

// VerifyRepository looks whether every file that a backup names is there; with readData, whether it is what it was. It
// writes a line for each damage.
func (v Verbs) VerifyRepository(ctx context.Context, dir string, readData bool) error {
	repo, err := v.openRepository(dir)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	begun, line := time.Now(), repositories.Start(v.Screen(), "verify")
	all, err := repo.List(ctx)
	if err == nil || errors.Is(err, backup.ErrBadBackup) { // Verify finds that again
		err = repo.Verify(ctx, &backup.VerifyOptions{ReadData: readData, Progress: line.Told})
	}
	line.Stop()
	r := repositories.Verification{Backups: len(all), ReadData: readData, Bytes: line.Done(), Seconds: seconds(begun),
		Damage: []string{}}
	if err != nil && ctx.Err() == nil {
		r.Damage = repositories.Damages(err)
	}
	if len(r.Damage) > 1 {
		err = &many{err, fmt.Sprintf("%d damages", len(r.Damage))}
	}
	if err != nil {
		err = fmt.Errorf("verify %s: %w", dir, ifInterrupted(ctx, err, "run it again: it changes nothing"))
	}
	return errors.Join(err, v.reportVerification(r, err))
}

// many is an error with a text that does not repeat what is listed.
type many struct {
	error
	text string
}

func (m *many) Error() string { return m.text }

func (m *many) Unwrap() error { return m.error }

// reportVerification lists the damage, as a result, and says what was verified if there is none.
func (v Verbs) reportVerification(r repositories.Verification, err error) error {
	if v.JSON {
		if err != nil && len(r.Damage) == 0 {
			return nil
		}
		return jsonline.Write(v.Stdout, r)
	}
	for _, d := range r.Damage {
		if _, err := fmt.Fprintln(v.Stdout, d); err != nil {
			return err
		}
	}
	if err != nil || v.Quiet {
		return nil
	}
	how := "by the names and sizes of their files; --read-data reads them"
	if r.ReadData {
		how = "and read " + units.Bytes(r.Bytes)
	}
	_, err = fmt.Fprintf(v.Stderr, "verified %s in %s, %s: no damage\n", units.Plural(int64(r.Backups), "backup"),
		units.Duration(time.Duration(r.Seconds*float64(time.Second))), how)
	return err
}

func (v Verbs) diffCommand() *command.Command {
	return &command.Command{
		Use:     "diff REPOSITORY A B",
		Aliases: entries.Synonyms["diff"],
		Short:   "Tell how much of two backups is the same",
		Help: `diff compares the files of the backups with the IDs A and B, which list shows, by their contents: what only A
has, what only B has, and what both share. What only the later one has is what it took to make it.`,
		MinArgs: 3, MaxArgs: 3,
		Run: func(ctx context.Context, args []string) error {
			repo, err := v.openRepository(args[0])
			if err != nil {
				return err
			}
			diff, err := repo.Diff(ctx, args[1], args[2])
			if err != nil {
				return fmt.Errorf("diff: %w", console.Advise(err, "`lightning list` shows which backups there are"))
			}
			if v.JSON {
				return jsonline.Write(v.Stdout, repositories.DifferenceOf(diff))
			}
			_, err = io.WriteString(v.Stdout, repositories.DifferenceOf(diff).Text(args[1], args[2]))
			return err
		},
	}
}
