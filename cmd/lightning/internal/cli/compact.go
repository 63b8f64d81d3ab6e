package cli

import (
	"context"
	"fmt"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/units"
)

func (a *app) compactCommand() *command.Command {
	var s selector
	cmd := &command.Command{
		Use:   "compact DIR [--prefix P | --from A --to B]",
		Short: "Rewrite tables so that deleted and replaced data leaves the disk",
		Help: `compact rewrites the tables of the whole database or of a range, and returns the space of deleted
and replaced entries. The database does that by itself while it is in use; compact does it now.
It can be interrupted at any time, and nothing is lost.`,
		MinArgs: 1, MaxArgs: 1,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		lo, hi, err := s.bounds()
		if err != nil {
			return err
		}
		return a.change(args[0], console.Durability(lightningdb.DefaultDurability), func(db *lightningdb.DB) error {
			result, err := a.compact(ctx, db, lo, hi)
			if err != nil {
				return fmt.Errorf("compact: %w", err)
			}
			return a.reportCompaction(result)
		})
	}
	cmd.Flags, cmd.Exclusive = s.define, selectorExclusive
	return cmd
}

// compactResult is the outcome of compact with --json.
type compactResult struct {
	BytesBefore int64   `json:"bytes_before"` // of the directory
	BytesAfter  int64   `json:"bytes_after"`
	Seconds     float64 `json:"seconds"`
}

func (a *app) compact(ctx context.Context, db *lightningdb.DB, lo, hi []byte) (compactResult, error) {
	before, start := db.Metrics(), time.Now()
	line := progress.Start(a.ProgressOut(), "compact", func() progress.Sample {
		written := db.Metrics().Compaction.BytesWritten - before.Compaction.BytesWritten
		return progress.Sample{Count: written, Noun: "bytes written"}
	})
	err := db.Compact(ctx, lo, hi)
	line.Stop()
	return compactResult{BytesBefore: before.DiskBytes, BytesAfter: db.Metrics().DiskBytes,
		Seconds: time.Since(start).Seconds()}, err
}

func (a *app) reportCompaction(r compactResult) error {
	if a.JSON {
		return jsonline.Write(a.Stdout, r)
	}
	if a.Quiet {
		return nil
	}
	_, err := fmt.Fprintf(a.Stderr, "compacted %s to %s in %s\n", units.Bytes(r.BytesBefore), units.Bytes(r.BytesAfter),
		units.Duration(time.Duration(r.Seconds*float64(time.Second))))
	return err
}
