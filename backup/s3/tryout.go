package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"

	"github.com/minio/minio-go/v7"

	"lightningdb/backup"
)

const (
	tryoutRounds = 3
	tryoutPuts   = 8 // at once, in a round
)

// tryOut tries out whether the bucket keeps what a repository needs. What it puts is in uploads/, which means nothing
// in a repository, and which Prune clears if this is killed.
func (b *Bucket) tryOut(ctx context.Context) error {
	for range tryoutRounds {
		if err := b.tryOne(ctx, b.tryNew); err != nil {
			return err
		}
	}
	return errors.Join(b.tryOne(ctx, b.tryMatch), b.tryOne(ctx, b.tryList))
}

// tryOne makes one trial with a name of its own, and removes what is there after it.
func (b *Bucket) tryOne(ctx context.Context, trial func(ctx context.Context, name string) error) error {
	name := fmt.Sprintf("%s%016x", uploads, rand.Uint64())
	err := trial(ctx, name)
	if removed := b.try(ctx, request{do: func(ctx context.Context) error {
		return b.core.RemoveObject(ctx, b.bucket, b.prefix+name, minio.RemoveObjectOptions{})
	}}); err == nil && !isMissing(removed) {
		err = named(removed)
	}
	return err
}

// unsafe is ErrUnsafe with what was seen.
func unsafe(format string, args ...any) error {
	return fmt.Errorf("%w (%s)", ErrUnsafe, fmt.Sprintf(format, args...))
}

// tryNew lets several puts that must be new go for one name: one has to win, and what is there has to be its.
func (b *Bucket) tryNew(ctx context.Context, name string) error {
	errs := make([]error, tryoutPuts)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = b.Put(ctx, name, bytes.NewReader([]byte{byte(i)}), 1, backup.OnlyNew) })
	}
	all.Wait()
	won, winner := 0, 0
	for i, err := range errs {
		switch {
		case err == nil:
			won, winner = won+1, i
		case code(err) == "NotImplemented":
			return unsafe("it does not know If-None-Match")
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	if won != 1 {
		return unsafe("of %d puts with If-None-Match at once %d have won", len(errs), won)
	}
	is, err := b.content(ctx, name)
	if err == nil && !bytes.Equal(is, []byte{byte(winner)}) {
		err = unsafe("a put with If-None-Match that was refused has had its effect")
	}
	return err
}

func (b *Bucket) content(ctx context.Context, name string) ([]byte, error) {
	in, err := b.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(in)
	return text, errors.Join(err, in.Close())
}

// tryMatch puts over an object what says that it has seen an older one.
func (b *Bucket) tryMatch(ctx context.Context, name string) error {
	key := b.prefix + name
	var stale string
	for _, text := range []string{"1", "2"} {
		if err := b.Put(ctx, name, bytes.NewReader([]byte(text)), 1, backup.Replace); err != nil {
			return err
		}
		if text == "1" {
			err := b.try(ctx, request{do: func(ctx context.Context) error {
				info, err := b.core.StatObject(ctx, b.bucket, key, minio.StatObjectOptions{})
				stale = info.ETag
				return err
			}})
			if err != nil {
				return named(err)
			}
		}
	}
	o := minio.PutObjectOptions{}
	o.SetMatchETag(stale)
	err := b.try(ctx, request{do: func(ctx context.Context) error { return b.putObject(ctx, key, []byte("3"), o) }})
	switch {
	case err == nil:
		return unsafe("a put with If-Match of an older object was taken")
	case code(err) == "NotImplemented":
		return unsafe("it does not know If-Match")
	case !isTaken(err):
		return named(err)
	}
	is, err := b.content(ctx, name)
	if err == nil && string(is) != "2" {
		err = unsafe("a put with If-Match that was refused has had its effect")
	}
	return err
}

// tryList looks whether an object is listed as soon as it is there, and not when it is gone.
func (b *Bucket) tryList(ctx context.Context, name string) error {
	for _, step := range []struct {
		what string
		do   func() error
		want bool
	}{
		{"put", func() error { return b.Put(ctx, name, bytes.NewReader(nil), 0, backup.Replace) }, true},
		{"removed", func() error { return b.Remove(ctx, name) }, false},
	} {
		if err := step.do(); err != nil {
			return err
		}
		listed := false
		for e, err := range b.List(ctx, name) {
			if err != nil {
				return err
			}
			listed = listed || e.Name == name
		}
		_, err := b.content(ctx, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if there := err == nil; listed != step.want || there != step.want {
			return unsafe("of an object that was just %s: listed %t, read %t", step.what, listed, there)
		}
	}
	return nil
}
