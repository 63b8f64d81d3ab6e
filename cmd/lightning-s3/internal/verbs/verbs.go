// Package verbs holds the commands of lightning-s3. They are those that lightning has for a repository in a folder,
// with the same flags, results and exit codes, by package repositories; only the place of the repository is another. It
// turns arguments into calls of that and of package s3, and owns no data.
//
// # What a name means
//
// A repository is s3://BUCKET/PREFIX, and one backup of it s3://BUCKET/PREFIX/ID. What ends in the form of an ID is a
// backup: nothing is asked of the bucket to tell them apart.
//
// # Keys
//
// There is no flag for a key: what is on a command line everybody on the machine can read, and shells remember it. Keys
// come from the environment or from a file, as the tools of AWS have it.
package verbs

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/backup/s3"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/internal/repositories"
)

// Main runs one command line, without the program's name, until it ends or SIGINT or SIGTERM stops it, and returns the
// exit code.
func Main(args []string) int {
	return console.Main(func(ctx context.Context, env console.Env) int { return Run(ctx, args, env) })
}

// Run is Main with a context and a world of the caller's.
func Run(ctx context.Context, args []string, env console.Env) int {
	a := &app{App: console.App{Env: env, Name: "lightning-s3", Classify: classify}}
	return a.App.Run(ctx, a.program(), args)
}

// app is one run of the program.
type app struct {
	console.App
	bucket s3.Options // as the flags say
}

const help = `lightning-s3 keeps backups of Lightning DB databases in a bucket, of Amazon S3 or of a server that speaks
its protocol. A REPOSITORY is s3://BUCKET/PREFIX; the bucket must exist, and the first backup makes
what is under PREFIX a repository:

  export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...
  lightning-s3 backup ./db s3://backups/orders --endpoint https://s3.eu-central-1.amazonaws.com
  lightning-s3 list s3://backups/orders
  lightning-s3 restore ./restored s3://backups/orders

Without --endpoint and --region, AWS_ENDPOINT_URL and AWS_REGION say where it is. Keys come from
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or from the file that
--credentials-file names, or ~/.aws/credentials. No flag takes one.

Exit codes:
  0    done
  1    failed
  2    wrong use of the command line
  4    the database is locked by another process that cannot be followed
  5    the database or a backup is damaged
  6    no space left
  130  interrupted (SIGINT, SIGTERM)`

func (a *app) program() *command.Program {
	p := &command.Program{Name: a.Name, Help: help, Flags: a.flags, Out: a.Stdout}
	r := a.repositories()
	p.Commands = []*command.Command{a.backupCommand(), a.restoreCommand(), r.List(), a.verifyCommand(), r.Diff(),
		r.Prune(), r.Archive(), a.VersionCommand(), a.CompletionCommand(p)}
	return p
}

// repositories are the commands on a repository, of those in buckets.
func (a *app) repositories() *repositories.Verbs {
	return &repositories.Verbs{App: &a.App, At: a.open, Example: "s3://backups/orders"}
}

// flags are those of every command.
func (a *app) flags(f *flag.FlagSet) {
	a.DefineFlags(f)
	f.StringVar(&a.bucket.Endpoint, "endpoint", a.Getenv("AWS_ENDPOINT_URL"),
		"`ADDRESS` of the server, like https://s3.eu-central-1.amazonaws.com")
	f.StringVar(&a.bucket.Region, "region", a.Getenv("AWS_REGION"), "`NAME` of the bucket's region")
	f.StringVar(&a.bucket.CredentialsFile, "credentials-file", "", "`FILE` with keys")
	f.StringVar(&a.bucket.Profile, "profile", "", "`NAME` of the part of that file with the keys")
}

// scheme is what the name of a repository begins with.
const scheme = "s3://"

// open opens a repository.
func (a *app) open(ctx context.Context, place string, access repositories.Access) (*backup.Repository, error) {
	rest, ok := strings.CutPrefix(place, scheme)
	o := a.bucket
	o.Bucket, o.Prefix, _ = strings.Cut(rest, "/")
	o.ReadOnly = !access.Writes()
	switch {
	case !ok || o.Bucket == "":
		return nil, console.Usage(fmt.Errorf("%q is no place in a bucket", place), "write s3://BUCKET/PREFIX")
	case o.Endpoint == "":
		return nil, console.Usage(errors.New("it is not said where the bucket is"),
			"give --endpoint https://HOST, or set AWS_ENDPOINT_URL")
	}
	bucket, err := s3.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return backup.Open(ctx, bucket)
}

// classify finds the class of errors that repositories and buckets have.
func classify(err error) (console.Class, bool) {
	for _, c := range []console.Class{
		{Is: s3.ErrUnsafe, Code: console.ExitFailure, Name: "unsafe-bucket", Advice: "nothing was changed"},
		{Is: s3.ErrCredentials, Code: console.ExitFailure, Name: "no-keys", Advice: "see `lightning-s3 help`"},
		{Is: s3.ErrDenied, Code: console.ExitFailure, Name: "denied", Advice: "then run it again"},
		{Is: s3.ErrNoBucket, Code: console.ExitFailure, Name: "no-bucket", Advice: "then run it again"},
		{Is: s3.ErrUnknown, Code: console.ExitFailure, Name: "unknown", Advice: "run it again"},
		{Is: s3.ErrUnavailable, Code: console.ExitFailure, Name: "unavailable",
			Advice: "run it again to go on: what was moved is not moved again"},
	} {
		if errors.Is(err, c.Is) {
			return c, true
		}
	}
	return repositories.Classify(err, "lightning-s3")
}

// with opens a database to read it, or follows it if another process has it open, and calls f.
func (a *app) with(dir string, f func(from backup.Source) error) error {
	a.Place = dir
	if dir == "" {
		return console.Usage(errors.New("the database directory is empty"), "name a directory")
	}
	o := lightningdb.Options{ReadOnly: true, MustExist: true, MemoryLimit: int64(a.MemoryLimit)}
	db, err := lightningdb.Open(dir, &o)
	if err == nil {
		return console.Also(f(db), db.Close())
	}
	if !errors.Is(err, lightningdb.ErrLocked) {
		return err
	}
	follower, followErr := lightningdb.OpenFollower(dir, &lightningdb.FollowerOptions{Interval: -1,
		MemoryLimit: o.MemoryLimit})
	if errors.Is(followErr, lightningdb.ErrNoWriter) || errors.Is(followErr, lightningdb.ErrNoDatabase) {
		return fmt.Errorf("%w (it cannot be followed: %w)", err, followErr)
	}
	if followErr != nil {
		return followErr
	}
	return console.Also(f(follower), follower.Close())
}
