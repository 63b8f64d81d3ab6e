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
	"lightningdb/cmd/lightning/internal/entries"
)

func (a *app) compactCommand() *command.Command {
	var s entries.Range
	cmd := &command.Command{
		Use:     "compact DIR [--prefix P | --from A --to B]",
		Aliases: entries.Synonyms["compact"],
		Short:   "Rewrite tables so that deleted and replaced data leaves the disk",
		Help: `compact rewrites the tables of the whole database or of a range, and returns the space of deleted
and replaced entries. The database does that by itself while it is in use; compact does it now.
A table in which there is nothing to remove stays as it is and is not read: to check what is
there, use verify. It can be interrupted at any time, and nothing is lost.`,
		MinArgs: 1, MaxArgs: 1,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		lo, hi, err := s.Bounds()
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
	cmd.Flags, cmd.Exclusive, cmd.Empty = s.Define, entries.RangeExclusive, entries.RangeEmpty
	return cmd
}

// compactResult is the outcome of compact with --json.
type compactResult struct {
	BytesBefore  int64   `json:"bytes_before"` // of the directory
	BytesAfter   int64   `json:"bytes_after"`
	BytesRead    int64   `json:"bytes_read"` // of tables
	BytesWritten int64   `json:"bytes_written"`
	BytesUnread  int64   `json:"bytes_unread"` // of tables that are as they were
	Seconds      float64 `json:"seconds"`
}

func (a *app) compact(ctx context.Context, db *lightningdb.DB, lo, hi []byte) (compactResult, error) {
	before, start := db.Metrics(), time.Now()
	line := progress.Start(a.Screen(), "compact", func() progress.Sample {
		written := db.Metrics().Compaction.BytesWritten - before.Compaction.BytesWritten
		return progress.Sample{Count: written, Noun: "bytes written"}
	})
	err := db.Compact(ctx, lo, hi)
	line.Stop()
	after := db.Metrics()
	r := compactResult{BytesBefore: before.DiskBytes, BytesAfter: after.DiskBytes,
		BytesRead:    after.Compaction.BytesRead - before.Compaction.BytesRead,
		BytesWritten: after.Compaction.BytesWritten - before.Compaction.BytesWritten, Seconds: time.Since(start).Seconds()}
	written := r.BytesWritten + after.Flush.BytesWritten - before.Flush.BytesWritten
	for _, level := range after.Levels {
		r.BytesUnread += level.Bytes
	}
	r.BytesUnread = max(0, r.BytesUnread-written)
	return r, err
}

// reportCompaction says what was done, and what was not: a table in which there is nothing to remove is not even read,
// so that nobody knows whether it is whole.
func (a *app) reportCompaction(r compactResult) error {
	if a.JSON {
		return jsonline.Write(a.Stdout, r)
	}
	if a.Quiet {
		return nil
	}
	text := "nothing to compact"
	if r.BytesRead > 0 {
		text = fmt.Sprintf("compacted %s to %s in %s: read %s of tables and wrote %s", units.Bytes(r.BytesBefore),
			units.Bytes(r.BytesAfter), units.Duration(time.Duration(r.Seconds*float64(time.Second))), units.Bytes(r.BytesRead),
			units.Bytes(r.BytesWritten))
	}
	if r.BytesUnread > 0 {
		text += fmt.Sprintf("; %s of tables were neither read nor rewritten (verify reads and checks them)",
			units.Bytes(r.BytesUnread))
	}
	_, err := fmt.Fprintln(a.Stderr, text)
	return err
}
