// Package disk decides, for an engine with a disk limit, which commits may still add anything, and how much space a
// compaction may take. The quota beneath (vfs/quota) holds the limit whatever is decided here: this package sees to it
// that flushes, compactions and deletes never meet it, by refusing before.
//
// # What may still be added
//
//	room = bound - used - unflushed - claimed - kept
//
//	bound      the limit; where there was more at Open, what there was, until there is less
//	used       the length of all files, the reserve among them
//	unflushed  what the memtables will take in tables
//	claimed    what was admitted, and is neither in used nor in unflushed yet
//	kept       for one compaction, for deletes, and for the reserve while it is spent; of what adds, what the bound is
//	           above the limit
//
// A commit needs its length in the log and in a table (needOf). It is admitted if that is no more than the room. As
// room costs some locks, it is looked at once for many commits: admitted counts what was ever admitted, and a look says
// up to which count that may rise (allowed). Between two looks nothing else takes space but what is in kept, so the
// allowance stays true; and it is taken away when a compaction looks how much space it may have, or when the reserve is
// spent.
//
// # Waiting
//
// A commit for which there is no room waits while background work returns space (Env.SpaceComes), one commit of each
// sort at a time, before it takes its place in the commit queue: so those that only delete pass it. They do the same
// once they have taken what is kept for them, but are never refused here.
//
// All methods are safe for concurrent use. A nil Disk is that of a database without a limit: what it is asked about
// space it answers as if there were any amount.
package disk

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/event"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/quota"
	"lightningdb/internal/tree/manifest"
)

// Env is the engine as a Disk sees it.
type Env interface {
	// Demand returns what is in memtables and tables.
	Demand() Demand
	// SpaceComes reports whether background work is returning space, which it wakes, or does.
	SpaceComes() bool
	// OldestReader reports whether old versions are kept for a reader, a follower or Retain, and how old the oldest
	// reader is; 0 if that is not known.
	OldestReader() (keeps bool, age time.Duration)
	// NextChange returns a channel that is closed after the call by the next Changed, which the engine calls too when
	// something has changed that SpaceComes looks at.
	NextChange() <-chan struct{}
	Changed()
	// Stall waits, as a commit that is held up, for changed, the end of the wait, of ctx, or of the engine. The latter two
	// are errors.
	Stall(ctx context.Context, changed <-chan struct{}, wait time.Duration) error
}

// Demand is what an engine has, and what will need space.
type Demand struct {
	Unflushed int64 // bytes written to memtables
	Entries   int   // in them
	Memtables int
	Tables    *manifest.Version // nil if the engine has ended
}

// bytes is what the memtables will take in tables.
func (d *Demand) bytes() int64 {
	if d.Entries == 0 {
		return 0
	}
	return d.Unflushed + d.Unflushed/unflushedShare + int64(d.Memtables)*tableOverhead
}

// tableOverhead is how much a table has besides its entries, in bytes, and unflushedShare the part of a memtable by
// which its tables may be larger.
const (
	tableOverhead  = 64 << 10
	unflushedShare = 8
)

// Options are what a Disk works with.
type Options struct {
	FS      vfs.FS
	Env     Env
	Now     func() time.Duration
	Random  func() uint64
	Gate    *calls.Gate // ends waiting
	Tell    func(event.Event)
	Changed func() // called when a commit was refused, and when the reserve is spent: Remake has something to do then
}

// lookInterval is after how long a commit that waits looks again, if nothing has told it to.
const lookInterval = 250 * time.Millisecond

// largeBytes is from how many bytes on a commit asks the medium whether it has them: a smaller one finds out.
const largeBytes = 4 << 20

// Disk is the space of one database.
type Disk struct {
	bounds   Bounds
	quota    *quota.FS
	env      Env
	now      func() time.Duration
	gate     *calls.Gate
	tell     func(event.Event)
	onChange func()

	admitted atomic.Int64 // bytes that were ever admitted
	finished atomic.Int64 // of them, those that are in files and memtables, or were given up
	allowed  atomic.Int64 // what admitted may rise to without another look
	waiting  atomic.Int32 // commits that wait for space
	refused  atomic.Uint64

	remakeAt, remakeAfter time.Duration // when Remake is due again, and after how long if it fails then; for its caller

	adding, deleting calls.Turn // of the commit that waits and looks, of each sort

	mu      sync.Mutex // held during a look, and never during I/O; comes before the locks of Env.Demand
	job     int64      // what the compaction in progress may take, in bytes
	tables  *manifest.Version
	largest int64 // the largest of tables
}

