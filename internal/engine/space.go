package engine

import (
	"bytes"
	"time"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/join"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/merge"
)

// Compactions return the space of what tables say is deleted or replaced. What a memtable says they do not know: a
// program that deletes most of its data and then is quiet would keep all of it on disk. So the housekeeper looks what
// the active memtable hides, once the writes have come to a rest, and has it flushed if that is so much that a
// compaction would be due; the compactor takes it from there.
//
// A flush costs a table, a log segment and some syncs, so it has to return something:
//
//	quiet for quietPause              promptBytes of tables
//	quiet, first write oldAge ago     blockBytes of tables, or oldLogBytes of log: file systems give back whole blocks
//	written to all the time           a quarter of a memtable of tables, looked at every weighInterval
//
// A compaction calls for a look, too: it makes what is hidden a larger part of all.
//
// In each case the garbage must pass what compaction.CallsForSpace allows of all data. A program that writes a key a
// minute gets no table for it: what it replaces is either less than a block, or has taken hours to become that.
const (
	quietPause    = 2 * time.Second
	weighInterval = 10 * time.Second
	oldAge        = 10 * time.Minute

	promptBytes = 64 << 10
	blockBytes  = 4 << 10
	oldLogBytes = 256 << 10
)

// maxWeighed is how many keys of a memtable or table are looked up to find what they hide, each at the cost of a
// read: of more keys so many are taken as a sample. A table of more entries is estimated by what the manifest says.
const maxWeighed = 1024

// space is what SpaceStep remembers.
type space struct {
	newest key.SeqNum // the newest commit at the last look
	came   instant    // when it was seen first
	mem    *memRef    // the active memtable at the last look
	begun  instant    // when something was first seen in it; 0 if it was empty
	looked bool       // it was weighed when it was old: only further commits call for another look
}

// look brings s up to the present.
func (s *space) look(now instant, active *memRef, newest key.SeqNum) {
	if active != s.mem {
		s.mem, s.begun, s.looked = active, 0, false
	}
	if s.begun == 0 && active.Count() > 0 {
		s.begun = now
	}
	if newest != s.newest {
		s.newest, s.came = newest, now
	}
}

// lookForSpace has SpaceStep look at what has changed, when it has come to a rest.
func (e *Engine) lookForSpace() {
	if e.unweighed.Load() == 0 {
		e.unweighed.Store(int64(e.now()))
		e.wake(e.wakeHousekeeper)
	}
}

// SpaceStep has the active memtable flushed if it is time to and that returns space. It returns when it is due again;
// far away if that takes a commit.
func (e *Engine) SpaceStep() time.Duration {
	e.houseMu.Lock()
	defer e.houseMu.Unlock()
	v := e.acquireView()
	if v == nil {
		return time.Hour
	}
	defer e.unref(v)
	if e.writable() != nil {
		return time.Hour
	}
	now, first, s := e.now(), instant(e.unweighed.Load()), &e.space
	s.look(now, v.mems[0], key.SeqNum(e.visible.Load()))
	quiet, age := now.since(s.came) >= quietPause, now.since(s.begun)
	switch {
	case s.begun == 0:
		return e.spaceSeen(v.mems[0])
	case first == 0 && s.looked:
		return time.Hour
	case first == 0 && age < oldAge: // nothing new, but that it may become old
		return oldAge - age
	case first != 0 && !quiet && now.since(first) < weighInterval:
		return quietPause - now.since(s.came)
	}
	e.unweighed.Store(0)                        // before it is weighed: a change from now on is told of again
	if !e.weighSpace(v, quiet, age >= oldAge) { // a burst, a flush, a compaction or a commit is in progress
		e.unweighed.CompareAndSwap(0, int64(now))
		return quietPause
	}
	if s.looked = age >= oldAge; s.looked {
		return time.Hour
	}
	return oldAge - age
}

// spaceSeen notes that active is empty, and so hides nothing.
func (e *Engine) spaceSeen(active *memRef) time.Duration {
	e.unweighed.Store(0)
	if active.Count() > 0 { // it no longer is, and nobody may tell of it
		e.lookForSpace()
	}
	return time.Hour
}

// weighSpace freezes the active memtable of v if its flush returns space. It is false if this is not the time to
// decide.
func (e *Engine) weighSpace(v *view, quiet, old bool) bool {
	if !e.isQuiet(v) || !e.compactTurn.tryTake() {
		return false
	}
	returns := e.flushReturnsSpace(v, quiet, old)
	e.compactTurn.end()
	done := !returns
	if returns {
		e.queue.TryExclusive(func() { done = e.freezeForSpace(v) })
	}
	return done
}

// flushReturnsSpace reports whether a flush of the active memtable of v is worth its cost.
func (e *Engine) flushReturnsSpace(v *view, quiet, old bool) bool {
	if quiet && old && e.segment.Load().FileSize() >= oldLogBytes {
		return true
	}
	least := int64(e.budget.memtable) / 4
	if quiet {
		least = promptBytes
	}
	if quiet && old {
		least = blockBytes
	}
	m := v.mems[0]
	hidden, err := e.hiddenBelow(m.NewIterator(), m.Count(), v.runs)
	if err != nil || hidden < least { // whoever needs what cannot be read is told
		return false
	}
	oldest, _ := e.snapshots.oldest(e)
	p := e.compactionParams(oldest, true)
	p.Garbage = e.counted.in(e, v)
	return compaction.CallsForSpace(v.version, p, hidden)
}

