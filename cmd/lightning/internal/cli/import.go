package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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
"encoding" is absent for text, or "hex" or "base64" for both strings. With
--values json the value is any JSON value, and its text is what is stored.

CSV (*.csv, or --format csv) and TSV (*.tsv, or --format tsv): the header is
key,value for text, and key_hex,value_hex or key_base64,value_base64 for bytes.
--key-column and --value-column name other columns.

A file whose name ends in .gz is compressed by gzip.`

func (a *app) importCommand() *command.Command {
	var enc entries.Encoding
	var f entries.FormFlags
	cmd := &command.Command{
		Use:     "import DIR FILE",
		Aliases: entries.Synonyms["import"],
		Short:   "Put the entries of a JSON Lines, CSV or TSV file",
		Help: `import puts every entry of FILE ("-" is standard input) into the database, and creates the
database if there is none in DIR. Existing keys get the new value. The file may have
any size. At a bad line the import ends: what is before it has been imported, nothing after it.
What import says it has imported survives a power cut.
--hex and --base64 hold for lines and headers that name no encoding.
` + formatHelp,
		MinArgs: 2, MaxArgs: 2,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		form, err := f.Form(args[1], enc)
		if err != nil {
			return err
		}
		return a.importFile(ctx, args[0], args[1], form)
	}
	cmd.Exclusive = entries.EncodingExclusive
	cmd.Flags = func(set *flag.FlagSet) {
		enc.Define(set)
		f.Define(set)
	}
	return cmd
}

// importFile opens the file first: a wrong name must not create a database. The commits on the way survive a kill only,
// which spares a sync for each; the one sync at the end, or at the error, makes everything durable before anything is
// said about it.
func (a *app) importFile(ctx context.Context, dir, path string, form exchange.Form) error {
	in, size, err := userfile.Input(ctx, path, a.Stdin)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer in.Close() // it was only read
	work := importer{meter: meter{total: size, totalBytes: true}}
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
	entries exchange.Reader
	meter   meter // counts committed entries
	batch   lightningdb.Batch
}

// run commits batch by batch until the reader ends, an error, or the end of ctx. Good entries before a bad line are
// committed.
func (i *importer) run(ctx context.Context) error {
	for ctx.Err() == nil {
		entry, err := i.entries.Read()
		if err != nil {
			return i.finish(err)
		}
		i.batch.Put(entry.Key, entry.Value)
		if i.batch.Len() >= importBatchEntries || i.batch.Size() >= importBatchBytes {
			if err := i.commit(); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// finish commits what was read before the reader ended with err.
func (i *importer) finish(err error) error {
	var bad *exchange.LineError
	end := errors.Is(err, io.EOF)
	if !end && !errors.As(err, &bad) {
		return err
	}
	if commitErr := i.commit(); commitErr != nil || end {
		return commitErr
	}
	return err
}

func (i *importer) commit() error {
	if i.batch.Len() == 0 {
		return nil
	}
	if err := i.db.Write(&i.batch); err != nil {
		return err
	}
	i.meter.entries.Add(int64(i.batch.Len()))
	i.batch.Reset()
	return nil
}
