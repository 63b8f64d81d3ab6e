package tree

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
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/table"
)

// maxOpenTables bounds the file descriptors that open tables hold, whatever the memory limit allows.
const maxOpenTables = 500

// tableRef is a table of the tree. Its file is opened when first needed and may be closed again when many others are.
type tableRef struct {
	meta  *manifest.TableMeta
	views int // views that name it; guarded by Tree.mu

	open   atomic.Pointer[openTable] // nil while closed; swapped under openTables.mu
	recent atomic.Bool               // read since the clock hand last passed
}

// openTable is an open table and who holds it: its tableRef while it is there, and every iterator on it. Point
// readers are covered by the epoch.
type openTable struct {
	*table.Reader
	refs atomic.Int32
}

// unrefTable gives back one reference. After the last one Reclaim closes the table: not here, because this may run in
// the guard of an unrelated reader or under a lock.
func (tr *Tree) unrefTable(o *openTable) {
	if o.refs.Add(-1) > 0 {
		return
	}
	tr.deadMu.Lock()
	tr.shut = append(tr.shut, o)
	tr.deadMu.Unlock()
	tr.opts.Unused()
}

// openTables bounds how many tables are open, in number and in bytes of directory, by a clock over those that are.
type openTables struct {
	mu    sync.Mutex // held while a table is opened: I/O of a few pages
	refs  []*tableRef
	hand  int
	bytes int64
}

// reader returns t opened. The caller is inside the epoch; the result is valid until it leaves.
func (tr *Tree) reader(t *tableRef) (*openTable, error) {
	if o := t.open.Load(); o != nil {
		if !t.recent.Load() {
			t.recent.Store(true)
		}
		return o, nil
	}
	return tr.openTable(t)
}

// acquireReader returns t opened with a reference for the caller, who is outside the epoch.
func (tr *Tree) acquireReader(t *tableRef) (*openTable, error) {
	guard := tr.epochs.Enter()
	defer guard.Exit()
	o, err := tr.reader(t)
	if err == nil {
		o.refs.Add(1) // the reference of t.open outlives this guard
	}
	return o, err
}

func (tr *Tree) openTable(t *tableRef) (*openTable, error) {
	c := &tr.open
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := t.open.Load(); o != nil {
		return o, nil
	}
	if tr.gate.Closed() {
		return nil, calls.ErrClosed
	}
	for len(c.refs) > 0 && (len(c.refs) >= maxOpenTables || c.bytes > tr.opts.Budget.OpenTables) {
		tr.evictTableLocked()
	}
	o, err := tr.openTableFile(t.meta)
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
func (tr *Tree) openTableFile(meta *manifest.TableMeta) (*openTable, error) {
	return tr.openTableUntil(context.Background(), meta)
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
func (tr *Tree) openTableUntil(ctx context.Context, meta *manifest.TableMeta) (*openTable, error) {
	name := filename.Make(filename.Table, meta.Num)
	file, err := tr.dir.FS().Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, tr.dir.TakenOver(corrupt.New(name, -1, "the manifest names this table, but the file is missing"))
	}
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	if ctx.Done() != nil {
		file = untilFile{file, ctx}
	}
	r, err := table.Open(file, table.OpenOptions{
		Name: name, ID: meta.ID, Size: meta.Size, Cache: tr.cache, Buffers: tr.buffers, Seq: meta.Seq})
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
func (tr *Tree) evictTableLocked() {
	c := &tr.open
	for range 2 * len(c.refs) {
		c.hand %= len(c.refs)
		if !c.refs[c.hand].recent.Swap(false) {
			break
		}
		c.hand++
	}
	c.hand %= len(c.refs)
	tr.closeTableLocked(c.hand)
}

// closeTableLocked closes the open table at index i of the clock, once no reader has it.
func (tr *Tree) closeTableLocked(i int) {
	c := &tr.open
	o := c.refs[i].open.Swap(nil)
	c.bytes -= o.ResidentBytes()
	last := len(c.refs) - 1
	c.refs[i] = c.refs[last]
	c.refs = c.refs[:last]
	tr.epochs.Retire(func() { tr.unrefTable(o) })
}

// closeTable closes t, which no view names any more.
func (tr *Tree) closeTable(t *tableRef) {
	c := &tr.open
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.refs, t); i >= 0 {
		tr.closeTableLocked(i)
	}
}

// closeAllTables closes every open table.
func (tr *Tree) closeAllTables() {
	tr.open.mu.Lock()
	defer tr.open.mu.Unlock()
	for len(tr.open.refs) > 0 {
		tr.closeTableLocked(0)
	}
}
