package entries

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/jsonline"
	"lightningdb/cmd/lightning/internal/text"
)

// ErrNested refuses to drop a bucket that has others in it.
var ErrNested = errors.New("there are buckets in it")

// Path reads an argument that must be the path of a bucket, or of the root.
func Path(arg string) ([]string, error) {
	var b Bucket
	if err := b.Set(arg); err != nil {
		return nil, &command.UsageError{Problem: fmt.Sprintf("the path %.300q is wrong: %v", arg, err),
			Hint: "write names with / between them, like app/users"}
	}
	return b.Path, nil
}

// Nesting is what tells of buckets: a database, snapshot or transaction.
type Nesting interface {
	Bucket(path ...string) (*lightningdb.Bucket, error)
	Buckets(path ...string) iter.Seq2[string, error]
}

// EachBucket calls f with the path of every bucket in the one at path, each before those in it if they are wanted, too,
// until f fails or ctx ends. f may keep the path. The names of one bucket are in memory at a time, for each level.
func EachBucket(ctx context.Context, from Nesting, path []string, recursive bool, f func(path []string) error) error {
	for name, err := range from.Buckets(path...) {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		in := append(slices.Clone(path), name)
		if err := f(in); err != nil {
			return err
		}
		if !recursive {
			continue
		}
		if err := EachBucket(ctx, from, in, recursive, f); err != nil {
			return err
		}
	}
	return nil
}

// HasBuckets reports whether there are buckets in the one at path.
func HasBuckets(from Nesting, path []string) (bool, error) {
	for _, err := range from.Buckets(path...) {
		return err == nil, err
	}
	return false, nil
}

// ListBuckets writes a line for every bucket in the one at path: its path, as text or as JSON.
func ListBuckets(ctx context.Context, from Nesting, path []string, recursive bool, out io.Writer, json bool) error {
	to := bufio.NewWriter(out)
	err := EachBucket(ctx, from, path, recursive, func(path []string) error {
		line := text.AppendPath(nil, path)
		if !json {
			_, err := to.Write(append(line, '\n'))
			return err
		}
		return jsonline.Write(to, struct {
			Bucket string   `json:"bucket"` // as --bucket takes it
			Path   []string `json:"path"`
		}{string(line), path})
	})
	return errors.Join(err, to.Flush())
}

// MakeBucket returns the bucket at path, which is made if it is not there, with those on its path.
func MakeBucket(tx *lightningdb.Tx, path []string) (*lightningdb.Bucket, error) {
	b, err := tx.Bucket(path...)
	if !errors.Is(err, lightningdb.ErrNoBucket) {
		return b, err
	}
	for n := 1; n < len(path); n++ {
		if _, err := tx.CreateBucket(path[:n]...); err != nil && !errors.Is(err, lightningdb.ErrBucketExists) {
			return nil, err
		}
	}
	return tx.CreateBucket(path...)
}

// DropBucket removes the bucket at path, and with recursive those in it, of which else there may be none: ErrNested.
func DropBucket(tx *lightningdb.Tx, path []string, recursive bool) error {
	if !recursive {
		if nested, err := HasBuckets(tx, path); nested || err != nil {
			if err == nil {
				err = fmt.Errorf("%w: %s", ErrNested, text.AppendPath(nil, path))
			}
			return err
		}
	}
	return tx.DropBucket(path...)
}
