package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/table"
)

// Run is entries in order, one for each user key, in table files that nothing names: what a transaction has written and
// memory does not hold. Its files end with Remove, with Ingest, or with the next Open, which finds them unnamed. A Run may
// be read by any number of goroutines until then.
type Run struct {
	engine   *Engine
	tables   []*tableRef // by key, disjoint
	fleeting bool
	seq      key.SeqNum // of all entries
}

// RunWriter writes a Run, in tables of the usual size. Its memory is that of one table's writer. It belongs to one
// goroutine, and ends with Finish or Abort. Whoever uses it, or an iterator of a run, must be in a call (Enter).
type RunWriter struct {
	run *Run
	out *output // the table that is being written, nil if none is
}

// NewRun returns a writer of a run that is only to be read again by this process. Its entries appear with sequence number
// seq, so that a merge of several runs prefers those with higher numbers.
func (e *Engine) NewRun(seq key.SeqNum) *RunWriter {
	return &RunWriter{run: &Run{engine: e, fleeting: true, seq: seq}}
}

// NewIngest returns a writer of a run that Ingest can commit: its tables are synced. Until then its entries appear with
// sequence number 1.
func (e *Engine) NewIngest() *RunWriter {
	return &RunWriter{run: &Run{engine: e, seq: table.LocalSeq}}
}

// Add appends an entry. User keys must increase strictly. It keeps neither user nor value. After an error only Abort is of
// use.
func (w *RunWriter) Add(user []byte, kind key.Kind, value []byte) error {
	if w.out != nil && (w.out.Full() || w.out.EstimatedSize() >= w.run.engine.budget.table) {
		if err := w.finishTable(); err != nil {
			return err
		}
	}
	if w.out == nil {
		if err := w.beginTable(user); err != nil {
			return err
		}
	}
	if err := w.out.Add(key.Make(user, table.LocalSeq, kind), value); err != nil {
		return w.failure("write a table of a run", err)
	}
	return nil
}

func (w *RunWriter) beginTable(user []byte) error {
	e := w.run.engine
	if err := e.writable(); err != nil {
		return err
	}
	if n := len(w.run.tables); n > 0 && bytes.Compare(w.run.tables[n-1].meta.Largest, user) >= 0 {
		return fmt.Errorf("run: key %q added after %q", user, w.run.tables[n-1].meta.Largest)
	}
	num := e.newNum()
	out, err := e.newOutput(num)
	if err != nil {
		return w.failure("begin a table of a run", err)
	}
	out.fleeting = w.run.fleeting
	w.out = out
	return nil
}

func (w *RunWriter) finishTable() error {
	out := w.out
	w.out = nil
	meta, err := out.Finish()
	if err != nil {
		w.run.engine.discard(filename.Make(filename.Table, out.num))
		return w.failure("finish a table of a run", err)
	}
	w.run.tables = append(w.run.tables, &tableRef{meta: numbered(meta, w.run.seq)})
	return nil
}

// failure decides what it means that a table could not be written: as in a flush, if it was to be durable.
func (w *RunWriter) failure(operation string, err error) error {
	if w.run.fleeting {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return w.run.engine.jobFailure(operation, err)
}

// Finish completes the run. After an error its files are gone.
func (w *RunWriter) Finish() (*Run, error) {
	if w.out != nil {
		if err := w.finishTable(); err != nil {
			w.Abort()
			return nil, err
		}
	}
	return w.run, nil
}

// Abort removes what was written. After Finish it does nothing that Run.Remove does not.
func (w *RunWriter) Abort() {
	if out := w.out; out != nil {
		w.out = nil
		out.Abort() // the file goes
		w.run.engine.discard(filename.Make(filename.Table, out.num))
	}
	w.run.Remove()
}

// Remove removes the files of the run. Iterators on it must be closed. It does nothing to a run that was committed.
func (r *Run) Remove() {
	for _, t := range r.tables {
		r.engine.discard(filename.Make(filename.Table, t.meta.Num))
	}
	r.letGo()
}

// letGo closes the tables of the run, which is empty then, and leaves the files.
func (r *Run) letGo() {
	for _, t := range r.tables {
		r.engine.closeTable(t)
	}
	r.tables = nil
}

// Entries is the number of entries in the run.
func (r *Run) Entries() (n uint64) {
	for _, t := range r.tables {
		n += t.meta.Entries
	}
	return n
}

// Get appends the value of user, or the operand, to dst. found is false if the run does not hold it; a tombstone is found,
// without a value.
func (r *Run) Get(dst, user []byte) (out []byte, kind key.Kind, found bool, err error) {
	i, _ := slices.BinarySearchFunc(r.tables, user, func(t *tableRef, user []byte) int {
		return bytes.Compare(t.meta.Largest, user)
	})
	if i == len(r.tables) {
		return dst, 0, false, nil
	}
	out, kind, found, err = r.getFrom(r.tables[i], dst, user)
	if err != nil || kind != key.KindMerge {
		return out, kind, found, err
	}
	if err := r.engine.Enter(); err != nil {
		return dst, 0, false, err
	}
	defer r.engine.Leave()
	it := r.NewIterator() // a lookup in a table leaves operands to iterators
	defer it.Close()
	if !it.SeekGE(key.SeekTo(user, r.seq)) {
		return dst, 0, false, it.Err()
	}
	operand, err := it.Value()
	return append(dst, operand...), kind, err == nil, err
}

func (r *Run) getFrom(t *tableRef, dst, user []byte) (out []byte, kind key.Kind, found bool, err error) {
	guard := r.engine.epochs.Enter()
	defer guard.Exit()
	return r.engine.getFromTable(t, dst, user, key.Hash(user), Latest)
}

// NewIterator returns an iterator over the run that reads through the cache. It must be closed.
func (r *Run) NewIterator() merge.Iterator {
	return merge.NewLevel(new(levelTables).of(r.engine, r.tables))
}

// NewSequentialIterator returns an iterator for one pass over the run from front to back, past the cache and with one
// table open at a time. It must be closed.
func (r *Run) NewSequentialIterator() merge.Iterator {
	return merge.NewLevel(newInputTables(context.Background(), r.engine, r.tables))
}

// inputTables is levelTables that are read once, until ctx is done.
type inputTables struct {
	levelTables
	ctx context.Context
}

func newInputTables(ctx context.Context, e *Engine, tables []*tableRef) *inputTables {
	l := &inputTables{ctx: ctx}
	l.of(e, tables)
	return l
}

func (l *inputTables) Open(i int) (merge.Iterator, error) {
	return l.engine.openInput(l.ctx, l.tables[i].meta)
}

// numbered is t with all its entries at seq.
func numbered(t *manifest.TableMeta, seq key.SeqNum) *manifest.TableMeta {
	n := *t
	n.Seq, n.SmallestSeq, n.LargestSeq = seq, seq, seq
	return &n
}

var (
	errEmptyRun    = errors.New("ingest: the run holds nothing")
	errFleetingRun = errors.New("ingest: the run was not written by NewIngest")
)
