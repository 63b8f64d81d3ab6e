package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/userfile"
)

func (a *app) backupCommand() *command.Command {
	var force bool
	return &command.Command{
		Use:     "backup DIR FILE",
		Aliases: entries.Synonyms["backup"],
		Short:   "Write the whole database to one file",
		Help: `backup writes everything that is committed in DIR, and nothing after, to FILE ("-" is standard output):
a tar with the files of a database and a SHA-256 of each. restore makes a database of it; without
this program, tar does:

  mkdir new && tar xf FILE -C new && (cd new && sha256sum -c SHA256SUMS)

FILE appears when it is complete, never before, and is not replaced without --force. Each table is
verified before it is written: if one is damaged, backup exits with 5 and writes nothing.

If another process has DIR open, it copies what that one has published, while that one goes on.`,
		MinArgs: 2, MaxArgs: 2,
		Flags: func(f *flag.FlagSet) { f.BoolVar(&force, "force", false, "replace FILE if it exists") },
		Run: func(ctx context.Context, args []string) error {
			return a.read(args[0], func(from source) error { return a.backup(ctx, from, args[1], force) })
		},
	}
}

// backupResult is the outcome of backup and restore with --json.
type backupResult struct {
	Database string    `json:"database"` // id of the one that was backed up
	Sequence uint64    `json:"sequence"` // of the newest commit in it
	Time     time.Time `json:"time"`     // when the backup was begun
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
	Seconds  float64   `json:"seconds"` // that it took now
}

func resultOf(info *backup.Info, took time.Duration) backupResult {
	r := backupResult{Database: info.Database, Sequence: info.Sequence, Time: info.Time, Files: len(info.Files),
		Seconds: took.Seconds()}
	for _, f := range info.Files {
		r.Bytes += f.Size
	}
	return r
}

func (a *app) backup(ctx context.Context, from source, path string, force bool) error {
	start, line := time.Now(), a.startBytes("backup")
	var info *backup.Info
	write := func(out io.Writer) (err error) {
		info, err = backup.Write(ctx, from, out, line.told)
		return err
	}
	var err error
	if path == "-" {
		err = write(a.Stdout)
	} else {
		err = userfile.Write(ctx, path, userfile.Options{Replace: force, Private: true}, write)
	}
	line.Stop()
	if err != nil {
		return fmt.Errorf("backup to %s: %w", path, adviseName(err))
	}
	r, results := resultOf(info, time.Since(start)), a.Stdout
	if path == "-" {
		results = a.Stderr
	}
	if a.JSON {
		return jsonline.Write(results, r)
	}
	if a.Quiet {
		return nil
	}
	_, err = fmt.Fprintf(a.Stderr, "backed up %s in %s, up to commit %d, in %s\n", units.Bytes(r.Bytes),
		units.Plural(int64(r.Files), "file"), r.Sequence, units.Duration(time.Since(start)))
	return err
}

// bytesLine is a progress line of bytes.
type bytesLine struct {
	*progress.Line
	done, total atomic.Int64
}

// startBytes begins to draw how many bytes have been moved.
func (a *app) startBytes(label string) *bytesLine {
	l := &bytesLine{}
	l.Line = progress.Start(a.Screen(), label, func() progress.Sample {
		done := l.done.Load()
		return progress.Sample{Done: done, Total: l.total.Load(), Noun: "bytes", Count: done}
	})
	return l
}

func (l *bytesLine) told(done, total int64) {
	l.done.Store(done)
	l.total.Store(total)
}
