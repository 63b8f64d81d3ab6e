package lightningdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/goroutine"
)

// readWrite is the state of a transaction that may write.
type readWrite struct {
	busy    atomic.Bool // a call is in progress
	over    atomic.Bool // its function has returned: whoever holds busy ends it
	misused atomic.Bool // a call met another: what it was to do is missing, so there is no commit
	done    bool        // guarded by busy, like everything below

	db        *DB
	ctx       context.Context // ends waits for locks, and forbids the commit
	options   TxOptions
	priority  bool // it locks what it reads, and never loses
	hasRead   bool // something was read: under snapshot isolation the snapshot may move no more
	txn       engine.Txn
	*memory                  // nil once another transaction may have it
	iterators []*ownIterator // open ones
	iterated  bool           // there have been iterators
	watch     watch
	err       error      // why it must not commit: the first failed read, or a lost lock
	walks     walkErrors // or a loop that ended early
	onCommit  []func(seq uint64)
	committed key.SeqNum // of the commit, once there was one
	counted   int64      // bytes of writes that the engine knows of

	savepoints []uint64 // serial numbers of those that are not void
	serial     uint64   // of the newest savepoint
	parts      []*part  // that Tx.Update is running, the innermost last
}

// memory is what a transaction that writes has read and written. A later transaction uses it again.
type memory struct {
	reads  txn.Reads
	writes txn.Writes
	batch  Batch // of the commit
}

var memories = sync.Pool{New: func() any { return new(memory) }}

// keptBatch is the size, in bytes, up to which the memory of a batch is used again.
const keptBatch = 64 << 10

// recycle gives m to a later transaction. Nothing of it may be in use any more.
func (m *memory) recycle() {
	m.reads.Reset()
	m.writes.Reset()
	if m.batch.Size() > keptBatch {
		m.batch = Batch{}
	}
	m.batch.Reset()
	memories.Put(m)
}

// beginWrite returns a transaction that may write, in one piece of memory.
func (db *DB) beginWrite(ctx context.Context, o TxOptions, self goroutine.ID) *Tx {
	t := new(struct {
		Tx
		readWrite
	})
	rw := &t.readWrite
	rw.db, rw.ctx, rw.options, rw.memory = db, ctx, o, memories.Get().(*memory)
	rw.watch.ctx = ctx
	rw.writes.Rules = db.rules
	db.engine.Begin(&rw.txn, &rw.reads, self)
	t.Tx.rw = rw
	return &t.Tx
}

// enter begins a call.
func (rw *readWrite) enter() error {
	if !rw.busy.CompareAndSwap(false, true) {
		rw.misused.Store(true)
		return ErrTxInUse
	}
	if rw.done || rw.over.Load() {
		rw.leave()
		return ErrTxDone
	}
	return nil
}

func (rw *readWrite) leave() {
	rw.busy.Store(false)
	rw.endIfOver()
}

// abandon ends the transaction, whatever it is doing: now, or when the call that another goroutine has in progress is
// done. Its locks must not stay.
func (rw *readWrite) abandon() {
	rw.over.Store(true)
	rw.endIfOver()
}

func (rw *readWrite) endIfOver() {
	if rw.over.Load() && rw.busy.CompareAndSwap(false, true) {
		rw.end()
		rw.busy.Store(false)
	}
}

// get reads k as the transaction sees it, and remembers it.
func (rw *readWrite) get(dst, k []byte) ([]byte, error) {
	w, err := rw.writes.Get(k)
	if err != nil {
		rw.fail(err)
		return dst, err
	}
	switch {
	case w == nil:
		return rw.read(dst, k)
	case w.Kind == key.KindDelete:
		return dst, ErrNotFound
	case w.Kind == key.KindMerge:
		return rw.fold(dst, k, w.Value)
	}
	return append(dst, w.Value...), nil
}

// fold reads k as the snapshot has it and appends to dst what operand makes of that.
func (rw *readWrite) fold(dst, k, operand []byte) ([]byte, error) {
	value, err := rw.read(nil, k)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return dst, err
	}
	value, err = rw.writes.Rules.Fold(k, value, err == nil, operand)
	return append(dst, value...), err
}

// merge changes k by operand.
func (rw *readWrite) merge(k, by []byte) error {
	w, err := rw.writes.Get(k)
	if err != nil {
		rw.fail(err)
		return err
	}
	if w == nil {
		rw.writes.Merge(k, by)
		return nil
	}
	if w.Kind == key.KindMerge && !w.Spilled {
		if joined, ok := operand.Join(w.Value, by); ok {
			rw.writes.Merge(k, joined)
			return nil
		}
	}
	value, err := rw.get(nil, k)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if value, err = rw.writes.Rules.Fold(k, value, err == nil, by); err == nil {
		rw.writes.Put(k, value)
	}
	return err
}

