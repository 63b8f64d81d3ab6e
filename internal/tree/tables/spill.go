package tables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
	"lightningdb/internal/tree/ranges"
	"lightningdb/internal/tree/table"
	"lightningdb/internal/tree/visible"
)

// Spill is a sorted run of a transaction's own writes that do not fit into memory: one entry for each user key, in
// table files that no manifest names. Its files end with Remove, with Ingest, or with the next Open, which finds
// them unnamed. A Spill may be read by any number of goroutines until then.
type Spill struct {
	set       *Set
	tables    []*Ref // by key, disjoint
	temporary bool
	ends      bool       // something in it does
	seq       key.SeqNum // of all entries
	deleted   span.Set   // what an ingest of it deletes before
}

// SpillWriter writes a Spill, in tables of the usual size. Its memory is that of one table's writer. It belongs to
// one goroutine, and ends with Finish or Abort. Its user, and the user of an iterator of a spill, must be in a call
// (Enter).
type SpillWriter struct {
	spill *Spill
	out   *output // the table that is being written, nil if none is
	first int     // bytes of its first key

	ctx     context.Context // how long it may wait for space
	claim   Claim           // nil: space is not asked for
	claimed func()          // gives up the claim for the table that is being written; nil if there is none
}

// Claim waits until a table of a transaction may take the given number of bytes. The caller calls release once the
// table has them.
type Claim func(ctx context.Context, bytes int64) (release func(), err error)

// Ask makes w, which is new, ask for the space of each table that holds more than tombstones.
func (w *SpillWriter) Ask(claim Claim) *SpillWriter {
	w.claim = claim
	return w
}

// Until makes w, which is new, wait for space no longer than until ctx is done.
func (w *SpillWriter) Until(ctx context.Context) *SpillWriter {
	w.ctx = ctx
	return w
}

// NewSpill returns a writer of a spill that only this process will read again. Its entries appear with sequence
// number seq, so that a merge of several spills prefers those with higher numbers.
func (s *Set) NewSpill(seq key.SeqNum) *SpillWriter {
	return &SpillWriter{spill: &Spill{set: s, temporary: true, seq: seq}, ctx: context.Background()}
}

// NewIngest returns a writer of a spill that Ingest can commit: its tables are synced. Until it is committed its
// entries appear with sequence number 1.
func (s *Set) NewIngest() *SpillWriter {
	return &SpillWriter{spill: &Spill{set: s, seq: 1}, ctx: context.Background()}
}

// Add appends an entry. User keys must increase strictly. It keeps neither user nor value. After an error only Abort
// may be called.
func (w *SpillWriter) Add(user []byte, kind key.Kind, value []byte) error {
	if w.out != nil && (w.out.Full() || w.out.EstimatedSize() >= w.completeAt(user)) {
		if err := w.finishTable(); err != nil {
			return err
		}
	}
	if w.out == nil {
		if err := w.beginTable(user); err != nil {
			return err
		}
	}
	w.spill.ends = w.spill.ends || kind == key.KindPutUntil
	if kind != key.KindDelete {
		if err := w.ask(len(value)); err != nil {
			return err
		}
	}
	if err := w.out.Add(key.Make(user, table.LocalSeq, kind), value); err != nil {
		return w.failure("write a spilled table", err)
	}
	return nil
}

// AddChunks is Add of a put whose value comes in chunks of page.ChunkSize: next lends each until its next call, and
// returns io.EOF after the last one. The caller may be out of its call while next runs. An error of next is returned as
// it is; table.ErrStreamTooLong refuses a value. Space is asked for chunk by chunk.
func (w *SpillWriter) AddChunks(user []byte, next func() ([]byte, error)) error {
	if w.out == nil {
		if err := w.beginTable(user); err != nil {
			return err
		}
	}
	var refused error
	err := w.out.AddChunks(key.Make(user, table.LocalSeq, key.KindPut), 0, func() ([]byte, error) {
		chunk, err := next()
		if err == nil {
			w.release() // the one before has its space
			err = w.askFor(int64(len(chunk)))
		}
		if err != io.EOF {
			refused = err
		}
		return chunk, err
	})
	if err == nil || refused != nil || errors.Is(err, table.ErrStreamTooLong) {
		return err
	}
	return w.failure("write a streamed value", err)
}

