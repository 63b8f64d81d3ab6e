// Package transaction is one transaction that may write: what it sees, its own writes over a snapshot, and the end of
// both. The engine checks and commits; package txn keeps what was read and written.
package transaction

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
	"lightningdb/internal/format/span"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/goroutine"
)

// Errors of a transaction. The root package publishes them under longer names.
var (
	ErrNotFound = errors.New("key not found")
	ErrInUse    = errors.New("the transaction is in use by another goroutine")
	ErrDone     = fmt.Errorf("the transaction is over: %w", engine.ErrClosed)
	ErrManaged  = errors.New("the transaction is ended by View or Update, which began it")
	ErrVoid     = errors.New("the savepoint is void")
)

// Options configures a transaction.
type Options struct {
	Engine    *engine.Engine
	Rules     operand.Rules // of merges
	Goroutine goroutine.ID  // that runs the transaction; 0 if that is not always the same one
	Snapshot  bool          // snapshot isolation: only keys that two have written conflict
}

// Tx is a transaction that may write. It is used by one goroutine at a time: what a method does on behalf of the
// program is a call, between Enter and Leave. Commit, Rollback, Abandon, OpenIterator, Note and Told, and the methods
// of iterators, are calls by themselves. The zero value is ready for Begin.
type Tx struct {
	busy    atomic.Bool // a call is in progress
	over    atomic.Bool // its function has returned: whoever holds busy ends it
	misused atomic.Bool // a call met another: what it was to do is missing, so there is no commit
	ended   atomic.Bool // what done says, for those that hold values of it

	// revision changes when what the transaction has written may be gone: what rests on it looks again.
	revision atomic.Uint64

	done bool // guarded by busy, like everything below

	engine    *engine.Engine
	ctx       context.Context // ends waits for locks, and forbids the commit
	snapshot  bool            // snapshot isolation
	priority  bool            // it locks what it reads, and never loses
	hasRead   bool            // something was read: under snapshot isolation the snapshot may move no more
	txn       engine.Txn
	*memory               // nil once another transaction may have it
	iterators []*Iterator // open ones
	iterated  bool        // there have been iterators
	values    []*Value    // that hold something
	watch     Watch
	claims    []span.Span // under snapshot isolation: what Claim was given
	err       error       // why it must not commit: the first failed read, or a lost lock
	walks     Walks       // or a loop that ended early
	onCommit  []func(seq uint64)
	committed key.SeqNum // of the commit, once there was one
	counted   int64      // bytes of writes that the engine knows of

	savepoints []uint64 // serial numbers of those that are not void
	serial     uint64   // of the newest savepoint
	parts      []*Part  // that are running, the innermost last
}

// memory is what a transaction that writes has read and written. A later transaction uses it again.
type memory struct {
	reads  txn.Reads
	writes txn.Writes
	batch  batch.Batch // of the commit
}

var memories = sync.Pool{New: func() any { return new(memory) }}

// keptBatchBytes is the size up to which the memory of a batch is used again.
const keptBatchBytes = 64 << 10

// recycle gives m to a later transaction. Nothing of it may be in use any more.
func (m *memory) recycle() {
	m.reads.Reset()
	m.writes.Reset()
	if len(m.batch.Bytes()) > keptBatchBytes {
		m.batch = batch.Batch{}
	}
	m.batch.Reset()
	memories.Put(m)
}

// Begin makes tx, which must be new, a transaction on the newest published state. Once ctx is done its waits for
// locks and its iterators end, and it cannot commit.
func (tx *Tx) Begin(ctx context.Context, o Options) {
	tx.engine, tx.ctx, tx.snapshot, tx.memory = o.Engine, ctx, o.Snapshot, memories.Get().(*memory)
	tx.watch.On(ctx)
	tx.writes.Rules = o.Rules
	tx.engine.Begin(&tx.txn, &tx.reads, o.Goroutine)
	tx.writes.Clock, tx.writes.Seen = tx, &tx.reads.Ends
}

// OwnTime is the time of the transaction, by which it sees what ends.
func (tx *Tx) OwnTime() key.Time { return tx.txn.Snapshot().OwnTime() }

// Watch returns what ends the iterators with the context.
func (tx *Tx) Watch() *Watch { return &tx.watch }