// freezeForSpace freezes the active memtable of v, while no commit is in progress. The log goes on in a file without
// old records, which may be much longer than all that is to come. It is false if there is something else to be done
// first, or something has failed: that stops writes, or passes.
func (e *Engine) freezeForSpace(v *view) bool {
	if mems := e.view.Load().mems; len(mems) > 1 || mems[0] != v.mems[0] {
		return false
	}
	e.mu.Lock()
	blank := e.blank
	e.blank = nil
	e.mu.Unlock()
	if blank != nil {
		e.discardBlank(blank)
	}
	return e.freeze(0) == nil
}

// hiddenBelow is about how many bytes the entries of a run, so many, hide in older runs. It closes the run.
func (e *Engine) hiddenBelow(run merge.Iterator, entries int, older []run) (hidden int64, err error) {
	defer func() { err = join.Errors(err, run.Close()) }()
	every, n := entries/maxWeighed+1, 0
	var last []byte
	for ok := run.First(); ok && len(older) > 0; ok = run.Next() {
		k := run.Key()
		if bytes.Equal(k.User, last) {
			continue
		}
		last = append(last[:0], k.User...)
		if n++; n%every != 0 || k.Trailer.Kind() == key.KindMerge {
			continue
		}
		bytes, err := e.storedIn(older, k.User)
		if err != nil {
			return 0, err
		}
		hidden += bytes * int64(every)
	}
	return hidden, run.Err()
}

// storedIn is about how many bytes the newest version of user takes in runs, which are newest first; 0 if there is
// none.
func (e *Engine) storedIn(runs []run, user []byte) (int64, error) {
	for i := range runs {
		t := runs[i].find(user)
		if t == nil {
			continue
		}
		if bytes, found, err := e.storedInTable(t, user); found || err != nil {
			return bytes, err
		}
	}
	return 0, nil
}

func (e *Engine) storedInTable(t *tableRef, user []byte) (size int64, found bool, err error) {
	var it tableIterator
	if err := it.reset(e, t); err != nil {
		return 0, false, err
	}
	defer it.Close()
	if !it.SeekGE(key.SeekTo(user, key.MaxSeqNum)) || !bytes.Equal(it.Key().User, user) {
		return 0, false, it.Err()
	}
	return onDisk(&it, t.meta), true, nil
}

// onDisk is about how many bytes of t the entry takes that it is at.
func onDisk(it *tableIterator, t *manifest.TableMeta) int64 {
	inPage, extent := it.Size()
	return extent + int64(float64(inPage)*float64(t.Size)/float64(max(t.RawBytes, 1)))
}

// counted is how many bytes of garbage there are in tables of few entries, and below them: there one value may be
// most of the database, and an average says nothing. What was counted once may be less by now, because a compaction
// has come from elsewhere; then the next one of this table returns less.
type counted map[filename.Num]int64

// in returns what Params.Garbage asks for about the tables of v. It counts no more than so many tables anew: with each
// decision of the compactor some more are known.
func (c counted) in(e *Engine, v *view) func(t *manifest.TableMeta) (bytes int64, known bool) {
	left := 4 * maxWeighed // entries
	return func(t *manifest.TableMeta) (bytes int64, known bool) {
		if bytes, known = c[t.Num]; known {
			return bytes, true
		}
		ref, older := v.olderRuns(t.Num)
		if ref == nil || t.Entries > maxWeighed || int(t.Entries) > left {
			return 0, false
		}
		left -= int(t.Entries)
		bytes, err := e.countGarbage(ref, older)
		if err != nil { // the job that reads it stops for that
			return 0, false
		}
		c[t.Num] = bytes
		return bytes, true
	}
}

// forget forgets the tables that edit removes.
func (c counted) forget(edit *manifest.Edit) {
	for _, removed := range edit.Deleted {
		delete(c, removed.Num)
	}
}

// olderRuns returns the table of v with that number, and the runs that are older than it.
func (v *view) olderRuns(num filename.Num) (*tableRef, []run) {
	for i := range v.runs {
		for _, t := range v.runs[i].tables {
			if t.meta.Num == num {
				return t, v.runs[i+1:]
			}
		}
	}
	return nil, nil
}

// countGarbage is about how many bytes the tombstones and the older versions of t take, and what is older than t and
// hidden by it in other runs.
func (e *Engine) countGarbage(t *tableRef, older []run) (garbage int64, err error) {
	var it tableIterator
	if err := it.reset(e, t); err != nil {
		return 0, err
	}
	defer it.Close()
	var last []byte
	for ok := it.First(); ok; ok = it.Next() {
		k := it.Key()
		again := bytes.Equal(k.User, last)
		if again || k.Trailer.Kind() == key.KindDelete {
			garbage += onDisk(&it, t.meta)
		}
		last = append(last[:0], k.User...)
		if again || k.Trailer.Kind() == key.KindMerge {
			continue
		}
		hidden, err := e.storedIn(older, last)
		if err != nil {
			return 0, err
		}
		garbage += hidden
	}
	return garbage, it.Err()
}
