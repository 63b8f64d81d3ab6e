package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs/memfs"
)

// Tally counts what a differential run did.
type Tally struct {
	Operations  int // all of the following, and puts, deletes and gets
	Commits     int
	Scans       int
	Structural  int // flushes, compactions, steps, reopenings and crashes
	Comparisons int // of the whole content with the model
	Reopened    int
	Killed      int
	PowerCuts   int
	Values      ValueStats
	Streams     StreamStats
	Ends        int // entries put that end
	ClockSet    int // times
	oracle.Counts
}

// Add adds o to t.
func (t *Tally) Add(o Tally) {
	t.Operations += o.Operations
	t.Commits += o.Commits
	t.Scans += o.Scans
	t.Structural += o.Structural
	t.Comparisons += o.Comparisons
	t.Reopened += o.Reopened
	t.Killed += o.Killed
	t.PowerCuts += o.PowerCuts
	t.Values.Add(o.Values)
	t.Streams.Add(o.Streams)
	t.Ends += o.Ends
	t.ClockSet += o.ClockSet
	t.Counts.Add(o.Counts)
}

func (t Tally) String() string {
	return fmt.Sprintf("ops=%d commits=%d scans=%d structural=%d comparisons=%d reopened=%d killed=%d power_cuts=%d "+
		"%v %v ends=%d clock_set=%d %v",
		t.Operations, t.Commits, t.Scans, t.Structural, t.Comparisons, t.Reopened, t.Killed, t.PowerCuts, t.Values,
		t.Streams, t.Ends, t.ClockSet, t.Counts)
}

// limits of a differential run.
const (
	maxHeldSnapshots = 6
	maxHeldIterators = 3
	maxHeldValues    = 2
	forgetEvery      = 512 // operations
)

// differential is one run: a session, a random source, and what is held across operations.
type differential struct {
	*Session
	mix       *Mix
	r         *rand.Rand
	drawn     *rand.Rand // thresholds of values: a source of its own, so that what else a seed leads to stays
	fs        *memfs.FS
	tally     Tally
	snapshots []*engine.Snapshot
	walks     []*walk
	views     []*viewing
	film      []byte   // the key that was streamed to last
	recent    []string // what the last operations were, for the message of a failure

	crashInRecovery bool
	powerLost       bool // since the last completed recovery

	end key.Time // of an entry that was put not long ago
}

// walk is an iterator held open, and what it must yield.
type walk struct {
	it      *engine.Iterator
	entries []oracle.Entry
	at      int // position; -1 and len(entries) are the ends
}

// Run performs random operations on a database and on a model of it, and compares all answers, until it has done
// ops of them or stop returns true. The same seed gives the same operations; with Options.Manual also the same
// timing of background work. The error describes the first difference.
func (m Mix) Run(seed uint64, ops int, stop func() bool) (tally Tally, err error) {
	d := newDifferential(&m, seed, 1)
	if err := d.Open(); err != nil {
		return d.tally, err
	}
	defer func() { tally.Values = d.values.stats() }()
	defer d.Abandon()
	defer d.dropReaders()
	if m.Load {
		ops += m.Keys
		if err := d.load(); err != nil {
			return d.tally, err
		}
	}
	for d.tally.Operations < ops && !stop() {
		d.tally.Operations++
		if err := d.step(); err != nil {
			if errors.Is(err, ErrMismatch) {
				d.tally.WrongData++
			}
			return d.tally, fmt.Errorf("operation %d: %w (before: %s)", d.tally.Operations, err, d.recent)
		}
	}
	d.dropReaders()
	d.fs.CrashAt(-1) // one that was set and has not happened
	err = d.compareAll()
	return d.tally, errors.Join(err, d.Close())
}

// newDifferential returns a run of m on an empty directory. The engine is closed.
func newDifferential(m *Mix, seed, stream uint64) *differential {
	d := &differential{mix: m, r: rand.New(rand.NewPCG(seed, stream)), drawn: rand.New(rand.NewPCG(seed, 100+stream)),
		fs: memfs.New()}
	m.Options.Random = counter()
	m.Options.FS = d.fs
	m.Options.ValueThreshold = drawThreshold(d.drawn)
	d.Session = NewSession(m.Options, new(oracle.History))
	if (seed+stream)%2 == 0 {
		d.opts.Partial = nil
	}
	d.isDead = func() bool { return d.fs.Crashed() }
	return d
}

