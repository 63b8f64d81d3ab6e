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
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/findings"
)

func (a *app) salvageCommand() *command.Command {
	var uncommitted bool
	return &command.Command{
		Use:     "salvage DIR TO",
		Aliases: entries.Synonyms["salvage"],
		Short:   "Write what is whole of a damaged database to a new one",
		Help: `salvage reads the damaged database in DIR, page by page and record by record, and writes a new one to TO
with every entry that is whole: of each key the newest value that can be read. It never changes DIR. It needs no
manifest and no log. TO must be empty or absent, and is empty again if salvage fails or is interrupted.

It lists what is damaged, and what may be missing, by keys; within those keys a value may be an older one, and a
deleted key may be back. Both ends of a span belong to it. Nothing is invented. Without a whole manifest the span is
all keys: those whose deletes were compacted away come back from obsolete tables and value files.

It exits with 0 if nothing is missing, and with 5 if something may be; then TO is a database all the same. A log that
ends in the middle of a commit, as a crash leaves it, is no damage to check; here it counts as something that may be
missing.

While another process has the database in DIR open for writing, it exits with 4: stop that one first.`,
		MinArgs: 2, MaxArgs: 2,
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&uncommitted, "uncommitted", false, "also take what large transactions wrote, committed or not, "+
				"where no manifest says which")
		},
		Run: func(ctx context.Context, args []string) error {
			start := time.Now()
			a.Place = args[1]
			report, err := a.salvage(ctx, args[0], args[1], uncommitted)
			if err != nil && ctx.Err() != nil {
				return console.Advise(err, "run it again: it begins anew, and nothing is left of this attempt")
			}
			if err != nil {
				return err
			}
			if err := a.reportSalvage(report, time.Since(start)); err != nil {
				return err
			}
			return findings.Incomplete(report, args[1])
		},
	}
}

func (a *app) salvage(ctx context.Context, from, to string, uncommitted bool) (*lightningdb.SalvageReport, error) {
	if from == "" || to == "" {
		return nil, console.Usage(errors.New("the database directory is empty"), "name a directory")
	}
	var done, total atomic.Int64
	line := progress.Start(a.Screen(), "salvage", func() progress.Sample {
		return progress.Sample{Done: done.Load(), Total: total.Load(), Noun: "bytes", Count: done.Load()}
	})
	defer line.Stop()
	return lightningdb.Salvage(ctx, from, to, &lightningdb.SalvageOptions{MemoryLimit: int64(a.MemoryLimit),
		Uncommitted: uncommitted, Progress: func(read, all int64) { done.Store(read); total.Store(all) }})
}

// reportSalvage lists what is damaged and what may be missing as a result, and says on stderr what was done.
func (a *app) reportSalvage(r *lightningdb.SalvageReport, took time.Duration) error {
	if a.JSON {
		return jsonline.Write(a.Stdout, findings.OfSalvage(r, took))
	}
	for _, line := range findings.SalvageLines(r) {
		if _, err := fmt.Fprintln(a.Stdout, line); err != nil {
			return err
		}
	}
	if a.Quiet {
		return nil
	}
	_, err := fmt.Fprintln(a.Stderr, findings.SalvageSummary(r, took))
	return err
}
