package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/table"
)

// maxOpenTables bounds the file descriptors that open tables hold, whatever the memory limit allows.
const maxOpenTables = 500

// tableRef is a table of the tree. Its file is opened when first needed and may be closed again when many others are.
type tableRef struct {
	meta  *manifest.TableMeta
	views int // views that name it; guarded by Engine.mu

	open   atomic.Pointer[openTable] // nil while closed; swapped under openTables.mu
	recent atomic.Bool               // read since the clock hand last passed
}

// openTable is an open table and who holds it: its tableRef while it is there, and every iterator on it. Point
// readers are covered by the epoch.
type openTable struct {
	*table.Reader
	refs atomic.Int32
}

// unrefTable gives back one reference. After the last one CleanStep closes the table: not here, because this may run in
// the guard of an unrelated reader or under a lock.
func (e *Engine) unrefTable(o *openTable) {
	if o.refs.Add(-1) > 0 {
		return
	}
	e.deadMu.Lock()
	e.shut = append(e.shut, o)
	e.deadMu.Unlock()
	e.wake(e.wakeHousekeeper)
}

// openTables bounds how many tables are open, in number and in bytes of directory, by a clock over those that are.
type openTables struct {
	mu    sync.Mutex // held while a table is opened: I/O of a few pages
	refs  []*tableRef
	hand  int
	bytes int64
}

// reader returns t opened. The caller is inside the epoch; the result is valid until it leaves.
func (e *Engine) reader(t *tableRef) (*openTable, error) {
	if o := t.open.Load(); o != nil {
		if !t.recent.Load() {
			t.recent.Store(true)
		}
		return o, nil
	}
	return e.openTable(t)
}

// acquireReader returns t opened with a reference for the caller, who is outside the epoch.
func (e *Engine) acquireReader(t *tableRef) (*openTable, error) {
	guard := e.epochs.Enter()
	defer guard.Exit()
	o, err := e.reader(t)
	if err == nil {
		o.refs.Add(1) // the reference of t.open outlives this guard
	}
	return o, err
}

func (e *Engine) openTable(t *tableRef) (*openTable, error) {
	c := &e.open
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := t.open.Load(); o != nil {
		return o, nil
	}
	if e.closed.Load() {
		return nil, ErrClosed
	}
	for len(c.refs) > 0 && (len(c.refs) >= maxOpenTables || c.bytes > e.budget.openTable) {
		e.evictTableLocked()
	}
	o, err := e.openTableFile(t.meta)
	if err != nil {
		return nil, err
	}
	t.recent.Store(true)
	t.open.Store(o)
	c.refs = append(c.refs, t)
	c.bytes += o.ResidentBytes()
	return o, nil
}

// openTableFile opens the file of a table that the manifest names. That it is missing is damage.
func (e *Engine) openTableFile(meta *manifest.TableMeta) (*openTable, error) {
	return e.openTableUntil(context.Background(), meta)
}

// untilFile is a file of which nothing is read once ctx is done.
type untilFile struct {
	vfs.File
	ctx context.Context
}

func (f untilFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

// openTableUntil is openTableFile for a job of its own, which ends with ctx: before the next read.
func (e *Engine) openTableUntil(ctx context.Context, meta *manifest.TableMeta) (*openTable, error) {
	name := filename.Make(filename.Table, meta.Num)
	file, err := e.fs.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, e.takenOver(corrupt.New(name, -1, "the manifest names this table, but the file is missing"))
	}
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	if ctx.Done() != nil {
		file = untilFile{file, ctx}
	}
	r, err := table.Open(file, table.OpenOptions{
		Name: name, ID: meta.ID, Size: meta.Size, Cache: e.cache, Buffers: e.buffers, Seq: meta.Seq})
	if err != nil {
		file.Close()
		return nil, err
	}
	if !describes(meta, r.Properties()) {
		r.Close()
		return nil, corrupt.New(name, -1, "its content is not that which the manifest names")
	}
	o := &openTable{Reader: r}
	o.refs.Store(1)
	return o, nil
}

// describes reports whether what the manifest says of a table is what the table says of itself. Every word of it decides
// something: readers look for a key only in tables whose range holds it, and compactions trust the counts.
func describes(meta *manifest.TableMeta, p table.Properties) bool {
	return p.Digest == meta.Digest &&
		p.Entries == meta.Entries && p.Tombstones == meta.Tombstones && p.Shadowed == meta.Shadowed &&
		p.RawBytes == meta.RawBytes && p.SmallestSeq == meta.SmallestSeq && p.LargestSeq == meta.LargestSeq &&
		bytes.Equal(p.Smallest, meta.Smallest) && bytes.Equal(p.Largest, meta.Largest)
}

// evictTableLocked closes the first open table that was not read since the hand passed it. Two rounds suffice: the
// first clears every mark.
func (e *Engine) evictTableLocked() {
	c := &e.open
	for range 2 * len(c.refs) {
		c.hand %= len(c.refs)
		if !c.refs[c.hand].recent.Swap(false) {
			break
		}
		c.hand++
	}
	c.hand %= len(c.refs)
	e.closeTableLocked(c.hand)
}

// closeTableLocked lets go of the open table at index i of the clock.
func (e *Engine) closeTableLocked(i int) {
	c := &e.open
	o := c.refs[i].open.Swap(nil)
	c.bytes -= o.ResidentBytes()
	last := len(c.refs) - 1
	c.refs[i] = c.refs[last]
	c.refs = c.refs[:last]
	e.epochs.Retire(func() { e.unrefTable(o) })
}

// closeTable lets go of t, which no view names any more.
func (e *Engine) closeTable(t *tableRef) {
	c := &e.open
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.refs, t); i >= 0 {
		e.closeTableLocked(i)
	}
}

// closeAllTables lets go of every open table.
func (e *Engine) closeAllTables() {
	e.open.mu.Lock()
	defer e.open.mu.Unlock()
	for len(e.open.refs) > 0 {
		e.closeTableLocked(0)
	}
}
