package engine

import (
	"errors"
	"fmt"
	"testing"

	"lightningdb/internal/engine/room"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/memtable"
)

// A table that says that it was cleared of a range, and was not, brings back what was deleted when the range tombstone
// leaves: verify has to tell before that.
func TestVerify_tellsOfAnEntryThatWasToBeCleared(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	put(t, e, "a", "1")
	put(t, e, "m", "2")
	held := e.Snapshot()
	defer held.Close()
	var b batch.Batch
	b.DeleteRange(span.Span{Lo: []byte("k"), Hi: []byte("n")})
	if _, err := e.Commit(&b, false); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(e.Flush(), e.Verify(t.Context(), nil)); err != nil {
		t.Fatal(err)
	}
	v := e.tree.Current().Version()
	for _, cleared := range []key.SeqNum{2, 3} {
		v.Levels[0][0].Cleared = cleared
		err = e.Verify(t.Context(), nil)
		if damaged := errors.Is(err, corrupt.ErrCorrupt); damaged != (cleared == 3) {
			t.Errorf("cleared up to %d: %v", cleared, err)
		}
	}
}

// A program that deletes very many ranges would slow down every reader without an end, and fill memory. It is refused
// while a snapshot keeps all of them, puts go on, and it goes on itself once they are gone.
func TestDeleteRange_tooManyAreRefused(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	commit := func(change func(b *batch.Batch)) error {
		var b batch.Batch
		change(&b)
		_, err := e.Commit(&b, false)
		return err
	}
	step := func(n int) func(b *batch.Batch) {
		return func(b *batch.Batch) {
			for i := range 100 {
				lo := fmt.Appendf(nil, "k%06d", 100*n+i)
				b.DeleteRange(span.Span{Lo: lo, Hi: append(lo, 0)})
			}
		}
	}
	put := func(b *batch.Batch) { b.Put([]byte("k"), nil); b.Put([]byte("l"), nil) }
	if err := errors.Join(commit(put), e.Flush()); err != nil {
		t.Fatal(err)
	}
	held, n, most := e.Snapshot(), 0, 0
	for err = nil; err == nil && n < 1000; n++ {
		err = commit(step(n))
		most = max(most, e.tree.Active().Ranges().Len())
	}
	deleted := 100 * (n - 1)
	if !errors.Is(err, ErrTooManyRanges) || deleted > room.MaxRanges || deleted < room.MaxRanges-100 {
		t.Errorf("%d ranges were deleted, then %v", deleted, err)
	}
	if most >= memtable.MaxRanges+100 {
		t.Errorf("a memtable had %d range tombstones", most)
	}
	if err := commit(put); err != nil {
		t.Errorf("a put next to very many range tombstones: %v", err)
	}
	held.Close()
	if err := e.Compact(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := commit(step(n)); err != nil {
		t.Errorf("once nothing is left to hide: %v", err)
	}
}

// What a commit puts is not remembered as its ranges are: one range next to a value of some size would be refused for
// ever.
func TestDeleteRange_nextToManyBytes(t *testing.T) {
	e, err := Open(Options{FS: memfs.NewVolatile(), Manual: true, MemoryLimit: MinMemoryLimit})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var b batch.Batch
	b.DeleteRange(span.Prefix([]byte("user/17/")))
	b.Put([]byte("user/17/picture"), make([]byte, MinMemoryLimit/4))
	if _, err := e.Commit(&b, false); err != nil {
		t.Error(err)
	}
}
