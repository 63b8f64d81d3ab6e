package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/copies"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/findings"
)

func (a *app) verifyCommand() *command.Command {
	var readData bool
	return &command.Command{
		Use:     "verify DIR",
		Aliases: entries.Synonyms["verify"],
		Short:   "Read and check every byte of a database, or the backups of a repository",
		Help: `verify reads every byte of the manifest, the log and all tables, and checks all that reading relies on.
It changes nothing. It exits with 5 if anything is damaged, and writes a line for each damage.

If another process has the database open, it checks the state that this one has published, and
of manifest and log what belongs to it; "log_commits" is null then.

If DIR is a repository of backups, it looks whether every file that a backup names is there and has
its size; with --read-data it reads all of them and compares their digests, and reads every piece of
an archive.`,
		MinArgs: 1, MaxArgs: 1,
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&readData, "read-data", false, "repository: read every file and compare its digest")
		},
		Run: func(ctx context.Context, args []string) error {
			if copies.IsRepository(args[0]) || readData && !copies.IsDatabase(args[0]) {
				return a.copies().VerifyRepository(ctx, args[0], readData)
			}
			if readData {
				return console.Usage(fmt.Errorf("%s is no repository of backups", args[0]), "leave --read-data out: of a "+
					"database verify reads everything")
			}
			start := time.Now()
			result := verifyResult{Damage: []findings.Damage{}}
			err := a.read(args[0], func(from source) error { return a.verify(ctx, from, &result) })
			result.Seconds = time.Since(start).Seconds()
			all, _ := findings.In(err)
			result.Damage = append(result.Damage, all...)
			return errors.Join(wrap("verify", findings.Summary(err)), a.reportVerification(result, err))
		},
	}
}

// checkCommand is verify by the name that other databases have for it.
func (a *app) checkCommand() *command.Command {
	c := a.verifyCommand()
	c.Use, c.Aliases, c.Short = "check DIR", nil, "The same as verify"
	return c
}

// verifyResult is the outcome of verify with --json.
type verifyResult struct {
	Tables   int               `json:"tables"`
	Bytes    int64             `json:"bytes"`       // of tables, and of values that they refer to
	Commits  *int64            `json:"log_commits"` // null if not known, because another process has the database open
	Sequence uint64            `json:"sequence"`    // of the state that was verified
	Seconds  float64           `json:"seconds"`
	Damage   []findings.Damage `json:"damage"`
}

// verify fills result as far as it comes.
func (a *app) verify(ctx context.Context, from source, result *verifyResult) error {
	if from.db != nil {
		commits := from.db.Recovery().Records
		result.Commits = &commits
	}
	m := from.Metrics()
	result.Sequence = m.Sequence
	for _, level := range m.Levels {
		result.Tables += level.Tables
		result.Bytes += level.Bytes + level.Values
	}
	var done, total atomic.Int64 // Verify reads the tables twice
	line := progress.Start(a.Screen(), "verify", func() progress.Sample {
		share := float64(done.Load()) / float64(max(1, total.Load()))
		return progress.Sample{Done: done.Load(), Total: total.Load(), Noun: "bytes",
			Count: int64(share * float64(result.Bytes))}
	})
	defer line.Stop()
	return from.Verify(ctx, func(read, all int64) { done.Store(read); total.Store(all) })
}

// wrap adds the command to an error, if there is one.
func wrap(command string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", command, err)
}

// reportVerification lists the damage, as a result, and says what was verified if there is none.
func (a *app) reportVerification(r verifyResult, err error) error {
	if a.JSON {
		if err != nil && len(r.Damage) == 0 {
			return nil
		}
		return jsonline.Write(a.Stdout, r)
	}
	for _, d := range r.Damage {
		e := lightningdb.CorruptionError{File: d.File, Offset: d.Offset, What: d.What}
		if _, err := fmt.Fprintln(a.Stdout, e.Error()); err != nil {
			return err
		}
	}
	if err != nil || a.Quiet {
		return nil
	}
	log := fmt.Sprintf("the log up to commit %d", r.Sequence)
	if r.Commits != nil {
		log = units.Plural(*r.Commits, "commit") + " of the log"
	}
	_, err = fmt.Fprintf(a.Stderr, "verified %s (%s) and %s in %s: no damage\n",
		units.Plural(int64(r.Tables), "table"), units.Bytes(r.Bytes), log,
		units.Duration(time.Duration(r.Seconds*float64(time.Second))))
	return err
}
