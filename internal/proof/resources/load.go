package resources

import (
	"sync/atomic"

	"lightningdb"
	"lightningdb/internal/proof/crew"
	"lightningdb/internal/proof/noise"
)

// fillBatch is how many entries one commit of fill has.
const fillBatch = 100

// fill puts keys first, first+1 and so on until their keys and values have a number of bytes, and returns the next
// key's number.
func (c *child) fill(db *lightningdb.DB, first uint64, bytes int64, least, most int) (next uint64, err error) {
	var b lightningdb.Batch
	var done atomic.Int64
	w := crew.New(0)
	c.watch(w, "fill", &done, bytes)
	defer func() { w.End(crew.ErrTimeUp); _ = w.Wait() }()
	var k, v []byte
	for next = first; done.Load() < bytes; {
		b.Reset()
		size := 0
		for range fillBatch {
			k, v = noise.Key(k[:0], next), c.noise.Value(v[:0], next, 0, least, most)
			b.Put(k, v)
			next, size = next+1, size+len(k)+len(v)
		}
		if err := db.Write(&b); err != nil {
			return next, err
		}
		done.Add(int64(size))
	}
	return next, nil
}
