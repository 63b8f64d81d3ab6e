package entries

import (
	"errors"
	"flag"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/text"
	"lightningdb/kv"
)

// Bucket is a flag that says of which bucket the keys are. The zero value is the root.
type Bucket struct {
	Path  []string
	Given bool // the root may be given, too
}

// Define defines --bucket.
func (b *Bucket) Define(f *flag.FlagSet) {
	f.Var(b, "bucket", `keys are those of the bucket at `+"`PATH`"+`, like app/users; "/" in a name is \/`)
}

// String implements flag.Value.
func (b *Bucket) String() string {
	if b == nil || !b.Given {
		return ""
	}
	return string(text.AppendPath(nil, b.Path))
}

// Set implements flag.Value.
func (b *Bucket) Set(path string) (err error) {
	if path == "" {
		return errors.New("name a bucket, or / for the root")
	}
	b.Path, err = text.Path(path)
	b.Given = err == nil
	return err
}

// readable is what has buckets and a root to read: a database, snapshot or transaction.
type readable interface {
	kv.Reader
	Bucket(path ...string) (*lightningdb.Bucket, error)
}

// changeable is what has buckets and a root to change: a database or transaction.
type changeable interface {
	readable
	kv.Writer
}

// Of are the keys that b means, in from.
func (b *Bucket) Of(from readable) (kv.Reader, error) {
	if len(b.Path) == 0 {
		return from, nil
	}
	in, err := from.Bucket(b.Path...)
	if err != nil {
		return nil, err // not the nil bucket, which would be a Reader
	}
	return in, nil
}

// In are the keys that b means, in to, for who changes them.
func (b *Bucket) In(to changeable) (kv.ReadWriter, error) {
	if len(b.Path) == 0 {
		return to, nil
	}
	in, err := to.Bucket(b.Path...)
	if err != nil {
		return nil, err
	}
	return in, nil
}