// ask claims space for the table that is being written, unless that was done before: it may be larger
// than usual by a value of valueBytes.
func (w *SpillWriter) ask(valueBytes int) error {
	if w.claim == nil || w.claimed != nil {
		return nil
	}
	return w.askFor(w.spill.set.opts.Bytes + int64(valueBytes))
}

// askFor claims the given number of bytes of space, where that is asked for.
func (w *SpillWriter) askFor(bytes int64) error {
	if w.claim == nil {
		return nil
	}
	release, err := w.claim(w.ctx, bytes)
	if err != nil {
		return fmt.Errorf("write a spilled table: %w", err)
	}
	w.claimed = release
	return nil
}

// release gives up the claim for a table that has its space, or never will.
func (w *SpillWriter) release() {
	if w.claimed != nil {
		w.claimed()
		w.claimed = nil
	}
}

// completeAt is the size in bytes at which the table is complete, if user is the first key that is not in it.
func (w *SpillWriter) completeAt(user []byte) int64 {
	return compaction.CompleteAt(w.spill.set.opts.Bytes, w.first+len(user))
}

func (w *SpillWriter) beginTable(user []byte) error {
	s := w.spill.set
	if err := s.opts.Dir.Writable(); err != nil {
		return err
	}
	if n := len(w.spill.tables); n > 0 && bytes.Compare(w.spill.tables[n-1].meta.Largest, user) >= 0 {
		return fmt.Errorf("spill: key %q added after %q", user, w.spill.tables[n-1].meta.Largest)
	}
	num := s.opts.Dir.NewNum()
	out, err := s.newOutput(num)
	if err != nil {
		return w.failure("begin a spilled table", err)
	}
	out.temporary = w.spill.temporary
	w.out, w.first = out, len(user)
	return nil
}

func (w *SpillWriter) finishTable() error {
	out := w.out
	w.out = nil
	defer w.release()
	meta, err := out.Finish()
	if err != nil {
		w.spill.set.opts.Dir.Discard(filename.Make(filename.Table, out.num))
		return w.failure("finish a spilled table", err)
	}
	w.spill.tables = append(w.spill.tables, &Ref{meta: numbered(meta, w.spill.seq)})
	return nil
}

// failure is the error of a table that could not be written. If the table was to be durable, it counts as in a
// flush.
func (w *SpillWriter) failure(operation string, err error) error {
	if w.spill.temporary {
		return fmt.Errorf("%s: %w", operation, err)
	}
	return w.spill.set.opts.Dir.FailUnlessTransient(operation, err)
}

// Finish completes the spill. After an error its files are gone.
func (w *SpillWriter) Finish() (*Spill, error) {
	if w.out != nil {
		if err := w.finishTable(); err != nil {
			w.Abort()
			return nil, err
		}
	}
	return w.spill, nil
}

// Abort removes what was written. After Finish it does nothing that Spill.Remove does not.
func (w *SpillWriter) Abort() {
	if out := w.out; out != nil {
		w.out = nil
		out.Abort() // the file is removed
		w.release()
		w.spill.set.opts.Dir.Discard(filename.Make(filename.Table, out.num))
	}
	w.spill.Remove()
}

// Remove removes the files of the spill. Iterators on it must be closed. It does nothing to a spill that was committed.
func (sp *Spill) Remove() {
	for _, t := range sp.tables {
		sp.set.opts.Dir.Discard(filename.Make(filename.Table, t.meta.Num))
	}
	sp.Forget()
}

// Forget closes the tables of the spill, which is empty then, and leaves the files: they are the tree's, or it is
// not known whose they are.
func (sp *Spill) Forget() {
	for _, t := range sp.tables {
		sp.set.Forget(t)
	}
	sp.tables = nil
}

