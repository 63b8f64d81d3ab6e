package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"lightningdb/backup"
	"lightningdb/internal/system/calls"
)

// Bucket is a backup.Store.
type Bucket struct {
	core     *minio.Core
	bucket   string
	prefix   string // of all keys; with a slash at its end, or empty
	readOnly bool
	timeout  time.Duration // of a request
	slowTerm time.Duration // of one that the server may think about: to copy, or to join parts
	slowest  int64         // bytes a second, of a request that is not given up
	attempts int
	pause    time.Duration // after the first try
	partSize int64         // bytes, the least of a multipart upload
	maxCopy  int64         // bytes, up to which one request copies an object
}

var _ backup.Store = (*Bucket)(nil)

// Open opens a bucket, and tries out whether it keeps what a repository needs, unless it is only to be read. The error
// may be ErrUnsafe, ErrNoBucket, ErrDenied, ErrCredentials, ErrUnavailable, and that of ctx.
func Open(ctx context.Context, o Options) (*Bucket, error) {
	ctx = calls.OrBackground(ctx)
	b, err := o.bucket()
	if err == nil && !o.ReadOnly {
		err = b.tryOut(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open bucket %q: %w", o.Bucket, err)
	}
	return b, nil
}

// key is the key of a file.
func (b *Bucket) key(name string) (string, error) {
	if !fs.ValidPath(name) || name == "." || strings.ContainsAny(name, "\\:\x00") {
		return "", fmt.Errorf("%q is no name of a file in a repository: %w", name, fs.ErrInvalid)
	}
	return b.prefix + name, nil
}

// keyToChange is key for what writes.
func (b *Bucket) keyToChange(name string) (string, error) {
	if b.readOnly {
		return "", ErrReadOnly
	}
	return b.key(name)
}

// failed is the error of a call for a file.
func failed(what, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, name, named(err))
}

// Put is that of backup.Store.
func (b *Bucket) Put(ctx context.Context, name string, r io.Reader, size int64, mode backup.PutMode) error {
	key, err := b.keyToChange(name)
	switch {
	case err != nil:
	case mode == backup.OnlyNew:
		err = b.putNew(ctx, key, r, size)
	case size > b.partSize:
		err = b.putParts(ctx, key, r, size)
	default:
		err = b.putWhole(ctx, key, r, size)
	}
	return failed("put", name, err)
}

// Open is that of backup.Store.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	key, err := b.key(name)
	var in io.ReadCloser
	if err == nil {
		in, err = b.open(ctx, key)
	}
	if err != nil {
		return nil, failed("open", name, err)
	}
	return in, nil
}

// page is how many objects one request lists.
const page = 1000

// List is that of backup.Store. In uploads/ there are the multipart uploads that have not ended.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[backup.Entry, error] {
	return func(yield func(backup.Entry, error) bool) {
		err := b.list(ctx, prefix, func(e backup.Entry) bool { return yield(e, nil) })
		if err != nil && !errors.Is(err, errEnough) {
			yield(backup.Entry{}, failed("list", prefix, err))
		}
	}
}

// errEnough says that nobody wants more of a list.
var errEnough = errors.New("enough")

func (b *Bucket) list(ctx context.Context, prefix string, yield func(backup.Entry) bool) error {
	for last := ""; ; {
		objects, err := b.listPage(ctx, b.prefix+prefix, last)
		if err != nil {
			return err
		}
		for _, o := range objects {
			name := strings.TrimPrefix(o.Key, b.prefix)
			if name == "" || strings.HasSuffix(name, "/") && o.Size == 0 {
				continue // how consoles draw a folder
			}
			if !yield(backup.Entry{Name: name, Size: o.Size}) {
				return errEnough
			}
		}
		if len(objects) < page {
			break
		}
		last = objects[len(objects)-1].Key
	}
	if !strings.HasPrefix(uploads, prefix) && !strings.HasPrefix(prefix, uploads) {
		return nil
	}
	open, err := b.openUploads(ctx)
	for _, u := range open {
		if strings.HasPrefix(u.name, prefix) && !yield(backup.Entry{Name: u.name, Size: u.size}) {
			return errEnough
		}
	}
	return err
}

// listPage lists at most a page of what comes after a key.
func (b *Bucket) listPage(ctx context.Context, prefix, after string) (objects []minio.ObjectInfo, err error) {
	return objects, b.try(ctx, request{do: func(ctx context.Context) error {
		objects = objects[:0]
		for o := range b.core.ListObjectsIter(ctx, b.bucket, minio.ListObjectsOptions{Prefix: prefix, StartAfter: after,
			Recursive: true, MaxKeys: page}) {
			if o.Err != nil {
				return o.Err
			}
			if objects = append(objects, o); len(objects) == page {
				break
			}
		}
		return ctx.Err() // when that ends, the list does so without a word
	}})
}

// Remove is that of backup.Store.
func (b *Bucket) Remove(ctx context.Context, name string) error {
	key, err := b.keyToChange(name)
	if err == nil && strings.HasPrefix(name, uploads) {
		err = b.abortUpload(ctx, name)
	}
	if err == nil {
		err = b.try(ctx, request{do: func(ctx context.Context) error {
			return b.core.RemoveObject(ctx, b.bucket, key, minio.RemoveObjectOptions{})
		}})
	}
	if isMissing(err) {
		return nil
	}
	return failed("remove", name, err)
}

// Copy is that of backup.Store. The server copies.
func (b *Bucket) Copy(ctx context.Context, from, to string) error {
	source, err := b.key(from)
	target := ""
	if err == nil {
		target, err = b.keyToChange(to)
	}
	var size int64
	if err == nil {
		size, _, err = b.stat(ctx, source)
	}
	switch {
	case err != nil:
	case size > b.maxCopy:
		err = b.copyParts(ctx, source, target, size)
	default:
		err = b.try(ctx, request{slow: true, do: func(ctx context.Context) error {
			_, err := b.core.Client.CopyObject(ctx, minio.CopyDestOptions{Bucket: b.bucket, Object: target},
				minio.CopySrcOptions{Bucket: b.bucket, Object: source})
			return err
		}})
	}
	return failed("copy", from, err)
}

// stat is the size of an object, and the random number of the put that made it.
func (b *Bucket) stat(ctx context.Context, key string) (size int64, token string, err error) {
	return size, token, b.try(ctx, request{do: func(ctx context.Context) error {
		info, err := b.core.StatObject(ctx, b.bucket, key, minio.StatObjectOptions{})
		size, token = info.Size, info.UserMetadata[tokenKey]
		return err
	}})
}
