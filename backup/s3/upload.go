package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/minio/minio-go/v7"
)

const (
	minPartSize = 8 << 20 // bytes. What is larger is put in parts
	maxParts    = 10_000  // that a server takes
	senders     = 3       // parts of one file that are on their way at once, each in a buffer of its own
	copyPart    = 1 << 30 // bytes that one request copies of a large object
)

// files is where a repository has what may be large. An upload to anywhere else is somebody else's.
const files = "files/"

// uploads is where List shows the multipart uploads that have not ended.
const uploads = "uploads/"

// partSizeOf is the size of the parts of a file.
func (b *Bucket) partSizeOf(size int64) int64 {
	return max(b.partSize, (size/maxParts+1<<20)>>20<<20)
}

// putParts puts an object in parts, so that it is there at the end, or never.
func (b *Bucket) putParts(ctx context.Context, key string, r io.Reader, size int64) error {
	return b.upload(ctx, key, func(id string) ([]minio.CompletePart, error) {
		parts, err := b.sendParts(ctx, key, id, r, size)
		if err == nil {
			err = nothingMore(r)
		}
		return parts, err
	})
}

// upload makes an object of the parts that send sends.
func (b *Bucket) upload(ctx context.Context, key string, send func(id string) ([]minio.CompletePart, error)) error {
	token := newToken()
	var id string
	err := b.try(ctx, request{do: func(ctx context.Context) (err error) {
		id, err = b.core.NewMultipartUpload(ctx, b.bucket, key,
			minio.PutObjectOptions{UserMetadata: map[string]string{tokenKey: token}})
		return err
	}})
	if err != nil {
		return err
	}
	parts, err := send(id)
	if err == nil {
		err = b.complete(ctx, key, id, token, parts)
	}
	if err != nil {
		return errors.Join(err, b.abort(context.WithoutCancel(ctx), key, id))
	}
	return nil
}

// sendParts sends a file in parts. After a failure it begins no other part, and waits for those that are on their way:
// a server that is taking one yet when its upload is aborted keeps the part, and the upload.
func (b *Bucket) sendParts(ctx context.Context, key, id string, r io.Reader, size int64) ([]minio.CompletePart, error) {
	partSize := b.partSizeOf(size)
	parts := make([]minio.CompletePart, (size+partSize-1)/partSize)
	going, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	free := make(chan []byte, senders)
	for range senders {
		free <- nil
	}
	var sending sync.WaitGroup
	for n := range parts {
		buffer := <-free
		if going.Err() != nil {
			break
		}
		if buffer == nil {
			buffer = make([]byte, partSize)
		}
		part := buffer[:min(partSize, size-int64(n)*partSize)]
		if _, err := io.ReadFull(r, part); err != nil {
			stop(tooShort(err))
			break
		}
		sending.Go(func() {
			etag, err := b.sendPart(ctx, key, id, n+1, part)
			if err != nil {
				stop(err)
			}
			parts[n] = minio.CompletePart{PartNumber: n + 1, ETag: etag}
			free <- buffer
		})
	}
	sending.Wait()
	return parts, context.Cause(going)
}

// sendPart sends one part, and returns its tag.
func (b *Bucket) sendPart(ctx context.Context, key, id string, n int, part []byte) (etag string, err error) {
	sum := sha256.Sum256(part)
	return etag, b.try(ctx, request{bytes: int64(len(part)), do: func(ctx context.Context) error {
		sent, err := b.core.PutObjectPart(ctx, b.bucket, key, id, n, bytes.NewReader(part), int64(len(part)),
			minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:]), DisableContentSha256: true})
		etag = sent.ETag
		return err
	}})
}

// complete joins the parts. A try that was not answered may have done it: then the next one finds no upload, and the
// object has the token of this one.
func (b *Bucket) complete(ctx context.Context, key, id, token string, parts []minio.CompletePart) error {
	err := b.try(ctx, request{slow: true, do: func(ctx context.Context) error {
		_, err := b.core.CompleteMultipartUpload(ctx, b.bucket, key, id, parts, minio.PutObjectOptions{})
		return err
	}})
	if err == nil || !isMissing(err) {
		return err
	}
	if _, is, statErr := b.stat(ctx, key); statErr == nil && is == token {
		return nil
	}
	return fmt.Errorf("the parts of %s are gone, perhaps by a prune or a rule of the bucket's: %w", key, errUploadGone)
}

