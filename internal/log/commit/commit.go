// Package commit is the one path by which anything enters the database: a queue whose leader takes all requests that
// wait as one group, and carries the group through five steps.
//
//	check    each member is checked against everything that committed before it; the leader has made room for it first
//	number   the members get the next sequence numbers, one for each operation
//	log      the group goes to the log in one write, with one sync if any member asks for it
//	apply    the operations go to the memtable; those of a large group while it is synced
//	publish  the visible sequence number rises, and the callers return
//
// The package knows nothing of files and memtables. They are behind Env, so that the order of the steps, the
// grouping and what happens when a step fails are tested without a database.
//
// # Invariants
//
//   - A request is numbered only after its check has passed, and only numbered requests are logged. So whatever a
//     restart finds in the log has committed, and recovery has nothing to check.
//   - Sequence numbers in the log have no gaps: if the write of a group fails cleanly, the next group gets its
//     numbers.
//   - Publish is called in the order of sequence numbers, and for a sequence number only after the record that
//     carries it has reached the durability that its request, and every request before it, asked for.
//   - A request is answered exactly once, even if a step panics.
//
// # Why a crash loses nothing that was acknowledged
//
// Whatever a caller was told and whatever a reader has seen was published, so it was in the log before, and so was
// everything with a lower number. What the log keeps depends on the durability. A Process commit is in the hands of
// the kernel, and no kill of the process takes it. A Sync commit is on the medium, together with the rest of its
// group and all groups before it, because the sync covers the whole log up to there.
//
// A group is a matter of speed and leaves no trace. The log has one record for each member, and a record is found
// whole or not at all (package wal). A power cut in the middle of a group may keep its first members and lose the
// rest, but it never keeps a member and loses one before it. If a sync was asked for, nobody in the group has been
// answered yet.
//
// # Refusals and failures
//
// The steps stop in these places, each with another state of the log:
//
//   - Env.MakeRoom or Env.Check refuses a request: it gets no number, and nothing of it is logged. It is answered
//     together with its group, so that what it lost against is visible to whoever tries again.
//   - Env.Log fails and has taken the group back, as on a full disk: the group is refused as a whole, its numbers
//     are used again, and the queue goes on. After any other error of Log, Env refuses all that comes later.
//   - Env.Sync fails or a step panics: nobody knows what a restart will find of the group. What was applied is never
//     published, no commit is accepted any more, and no later sync is believed, because the system may have dropped
//     the data when it reported the failure.
//
// # What goes past the queue
//
// Exclusive and TryExclusive run work during which the log and the active memtable must stand still: freezing them
// for a flush, for instance, or ending the log when the database is closed.
//
// ExclusiveNumbered is for a commit that does not go through the log: a transaction larger than memory is in tables
// already, and one edit of the manifest commits it. While no group is in progress the next number is free for it.
//
// # Transactions, locks and priority
//
// A transaction arrives as one Commit: its savepoints and the parts that Tx.Update runs are not known here, and only
// the writes that were left at the end are in Batch. Reads is what it has read. Env.Check refuses it if any of that
// was written after ReadPoint, in the tree or by an earlier member of its own group.
//
// Env.Check also refuses a request that writes what another owner has locked (package lock). Its caller waits for
// the lock outside the queue, then comes again, so a lock holds up only those that want to write there. A
// transaction that keeps losing gets precedence, which is Table.Prioritize there: it locks what it reads before it
// reads it, and the checks of all others give way.
//
// For that to work, a transaction that has locked a key must see every commit of it that had passed its check before
// the lock was there. Settle and SettleKey wait for those. The order is: lock, settle, read.
//
// # Receipts
//
// The number that Commit returns is the caller's receipt: from then on every new reader sees the commit, and the
// number names the state right after it. A request with an empty batch and Sync waits until everything published
// before it is durable.
//
// # Why one lock around all five steps
//
// While a leader syncs, the next group assembles in the queue, and that is all the overlap that a device with one
// sync in flight can use. Splitting the steps over several locks, so that one group could be logged while the one
// before it syncs, would let a Process commit finish its log write earlier, but not publish earlier, because
// publishing is in order.
package commit

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/log/txn"
)

// MaxGroupBytes bounds what one group writes to the log at once. Only a single request may be larger.
const MaxGroupBytes = 1 << 20