// New returns the space of a database with the given bounds, and the directory that keeps to them. Begin has it count.
func New(b Bounds, o Options) (*Disk, vfs.FS) {
	d := &Disk{bounds: b, env: o.Env, now: o.Now, gate: o.Gate, tell: o.Tell, onChange: o.Changed,
		adding: calls.NewTurn(), deleting: calls.NewTurn()}
	d.quota = quota.New(o.FS, quota.Options{
		Limit: b.Limit, Reserve: filename.Make(filename.Reserve, 0), ReserveBytes: b.Reserve,
		NextReserve: func() string { return filename.Make(filename.NextReserve, filename.Num(o.Random()>>1)) },
		OnSpend:     d.noteSpent,
	})
	return d, d.quota
}

// Admit waits until there is room for b, and returns how many bytes it takes, which the caller must Finish then. The
// error is vfs.ErrNoSpace if there will be no room by itself, or that of ctx, or calls.ErrClosed. What only deletes is
// never refused here.
func (d *Disk) Admit(ctx context.Context, b *batch.Batch) (need int64, err error) {
	if b.Count() == 0 {
		return 0, nil
	}
	need = needOf(b)
	if need < largeBytes {
		if d.admitted.Add(need) <= d.allowed.Load() {
			return need, nil
		}
		d.admitted.Add(-need)
	}
	return need, d.wait(ctx, need, b.Adds())
}

// Finish says that what was admitted for need bytes is in files and memtables, or will not be.
func (d *Disk) Finish(need int64) { d.finished.Add(need) }

// Claim is Admit for the given number of bytes of a table that a transaction writes. The caller calls release when the
// table has them. A nil Disk admits anything.
func (d *Disk) Claim(ctx context.Context, bytes int64) (release func(), err error) {
	if d == nil {
		return func() {}, nil
	}
	return func() { d.Finish(bytes) }, d.wait(ctx, bytes, true)
}

// wait is waitUntil, which Close ends too.
func (d *Disk) wait(ctx context.Context, need int64, adds bool) error {
	err := d.gate.UntilClosed(ctx, func(ctx context.Context) error { return d.waitUntil(ctx, need, adds) })
	if err != nil && d.gate.Closed() {
		return calls.ErrClosed // nothing returns space any more
	}
	return err
}

// needOf is how many bytes a commit takes: in the log, which is allocated ahead by as much as it has, and in tables.
// Each operation has a trailer and a place in the locator there, and each record a header here.
func needOf(b *batch.Batch) int64 { return 3*int64(len(b.Bytes())) + 48*int64(b.Count()) + 512 }

// waitUntil waits until there is room for need bytes, or there will be none by itself.
func (d *Disk) waitUntil(ctx context.Context, need int64, adds bool) error {
	if d.take(need, adds) {
		return nil
	}
	d.waiting.Add(1)
	defer d.waiting.Add(-1)
	turn := d.adding
	if !adds {
		turn = d.deleting // less is enough for it
	}
	if err := turn.Take(ctx); err != nil {
		return err
	}
	defer turn.End()
	for {
		changed := d.env.NextChange()
		if d.take(need, adds) {
			return nil
		}
		if adds && d.full() || !d.env.SpaceComes() {
			return d.decide(ctx, need, adds)
		}
		if err := d.env.Stall(ctx, changed, lookInterval); err != nil {
			return err
		}
	}
}

// decide is waitUntil when no space comes any more.
func (d *Disk) decide(ctx context.Context, need int64, adds bool) error {
	if d.take(need, adds) { // what it looked at may have come meanwhile
		return nil
	}
	if err := ctx.Err(); err != nil { // that is why nothing comes
		return err
	}
	if adds {
		d.refused.Add(1)
		d.onChange()
		return d.refusal(need)
	}
	d.admitted.Add(need)
	return nil
}

