package copies

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"lightningdb/backup"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/internal/repositories"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning/internal/userfile"
)

func (v *Verbs) backupCommand() *command.Command {
	var force, readAll bool
	return &command.Command{
		Use:   "backup DIR TO",
		Short: "Write the whole database to one file, or what is new to a repository",
		Help: `backup copies everything that is committed in DIR, and nothing after. TO is a repository if it is a
directory or ends in "/", else a file.

A repository keeps many backups, and stores and moves each file of a database once: a backup takes
as long, and as much space, as what has changed since the last one. An empty or absent directory
becomes one. list, verify, diff, prune and restore work with it:

  lightning backup ./db /backup/orders/

A file ("-" is standard output) is a tar with the files of a database and a SHA-256 of each. restore
makes a database of it; without this program, tar does:

  mkdir new && tar xf FILE -C new && (cd new && sha256sum -c SHA256SUMS)

It appears when it is complete, never before, and is not replaced without --force. So does a backup
in a repository. Each table is verified before it is written: if one is damaged, backup exits with 5
and nothing is there.

If another process has DIR open, it copies what that one has published, while that one goes on.`,
		MinArgs: 2, MaxArgs: 2, Exclusive: [][2]string{{"force", "read-all"}},
		Flags: func(f *flag.FlagSet) {
			f.BoolVar(&force, "force", false, "replace the file TO if it exists")
			f.BoolVar(&readAll, "read-all", false, "repository: also read and compare tables that are in it already")
		},
		Run: func(ctx context.Context, args []string) error {
			dir, to := args[0], args[1]
			switch {
			case to == "":
				return console.Usage(errors.New("the name to write to is empty"), "name a file or a directory")
			case meansRepository(to) && force:
				return console.Usage(fmt.Errorf("%s is a directory, and --force replaces files", to), "leave it out")
			case !meansRepository(to) && readAll:
				return console.Usage(fmt.Errorf("%s is no directory, and --read-all is for repositories", to),
					`leave it out, or end the name in "/"`)
			case meansRepository(to):
				err := v.Read(dir, func(from Source) error { return v.repositories().Create(ctx, from, to, readAll) })
				return repositories.IfInterrupted(ctx, err, repositories.MovedStays) // perhaps while it was opened
			case to == "-":
				err := v.Read(dir, func(from Source) error { return v.write(ctx, from, to, force) })
				return repositories.IfInterrupted(ctx, err, "run it again: what was written is no backup")
			}
			err := v.Read(dir, func(from Source) error { return v.write(ctx, from, to, force) })
			return repositories.IfInterrupted(ctx, err, "run it again: "+to+" is as it was before")
		},
	}
}

// resultOf is what backup and restore say of a backup in one file.
func resultOf(info *backup.Info, took time.Duration) repositories.Result {
	r := repositories.Result{Database: info.Database, Sequence: info.Sequence, Time: info.Time, Seconds: took.Seconds()}
	r.Files = len(info.Files)
	for _, f := range info.Files {
		r.Bytes += f.Size
	}
	return r
}

// write makes a backup in one file.
func (v *Verbs) write(ctx context.Context, from Source, path string, force bool) error {
	line := repositories.Start(v.Screen(), "backup")
	var info *backup.Info
	write := func(out io.Writer) (err error) {
		info, err = backup.Write(ctx, from, out, line.Told)
		return err
	}
	var err error
	if path == "-" {
		err = write(v.Stdout)
	} else {
		err = userfile.Write(ctx, path, userfile.Options{Replace: force, Private: true}, write)
	}
	took := line.Stop()
	if err != nil {
		return fmt.Errorf("backup to %s: %w", path, userfile.Advise(err))
	}
	r, results := resultOf(info, took), v.Stdout
	if path == "-" {
		results = v.Stderr
	}
	if v.JSON {
		return jsonline.Write(results, r)
	}
	if v.Quiet {
		return nil
	}
	_, err = fmt.Fprintf(v.Stderr, "backed up %s in %s, up to commit %d, in %s\n", units.Bytes(r.Bytes),
		units.Plural(int64(r.Files), "file"), r.Sequence, units.Duration(took))
	return err
}