// Revision changes when writes are taken back, and by Revise.
func (tx *Tx) Revision() uint64 { return tx.revision.Load() }

// Revise has Revision change.
func (tx *Tx) Revise() { tx.revision.Add(1) }

// Seq is the number of the newest commit that the transaction sees. Lock may raise it.
func (tx *Tx) Seq() key.SeqNum { return tx.txn.Seq() }

// Enter begins a call.
func (tx *Tx) Enter() error {
	if !tx.busy.CompareAndSwap(false, true) {
		tx.misused.Store(true)
		return ErrInUse
	}
	if tx.done || tx.over.Load() {
		tx.Leave()
		return ErrDone
	}
	return nil
}

// Leave ends a call.
func (tx *Tx) Leave() {
	tx.busy.Store(false)
	tx.endIfOver()
}

// Abandon ends the transaction, whatever it is doing: now, or when the call that another goroutine has in progress is
// done. Its locks must not stay.
func (tx *Tx) Abandon() {
	tx.over.Store(true)
	tx.endIfOver()
}

func (tx *Tx) endIfOver() {
	if tx.over.Load() && tx.busy.CompareAndSwap(false, true) {
		tx.end()
		tx.busy.Store(false)
	}
}

// Get appends the value of k, as the transaction sees it, to dst, and remembers that it was read. It gives
// ErrNotFound if there is none.
func (tx *Tx) Get(dst, k []byte) ([]byte, error) {
	w, err := tx.own(k)
	switch {
	case err != nil:
		return dst, err
	case w == nil:
		return tx.read(dst, k)
	case w.Hides():
		return dst, ErrNotFound
	case w.Folds():
		return tx.fold(dst, k, w.Value)
	}
	value, err := tx.writes.Read(w)
	return append(dst, value...), err
}

// own is what the transaction sees of what it has written to k; nil if that is nothing.
func (tx *Tx) own(k []byte) (*txn.Write, error) {
	w, err := tx.writes.Get(k)
	if err != nil {
		tx.Fail(err)
	}
	return tx.writes.See(w), err
}

// fold reads k as the snapshot has it and appends to dst what operand makes of that.
func (tx *Tx) fold(dst, k, operand []byte) ([]byte, error) {
	value, err := tx.read(nil, k)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return dst, err
	}
	value, err = tx.writes.Rules.Fold(k, value, err == nil, operand)
	return append(dst, value...), err
}

// Put sets k to value.
func (tx *Tx) Put(k, value []byte) error {
	return tx.write(k, func() error { tx.writes.Put(k, value); return nil })
}

// PutUntil sets k to value until end.
func (tx *Tx) PutUntil(k, value []byte, end key.Time) error {
	return tx.write(k, func() error { tx.writes.PutUntil(k, value, end); return nil })
}

// Delete removes k.
func (tx *Tx) Delete(k []byte) error {
	return tx.write(k, func() error { tx.writes.Delete(k); return nil })
}

// DeleteRange removes all keys in s, whose bounds it copies.
func (tx *Tx) DeleteRange(s span.Span) error {
	s = s.Short(key.MaxStoredKeySize)
	if tx.priority && tx.snapshot && !s.Empty() { // as for a write of a key
		tx.reportWalks()
		if err := tx.txn.Protect(s, true); err != nil {
			tx.Fail(err)
			return err
		}
	}
	if err := tx.writes.DeleteRange(s); err != nil {
		return err
	}
	return tx.spillIfLarge()
}

// Merge changes k by an operand.
func (tx *Tx) Merge(k, by []byte) error {
	return tx.write(k, func() error { return tx.merge(k, by) })
}

func (tx *Tx) write(k []byte, set func() error) error {
	if tx.priority && tx.snapshot { // where writes conflict with writes
		if err := tx.Lock(k); err != nil {
			return err
		}
	}
	if err := set(); err != nil {
		return err
	}
	return tx.spillIfLarge()
}

