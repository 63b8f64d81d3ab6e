package repositories

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/units"
)

// Archive is the command that lists what is archived.
func (v *Verbs) Archive() *command.Command {
	return &command.Command{
		Use:   "archive list REPOSITORY",
		Short: "List the states that an archive can restore",
		Help: `archive list writes a line for each branch of the archive in a repository: commits that follow each other
without a gap, after each of which the state can be restored, by restore --to-sequence or --to-time. It
says why a branch was begun: "gap" if the repository was gone for too long, "transaction" if one was too
large for the log, "fork" if a copy of the database goes its own way. What lies between two branches
cannot be restored.

A program archives its commits with the option Archive. If a branch is damaged, archive list says so and
exits with 5.`,
		MinArgs: 2, MaxArgs: 2,
		Run: func(ctx context.Context, args []string) error {
			if args[0] != "list" {
				return console.Usage(fmt.Errorf("archive has no %q", args[0]), "use: "+v.Name+" archive list REPOSITORY")
			}
			repo, err := v.open(ctx, args[1], readOnly)
			if err != nil {
				return err
			}
			branches, err := repo.Branches(ctx)
			if err != nil {
				err = IfInterrupted(ctx, v.explain(args[1], err), changesNothing)
				return fmt.Errorf("archive list %s: %w", args[1], err)
			}
			if err := v.writeBranches(branches); err != nil {
				return err
			}
			return damageOf(branches, args[1])
		},
	}
}

// branch is a branch of an archive, in JSON.
type branch struct {
	Database string    `json:"database"`
	ID       string    `json:"id"`
	Backup   string    `json:"backup"` // that it begins with
	First    uint64    `json:"first"`  // sequence numbers of the states that can be restored
	Last     uint64    `json:"last"`
	From     time.Time `json:"from"` // when these were there
	To       time.Time `json:"to"`
	Pieces   int       `json:"pieces"`
	Bytes    int64     `json:"bytes"`
	Cause    string    `json:"cause"`
	After    string    `json:"after"` // the branch that it could not go on, and where that ended; "" for none
	Ended    uint64    `json:"ended"`
	Damage   string    `json:"damage"` // empty if nothing was found
}

// writeBranches writes branches as a result: an object with all of them, or a table.
func (v *Verbs) writeBranches(branches []backup.Branch) error {
	if !v.JSON {
		return writeBranchTable(v.Stdout, branches)
	}
	all := make([]branch, 0, len(branches))
	for _, b := range branches {
		one := branch{Database: b.Database, ID: b.ID, Backup: b.Backup, First: b.First, Last: b.Last, From: b.From, To: b.To,
			Pieces: b.Pieces, Bytes: b.Bytes, Cause: string(b.Cause), After: b.After, Ended: b.Ended}
		if b.Damage != nil {
			one.Damage = console.OneLine(b.Damage.Error())
		}
		all = append(all, one)
	}
	return jsonline.Write(v.Stdout, struct {
		Branches []branch `json:"branches"`
	}{all})
}

// writeBranchTable writes a line for each branch.
func writeBranchTable(out io.Writer, branches []backup.Branch) error {
	const minWidth, tabWidth, padding = 0, 0, 2
	table := tabwriter.NewWriter(out, minWidth, tabWidth, padding, ' ', 0)
	for _, b := range branches {
		if b.Damage != nil {
			fmt.Fprintf(table, "%s\tdamaged: %s\n", b.ID, console.OneLine(b.Damage.Error()))
			continue
		}
		why := string(b.Cause)
		if b.After != "" {
			why += fmt.Sprintf(" after %s, commit %d", b.After, b.Ended)
		}
		fmt.Fprintf(table, "%s\tcommits %d to %d\t%s to %s\t%s (%s)\tof %s\t%s\n", b.ID, b.First, b.Last,
			b.From.Local().Format(time.DateTime), b.To.Local().Format(time.DateTime), units.Plural(int64(b.Pieces), "piece"),
			units.Bytes(b.Bytes), b.Database, why)
	}
	return table.Flush()
}

// damageOf is the error that branches are damaged, if some are.
func damageOf(branches []backup.Branch, place string) error {
	var damage []error
	for _, b := range branches {
		if b.Damage != nil {
			damage = append(damage, b.Damage)
		}
	}
	if len(damage) == 0 {
		return nil
	}
	err := damage[0]
	if len(damage) > 1 {
		err = &many{errors.Join(damage...), fmt.Sprintf("%d branches are damaged", len(damage))}
	}
	return fmt.Errorf("archive list %s: %w", place, err)
}

// pointFlags say which state of an archive is to be restored.
type pointFlags struct {
	sequence         uint64
	at               pointInTime
	database, branch string

	given bool // one of the first two
	point backup.Point
}

func (p *pointFlags) define(f *flag.FlagSet) {
	f.Uint64Var(&p.sequence, "to-sequence", 0, "archive: the state after commit `N`")
	f.Var(&p.at, "to-time", "archive: the newest state at `TIME`, like 2026-12-01T14:02:00Z, or without Z in local time")
	f.StringVar(&p.database, "database", "", "archive: the `ID` of the database, if there are several")
	f.StringVar(&p.branch, "branch", "", "archive: the `ID` of the branch, if several have the point")
}

// check completes the flags of cmd. possible says whether there can be an archive.
func (p *pointFlags) check(cmd *command.Command, possible bool) error {
	p.given = cmd.Given("to-sequence") || cmd.Given("to-time")
	switch {
	case p.given && !possible:
		return console.Usage(errors.New("a point in time can be restored from a repository only"),
			"name the repository, without an ID")
	case !p.given && (p.database != "" || p.branch != ""):
		return console.Usage(errors.New("--database and --branch are for points in time"),
			"add --to-sequence or --to-time; a backup is chosen by REPOSITORY/ID")
	case cmd.Given("to-time"):
		p.point = backup.At(p.at.Time)
	default:
		p.point = backup.Sequence(p.sequence)
	}
	return nil
}

// pointInTime is a flag.
type pointInTime struct{ time.Time }

// String implements flag.Value.
func (p *pointInTime) String() string {
	if p.IsZero() {
		return ""
	}
	return p.Format(time.RFC3339Nano)
}

// Set implements flag.Value.
func (p *pointInTime) Set(text string) (err error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if p.Time, err = time.ParseInLocation(layout, text, time.Local); err == nil && !p.IsZero() {
			return nil
		}
	}
	return errors.New("want a time like 2026-12-01T14:02:00Z")
}