// load puts every key once, in batches.
func (d *differential) load() error {
	for n := 0; n < d.mix.Keys; {
		var b batch.Batch
		for ; b.Count() < 500 && n < d.mix.Keys; n++ {
			k := d.mix.keyNumber(n)
			b.Put(k, d.mix.valueOf(d.r, k))
		}
		d.tally.Operations += b.Count()
		if err := d.Write(&b, n%1000 == 0); err != nil {
			return err
		}
	}
	return nil
}

// note remembers an operation for the message of a failure.
func (d *differential) note(format string, args ...any) {
	d.recent = append(d.recent, fmt.Sprintf(format, args...))
	if len(d.recent) > 12 {
		d.recent = d.recent[1:]
	}
}

// step does one random operation. A crash that was set before may end any of them.
func (d *differential) step() error {
	if d.tally.Operations%forgetEvery == 0 {
		d.forget()
	}
	err := d.operation()
	if d.fs.Crashed() && !errors.Is(err, ErrMismatch) {
		d.note("crashed: %v", err)
		return d.crash()
	}
	return err
}

func (d *differential) operation() error {
	if d.r.Float64() < d.mix.Structure {
		d.tally.Structural++
		if err := d.restructure(); err != nil || d.fs.Crashed() {
			return err
		}
		d.lookAtValues()
		return d.compareAll()
	}
	if d.mix.Streams > 0 && d.r.Float64() < d.mix.Streams {
		return d.stream()
	}
	if d.mix.Ends > 0 && d.r.Float64() < d.mix.Ends/5 {
		d.setClock()
	}
	switch p := d.r.IntN(100); {
	case p < 1:
		return d.ingest()
	case p < 35:
		return d.commit()
	case p < 80:
		return d.get()
	case p < 90:
		return d.scan()
	case p < 94:
		return d.moveHeld()
	case p < 96:
		return d.holdWalk()
	case p < 98:
		return d.holdSnapshot()
	}
	return d.dropOne()
}

// commit writes a batch, mostly small, with keys that may repeat.
func (d *differential) commit() error {
	n := 1
	if d.r.IntN(3) == 0 {
		n = 1 + d.r.IntN(d.mix.MaxBatch)
	}
	b := d.batch(n)
	sync := d.r.Float64() < d.mix.Sync
	d.note("commit %d operations, %d bytes, sync %v", n, len(b.Bytes()), sync)
	return d.Write(b, sync)
}

// ingest writes a batch, mostly larger, by way of tables.
func (d *differential) ingest() error {
	n := 1 + d.r.IntN(4*d.mix.MaxBatch)
	b := d.batch(n)
	d.note("ingest %d operations, %d bytes", n, len(b.Bytes()))
	return d.Ingest(b)
}

// batch returns n random writes.
func (d *differential) batch(n int) *batch.Batch {
	var b batch.Batch
	for range n {
		if d.mix.Ends > 0 && d.r.Float64() < d.mix.Ends {
			d.putUntil(&b)
			continue
		}
		d.mix.change(d.r, &b)
	}
	d.tally.Commits++
	d.tally.Operations += n - 1
	return &b
}

// forget bounds the model: what no held reader sees goes.
func (d *differential) forget() {
	oldest := d.History.Durable()
	for _, s := range d.snapshots {
		oldest = min(oldest, s.Seq())
	}
	d.History.Forget(oldest)
}

func (d *differential) get() error {
	s, at := d.anySnapshot(), d.History.Last()
	if s != nil {
		at = s.Seq()
	}
	return d.GetAt(d.mix.key(d.r), s, at)
}

// anySnapshot returns a held snapshot, or nil for the newest state.
func (d *differential) anySnapshot() *engine.Snapshot {
	if i := d.r.IntN(2*len(d.snapshots) + 1); i < len(d.snapshots) {
		return d.snapshots[i]
	}
	return nil
}

