package tree

import "time"

// How long until memory that could not be given back is looked at again.
const (
	readerInterval = 500 * time.Millisecond // a reader holds what the cache is to give back
	commitInterval = 5 * time.Millisecond   // a commit was in progress
)

// ShareMemory gives back memtables that have long been spare, reviews how many rows are worth keeping, and gives the
// cache what all these leave of the limit. It returns the time until it is due again, a long one for never.
func (tr *Tree) ShareMemory() time.Duration {
	tr.sharing.Lock()
	defer tr.sharing.Unlock()
	return tr.shareMemory()
}

// shareMemory is ShareMemory for one caller at a time.
func (tr *Tree) shareMemory() time.Duration {
	widened := tr.reviewRows()
	due, memtables := tr.trimMemtables()
	if settled := tr.resizeCache(memtables); !settled {
		due = min(due, readerInterval)
	}
	if !widened {
		due = min(due, commitInterval)
	}
	return due
}

// trimMemtables gives back memtables that have long been spare. It returns when it is due again, and how many bytes
// memtables take now.
func (tr *Tree) trimMemtables() (due time.Duration, bytes int64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	due = time.Hour
	if left := tr.mems.UntilQuiet(tr.clock.Now()); left <= 0 {
		tr.mems.Free()
		tr.buffers.Trim()
	} else if tr.mems.Spare() > 0 {
		due = left
	}
	return due, tr.mems.Allocated()
}

// resizeCache gives the cache what the rest leaves of the limit while memtables take that many bytes. What is on the Go
// heap counts twice: the collector lets as much garbage gather, of tables that were closed to open others among other
// things. It reports whether the cache takes no more than that; if not, readers hold what it is to give back.
func (tr *Tree) resizeCache(memtables int64) (settled bool) {
	_, onHeap := tr.tables.Size()
	onHeap += tr.onHeap.Load()
	if v := tr.view.Load(); v != nil {
		onHeap += v.namedBytes + v.ranges.Bytes()
	}
	others := memtables + tr.rows.Bytes() + tr.buffers.Bytes() + tr.cache.PrivateBytes() + 2*onHeap
	return tr.cache.Resize(tr.opts.Budget.Cache(others))
}

// CountOnHeap says that what transactions have written and read takes delta more bytes of memory on the Go heap: the
// cache leaves it twice as much.
func (tr *Tree) CountOnHeap(delta int64) {
	tr.onHeap.Add(delta)
	tr.memorySoon()
}

// yieldCache makes the cache give up what a memtable with room for need bytes takes, before that is allocated: the
// housekeeper would do it only when the memtable is half full.
func (tr *Tree) yieldCache(need int) {
	tr.mu.Lock()
	memtables, missing := tr.mems.Allocated(), tr.mems.Missing(need)
	tr.mu.Unlock()
	if missing > 0 {
		tr.resizeCache(memtables + int64(missing))
	}
}

// memorySoon asks for ShareMemory because of what is read. A read-only database has no housekeeper, so there the
// reader does it.
func (tr *Tree) memorySoon() {
	switch {
	case !tr.opts.ReadOnly:
		tr.opts.Unused()
	case tr.sharing.TryLock():
		defer tr.sharing.Unlock()
		tr.shareMemory()
	}
}

// reviewRows makes the row cache adapt to what is read. It reports false while a commit is in progress; it never
// waits for one.
func (tr *Tree) reviewRows() bool {
	return !tr.rows.Review() || tr.opts.Exclusive(func() { tr.rows.WatchAll(tr.readers.Visible()) })
}