// take looks how much room there is, and admits need bytes if there is enough.
func (d *Disk) take(need int64, adds bool) bool {
	if adds && need >= largeBytes {
		if free, err := d.quota.FreeBytes(); err == nil && uint64(need) > free {
			return false
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	limit := d.lookLocked()
	if !adds {
		limit += d.bounds.Deletes + d.above()
	} else if d.full() {
		return false
	}
	if d.admitted.Add(need) <= limit {
		return true
	}
	d.admitted.Add(-need)
	return false
}

// full reports whether the medium has taken the reserve: then nothing is added.
func (d *Disk) full() bool { return d.quota.Spent() && d.quota.MediumFull() }

// lookLocked returns up to what admitted may rise, and allows that to commits that add.
func (d *Disk) lookLocked() int64 {
	spent, above := d.quota.Spent(), d.above()
	free, admitted := d.freeLocked()
	kept := max(d.compactionLocked(), d.job) + d.bounds.Deletes + above
	if spent {
		kept += d.bounds.Reserve
	}
	limit := admitted + free - kept
	if d.full() {
		d.allowed.Store(0)
		return limit
	}
	d.allowed.Store(limit)
	if d.quota.Spent() != spent { // noteSpent may have come before the allowance
		d.allowed.Store(0)
	}
	return limit
}

// above is by how much the bound is above the limit, because there was more at Open: commits that add, and the reserve,
// have to wait until there is less. It only falls, to 0 in the end, so it is read before what it is taken from.
func (d *Disk) above() int64 { return d.quota.Bound() - d.bounds.Limit }

// underLimitLocked is what is free under the limit, which is less than nothing while there is more than that.
func (d *Disk) underLimitLocked() int64 {
	above := d.above()
	free, _ := d.freeLocked()
	return free - above
}

// freeLocked returns the bytes that nothing has and nobody has claimed, when so much was admitted. What is finished
// meanwhile counts twice.
func (d *Disk) freeLocked() (free, admitted int64) {
	finished := d.finished.Load()
	demand := d.env.Demand()
	used := d.quota.Used()
	if demand.Tables != d.tables {
		d.tables, d.largest = demand.Tables, largestOf(demand.Tables)
	}
	admitted = d.admitted.Load()
	return d.quota.Bound() - used - demand.bytes() - (admitted - finished), admitted
}

// compactionLocked is how many bytes are always left to compactions.
func (d *Disk) compactionLocked() int64 { return max(d.bounds.Compaction, largestTables*d.largest) }

func largestOf(v *manifest.Version) (size int64) {
	if v == nil {
		return 0
	}
	for _, level := range v.Levels {
		for _, t := range level {
			size = max(size, t.Size)
		}
	}
	return size
}

// BeginJob returns how many bytes the outputs of a compaction may take, and keeps them for it until SetJob. short says
// that commits wait for space, or soon will.
//
// Without a limit most is 0.
func (d *Disk) BeginJob() (most int64, short bool) {
	if d == nil {
		return 0, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.allowed.Store(0)
	above := d.above()
	free, _ := d.freeLocked()
	d.job = max(free, 1)
	return d.job, d.isShortLocked(free - above)
}

// isShortLocked reports whether commits wait for space, or soon will, where so much is free under the limit.
func (d *Disk) isShortLocked(free int64) bool {
	return free-d.compactionLocked()-d.bounds.Deletes < d.bounds.Short || d.Waiting()
}

// Left is what BeginJob would return, who waits being known.
func (d *Disk) Left() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	free, _ := d.freeLocked()
	return max(free, 1)
}

// SetJob keeps bytes for the compaction that has begun: 0 if it has ended, or there is none.
func (d *Disk) SetJob(bytes int64) {
	if d == nil {
		return
	}
	d.mu.Lock()
	d.job = bytes
	d.mu.Unlock()
	d.env.Changed()
}

// Waiting reports whether commits wait for space.
func (d *Disk) Waiting() bool { return d != nil && d.waiting.Load() > 0 }

// Short reports whether commits wait for space, or soon will.
func (d *Disk) Short() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.isShortLocked(d.underLimitLocked())
}

// refusal says why need bytes are refused, and what to do.
func (d *Disk) refusal(need int64) error {
	if d.full() {
		return fmt.Errorf("%w: the disk is full, and the reserve of %d bytes is spent; deletes go on, and other writes when "+
			"the disk has space for it again", vfs.ErrNoSpace, d.bounds.Reserve)
	}
	if left, err := d.quota.FreeBytes(); err == nil && need >= largeBytes && left < uint64(need) {
		return fmt.Errorf("%w: the commit needs %d bytes, and the disk has %d", vfs.ErrNoSpace, need, left)
	}
	d.mu.Lock()
	free := d.underLimitLocked()
	kept := max(d.compactionLocked(), d.job) + d.bounds.Deletes
	d.mu.Unlock()
	if d.quota.Spent() {
		kept += d.bounds.Reserve
	}
	reader := ""
	if keeps, age := d.env.OldestReader(); keeps && age > 0 {
		reader = fmt.Sprintf(" (the oldest reader, open for %v, keeps old versions)", age.Round(time.Second))
	} else if keeps {
		reader = " (a reader, a follower or Options.Retain keeps old versions)"
	}
	return fmt.Errorf("%w: Options.DiskLimit is %d bytes, the files have %d, %d of what is left are kept for "+
		"compactions, deletes and the reserve, and the commit needs %d of %d; delete data, end old snapshots%s, "+
		"or raise Options.DiskLimit", vfs.ErrNoSpace, d.bounds.Limit, d.quota.Used(), kept, need, max(free-kept, 0), reader)
}