// newWalk opens an iterator with random bounds.
func (d *differential) newWalk() (*walk, error) {
	var lo, hi []byte
	if d.r.IntN(4) > 0 {
		lo = d.mix.key(d.r)
	}
	if d.r.IntN(4) > 0 {
		hi = d.mix.key(d.r)
	}
	s, at := d.anySnapshot(), d.History.Last()
	if s != nil {
		at = s.Seq()
	}
	now, err := d.timeOf(s)
	if err != nil {
		return nil, err
	}
	it, err := d.Engine.NewIterator(s, lo, hi)
	if err != nil {
		return nil, err
	}
	w := &walk{it: it, at: -1}
	for e := range d.History.EntriesBy(now, lo, hi, at) {
		if w.entries = append(w.entries, e); len(w.entries) > 3000 && hi == nil {
			break
		}
	}
	if len(w.entries) > 3000 { // walk a part only; its end is not checked
		it.Close()
		hi = w.entries[3000].Key
		w.entries = w.entries[:3000]
		if w.it, err = d.Engine.NewIterator(s, lo, hi); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// scan walks over a range once, with up to 60 moves.
func (d *differential) scan() error {
	d.tally.Scans++
	w, err := d.newWalk()
	if err != nil {
		return err
	}
	return errors.Join(d.move(w, 1+d.r.IntN(60)), w.it.Close())
}

func (d *differential) holdWalk() error {
	if len(d.walks) == maxHeldIterators {
		return nil
	}
	w, err := d.newWalk()
	if err != nil {
		return err
	}
	d.walks = append(d.walks, w)
	return d.move(w, 3)
}

func (d *differential) moveHeld() error {
	if len(d.walks) == 0 {
		return nil
	}
	return d.move(d.walks[d.r.IntN(len(d.walks))], 1+d.r.IntN(10))
}

// move makes random moves, with a liking for runs in one direction, and compares after each.
func (d *differential) move(w *walk, moves int) error {
	forward := d.r.IntN(2) == 0
	for i := range moves {
		if i == 0 || d.r.IntN(20) == 0 {
			forward = d.r.IntN(2) == 0
			w.jump(d.r, d.mix.key(d.r))
		} else if forward {
			w.step(w.it.Next, 1)
		} else {
			w.step(w.it.Prev, -1)
		}
		if err := w.check(); err != nil {
			return err
		}
	}
	return nil
}

// jump places the iterator in one of four ways.
func (w *walk) jump(r *rand.Rand, target []byte) {
	i, _ := slices.BinarySearchFunc(w.entries, target, func(e oracle.Entry, k []byte) int {
		return bytes.Compare(e.Key, k)
	})
	switch r.IntN(4) {
	case 0:
		w.it.First()
		w.at = 0
	case 1:
		w.it.Last()
		w.at = len(w.entries) - 1
	case 2:
		w.it.SeekGE(target)
		w.at = i
	case 3:
		w.it.SeekLT(target)
		w.at = i - 1
	}
}

// step moves by one, unless the iterator stands on nothing: then it stays.
func (w *walk) step(move func() bool, by int) {
	move()
	if w.at >= 0 && w.at < len(w.entries) {
		w.at += by
	}
}

func (w *walk) check() error {
	if err := w.it.Err(); err != nil {
		return err
	}
	inside := w.at >= 0 && w.at < len(w.entries)
	if w.it.Valid() != inside {
		return mismatch("iterator at position %d of %d: valid is %v", w.at, len(w.entries), w.it.Valid())
	}
	if !inside {
		return nil
	}
	want := w.entries[w.at]
	value, err := w.it.Value()
	if err != nil {
		return err
	}
	if !bytes.Equal(w.it.Key(), want.Key) || !bytes.Equal(value, want.Value) {
		return mismatch("iterator at position %d of %d: %.40q with %d bytes instead of %.40q with %d", w.at,
			len(w.entries), w.it.Key(), len(value), want.Key, len(want.Value))
	}
	return nil
}

func (d *differential) holdSnapshot() error {
	if len(d.snapshots) < maxHeldSnapshots {
		s := d.Engine.Snapshot()
		if s.Seq() != d.History.Last() {
			return mismatch("a snapshot stands at %d instead of %d", s.Seq(), d.History.Last())
		}
		d.snapshots = append(d.snapshots, s)
	}
	return nil
}

// dropOne closes one thing that is held.
func (d *differential) dropOne() error {
	if len(d.snapshots) > 0 && d.r.IntN(2) == 0 {
		i := d.r.IntN(len(d.snapshots))
		d.closeViewsOf(d.snapshots[i])
		d.snapshots[i].Close()
		d.snapshots = slices.Delete(d.snapshots, i, i+1)
	} else if len(d.walks) > 0 {
		i := d.r.IntN(len(d.walks))
		err := d.walks[i].it.Close()
		d.walks = slices.Delete(d.walks, i, i+1)
		return err
	}
	return nil
}

func (d *differential) dropReaders() {
	for _, s := range d.snapshots {
		s.Close()
	}
	for _, w := range d.walks {
		w.it.Close()
	}
	for _, v := range d.views {
		v.value.Close()
	}
	d.snapshots, d.walks, d.views = nil, nil, nil
}

// compareAll compares everything at the newest state and at every held snapshot.
func (d *differential) compareAll() error {
	for _, s := range append([]*engine.Snapshot{nil}, d.snapshots...) {
		d.tally.Comparisons++
		if err := d.Compare(s); err != nil {
			return err
		}
	}
	return nil
}

// restructure changes how the content is stored, or how much of it is durable, but not the content.
func (d *differential) restructure() error {
	p := d.r.IntN(100)
	switch {
	case p < 12:
		d.note("flush")
		return d.Flush()
	case p < 24:
		d.note("flush step")
		return flushStep(d.Session)
	case p < 44:
		d.note("compact step")
		_, err := d.compactStep()
		return err
	case p < 54:
		d.note("sync step")
		return d.syncStep()
	case p < 64:
		d.note("clean step")
		_, err := d.Engine.CleanStep()
		d.Engine.MemoryStep()
		return err
	case p < 72:
		return d.compactRange()
	case p < 80:
		return d.reopen()
	case p < 90:
		return d.crash()
	}
	d.setCrash(40)
	return nil
}

// setCrash lets the machine crash within the next changes of the directory.
func (d *differential) setCrash(within int) {
	n := d.fs.Ops() + d.r.IntN(within)
	if d.r.IntN(2) == 0 {
		d.fs.CrashAt(n)
	} else {
		d.fs.CrashDuring(n)
	}
}

// syncStep makes things durable for certain only where no background goroutine may be at it.
func (d *differential) syncStep() error {
	if d.mix.Options.Manual {
		return d.Sync()
	}
	_, err := d.Engine.SyncStep()
	return err
}

func (d *differential) compactRange() error {
	var lo, hi []byte
	if d.r.IntN(3) > 0 {
		lo, hi = d.mix.key(d.r), d.mix.key(d.r)
		if bytes.Compare(lo, hi) > 0 {
			lo, hi = hi, lo
		}
	}
	d.note("compact %.20q %.20q", lo, hi)
	if err := d.Engine.Compact(context.Background(), lo, hi); err != nil {
		return err
	}
	d.History.Synced(d.History.Last())
	return nil
}

// reopen closes cleanly and opens again.
func (d *differential) reopen() error {
	d.note("reopen")
	d.tally.Reopened++
	d.dropReaders()
	if err := d.Close(); err != nil {
		return err
	}
	return d.openOn(d.fs.Kill(), oracle.Killed)
}

// crash ends the process or cuts the power, and recovers.
func (d *differential) crash() error {
	d.dropReaders()
	if d.r.IntN(3) == 0 {
		d.note("kill")
		d.tally.Killed++
		next := d.fs.Kill()
		d.Abandon()
		return d.openOn(next, oracle.Killed)
	}
	cut := Cut{memfs.Policies[d.r.IntN(len(memfs.Policies))], uint64(d.r.IntN(1 << 20))}
	d.note("power cut %v:%d", cut.Policy, cut.Seed)
	d.tally.PowerCuts++
	d.fs.Crash()
	next := d.fs.Image(cut.Policy, cut.Seed)
	d.Abandon()
	return d.openOn(next, oracle.PowerCut)
}

// openOn recovers the directory and judges what is there.
func (d *differential) openOn(fs *memfs.FS, loss oracle.Loss) error {
	d.fs = fs
	d.opts.FS = keptOpen{fs}
	d.opts.ValueThreshold = drawThreshold(d.drawn)
	if d.crashInRecovery && d.r.IntN(3) == 0 {
		d.setCrash(12)
	}
	if d.History.Ended(loss); d.powerLost {
		d.History.Ended(oracle.PowerCut)
	}
	if d.mix.Ends > 0 && d.r.IntN(2) == 0 {
		d.setClock()
	}
	err := d.Open()
	noteTime(&d.tally.Counts, err)
	if d.fs.Crashed() {
		d.powerLost = d.powerLost || loss == oracle.PowerCut
		return d.crash()
	}
	if err != nil {
		return err
	}
	d.fs.CrashAt(-1) // not while the content is read: background work goes on
	entries, err := Content(d.Engine, nil)
	if err != nil {
		return err
	}
	if d.powerLost {
		loss = oracle.PowerCut
	}
	d.powerLost = false
	last := key.SeqNum(d.Engine.Report().LastSequence)
	counts, err := d.History.Judge(loss, last, entries)
	d.tally.Counts.Add(counts)
	if err != nil {
		return err
	}
	d.History.Recovered(last)
	return nil
}