// errUploadGone is not fs.ErrNotExist: that would say something of the file.
var errUploadGone = errors.New("put it again")

// abort removes the parts.
func (b *Bucket) abort(ctx context.Context, key, id string) error {
	err := b.try(ctx, request{do: func(ctx context.Context) error {
		return b.core.AbortMultipartUpload(ctx, b.bucket, key, id)
	}})
	if isMissing(err) {
		return nil
	}
	return err
}

// copyParts copies an object that is too large for one request.
func (b *Bucket) copyParts(ctx context.Context, from, to string, size int64) error {
	return b.upload(ctx, to, func(id string) (parts []minio.CompletePart, err error) {
		length := min(copyPart, b.maxCopy)
		for at := int64(0); at < size; at += length {
			var part minio.CompletePart
			err := b.try(ctx, request{slow: true, do: func(ctx context.Context) (err error) {
				part, err = b.core.CopyObjectPart(ctx, b.bucket, from, b.bucket, to, id, len(parts)+1, at,
					min(length, size-at), nil)
				if err == nil && part.ETag == "" {
					err = minio.ErrorResponse{Code: "InternalError", StatusCode: 500,
						Message: "a copy was answered by an error with the status of a success"}
				}
				return err
			}})
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		return parts, nil
	})
}

// openUpload is a multipart upload that has not ended.
type openUpload struct {
	name, key, id string
	size          int64 // bytes of its parts until now
}

// openUploads lists them, with a name in uploads/ for each.
func (b *Bucket) openUploads(ctx context.Context) (open []openUpload, err error) {
	for afterKey, afterID := "", ""; ; {
		var listed minio.ListMultipartUploadsResult
		err := b.try(ctx, request{do: func(ctx context.Context) (err error) {
			listed, err = b.core.ListMultipartUploads(ctx, b.bucket, b.prefix+files, afterKey, afterID, "", page)
			return err
		}})
		switch code(err) {
		case "NotImplemented", "MethodNotAllowed", "AccessDenied":
			return nil, nil // without it only the rule of the bucket's removes what a kill has left
		}
		if err != nil {
			return nil, err
		}
		for _, u := range listed.Uploads {
			size, err := b.sizeOfParts(ctx, u.Key, u.UploadID)
			if isMissing(err) {
				continue // it has ended meanwhile
			}
			if err != nil {
				return nil, err
			}
			sum := sha256.Sum256([]byte(u.Key + "\x00" + u.UploadID))
			open = append(open, openUpload{uploads + hex.EncodeToString(sum[:8]), u.Key, u.UploadID, size})
		}
		more := listed.NextKeyMarker != afterKey || listed.NextUploadIDMarker != afterID
		if !listed.IsTruncated || !more {
			return open, nil
		}
		afterKey, afterID = listed.NextKeyMarker, listed.NextUploadIDMarker
	}
}

// sizeOfParts is how many bytes an upload has until now.
func (b *Bucket) sizeOfParts(ctx context.Context, key, id string) (size int64, err error) {
	for after := 0; ; {
		var listed minio.ListObjectPartsResult
		err := b.try(ctx, request{do: func(ctx context.Context) (err error) {
			listed, err = b.core.ListObjectParts(ctx, b.bucket, key, id, after, page)
			return err
		}})
		if err != nil {
			return 0, err
		}
		for _, p := range listed.ObjectParts {
			size += p.Size
		}
		if !listed.IsTruncated || listed.NextPartNumberMarker <= after {
			return size, nil
		}
		after = listed.NextPartNumberMarker
	}
}

// abortUpload ends the upload that has a name in uploads/, if there is one.
func (b *Bucket) abortUpload(ctx context.Context, name string) error {
	open, err := b.openUploads(ctx)
	for _, u := range open {
		if u.name == name {
			return b.abort(ctx, u.key, u.id)
		}
	}
	return err
}
