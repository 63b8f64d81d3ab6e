package conflict

import (
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/txn"
)

// A member of a group would commit on what one before it deletes: neither is in the tree yet.
func TestWrites_findsWhatABatchChanges(t *testing.T) {
	reads := map[string]func(r *txn.Reads){
		"key":  func(r *txn.Reads) { r.AddKey([]byte("m"), key.Hash([]byte("m"))) },
		"span": func(r *txn.Reads) { r.AddSpan(span.Span{Lo: []byte("l"), Hi: []byte("n")}) },
	}
	for _, c := range []struct {
		name  string
		write func(b *batch.Batch)
		want  bool
	}{
		{"a put of it", func(b *batch.Batch) { b.Put([]byte("m"), nil) }, true},
		{"a delete of all", func(b *batch.Batch) { b.DeleteRange(span.Span{}) }, true},
		{"a delete from before it on", func(b *batch.Batch) {
			b.DeleteRange(span.Span{Lo: []byte("x")})
			b.DeleteRange(span.Span{Lo: []byte("k"), Hi: []byte("m\x00")})
		}, true},
		{"a put of another", func(b *batch.Batch) { b.Put([]byte("n"), nil) }, false},
		{"deletes before and behind", func(b *batch.Batch) {
			b.DeleteRange(span.Span{Hi: []byte("l")})
			b.DeleteRange(span.Span{Lo: []byte("n")})
		}, false},
	} {
		for name, read := range reads {
			var b batch.Batch
			c.write(&b)
			var r txn.Reads
			read(&r)
			if got := writes(&b, &r); got != c.want {
				t.Errorf("%s, after a read of a %s: changed %v, want %v", c.name, name, got, c.want)
			}
		}
	}
}
