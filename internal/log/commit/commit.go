// Package commit is the one path by which anything enters the database: a queue whose leader takes everything
// that waits as one group and carries it through
//
//	check    the conflict check of each member, against everything that committed before it (room was made before)
//	number   the next sequence numbers, one per operation
//	log      one write for the group; one sync for it if any member asks
//	apply    the memtable; a large group while it is synced
//	publish  the visible sequence number rises; the callers return
//
// It knows nothing of files and memtables: those are behind Env, so that the order of the steps, the grouping and
// what happens when a step fails are tested without a database.
//
// # Invariants
//
//   - A request is numbered only after its check passed, and nothing is logged that was not numbered: what is in
//     the log is certain to commit.
//   - Sequence numbers in the log have no gaps: numbers of a group whose write failed cleanly are used again.
//   - Publish is called in order of sequence numbers, and for a sequence number only after the record that carries
//     it has reached the durability that its request, and every request before it, asked for.
//   - A request is answered exactly once, also when a step panics.
//
// # Why one lock around all five steps
//
// While a leader syncs, the next group assembles in the queue, which is all the overlap that a device with one
// sync in flight can use. Splitting the steps over several locks (so that a group could be logged while the one
// before it syncs) would let a Process commit finish its log write earlier but not publish earlier, because
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

// MaxGroupBytes bounds what one group writes to the log at once, unless a single request is larger.
const MaxGroupBytes = 1 << 20

// ErrPanicked answers the requests of a group in which a step panicked. Whether they are in the log is unknown.
var ErrPanicked = errors.New("a commit step panicked")

// maxCheckedOps bounds how many operations the check of one member may have to be compared with.
const maxCheckedOps = 4096

// Commit is what is asked for: what to write, how, and what it rests on.
type Commit struct {
	Batch *batch.Batch
	Sync  bool // wait until the commit survives a power cut

	Reads     *txn.Reads  // what must not have changed since ReadPoint; nil: nothing
	ReadPoint ReadPoint   // the state that Reads were read from; nil only if Reads is
	Owner     *lock.Owner // the owner whose locks do not count; nil: all count
}

// ReadPoint is the state of the database that a transaction read, and that its commit rests on.
type ReadPoint interface {
	// Seq is the sequence number of that state.
	Seq() key.SeqNum
	// Check returns an error if the state has not been kept readable until now.
	Check() error
}

// Request is a Commit on its way.
type Request struct {
	Commit
	First key.SeqNum // the sequence number of the batch's first operation, set before Log

	err   error
	leads bool          // its caller carries the group, and needs no signal
	done  chan struct{} // tells all others that they are answered
}

// Last is the sequence number of the request's last operation: the commit's own number.
func (r *Request) Last() key.SeqNum { return r.First + key.SeqNum(r.Batch.Count()) - 1 }

// Env is what a commit acts upon. All methods are called by one leader at a time.
type Env interface {
	// Fits reports whether the active memtable has room for all of these batches together.
	Fits(group []*Request) bool

	// Check is the conflict check of r, in commit order: against everything applied, and against the members of its
	// group before it, which are not. Its error refuses r, once the group has been written.
	Check(r *Request, before []*Request) error

	// MakeRoom readies the log and an active memtable that has room for r alone, slowing or stopping the caller
	// while background work is behind. An error refuses r and changes nothing.
	MakeRoom(r *Request) error

	// Log appends the group's records in one write. On an error nothing of the group is in the log.
	Log(group []*Request) error

	// Sync makes everything logged so far durable. After an error the fate of the group is unknown.
	Sync() error

	// Apply puts r into the memtable. It cannot fail: MakeRoom or Fits made sure of the room.
	Apply(r *Request)

	// Publish makes everything up to and including last visible to new readers.
	Publish(last key.SeqNum)
}

// Queue admits requests. Its methods are safe for concurrent use.
type Queue struct {
	env Env

	// requests that are used again. They have channels, and a channel that was made in a bubble of testing/synctest must not
	// come to a queue outside of it: so they are this queue's own.
	requests sync.Pool

	waitMu  sync.Mutex // held for a few instructions, never during a step
	waiting []*Request // the next group; its first member leads it

	pipelineMu   sync.Mutex // held by the leader of the group in progress, through I/O: that is its purpose
	next         key.SeqNum // the next sequence number to give out
	spare        []*Request // the slice that waiting takes next
	accepted     []*Request // of the write in progress: those that passed their checks
	failed       error      // a Sync failed or a step panicked: no commit is accepted any more
	synced       bool       // the group before was synced
	several      bool       // it had several members
	withoutYield int        // groups that do not wait for company any more; see assemble

	longYield time.Duration // that of the constant, but for tests

	flightMu sync.Mutex // held for a few instructions, or one look through inFlight
	inFlight flight     // written by the holder of pipelineMu
}

