package repositories

import (
	"context"
	"fmt"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/units"
)

// Result is the outcome of backup and restore with --json.
type Result struct {
	ID       string    `json:"id,omitempty"` // of the backup in a repository
	Database string    `json:"database"`     // id of the one that was backed up
	Sequence uint64    `json:"sequence"`     // of the newest commit in it
	Time     time.Time `json:"time"`         // when the backup was begun
	Amount
	Moved   *Amount `json:"moved,omitempty"`   // into a repository, now
	Shared  *Amount `json:"shared,omitempty"`  // with what was there before
	Branch  string  `json:"branch,omitempty"`  // of the archive, whose commits were applied to the backup
	Commits *int    `json:"commits,omitempty"` // how many
	Seconds float64 `json:"seconds"`           // that it took now
}

// resultOf is the outcome of work on a backup, which took so long.
func resultOf(b backup.Backup, took time.Duration) Result {
	return Result{ID: b.ID, Database: b.Database, Sequence: b.Sequence, Time: b.Time, Amount: Amount(b.Amount),
		Seconds: took.Seconds()}
}

// Create makes a backup in the repository at a place. readAll has tables read and compared that are in it already.
func (v *Verbs) Create(ctx context.Context, from backup.Source, place string, readAll bool) error {
	repo, err := v.open(ctx, place, Begin)
	if err != nil {
		return err
	}
	m := Start(v.Screen(), "backup")
	made, err := repo.Create(ctx, from, &backup.CreateOptions{ReadAll: readAll, Progress: m.Told})
	took := m.Stop()
	if err != nil {
		return fmt.Errorf("%s: %w", place, IfInterrupted(ctx, v.explain(place, err), MovedStays))
	}
	r := resultOf(made.Backup, took)
	moved, shared := Amount(made.Moved), Amount(made.Shared)
	r.Moved, r.Shared = &moved, &shared
	if v.JSON {
		return jsonline.Write(v.Stdout, r)
	}
	if v.Quiet {
		return nil
	}
	_, err = fmt.Fprintf(v.Stderr, "made %s: everything up to commit %d, in %s; moved %s, %s was there\n",
		one(place, r.ID), r.Sequence, units.Duration(took), moved, units.Bytes(shared.Bytes))
	return err
}
