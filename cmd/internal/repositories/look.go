package repositories

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
	"lightningdb/cmd/internal/units"
)

// List is the command that lists backups.
func (v *Verbs) List() *command.Command {
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
			repo, err := v.open(ctx, args[0], readOnly)
			if err != nil {
				return err
			}
			all, err := repo.List(ctx)
			if err != nil {
				err = fmt.Errorf("list %s: %w", args[0], IfInterrupted(ctx, v.explain(args[0], err), changesNothing))
			}
			if err == nil || len(all) > 0 {
				err = console.Also(v.writeList(all), err)
			}
			return err
		},
	}
}

// writeList writes backups as a result: an object with all of them, or a table.
func (v *Verbs) writeList(all []backup.Backup) error {
	if v.JSON {
		return jsonline.Write(v.Stdout, struct {
			Backups []Listed `json:"backups"`
		}{ListOf(all)})
	}
	return WriteTable(v.Stdout, all)
}

// Difference is the outcome of diff, in JSON.
type Difference struct {
	OnlyA Amount `json:"only_a"`
	OnlyB Amount `json:"only_b"`
	Both  Amount `json:"both"`
}

// differenceOf is d, in JSON.
func differenceOf(d backup.Difference) Difference {
	return Difference{Amount(d.OnlyA), Amount(d.OnlyB), Amount(d.Both)}
}

// text is d for people: of backups a and b.
func (d Difference) text(a, b string) string {
	return fmt.Sprintf("only %s: %s\nonly %s: %s\nboth: %s\n", a, d.OnlyA, b, d.OnlyB, d.Both)
}

// Verification is the outcome of verify of a repository, in JSON.
type Verification struct {
	Backups  int      `json:"backups"`
	ReadData bool     `json:"read_data"`
	Bytes    int64    `json:"bytes"` // that were read; 0 without read_data
	Seconds  float64  `json:"seconds"`
	Damage   []string `json:"damage"`
}

// Verify looks whether every file that a backup names is there; with readData, whether it is what it was. It writes a
// line for each damage.
func (v *Verbs) Verify(ctx context.Context, place string, readData bool) error {
	repo, err := v.open(ctx, place, readOnly)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	m := Start(v.Screen(), "verify")
	all, err := repo.List(ctx)
	if err == nil || errors.Is(err, backup.ErrBadBackup) { // Verify finds that again
		err = repo.Verify(ctx, &backup.VerifyOptions{ReadData: readData, Progress: m.Told})
	}
	took := m.Stop()
	r := Verification{Backups: len(all), ReadData: readData, Bytes: m.Done(), Seconds: took.Seconds(), Damage: []string{}}
	if ctx.Err() == nil && (errors.Is(err, backup.ErrBadBackup) || errors.Is(err, backup.ErrBadPiece)) {
		r.Damage = damages(err)
	}
	if len(r.Damage) > 1 {
		err = &many{err, fmt.Sprintf("%d damages", len(r.Damage))}
	}
	if err != nil {
		err = fmt.Errorf("verify %s: %w", place, IfInterrupted(ctx, v.explain(place, err), changesNothing))
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

// damages are the texts of the errors that are joined in err.
func damages(err error) (texts []string) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{console.OneLine(err.Error())}
	}
	for _, one := range joined.Unwrap() {
		texts = append(texts, console.OneLine(one.Error()))
	}
	return texts
}

// reportVerification lists the damage, as a result, and says what was verified if there is none.
func (v *Verbs) reportVerification(r Verification, err error) error {
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

// Diff is the command that compares two backups.
func (v *Verbs) Diff() *command.Command {
	return &command.Command{
		Use:   "diff REPOSITORY A B",
		Short: "Tell how much of two backups is the same",
		Help: `diff compares the files of the backups with the IDs A and B, which list shows, by their contents: what only A
has, what only B has, and what both share. What only the later one has is what it took to make it.`,
		MinArgs: 3, MaxArgs: 3,
		Run: func(ctx context.Context, args []string) error {
			repo, err := v.open(ctx, args[0], readOnly)
			if err != nil {
				return err
			}
			diff, err := repo.Diff(ctx, args[1], args[2])
			if err != nil {
				err = v.adviseID(v.explain(args[0], err))
				return fmt.Errorf("diff: %w", IfInterrupted(ctx, err, changesNothing))
			}
			if v.JSON {
				return jsonline.Write(v.Stdout, differenceOf(diff))
			}
			_, err = io.WriteString(v.Stdout, differenceOf(diff).text(args[1], args[2]))
			return err
		},
	}
}