// ErrPanicked answers the requests of a group in which a step panicked. It is not known whether they are in the log.
var ErrPanicked = errors.New("a commit step panicked")

// maxCheckedOps bounds with how many operations of its own group a member that has Reads is compared.
const maxCheckedOps = 4096

// Commit says what to write, how, and what the commit rests on.
type Commit struct {
	Batch *batch.Batch
	Sync  bool // wait until the commit survives a power cut

	Reads     *txn.Reads  // what must not have changed since ReadPoint; nil: nothing
	ReadPoint ReadPoint   // the state that Reads were read from; nil only if Reads is
	Owner     *lock.Owner // the owner whose locks do not count; nil: all count

	Times *Times // where Env adds how long its steps took; nil if nobody wants to know
}

// Times is how long steps of the group of a commit took.
type Times struct{ Log, Sync time.Duration }

// ReadPoint is the state of the database that a transaction read, and that its commit rests on.
type ReadPoint interface {
	// Seq is the sequence number of that state.
	Seq() key.SeqNum
	// Check returns an error if the state has not been kept readable until now.
	Check() error
}

// Request is a Commit on its way through the queue.
type Request struct {
	Commit
	First key.SeqNum // the sequence number of the batch's first operation, set before Log

	err   error
	leads bool          // its caller carries the group and needs no signal
	done  chan struct{} // signals to every other caller that its request is answered
}

// Last is the sequence number of the request's last operation: the commit's own number.
func (r *Request) Last() key.SeqNum { return r.First + key.SeqNum(r.Batch.Count()) - 1 }

// Env is what a commit acts upon. All its methods are called by one leader at a time.
type Env interface {
	// Fits reports whether the active memtable and the log segment have room for batches with that many operations and
	// bytes together.
	Fits(operations, bytes int) bool

	// Check is the conflict check of r, in commit order: against everything applied, and against before, the members
	// of its group that come before it and are not applied yet. An error refuses r, which is answered once the group
	// has been written.
	Check(r *Request, before []*Request) error

	// MakeRoom makes sure that the log and the active memtable have room for r alone. It does not wait for background
	// work: if that must come first, an error says so. An error refuses r and changes nothing.
	MakeRoom(r *Request) error

	// Log appends one record for each member of the group, in one write. After an error nothing of the group is in
	// the log, or MakeRoom refuses every request from then on.
	Log(group []*Request) error

	// Sync makes everything logged so far durable. After an error the fate of the group is not known.
	Sync() error

	// Apply puts r into the memtable. It cannot fail, because MakeRoom or Fits has made sure of the room.
	Apply(r *Request)

	// Publish makes everything up to and including last visible to new readers.
	Publish(last key.SeqNum)
}

// Queue admits requests. Its methods are safe for concurrent use.
type Queue struct {
	env Env

	// requests holds requests for reuse. They have channels, and a channel that was made in a bubble of
	// testing/synctest must not be used outside it: so every queue has its own pool.
	requests sync.Pool

	waitMu  sync.Mutex // held for a few instructions, never during a step
	waiting []*Request // the next group; its first member leads it

	pipelineMu   sync.Mutex // held by the leader of the group in progress, through I/O: that is its purpose
	next         key.SeqNum // the next sequence number to give out
	spare        []*Request // the slice that waiting takes next
	accepted     []*Request // the requests of the write in progress, which have passed their checks
	failed       error      // a Sync failed or a step panicked: no commit is accepted any more
	synced       bool       // the group before was synced
	several      bool       // the group before had several members
	withoutYield int        // the number of groups to come that do not wait for company; see assemble

	longYield time.Duration // the constant, except in tests

	flightMu sync.Mutex // held for a few instructions, or for one search of inFlight
	inFlight flight     // written by the holder of pipelineMu
}

// flight is the requests that may have passed their check and are not published. A request is in it from before its
// check until it is published or refused; by the time it is answered it is gone.
type flight struct {
	requests []*Request
	unknown  bool // a commit that is no request is in flight, too
}

// maxSearchedBytes bounds how many bytes of batches one search of a flight reads.
const maxSearchedBytes = 64 << 10