func (tx *Tx) merge(k, by []byte) error {
	w, err := tx.writes.Get(k)
	if err != nil {
		tx.Fail(err)
		return err
	}
	if w == nil {
		tx.writes.Merge(k, by)
		return nil
	}
	if w.Ends() {
		return tx.writes.MergeOver(w, by)
	}
	if w.Folds() && !w.Spilled {
		if joined, ok := operand.Join(w.Value, by); ok {
			tx.writes.Merge(k, joined)
			return nil
		}
	}
	value, err := tx.Get(nil, k)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if value, err = tx.writes.Rules.Fold(k, value, err == nil, by); err == nil {
		tx.writes.Put(k, value)
	}
	return err
}

// read reads k as the snapshot has it, and remembers that.
func (tx *Tx) read(dst, k []byte) ([]byte, error) {
	if err := tx.noteRead(k); err != nil {
		return dst, err
	}
	out, found, err := tx.txn.Snapshot().Get(dst, k)
	return out, tx.outcome(found, err)
}

// noteRead remembers that k is being read.
func (tx *Tx) noteRead(k []byte) error {
	if tx.priority {
		if err := tx.Lock(k); err != nil {
			return err
		}
	}
	tx.hasRead = true
	if tx.keepsReads() {
		tx.reads.AddKey(k, key.Hash(k))
	}
	return nil
}

// Measure is that of the value of k, as the transaction sees it, and remembers that it was read. It gives ErrNotFound
// if there is none.
func (tx *Tx) Measure(k []byte) (m engine.Measure, err error) {
	w, err := tx.own(k)
	switch {
	case err != nil:
		return m, err
	case w != nil && w.Hides():
		return m, ErrNotFound
	case w != nil && w.Folds():
		value, err := tx.fold(nil, k, w.Value)
		return engine.Measure{Size: int64(len(value))}, err
	case w != nil:
		value, err := tx.writes.Read(w)
		return engine.Measure{Size: int64(len(value)), End: w.End}, err
	}
	if err := tx.noteRead(k); err != nil {
		return m, err
	}
	m, found, err := tx.txn.Snapshot().Measure(k)
	return m, tx.outcome(found, err)
}

// Has reports whether k has a value, as the transaction sees it, and remembers that it was read.
func (tx *Tx) Has(k []byte) (bool, error) {
	w, err := tx.own(k)
	switch {
	case err != nil:
		return false, err
	case w != nil && w.Folds():
		_, err := tx.fold(nil, k, w.Value)
		return err == nil, err
	case w != nil && len(w.Merged) > 0:
		_, err := tx.writes.Read(w)
		return err == nil, err
	case w != nil:
		return !w.Hides(), nil
	}
	if err := tx.noteRead(k); err != nil {
		return false, err
	}
	found, err := tx.txn.Snapshot().Has(k)
	return found, tx.outcome(true, err)
}

// outcome is the error of a read of the snapshot.
func (tx *Tx) outcome(found bool, err error) error {
	switch {
	case err == nil && !found:
		return ErrNotFound
	case err != nil && !errors.Is(err, operand.ErrMerge): // which is the answer of a read
		tx.Fail(err)
	}
	return err
}

// keepsReads reports whether the read set is kept. With it the snapshot can move forward, as long as everything that
// was read is unchanged. Under snapshot isolation only a transaction that must not lose pays for that.
func (tx *Tx) keepsReads() bool { return !tx.snapshot || tx.priority }

// Lock locks k for the transaction, which may move its snapshot.
func (tx *Tx) Lock(k []byte) error {
	tx.reportWalks()
	err := tx.txn.Lock(tx.ctx, k, tx.keepsReads() || !tx.hasRead)
	if err != nil {
		tx.Fail(err)
	}
	return err
}

// Note hears of an error of a loop or cursor: the commit fails after it.
func (tx *Tx) Note(err error) {
	if tx.Enter() == nil {
		defer tx.Leave()
		tx.walks.Note(err)
	}
}

// Told hears that the program has asked for such an error.
func (tx *Tx) Told(err error) {
	if tx.Enter() == nil {
		defer tx.Leave()
		tx.walks.Told(err)
	}
}

