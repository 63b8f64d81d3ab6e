package tree

import (
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/latency"
	"lightningdb/internal/tree/cache"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/readers"
)

// Metrics is the state of a tree at one moment.
type Metrics struct {
	Version      *manifest.Version // nil after Close
	Visible      key.SeqNum
	MemtableUsed int64 // bytes written to the active and frozen memtables
	MemtableHeld int64 // bytes of memory that memtables take, spare ones included
	MemtableRows int
	Active       int // memtables: one, and none after Close
	Frozen       int
	Ranges       int // range tombstones, of version and memtables
	Cache        cache.Metrics
	RowBytes     int64  // bytes of memory for rows that are read over and over
	ReadBytes    uint64 // bytes of tables that were not in the cache
	OpenTables   int
	OpenBytes    int64 // bytes of directories and slots of open tables
	BufferBytes  int64 // bytes of pieces of tables that are being written, or read from front to back
	WriteBytes   int64 // bytes of what open transactions have written and read, where that is much
	Snapshots    int64
	Iterators    int64
	Gets, Scans  latency.Counts   // how long reads of a key, and steps, took: see timing.PerTimed and merge.StepsPerTimed
	Passed       int64            // user keys without a value that iterators have passed
	Checked      int64            // entries looked at to find what has changed in a span
	OldestSeq    key.SeqNum       // the oldest sequence number that a reader holds
	Horizon      key.SeqNum       // SnapshotAt finds every sequence number from here on
	OldestAge    time.Duration    // of the reader that has been open for longest; 0 if there is none
	Readers      []readers.Reader // those that have been open for longest, these first; with TraceReaders only
	Pinned       Files            // tables that are no longer part of the tree, and that readers hold
}

// Files sums up files.
type Files struct {
	Count int
	Bytes int64
}

// Metrics collects the metrics. It takes a few locks for a moment each.
func (tr *Tree) Metrics() Metrics {
	m := Metrics{
		Visible:  tr.readers.Visible(),
		Cache:    tr.cache.Metrics(),
		RowBytes: tr.rows.Bytes(), ReadBytes: tr.tables.BytesRead(),
		BufferBytes: tr.buffers.Bytes(),
		WriteBytes:  tr.onHeap.Load(),
		Snapshots:   tr.openSnapshots.Load(),
		Iterators:   tr.openIterators.Load(),
		Gets:        tr.gets.Counts(), Scans: tr.scans.Counts(),
		Passed:  tr.passed.Load(),
		Checked: tr.checked.Load(),
	}
	m.OldestSeq, m.Horizon = tr.readers.Oldest()
	m.OldestAge, m.Readers = tr.readers.Longest()
	m.OpenTables, m.OpenBytes = tr.tables.Size()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	m.MemtableHeld = tr.mems.Allocated()
	v := tr.view.Load()
	if v == nil {
		return m
	}
	m.Version, m.Active, m.Frozen = v.version, min(1, len(v.mems)), max(0, len(v.mems)-1)
	m.Pinned = tr.pinnedLocked(v)
	m.MemtableUsed, m.MemtableRows = v.Unflushed()
	m.Ranges, _ = v.Ranges()
	return m
}

// pinnedLocked sums up the tables that older views name and v, which is current, does not: those of iterators that
// stand still.
func (tr *Tree) pinnedLocked(v *View) Files {
	var pinned Files
	pinned.Count, pinned.Bytes = tr.names.All()
	for _, f := range v.values {
		pinned.Count--
		pinned.Bytes -= f.Size
	}
	for _, run := range v.runs {
		for _, t := range run.Tables() {
			pinned.Count--
			pinned.Bytes -= t.Meta().Size
		}
	}
	return pinned
}
