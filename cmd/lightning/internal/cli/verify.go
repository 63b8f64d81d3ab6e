package cli

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/units"
)

func (a *app) verifyCommand() *command.Command {
	return &command.Command{
		Use:   "verify DIR",
		Short: "Read and check every byte",
		Help: `verify reads every byte of the manifest, the log and all tables, and checks all that reading relies on.
It changes nothing. It exits with 5 if anything is damaged, and names every damaged table.`,
		MinArgs: 1, MaxArgs: 1,
		Run: func(ctx context.Context, args []string) error {
			return a.read(args[0], func(db *lightningdb.DB) error {
				result, err := a.verify(ctx, db)
				if err != nil {
					return fmt.Errorf("verify: %w", err)
				}
				return a.reportVerification(result)
			})
		},
	}
}

// verifyResult is the outcome of verify with --json, if nothing is damaged.
type verifyResult struct {
	Tables  int     `json:"tables"`
	Bytes   int64   `json:"bytes"` // of tables
	Commits int64   `json:"log_commits"`
	Seconds float64 `json:"seconds"`
}

func (a *app) verify(ctx context.Context, db *lightningdb.DB) (verifyResult, error) {
	var done, total atomic.Int64
	start := time.Now()
	line := progress.Start(a.ProgressOut(), "verify", func() progress.Sample {
		return progress.Sample{Done: done.Load(), Total: total.Load(), Count: done.Load(), Noun: "bytes"}
	})
	result := verifyResult{Commits: db.Recovery().Records}
	for _, level := range db.Metrics().Levels {
		result.Tables += level.Tables
		total.Add(level.Bytes)
	}
	err := db.Verify(ctx, func(read, _ int64) { done.Store(read) })
	line.Stop()
	result.Bytes, result.Seconds = done.Load(), time.Since(start).Seconds()
	return result, err
}

func (a *app) reportVerification(r verifyResult) error {
	if a.JSON {
		return jsonline.Write(a.Stdout, r)
	}
	if a.Quiet {
		return nil
	}
	_, err := fmt.Fprintf(a.Stderr, "verified %s (%s) and %s of the log in %s: no damage\n", units.Plural(int64(r.Tables), "table"),
		units.Bytes(r.Bytes), units.Plural(r.Commits, "commit"), units.Duration(time.Duration(r.Seconds*float64(time.Second))))
	return err
}