// flight is what may have passed its check and is not published. A request is in it from before its check until it is
// published or refused, and not when it is answered.
type flight struct {
	requests []*Request
	unknown  bool // and something that is no request
}

// maxSearchedBytes bounds how many bytes of batches one look through a flight reads.
const maxSearchedBytes = 64 << 10

// mayWrite reports whether anything in f writes user, or f is too large to tell.
func (f *flight) mayWrite(user []byte) bool {
	searched := 0
	for _, r := range f.requests {
		if searched += len(r.Batch.Bytes()); searched > maxSearchedBytes {
			return true
		}
		for k := range r.Batch.Keys() {
			if bytes.Equal(k, user) {
				return true
			}
		}
	}
	return f.unknown
}

// NewQueue returns a queue that numbers from next on.
func NewQueue(env Env, next key.SeqNum) *Queue {
	return &Queue{env: env, next: next, longYield: longYield,
		requests: sync.Pool{New: func() any { return &Request{done: make(chan struct{}, 1)} }}}
}

// Commit carries c through the five steps and returns its last sequence number. It borrows what c names until it
// returns. An empty batch takes part in the order (and in a sync) but writes nothing.
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

// TryExclusive is Exclusive, but does nothing if a commit is in progress. It reports whether it ran fn.
func (q *Queue) TryExclusive(fn func()) bool {
	if !q.pipelineMu.TryLock() {
		return false
	}
	defer q.pipelineMu.Unlock()
	fn()
	return true
}

// Settle waits until every commit that has passed its check at the time of the call is published or has failed.
func (q *Queue) Settle() { _ = q.Exclusive(func() error { return nil }) }

// SettleKey is Settle for commits that write user only. Whoever locks user first knows then that a commit which writes it
// and was not waited for will see the lock: it was not in flight yet.
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

// ExclusiveNumbered is Exclusive for a commit that goes by another way than the log: fn is given the next sequence
// number, which is used up if it returns nil. It must have made durable and published everything up to that then.
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

// enqueue adds r to the next group and reports whether r is its leader.
func (q *Queue) enqueue(r *Request) bool {
	q.waitMu.Lock()
	defer q.waitMu.Unlock()
	q.waiting = append(q.waiting, r)
	r.leads = len(q.waiting) == 1
	return r.leads
}

// lead waits for the group in progress, then carries the next one, whatever has assembled by then.
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

// A leader that was away from its processor for longYield had to wait for others who compute: for withoutYieldGroups groups the
// next ones do not risk that.
const (
	longYield          = time.Millisecond
	withoutYieldGroups = 1000
)

// assemble gives up the processor once, so that the callers of a synced group, who have just been answered, can be back with
// their next commits. Otherwise every sync carries half of them: those who came while the other half was synced. alone says
// that no group was in progress.
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

// process answers every member of group. A panic in a step stops all later commits and goes on upwards.
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

// admit collects in q.accepted what the next write carries, and returns how many of the waiting requests, at least one,
// are dealt with by it. Those that were refused have their error; they are answered with the others, so that whoever
// begins anew sees what it lost against.
func (q *Queue) admit(waiting []*Request) int {
	clear(q.accepted)
	q.accepted = q.accepted[:0]
	bytes, operations := 0, 0
	for n, r := range waiting {
		bytes += len(r.Batch.Bytes())
		if len(q.accepted) == 0 {
			r.err = q.makeRoom(r)
		} else if bytes > MaxGroupBytes || operations > maxCheckedOps && r.Reads != nil ||
			!q.env.Fits(append(q.accepted, r)) {
			return n
		}
		if r.err == nil {
			r.err = q.env.Check(r, q.accepted)
		}
		if r.err == nil {
			q.accepted = append(q.accepted, r)
			operations += r.Batch.Count()
		}
	}
	return len(waiting)
}

func (q *Queue) makeRoom(r *Request) error {
	if err := q.env.MakeRoom(r); err != nil {
		return err
	}
	return q.failed // an Env knows, and has refused already in its own words
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

// parallelApplyMinOps is from how many operations of a group on it pays to hand its sync to another goroutine.
const parallelApplyMinOps = 64

// syncAndApply syncs if it is to, and puts group, of so many operations, into the memtable: a large group while it waits for
// the medium. That is no harm if the sync fails: what is not published nobody sees, and nothing will be published any more.
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

// start calls f in a goroutine. The function that it returns waits for the result, and panics if f did.
func start(f func() error) (wait func() error) {
	done := make(chan func() error, 1)
	go func() {
		result := func() error { panic(ErrPanicked) } // if f does not return
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

// answer ends group. A request that has no error gets err.
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