// read reads k as the snapshot has it, and remembers that.
func (rw *readWrite) read(dst, k []byte) ([]byte, error) {
	if rw.priority {
		if err := rw.lock(k); err != nil {
			return dst, err
		}
	}
	rw.hasRead = true
	if rw.keepsReads() {
		rw.txn.Reads.AddKey(k, key.Hash(k))
	}
	out, found, err := rw.txn.Snapshot().Get(dst, k)
	switch {
	case err == nil && !found:
		err = ErrNotFound
	case err != nil && !errors.Is(err, ErrMerge): // an ErrMerge is the answer
		rw.fail(err)
	}
	return out, err
}

// keepsReads reports whether the read set is kept. With it the snapshot can move forward, as long as everything that
// was read is unchanged. Under snapshot isolation only a transaction that must not lose pays for that.
func (rw *readWrite) keepsReads() bool { return rw.options.Isolation == Serializable || rw.priority }

// lock locks k for the transaction, which may move its snapshot.
func (rw *readWrite) lock(k []byte) error {
	rw.reportWalks()
	err := rw.txn.Lock(rw.ctx, k, rw.keepsReads() || !rw.hasRead)
	if err != nil {
		rw.fail(err)
	}
	return err
}

// note implements source: the commit fails after an error of a loop or cursor.
func (rw *readWrite) note(err error) {
	if rw.enter() == nil {
		defer rw.leave()
		rw.walks.note(err)
	}
}

// told implements source.
func (rw *readWrite) told(err error) {
	if rw.enter() == nil {
		defer rw.leave()
		rw.walks.told(err)
	}
}

// fail keeps the transaction from committing: it has missed something.
func (rw *readWrite) fail(err error) {
	if rw.err == nil {
		rw.err = err
	}
}

// commit ends the transaction with its commit.
func (rw *readWrite) commit() error {
	if err := rw.enter(); err != nil {
		return err
	}
	defer rw.leave()
	if len(rw.parts) > 0 {
		return fmt.Errorf("%w: Commit inside Tx.Update", ErrManagedTx)
	}
	defer rw.end()
	err := cmp.Or(rw.err, rw.walks.error())
	if rw.misused.Load() {
		err = ErrTxInUse
	}
	if err != nil {
		return fmt.Errorf("the transaction cannot commit: %w", err)
	}
	if err := rw.ctx.Err(); err != nil {
		return err
	}
	rw.endIterators() // now the read set is complete
	rw.committed, err = rw.write()
	return err
}

// announce calls the functions that OnCommit was given.
func (rw *readWrite) announce() {
	for _, fn := range rw.onCommit {
		fn(uint64(rw.committed))
	}
}

// write commits the writes.
func (rw *readWrite) write() (key.SeqNum, error) {
	if rw.writes.Spilled() {
		return rw.commitSpilled()
	}
	b := &rw.batch
	b.durability = rw.options.Durability
	rw.writes.AppendTo(&b.ops)
	if b.Len() == 0 {
		return rw.txn.Seq(), nil // what it read was true at its snapshot
	}
	sync, err := rw.db.admit(b)
	if err != nil {
		return 0, err
	}
	if rw.options.Isolation == SnapshotIsolation {
		rw.claimWrites(&b.ops)
	}
	return rw.txn.Commit(rw.ctx, &b.ops, sync)
}

// prioritize gives the transaction precedence over all others, once it is its turn: whatever it reads it locks first.
func (rw *readWrite) prioritize() error {
	rw.priority = true
	return rw.txn.Prioritize(rw.ctx)
}

// claimWrites makes the written keys the read set: under snapshot isolation, the first of two that write a key wins.
func (rw *readWrite) claimWrites(b *batch.Batch) {
	rw.txn.Reads.Reset()
	for op := range b.Ops() {
		if op.Kind != key.KindMerge { // a merge applies to whatever another wrote
			rw.txn.Reads.AddKey(op.Key, key.Hash(op.Key))
		}
	}
}

// end releases everything. Further calls do nothing.
func (rw *readWrite) end() {
	if rw.done {
		return
	}
	rw.done = true
	rw.watch.end()
	rw.endIterators()
	rw.txn.Close()
	if rw.counted > 0 {
		rw.db.engine.CountWrites(-rw.counted)
	}
	if rw.iterated { // its caller may still hold a key or value of a range
		rw.writes.Reset()
		return
	}
	rw.recycle()
	rw.memory, rw.txn.Reads = nil, nil
}