// Fail keeps the transaction from committing: it has missed something, or written a part of what belongs together.
func (tx *Tx) Fail(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// Met is the earliest end of what the transaction has read; 0 if nothing of that ends.
func (tx *Tx) Met() key.Time { return tx.reads.Ends.End() }

// MetBy calls read and is Met of what that has read.
func (tx *Tx) MetBy(read func() error) (key.Time, error) { return tx.reads.EndsOf(read) }

// Changes grows with each write.
func (tx *Tx) Changes() uint64 { return tx.writes.Changes() }

// Admit checks a batch before anything of it is written, and says whether its commit waits for a sync.
type Admit func(size int) (sync bool, err error)

// Commit ends the transaction with its commit.
func (tx *Tx) Commit(admit Admit) error {
	if err := tx.Enter(); err != nil {
		return err
	}
	defer tx.Leave()
	if len(tx.parts) > 0 {
		return fmt.Errorf("%w: Commit inside Tx.Update", ErrManaged)
	}
	defer tx.end()
	err := cmp.Or(tx.err, tx.walks.Err())
	if tx.misused.Load() {
		err = ErrInUse
	}
	if err != nil {
		return fmt.Errorf("the transaction cannot commit: %w", err)
	}
	if err := tx.ctx.Err(); err != nil {
		return err
	}
	tx.endIterators() // now the read set is complete
	tx.committed, err = tx.commit(admit)
	return err
}

// Announce calls the functions that OnCommit was given.
func (tx *Tx) Announce() {
	for _, fn := range tx.onCommit {
		fn(uint64(tx.committed))
	}
}

// commit commits the writes.
func (tx *Tx) commit(admit Admit) (key.SeqNum, error) {
	if tx.writes.Spilled() {
		return tx.commitSpilled(admit)
	}
	return tx.commitBatch(admit)
}

// commitBatch commits writes that memory holds.
func (tx *Tx) commitBatch(admit Admit) (key.SeqNum, error) {
	b := &tx.batch
	tx.writes.AppendTo(b)
	if b.Count() == 0 {
		return tx.txn.Seq(), nil // what it read was true at its snapshot
	}
	sync, err := admit(len(b.Bytes()))
	if err != nil {
		return 0, err
	}
	if tx.snapshot {
		tx.claimWrites(b)
	}
	return tx.txn.Commit(tx.ctx, b, sync)
}

// Prioritize gives the transaction precedence over all others, once it is its turn: whatever it reads it locks first.
func (tx *Tx) Prioritize() error {
	tx.priority = true
	tx.reads.Exact() // it locks what it reads, and not what lies between
	return tx.txn.Prioritize(tx.ctx)
}

// claimWrites makes the written keys the read set: under snapshot isolation, the first of two that write a key wins. A
// range that is deleted counts as all of its keys.
func (tx *Tx) claimWrites(b *batch.Batch) {
	tx.reads.Reset()
	tx.addClaims()
	for op := range b.Ops() {
		tx.reads.AddOp(op)
	}
}

// Claim counts the stored keys in s, which were read, as read at any isolation: the commit fails if another one has
// changed one of them since. It copies the bounds.
func (tx *Tx) Claim(s span.Span) {
	if tx.snapshot {
		tx.claims = append(tx.claims, s.Clone())
	}
}

func (tx *Tx) addClaims() {
	for _, s := range tx.claims {
		tx.reads.AddSpan(s)
	}
}

// end releases everything. Further calls do nothing.
func (tx *Tx) end() {
	if tx.done {
		return
	}
	tx.done = true
	tx.ended.Store(true)
	for _, v := range tx.values {
		v.end()
	}
	tx.values = nil
	tx.watch.End()
	tx.endIterators()
	tx.txn.Close()
	if tx.counted > 0 {
		tx.engine.CountWrites(-tx.counted)
	}
	if tx.iterated { // its caller may still hold a key or value of a range
		tx.writes.Reset()
		tx.reads.Reset()
		return
	}
	tx.recycle()
	tx.memory = nil
}

// OnCommit makes Announce call fn.
func (tx *Tx) OnCommit(fn func(seq uint64)) { tx.onCommit = append(tx.onCommit, fn) }

// Rollback ends the transaction without writing anything. After its end it does nothing.
func (tx *Tx) Rollback() error {
	err := tx.Enter()
	if errors.Is(err, ErrDone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer tx.Leave()
	if len(tx.parts) > 0 {
		return fmt.Errorf("%w: Rollback inside Tx.Update", ErrManaged)
	}
	tx.end()
	return nil
}
