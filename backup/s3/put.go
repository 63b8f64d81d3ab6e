package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/minio/minio-go/v7"
)

// tokenKey is the metadata that holds the random number of the put which made an object. By it a put is told from
// another one with the same content.
const tokenKey = "Lightning-Put"

// newToken is such a number.
func newToken() string { return rand.Text() }

// maxNew bounds, in bytes, what is put only if it is new: it is held in memory. The largest is a description of a
// backup.
const maxNew = 512 << 20

// readExactly reads what has to be size bytes.
func readExactly(r io.Reader, size int64) ([]byte, error) {
	content := make([]byte, size)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, tooShort(err)
	}
	return content, nothingMore(r)
}

// tooShort is the error of a reader that has ended too early.
func tooShort(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("there are fewer bytes than were announced: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// nothingMore checks that a reader has ended.
func nothingMore(r io.Reader) error {
	n, err := io.ReadFull(r, make([]byte, 1))
	if n > 0 {
		return fmt.Errorf("there are more bytes than were announced: %w", io.ErrUnexpectedEOF)
	}
	if err != io.EOF {
		return err
	}
	return nil
}

// putObject makes one try to put an object. The server compares its digest.
func (b *Bucket) putObject(ctx context.Context, key string, content []byte, o minio.PutObjectOptions) error {
	o.DisableContentSha256 = true // of chunks
	sum := sha256.Sum256(content)
	_, err := b.core.PutObject(ctx, b.bucket, key, bytes.NewReader(content), int64(len(content)), "",
		hex.EncodeToString(sum[:]), o)
	return err
}

// putWhole puts an object by one request.
func (b *Bucket) putWhole(ctx context.Context, key string, r io.Reader, size int64) error {
	content, err := readExactly(r, size)
	if err != nil {
		return err
	}
	return b.try(ctx, request{bytes: size, do: func(ctx context.Context) error {
		return b.putObject(ctx, key, content, minio.PutObjectOptions{})
	}})
}

// putNew puts an object if its key has none, by a request that has its effect once at most.
func (b *Bucket) putNew(ctx context.Context, key string, r io.Reader, size int64) error {
	if size > maxNew {
		return fmt.Errorf("%d bytes are too many for what must be new: at most %d: %w", size, int64(maxNew), fs.ErrInvalid)
	}
	content, err := readExactly(r, size)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	o := minio.PutObjectOptions{UserMetadata: map[string]string{tokenKey: newToken()}}
	o.SetMatchETagExcept("*")
	err = b.try(ctx, request{bytes: size, once: true, do: func(ctx context.Context) error {
		return b.putObject(ctx, key, content, o)
	}})
	if judge(err) == unknown || isTaken(err) {
		return b.settle(ctx, key, o.UserMetadata[tokenKey], err)
	}
	return err
}

// settle finds out what has become of a put that must be new, and that has ended with err: not answered, or its key was
// taken, perhaps by itself.
func (b *Bucket) settle(ctx context.Context, key, token string, err error) error {
	_, is, statErr := b.stat(ctx, key)
	switch {
	case statErr == nil && is == token:
		return nil
	case statErr == nil || isTaken(err):
		return fs.ErrExist
	case isMissing(statErr):
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return fmt.Errorf("%w: %w", ErrUnknown, errors.Join(err, statErr))
}