// mayWrite reports whether anything in f writes user, or f is too large to search.
func (f *flight) mayWrite(user []byte) bool {
	searched := 0
	for _, r := range f.requests {
		if searched += len(r.Batch.Bytes()); searched > maxSearchedBytes {
			return true
		}
		for op := range r.Batch.Ops() {
			if bytes.Equal(op.Key, user) || op.Kind == key.KindRangeDelete && op.Span().Contains(user) {
				return true
			}
		}
	}
	return f.unknown
}

// NewQueue returns a queue whose first sequence number is next.
func NewQueue(env Env, next key.SeqNum) *Queue {
	return &Queue{env: env, next: next, longYield: longYield,
		requests: sync.Pool{New: func() any { return &Request{done: make(chan struct{}, 1)} }}}
}

// Commit carries c through the five steps and returns its last sequence number. It borrows what c refers to until it
// returns. An empty batch takes its place in the order, and takes part in a sync, but writes nothing.
func (q *Queue) Commit(c Commit) (key.SeqNum, error) {
	r := q.requests.Get().(*Request)
	r.Commit, r.First, r.err = c, 0, nil
	if q.enqueue(r) {
		q.lead()
	} else {
		<-r.done
	}
	last, err := r.Last(), r.err
	r.Commit = Commit{}
	q.requests.Put(r)
	return last, err
}

// Exclusive runs fn while no commit is in progress. fn must not commit.
func (q *Queue) Exclusive(fn func() error) error {
	q.pipelineMu.Lock()
	defer q.pipelineMu.Unlock()
	return fn()
}

// TryExclusive is like Exclusive, but does nothing if a commit is in progress. It reports whether it ran fn.
func (q *Queue) TryExclusive(fn func()) bool {
	if !q.pipelineMu.TryLock() {
		return false
	}
	defer q.pipelineMu.Unlock()
	fn()
	return true
}

// Settle waits until every commit that has passed its check by the time of the call is published or has failed.
func (q *Queue) Settle() { _ = q.Exclusive(func() error { return nil }) }

// SettleKey is Settle for those commits only that write user. If the caller has locked user before, every commit of
// user that it does not wait for will meet the lock in its check, because it was not in flight yet.
func (q *Queue) SettleKey(user []byte) {
	q.flightMu.Lock()
	wait := q.inFlight.mayWrite(user)
	q.flightMu.Unlock()
	if wait {
		q.Settle()
	}
}

func (q *Queue) setInFlight(f flight) {
	q.flightMu.Lock()
	q.inFlight = f
	q.flightMu.Unlock()
}

// ExclusiveNumbered is Exclusive for a commit that does not go through the log. fn is given the next sequence
// number. If fn returns nil, the number is used up, and fn must have made durable and published everything up to and
// including it.
func (q *Queue) ExclusiveNumbered(fn func(seq key.SeqNum) error) error {
	q.pipelineMu.Lock()
	defer q.pipelineMu.Unlock()
	if q.failed != nil {
		return q.failed
	}
	q.setInFlight(flight{unknown: true})
	panicked := true
	defer func() {
		q.setInFlight(flight{})
		if panicked {
			q.failed = ErrPanicked
		}
	}()
	err := fn(q.next)
	panicked = false
	if err == nil {
		q.next++
	}
	return err
}

// enqueue adds r to the next group and reports whether r leads it.
func (q *Queue) enqueue(r *Request) bool {
	q.waitMu.Lock()
	defer q.waitMu.Unlock()
	q.waiting = append(q.waiting, r)
	r.leads = len(q.waiting) == 1
	return r.leads
}

// lead waits for the group in progress, then carries the next one, which is whatever has assembled by then.
func (q *Queue) lead() {
	alone := q.pipelineMu.TryLock()
	if !alone {
		q.pipelineMu.Lock()
	}
	defer q.pipelineMu.Unlock()
	q.assemble(alone)
	q.waitMu.Lock()
	group := q.waiting
	q.waiting = q.spare
	q.waitMu.Unlock()
	q.spare = nil

	q.synced, q.several = slices.ContainsFunc(group, func(r *Request) bool { return r.Sync }), len(group) > 1
	q.process(group)

	clear(group)
	q.spare = group[:0]
}

// If giving up the processor took a leader longer than longYield, others are computing and it had to wait for them.
// Then withoutYieldGroups groups do not take that risk.
const (
	longYield          = time.Millisecond
	withoutYieldGroups = 1000
)