// Entries is the number of entries in the spill.
func (sp *Spill) Entries() (n uint64) {
	for _, t := range sp.tables {
		n += t.meta.Entries
	}
	return n
}

// Ends reports whether something in it ends.
func (sp *Spill) Ends() bool { return sp.ends }

// Temporary reports whether only this process will read the spill again: then it cannot be ingested.
func (sp *Spill) Temporary() bool { return sp.temporary }

// Tables is the tables of the spill, with all their entries at seq.
func (sp *Spill) Tables(seq key.SeqNum) []*manifest.TableMeta {
	tables := make([]*manifest.TableMeta, len(sp.tables))
	for i, t := range sp.tables {
		tables[i] = numbered(t.meta, seq)
	}
	return tables
}

// Delete makes the commit of the spill delete the keys of deleted: all that is older than its entries. It borrows the
// bounds.
func (sp *Spill) Delete(deleted span.Set) { sp.deleted = deleted }

// Deleted is what Delete was given.
func (sp *Spill) Deleted() span.Set { return sp.deleted }

// Tombstones is what Delete was given, at seq, that of the entries: these are not older, so they stay.
func (sp *Spill) Tombstones(seq key.SeqNum) []ranges.Tombstone {
	tombstones := make([]ranges.Tombstone, len(sp.deleted))
	for i, s := range sp.deleted {
		tombstones[i] = ranges.Tombstone{Span: s, Seq: seq}
	}
	return tombstones
}

// Get appends the value of user, or the operand, to dst. found is false if the spill does not hold user; a tombstone
// is found, without a value. Of the kinds that show a value, show it until its end, or hide the key there is one each;
// when there are more, the kind must come from the entry, as that of an operand does.
func (sp *Spill) Get(dst, user []byte) (out []byte, kind key.Kind, found bool, err error) {
	i, _ := slices.BinarySearchFunc(sp.tables, user, func(t *Ref, user []byte) int {
		return bytes.Compare(t.meta.Largest, user)
	})
	if i == len(sp.tables) {
		return dst, 0, false, nil
	}
	out, effect, err := sp.getFrom(sp.tables[i], dst, user)
	switch {
	case err != nil || effect == visible.Skip:
		return dst, 0, false, err
	case effect == visible.Show:
		return out, key.KindPut, true, nil
	case effect == visible.Until:
		return out, key.KindPutUntil, true, nil
	case effect == visible.Hide:
		return dst, key.KindDelete, true, nil
	}
	if err := sp.set.opts.Gate.Enter(); err != nil {
		return dst, 0, false, err
	}
	defer sp.set.opts.Gate.Leave()
	it := sp.NewIterator() // a lookup in a table leaves operands to iterators
	defer it.Close()
	if !it.SeekGE(key.SeekTo(user, sp.seq)) {
		return dst, 0, false, it.Err()
	}
	operand, err := it.Value()
	return append(dst, operand...), it.Key().Trailer.Kind(), err == nil, err
}

func (sp *Spill) getFrom(t *Ref, dst, user []byte) (out []byte, effect visible.Effect, err error) {
	guard := sp.set.opts.Epochs.Enter()
	defer guard.Exit()
	r, err := sp.set.reader(t)
	if err != nil {
		return dst, visible.Skip, err
	}
	return r.Get(dst, user, key.Hash(user), visible.Reader{Seq: key.MaxSeqNum})
}

// NewIterator returns an iterator over the spill that reads through the cache. It must be closed.
func (sp *Spill) NewIterator() merge.Iterator {
	return merge.NewLevel(new(Level).Reset(sp.set, sp.tables))
}

// NewSequentialIterator returns an iterator for one pass over the spill from front to back, without the cache and
// with one table open at a time. It must be closed.
func (sp *Spill) NewSequentialIterator() merge.Iterator {
	return sp.set.Inputs(context.Background(), sp.tables)
}

// numbered is t with all its entries at seq.
func numbered(t *manifest.TableMeta, seq key.SeqNum) *manifest.TableMeta {
	n := *t
	n.Seq, n.SmallestSeq, n.LargestSeq = seq, seq, seq
	return &n
}
