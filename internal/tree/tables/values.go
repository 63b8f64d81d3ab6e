package tables

import (
	"context"
	"sync"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/page"
	"lightningdb/internal/tree/table"
	"lightningdb/internal/tree/table/block"
)

// valueFiles are the value files that tables of the set refer to, by number.
type valueFiles struct {
	mu    sync.Mutex
	files map[filename.Num]*Ref
}

// OfValues returns a reference to a value file, which tables of s can be read through until Forget.
func (s *Set) OfValues(f *manifest.ValueFile) *Ref {
	t := &Ref{meta: &manifest.TableMeta{Num: f.Num, ID: f.ID, Size: f.Size}, values: true}
	s.values.mu.Lock()
	defer s.values.mu.Unlock()
	s.values.files[f.Num] = t
	return t
}

func (v *valueFiles) get(num filename.Num) *Ref {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.files[num]
}

// forget forgets t, unless there is another by its number.
func (v *valueFiles) forget(t *Ref) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.files[t.meta.Num] == t {
		delete(v.files, t.meta.Num)
	}
}

// values reads extents for one open table. Once ctx is done, or pace fails, it does.
type values struct {
	set  *Set
	name string // of the table
	ctx  context.Context
	pace func(bytes int) error // nil for none
}

// AppendValue implements table.Values.
func (v *values) AppendValue(dst []byte, f table.ValueFile, x page.Extent) ([]byte, error) {
	o, err := v.open(f, int(x.Stored))
	if err != nil {
		return dst, err
	}
	defer v.set.unref(o)
	return o.AppendExtent(dst, x)
}

// AppendChunk implements table.Values.
func (v *values) AppendChunk(dst []byte, f table.ValueFile, x page.Extent, c *block.Chunks, n int) ([]byte, error) {
	o, err := v.open(f, x.ChunkLen(n))
	if err != nil {
		return dst, err
	}
	defer v.set.unref(o)
	return o.AppendChunk(dst, x, c, n)
}

// open returns the value file f, of which about the given number of bytes will be read, with a reference for the
// caller.
func (v *values) open(f table.ValueFile, bytes int) (*openTable, error) {
	t := v.set.values.get(f.Num)
	if t == nil || t.meta.ID != f.ID {
		return nil, corrupt.New(v.name, -1, "it refers to values in %s, which the manifest does not name",
			filename.Make(filename.Table, f.Num))
	}
	if err := v.ctx.Err(); err != nil {
		return nil, err
	}
	if v.pace != nil {
		if err := v.pace(bytes); err != nil {
			return nil, err
		}
	}
	return v.set.acquireReader(t)
}
