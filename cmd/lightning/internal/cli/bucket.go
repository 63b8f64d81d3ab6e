package cli

import (
	"context"
	"flag"
	"fmt"
	"slices"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/console"
	"lightningdb/cmd/lightning/internal/entries"
)

// bucketFlags are those of bucket, each of the verbs that its help names.
type bucketFlags struct {
	recursive, parents bool
	durability         console.Durability
}

// bucketVerb is what stands behind bucket.
type bucketVerb struct {
	use      string
	min, max int      // paths
	flags    []string // that it takes
	run      func(a *app, ctx context.Context, dir string, paths [][]string, f bucketFlags) error
}

var bucketVerbs = map[string]bucketVerb{
	"list":   {"list DIR [PATH]", 0, 1, []string{"recursive"}, (*app).listBuckets},
	"create": {"create DIR PATH", 1, 1, []string{"parents", "durability"}, (*app).createBucket},
	"drop":   {"drop DIR PATH", 1, 1, []string{"recursive", "durability"}, (*app).dropBucket},
	"move":   {"move DIR PATH TO", 2, 2, []string{"durability"}, (*app).moveBucket},
}

func (a *app) bucketCommand() *command.Command {
	var f bucketFlags
	cmd := &command.Command{
		Use:     "bucket list|create|drop|move DIR [PATH] [TO]",
		Aliases: entries.Synonyms["bucket"],
		Short:   "List, create, drop or move buckets",
		Help: `A bucket is a named part of a database with keys of its own, which --bucket chooses for get, put,
add, delete, scan, count, import and export. It may have other buckets in it. PATH is their names
with "/" between them, like app/users; in a name "/" is \/, and a backslash \\. "/" alone is the root.

list writes a line for each bucket in PATH or the root, with --recursive also for those in these.
create makes a bucket, and the database if there is none in DIR. Those on its path must be there;
with --parents they are made too, and it is no error if the bucket itself is there.
drop removes a bucket with its keys in one atomic commit, however many they are, with --recursive
also the buckets in it. Nothing is asked before; list and count --bucket say what would go.
move gives a bucket, with what is in it, the path TO.`,
		MinArgs: 2, MaxArgs: 4,
	}
	cmd.Run = func(ctx context.Context, args []string) error {
		verb, ok := bucketVerbs[args[0]]
		if !ok {
			return console.Usage(fmt.Errorf("bucket has no %q", args[0]), "use: lightning "+cmd.Use)
		}
		if n := len(args) - 2; n < verb.min || n > verb.max {
			return console.Usage(fmt.Errorf("bucket %s with %d paths", args[0], n), "use: lightning bucket "+verb.use)
		}
		for _, name := range []string{"recursive", "parents", "durability"} {
			if cmd.Given(name) && !slices.Contains(verb.flags, name) {
				return console.Usage(fmt.Errorf("bucket %s has no flag --%s", args[0], name), "leave it out")
			}
		}
		var paths [][]string
		for _, arg := range args[2:] {
			path, err := entries.Path(arg)
			if err != nil {
				return err
			}
			paths = append(paths, path)
		}
		return verb.run(a, ctx, args[1], paths, f)
	}
	cmd.Flags = func(set *flag.FlagSet) {
		f.durability.Define(set)
		set.BoolVar(&f.recursive, "recursive", false, "list, drop: the buckets in it too")
		set.BoolVar(&f.parents, "parents", false, "create: the buckets on the path too, if they are not there")
	}
	return cmd
}

func (a *app) listBuckets(ctx context.Context, dir string, paths [][]string, f bucketFlags) error {
	return a.read(dir, func(from source) error {
		state := from.Snapshot()
		defer state.Close()
		var in []string
		if len(paths) > 0 {
			in = paths[0]
		}
		return entries.ListBuckets(ctx, state, in, f.recursive, a.Stdout, a.JSON)
	})
}

func (a *app) createBucket(ctx context.Context, dir string, paths [][]string, f bucketFlags) error {
	return a.create(dir, f.durability, func(db *lightningdb.DB) error {
		return db.Update(ctx, func(tx *lightningdb.Tx) error {
			if f.parents {
				_, err := entries.MakeBucket(tx, paths[0])
				return err
			}
			_, err := tx.CreateBucket(paths[0]...)
			return err
		})
	})
}

func (a *app) dropBucket(ctx context.Context, dir string, paths [][]string, f bucketFlags) error {
	return a.change(dir, f.durability, func(db *lightningdb.DB) error {
		return db.Update(ctx, func(tx *lightningdb.Tx) error { return entries.DropBucket(tx, paths[0], f.recursive) })
	})
}

func (a *app) moveBucket(ctx context.Context, dir string, paths [][]string, f bucketFlags) error {
	return a.change(dir, f.durability, func(db *lightningdb.DB) error {
		return db.Update(ctx, func(tx *lightningdb.Tx) error { return tx.MoveBucket(paths[0], paths[1]) })
	})
}
