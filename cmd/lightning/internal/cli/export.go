package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/cmd/lightning/internal/userfile"
)

func (a *app) exportCommand() *command.Command {
	var s entries.Range
	var f entries.FormFlags
	var force bool
	cmd := &command.Command{
		Use:     "export DIR FILE",
		Aliases: entries.Synonyms["export"],
		Short:   "Write entries to a JSON Lines, CSV or TSV file",
		Help: `export writes every entry, or those of a range, in key order to FILE ("-" is standard output).
FILE appears when it is complete, never before, and is not replaced without --force. A FIFO or
device is written into, and a symbolic link followed.
JSON Lines carry every byte string. CSV text does not: where it cannot, export fails and asks
for --hex or --base64.
` + formatHelp,
		MinArgs: 2, MaxArgs: 2,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		form, err := f.Form(args[1], s.Encoding)
		if err != nil {
			return err
		}
		lo, hi, err := s.Bounds()
		if err != nil {
			return err
		}
		return a.read(args[0], func(from source) error {
			state := from.Snapshot()
			defer state.Close()
			work := exporter{form: form, from: state.Range(lo, hi)}
			if lo == nil && hi == nil {
				work.meter.total = entries.Estimate(from.Metrics())
			}
			return a.export(ctx, &work, args[1], force)
		})
	}
	cmd.Exclusive, cmd.Empty = entries.RangeExclusive, entries.RangeEmpty
	cmd.Flags = func(set *flag.FlagSet) {
		s.Define(set)
		f.Define(set)
		set.BoolVar(&force, "force", false, "replace FILE if it exists")
	}
	return cmd
}

// exporter moves entries from a database to a writer.
type exporter struct {
	form  exchange.Form
	from  *lightningdb.Range
	meter meter
}

func (a *app) export(ctx context.Context, work *exporter, path string, force bool) error {
	start := time.Now()
	line := progress.Start(a.Screen(), "export", work.meter.sample)
	var err error
	if path == "-" {
		err = work.run(ctx, a.Stdout)
	} else {
		write := func(out io.Writer) error { return work.run(ctx, out) }
		err = userfile.Write(ctx, path, userfile.Options{Replace: force}, write)
	}
	line.Stop()
	switch {
	case errors.Is(err, exchange.ErrNotText):
		err = console.Advise(err, "use --hex or --base64, or --format jsonl")
	case errors.Is(err, exchange.ErrNotJSON):
		err = console.Advise(err, "leave out --values json")
	}
	if err != nil {
		return fmt.Errorf("export to %s: %w", path, userfile.Advise(err))
	}
	result := a.Stdout
	if path == "-" {
		result = a.Stderr
	}
	return a.reportTransfer(result, "exported", false, "", &work.meter, time.Since(start))
}

func (e *exporter) run(ctx context.Context, out io.Writer) error {
	out = &countingWriter{out: out, n: &e.meter.bytes}
	if !e.form.Gzip {
		return e.write(ctx, out)
	}
	compressed := gzip.NewWriter(out)
	return errors.Join(e.write(ctx, compressed), compressed.Close())
}

func (e *exporter) write(ctx context.Context, out io.Writer) error {
	to := exchange.NewWriter(out, e.form)
	const keysOnly = false
	err := entries.Each(ctx, e.from, keysOnly, func(key, value []byte) error {
		e.meter.entries.Add(1)
		return to.Write(key, value)
	})
	return errors.Join(err, to.Flush())
}

// reportTransfer says what was done: JSON to results, a sentence to standard error.
func (a *app) reportTransfer(results io.Writer, done string, created bool, dir string, m *meter,
	elapsed time.Duration) error {
	if a.JSON {
		return jsonline.Write(results, m.result(elapsed))
	}
	if a.Quiet {
		return nil
	}
	if created {
		fmt.Fprintf(a.Stderr, "created %s\n", dir)
	}
	_, err := fmt.Fprintf(a.Stderr, "%s %s\n", done, m.summary(elapsed))
	return err
}

func entryCount(m *meter) string { return units.Plural(m.entries.Load(), "entry") }

// countingReader counts what passes.
type countingReader struct {
	in io.Reader
	n  *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// countingWriter counts what passes.
type countingWriter struct {
	out io.Writer
	n   *atomic.Int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.out.Write(p)
	c.n.Add(int64(n))
	return n, err
}
