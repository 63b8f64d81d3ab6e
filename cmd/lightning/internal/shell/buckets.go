package shell

import (
	"context"
	"errors"
	"fmt"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/entries"
	"lightningdb/cmd/lightning/internal/text"
)

// use has the lines that follow look in another bucket.
func (s *Shell) use(ctx context.Context, args []string, _ options) error {
	var to entries.Bucket
	err := to.Set(args[0])
	var from state
	if err == nil {
		from, err = s.state(ctx)
	}
	if err == nil {
		_, err = to.Of(from)
	}
	if err != nil {
		return about("use", args[0], err)
	}
	s.bucket = to
	return nil
}

func (s *Shell) buckets(ctx context.Context, args []string, o options) error {
	var in []string
	var err error
	if len(args) > 0 {
		in, err = entries.Path(args[0])
	}
	var from state
	if err == nil {
		from, err = s.state(ctx)
	}
	if err == nil {
		err = entries.ListBuckets(ctx, from, in, o.recursive, s.out, o.json)
	}
	if err != nil {
		return fmt.Errorf("buckets: %w", err)
	}
	return nil
}

// changeBuckets creates, drops or moves one.
func (s *Shell) changeBuckets(ctx context.Context, args []string, o options) error {
	verb := args[0]
	switch {
	case verb != "create" && verb != "drop" && verb != "move":
		return fmt.Errorf("bucket: %s is none of create, drop and move", word(verb))
	case (verb == "move") != (len(args) == 3):
		return errors.New("use: bucket create|drop PATH | move PATH TO")
	case o.recursive && verb != "drop":
		return errors.New("bucket: --recursive is of drop")
	}
	var paths [][]string
	for _, arg := range args[1:] {
		path, err := entries.Path(arg)
		if err != nil {
			return fmt.Errorf("bucket %s: %w", verb, err)
		}
		paths = append(paths, path)
	}
	err := s.update(ctx, func(tx *lightningdb.Tx) error {
		switch verb {
		case "create":
			_, err := tx.CreateBucket(paths[0]...)
			return err
		case "drop":
			return entries.DropBucket(tx, paths[0], o.recursive)
		}
		return tx.MoveBucket(paths[0], paths[1])
	})
	if errors.Is(err, entries.ErrNested) {
		err = fmt.Errorf("%w; --recursive drops those too", err)
	}
	if err != nil {
		return about("bucket "+verb, args[1], err)
	}
	return nil
}

// paths are those of buckets that begin with begun. After an error there are none, as of keys.
func (s *Shell) paths(begun string) (paths []string) {
	in, name := text.UnfinishedPath(begun)
	from, done := s.shown()
	defer done()
	for found, err := range from.Buckets(in...) {
		if err != nil || len(paths) == maxCandidates {
			break
		}
		if len(found) >= len(name) && found[:len(name)] == name {
			paths = append(paths, string(text.AppendPath(nil, append(in[:len(in):len(in)], found))))
		}
	}
	return paths
}
