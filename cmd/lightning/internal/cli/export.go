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
	var bucket entries.Bucket
	var force, noNested bool
	cmd := &command.Command{
		Use:     "export DIR FILE",
		Aliases: entries.Synonyms["export"],
		Short:   "Write entries to a JSON Lines, CSV or TSV file",
		Help: `export writes every entry, or those of a range, in key order to FILE ("-" is standard output).
FILE appears when it is complete, never before, and is not replaced without --force. A FIFO or
device is written into, and a symbolic link followed.
JSON Lines carry every byte string. CSV text does not: where it cannot, export fails and asks
for --hex or --base64.
Buckets are exported with all that is in them, which CSV cannot carry. With --bucket it is that
bucket alone, with those in it; --no-nested leaves these out, and so does a range.
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
			ranges := lo != nil || hi != nil
			work := exporter{form: form, state: state, bucket: bucket, lo: lo, hi: hi, nested: !ranges && !noNested}
			if !ranges && len(bucket.Path) == 0 {
				work.meter.total = entries.Estimate(from.Metrics())
			}
			if err := work.check(); err != nil {
				return err
			}
			return a.export(ctx, &work, args[1], force)
		})
	}
	cmd.Exclusive, cmd.Empty = entries.RangeExclusive, entries.RangeEmpty
	cmd.Flags = func(set *flag.FlagSet) {
		s.Define(set)
		f.Define(set)
		bucket.Define(set)
		set.BoolVar(&noNested, "no-nested", false, "leave out the buckets in the root, or in that of --bucket")
		set.BoolVar(&force, "force", false, "replace FILE if it exists")
	}
	return cmd
}

// exporter moves entries from a database to a writer.
type exporter struct {
	form   exchange.Form
	state  *lightningdb.Snapshot
	bucket entries.Bucket // that the paths in the file begin at
	nested bool           // the buckets in it, too
	lo, hi []byte         // of its own keys
	meter  meter
}

// check refuses a form that would leave out buckets without a word.
func (e *exporter) check() error {
	if _, err := e.bucket.Of(e.state); err != nil {
		return err
	}
	if !e.nested || e.form.Format == exchange.JSONLines {
		return nil
	}
	nested, err := entries.HasBuckets(e.state, e.bucket.Path)
	if nested && err == nil {
		err = console.Usage(fmt.Errorf("there are buckets, which %s cannot carry", e.form.Format),
			"use --format jsonl, or --no-nested, with --bucket for each of them")
	}
	return err
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
	if e.form.Format != exchange.JSONLines {
		to := exchange.NewWriter(out, e.form)
		return errors.Join(e.writeKeys(ctx, to), to.Flush())
	}
	to := exchange.NewJSONWriter(out, e.form)
	err := e.writeKeys(ctx, to)
	if err == nil && e.nested {
		const recursive = true
		err = entries.EachBucket(ctx, e.state, e.bucket.Path, recursive, func(path []string) error {
			return e.writeBucket(ctx, to, path)
		})
	}
	return errors.Join(err, to.Flush())
}

// writeKeys writes the keys that are in no nested bucket.
func (e *exporter) writeKeys(ctx context.Context, to exchange.Writer) error {
	in, err := e.bucket.Of(e.state)
	if err != nil {
		return err
	}
	return e.writeRange(ctx, to, in.Range(e.lo, e.hi))
}

// writeBucket writes the bucket at path and its keys. In the file its path begins in that of e.
func (e *exporter) writeBucket(ctx context.Context, to *exchange.JSONWriter, path []string) error {
	b, err := e.state.Bucket(path...)
	if err != nil {
		return err
	}
	sequence, err := b.Sequence()
	if err == nil {
		err = to.Enter(path[len(e.bucket.Path):], sequence)
	}
	if err != nil {
		return err
	}
	return e.writeRange(ctx, to, b.Range(nil, nil))
}

func (e *exporter) writeRange(ctx context.Context, to exchange.Writer, found *lightningdb.Range) error {
	const keysOnly = false
	return entries.Each(ctx, found, keysOnly, func(key, value []byte) error {
		e.meter.entries.Add(1)
		return to.Write(key, value)
	})
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
