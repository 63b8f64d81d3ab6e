package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/minio/minio-go/v7"
)

// small is the size, in bytes, up to which an object is read as a whole before the first byte of it is handed out: so
// an answer that is cut is asked for again, even if the object was replaced meanwhile.
const small = 64 << 10

// open begins to read an object.
func (b *Bucket) open(ctx context.Context, key string) (io.ReadCloser, error) {
	r := &reader{b: b, ctx: ctx, key: key}
	var whole []byte
	err := b.try(ctx, request{do: func(tryCtx context.Context) error {
		in, info, err := b.get(ctx, key, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		r.size, r.etag = info.Size, info.ETag
		if r.size > small {
			r.in = in
			return nil
		}
		stop := context.AfterFunc(tryCtx, in.cancel)
		defer stop()
		defer in.Close()
		whole = make([]byte, r.size)
		_, err = io.ReadFull(in, whole)
		return err
	}})
	switch {
	case err != nil:
		return nil, err
	case r.in == nil:
		return io.NopCloser(bytes.NewReader(whole)), nil
	}
	return r, nil
}

// stalling is the body of an answer, which is given up if no byte of it comes for a while.
type stalling struct {
	io.ReadCloser
	cancel context.CancelFunc
	timer  *time.Timer
	term   time.Duration
}

// get asks for an object. The answer has to begin within the term of a request, and to go on within it.
func (b *Bucket) get(ctx context.Context, key string, o minio.GetObjectOptions) (*stalling, minio.ObjectInfo, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &stalling{cancel: cancel, term: b.timeout, timer: time.AfterFunc(b.timeout, cancel)}
	body, info, _, err := b.core.GetObject(ctx, b.bucket, key, o)
	stopped := s.timer.Stop()
	if err != nil {
		cancel()
		if !stopped {
			err = fmt.Errorf("no answer within %v: %w", b.timeout, context.DeadlineExceeded)
		}
		return nil, info, err
	}
	s.ReadCloser = body
	return s, info, nil
}

func (s *stalling) Read(p []byte) (int, error) {
	s.timer.Reset(s.term)
	n, err := s.ReadCloser.Read(p)
	if !s.timer.Stop() && err != nil && err != io.EOF {
		err = fmt.Errorf("no byte within %v: %w", s.term, context.DeadlineExceeded)
	}
	return n, err
}

// Close ends the answer.
func (s *stalling) Close() error {
	s.timer.Stop()
	s.cancel()
	return s.ReadCloser.Close()
}

// reader reads a large object, and asks for the rest of it when an answer is cut.
type reader struct {
	b         *Bucket
	ctx       context.Context
	key, etag string
	size, at  int64 // bytes
	in        *stalling
}

func (r *reader) Read(p []byte) (int, error) {
	for tries := 0; ; tries++ {
		if r.at == r.size {
			return 0, io.EOF
		}
		n, err := r.in.Read(p[:min(int64(len(p)), r.size-r.at)])
		if r.at += int64(n); n > 0 || len(p) == 0 {
			return n, nil
		}
		if r.ctx.Err() != nil {
			return 0, context.Cause(r.ctx)
		}
		if err == nil {
			continue
		}
		if tries >= r.b.attempts {
			return 0, fmt.Errorf("read %s: %w: %w", r.key, ErrUnavailable, err)
		}
		if err := r.resume(); err != nil {
			return 0, fmt.Errorf("read %s: %w", r.key, err)
		}
	}
}

// resume asks for the rest.
func (r *reader) resume() error {
	_ = r.in.Close() // it has failed
	err := r.b.try(r.ctx, request{do: func(context.Context) error {
		o := minio.GetObjectOptions{}
		err := o.SetMatchETag(r.etag)
		if err == nil && r.at > 0 {
			err = o.SetRange(r.at, 0)
		}
		if err != nil {
			return err
		}
		in, info, err := r.b.get(r.ctx, r.key, o)
		if err != nil {
			return err
		}
		if r.in = in; info.Size != r.size-r.at {
			return ErrChanged
		}
		return nil
	}})
	if isTaken(err) {
		return ErrChanged
	}
	return named(err)
}

// Close ends the reading.
func (r *reader) Close() error { return r.in.Close() }
