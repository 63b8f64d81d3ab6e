package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/exchange"
	"lightningdb/cmd/lightning/internal/userfile"
)

// The size of one commit of an import, whichever is reached first.
const (
	importBatchEntries = 1000
	importBatchBytes   = 1 << 20
)

const formatHelp = `
JSON Lines (the default): one object per line,
  {"key":"user:1","value":"Ada"}
  {"key":"/wA=","value":"","encoding":"base64"}
"encoding" is absent for text, or "hex" or "base64" for both strings. A bucket
is a line by itself, and named by those of what is in it:
  {"bucket":"app/users","sequence":"41"}
  {"bucket":"app/users","key":"1","value":"Ada"}
With --values json the value is any JSON value, and its text is what is
stored.

CSV (*.csv, or --format csv) and TSV (*.tsv, or --format tsv): the header is
key,value for text, and key_hex,value_hex or key_base64,value_base64 for bytes.
--key-column and --value-column name other columns.

A file whose name ends in .gz is compressed by gzip.`

func (a *app) importCommand() *command.Command {
	var enc entries.Encoding
	var f entries.FormFlags
	var bucket entries.Bucket
	cmd := &command.Command{
		Use:     "import DIR FILE",
		Aliases: entries.Synonyms["import"],
		Short:   "Put the entries of a JSON Lines, CSV or TSV file",
		Help: `import puts every entry of FILE ("-" is standard input) into the database, and creates the
database if there is none in DIR. Existing keys get the new value. The file may have
any size. At a bad line the import ends: what is before it has been imported, nothing after it.
What import says it has imported survives a power cut. Buckets are made where they are not there.
With --bucket everything goes into that bucket, also the buckets of the file.
--hex and --base64 hold for lines and headers that name no encoding.
` + formatHelp,
		MinArgs: 2, MaxArgs: 2,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		form, err := f.Form(args[1], enc)
		if err != nil {
			return err
		}
		return a.importFile(ctx, args[0], args[1], form, bucket.Path)
	}
	cmd.Exclusive = entries.EncodingExclusive
	cmd.Flags = func(set *flag.FlagSet) {
		enc.Define(set)
		f.Define(set)
		bucket.Define(set)
	}
	return cmd
}

// importFile opens the file first: a wrong name must not create a database. The commits on the way survive a kill only,
// which spares a sync for each; the one sync at the end, or at the error, makes everything durable before anything is
// said about it.
func (a *app) importFile(ctx context.Context, dir, path string, form exchange.Form, bucket []string) error {
	in, size, err := userfile.Input(ctx, path, a.Stdin)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer in.Close() // it was only read
	work := importer{bucket: bucket, meter: meter{total: size, totalBytes: true}}
	var text io.Reader = &countingReader{in: in, n: &work.meter.bytes}
	if form.Gzip {
		if text, err = gzip.NewReader(text); err != nil {
			return fmt.Errorf("import %s: it is not compressed by gzip, or damaged: %w", path, err)
		}
	}
	return a.create(dir, console.Durability(lightningdb.Process), func(db *lightningdb.DB) error {
		work.db, work.entries = db, exchange.NewReader(text, form)
		start := time.Now()
		line := progress.Start(a.Screen(), "import", work.meter.sample)
		err := work.run(ctx)
		line.Stop()
		if err = console.Also(err, db.Sync()); err != nil {
			return fmt.Errorf("import %s: %w (%s before that imported)", path, err, entryCount(&work.meter))
		}
		return a.reportTransfer(a.Stdout, "imported", db.Recovery().Created, dir, &work.meter, time.Since(start))
	})
}

// importer moves entries from a reader to a database.
type importer struct {
	db      *lightningdb.DB
	bucket  []string // that all of it goes into; empty for the root
	entries exchange.Reader
	meter   meter // counts committed entries

	read  []exchange.Entry // not yet committed
	bytes int              // of their keys and values
}

// run commits batch by batch until the reader ends, an error, or the end of ctx. Good entries before a bad line are
// committed.
func (i *importer) run(ctx context.Context) error {
	if len(i.bucket) > 0 { // it is there then, also if the file is empty
		i.read = append(i.read, exchange.Entry{Bucket: i.bucket, IsBucket: true})
	}
	for ctx.Err() == nil {
		entry, err := i.entries.Read()
		if err != nil {
			return i.finish(ctx, err)
		}
		if len(i.bucket) > 0 {
			entry.Bucket = slices.Concat(i.bucket, entry.Bucket)
		}
		i.read = append(i.read, entry)
		i.bytes += len(entry.Key) + len(entry.Value)
		if len(i.read) >= importBatchEntries || i.bytes >= importBatchBytes {
			if err := i.commit(ctx); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// finish commits what was read before the reader ended with err.
func (i *importer) finish(ctx context.Context, err error) error {
	var bad *exchange.LineError
	end := errors.Is(err, io.EOF)
	if !end && !errors.As(err, &bad) {
		return err
	}
	if commitErr := i.commit(ctx); commitErr != nil || end {
		return commitErr
	}
	return err
}

// commit puts what was read. Of entries of the root alone it is a batch, which costs less than a transaction.
func (i *importer) commit(ctx context.Context) error {
	if len(i.read) == 0 {
		return nil
	}
	var err error
	if slices.ContainsFunc(i.read, func(e exchange.Entry) bool { return len(e.Bucket) > 0 }) {
		err = i.db.Update(ctx, func(tx *lightningdb.Tx) error { return entries.Put(tx, i.read) })
	} else {
		var batch lightningdb.Batch
		for _, e := range i.read {
			batch.Put(e.Key, e.Value)
		}
		err = i.db.Write(&batch)
	}
	if err != nil {
		return err
	}
	for _, e := range i.read {
		if !e.IsBucket {
			i.meter.entries.Add(1)
		}
	}
	clear(i.read)
	i.read, i.bytes = i.read[:0], 0
	return nil
}
