// Package s3 keeps a repository of backups in a bucket: of Amazon S3, or of another server that speaks its protocol.
//
//	bucket, err := s3.Open(ctx, s3.Options{Endpoint: "https://s3.eu-central-1.amazonaws.com",
//		Region: "eu-central-1", Bucket: "backups", Prefix: "orders"})
//	repo, err := backup.Open(ctx, bucket)
//	b, err := repo.Create(ctx, db, nil)
//
// It is a module of its own, so that programs which need no bucket do not carry its client. A Bucket needs no Close,
// and may be used by several goroutines and processes at once, on several machines.
//
// # What the bucket must keep
//
// Two processes never damage each other's backups because of one promise of Store: of several Puts that must be new,
// one succeeds. In a bucket that is a put with If-None-Match. Some servers do not know it, some take it and do as if it
// were not there, and some look first and write later, so that two win. Nobody would notice until a backup had lost its
// files, so Open tries it out, and refuses such a bucket with ErrUnsafe. It also refuses one whose lists show what was
// a moment ago.
//
// # Requests that fail
//
// A request that is throttled, not answered or answered with an error of the server is made again, after pauses that
// grow. One kind is not: a put that must be new, when it is not known what became of the first try. That may still
// have its effect, at any time later, and then there would be two of them. The first is done, its file is removed by
// somebody who takes the process for dead, and the second brings it back: a prune would find its mark again and go
// on. So the object itself is asked, which carries a random number of the put: it is there, or somebody else's is, or
// the error is ErrUnknown.
//
// A file of more than 8 MiB goes there in parts. It is there when all of them are, or not at all. Parts that a kill has
// left are shown by List as files in uploads/, where Repository.Prune finds and removes them.
package s3