// assemble gives up the processor once, so that the callers of a synced group, who have just been answered, have
// time to come back with their next commits. Without it every sync would carry only half of the writers: those that
// came while the other half was synced. alone says that no group was in progress.
func (q *Queue) assemble(alone bool) {
	switch {
	case !q.synced || alone && !q.several:
	case q.withoutYield > 0:
		q.withoutYield--
	default:
		start := time.Now()
		runtime.Gosched()
		if time.Since(start) > q.longYield {
			q.withoutYield = withoutYieldGroups
		}
	}
}

// process answers every member of group. A panic in a step stops all later commits and is passed on.
func (q *Queue) process(group []*Request) {
	rest := group
	defer func() {
		if len(rest) > 0 {
			q.failed = ErrPanicked
			q.setInFlight(flight{})
			answer(rest, ErrPanicked)
		}
	}()
	q.setInFlight(flight{requests: group})
	for len(rest) > 0 {
		n := q.admit(rest)
		err := q.write(q.accepted)
		done := rest[:n]
		rest = rest[n:]
		q.setInFlight(flight{requests: rest})
		answer(done, err)
	}
}

// admit collects in q.accepted the requests of the next write, and returns with how many of the waiting requests, at
// least one, it has dealt. Those that were refused have their error already, but are answered together with the
// others, so that whoever begins again sees what it lost against.
func (q *Queue) admit(waiting []*Request) int {
	clear(q.accepted)
	q.accepted = q.accepted[:0]
	operations, bytes := 0, 0 // of q.accepted
	for n, r := range waiting {
		withOps, withBytes := operations+r.Batch.Count(), bytes+len(r.Batch.Bytes())
		if len(q.accepted) == 0 {
			r.err = q.makeRoom(r)
		} else if withBytes > MaxGroupBytes || operations > maxCheckedOps && r.Reads != nil ||
			!q.env.Fits(withOps, withBytes) {
			return n
		}
		if r.err == nil {
			r.err = q.env.Check(r, q.accepted)
		}
		if r.err == nil {
			q.accepted = append(q.accepted, r)
			operations, bytes = withOps, withBytes
		}
	}
	return len(waiting)
}

func (q *Queue) makeRoom(r *Request) error {
	if err := q.env.MakeRoom(r); err != nil {
		return err
	}
	return q.failed // Env usually knows of the failure, and has refused in its own words
}

// write numbers, logs, syncs, applies and publishes a group.
func (q *Queue) write(group []*Request) error {
	if len(group) == 0 {
		return nil
	}
	next, sync := q.next, false
	for _, r := range group {
		r.First = next
		next += key.SeqNum(r.Batch.Count())
		sync = sync || r.Sync
	}
	if err := q.env.Log(group); err != nil {
		return err
	}
	if err := q.syncAndApply(sync, group, int(next-q.next)); err != nil {
		q.failed = err
		return err
	}
	q.next = next
	q.env.Publish(next - 1)
	return nil
}

// parallelApplyMinOps is the number of operations from which on a group is applied while another goroutine syncs it.
const parallelApplyMinOps = 64

// syncAndApply syncs if sync says so, and puts the group into the memtable, a large group while the sync runs. If
// that sync fails, applying early has done no harm: nobody sees what is not published, and nothing is published any
// more.
func (q *Queue) syncAndApply(sync bool, group []*Request, operations int) error {
	wait := func() error { return nil }
	switch {
	case sync && operations >= parallelApplyMinOps:
		wait = start(q.env.Sync)
	case sync:
		if err := q.env.Sync(); err != nil {
			return err
		}
	}
	for _, r := range group {
		q.env.Apply(r)
	}
	return wait()
}

// start calls f in a goroutine. The function it returns waits for the result, and panics if f did.
func start(f func() error) (wait func() error) {
	done := make(chan func() error, 1)
	go func() {
		result := func() error { panic(ErrPanicked) } // stays so if f does not return
		defer func() {
			if p := recover(); p != nil {
				result = func() error { panic(p) }
			}
			done <- result
		}()
		err := f()
		result = func() error { return err }
	}()
	return func() error { return (<-done)() }
}

// answer answers the requests of group. One that has no error yet gets err.
func answer(group []*Request, err error) {
	for _, r := range group {
		if r.err == nil {
			r.err = err
		}
		if !r.leads {
			r.done <- struct{}{} // from here on r belongs to its caller
		}
	}
}
