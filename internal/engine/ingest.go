package engine

import (
	"errors"
	"fmt"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/join"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
)

// Ingest commits the entries of r, which NewIngest has written, under one sequence number, which it returns. The commit
// survives a power cut. It costs what a flush costs, however large the run is: while commits wait, everything older goes
// to tables, and one edit of the manifest adds the tables of the run and lets the log begin anew behind them. That edit,
// durable, is the commit.
//
// check, which may be nil, is called while no other commit is in progress. If it fails, or anything else before the edit
// is written, nothing has happened, and r can be ingested again; if the disk is too full for the edit, or no descriptor is
// left to look for other writers, nothing has happened, and r is gone. After ErrCommitUnknown the next Open decides. A run that was committed is of no more use.
func (e *Engine) Ingest(r *Run, check func() error) (key.SeqNum, error) {
	switch {
	case r.fleeting:
		return 0, errFleetingRun
	case len(r.tables) == 0:
		return 0, errEmptyRun
	}
	if err := e.Enter(); err != nil {
		return 0, err
	}
	defer e.Leave()
	if err := e.Flush(); err != nil { // most of the work, while others still commit
		return 0, err
	}
	var committed key.SeqNum
	err := e.queue.ExclusiveNumbered(func(next key.SeqNum) error {
		committed = next
		return e.ingest(r, next, check)
	})
	if err != nil {
		return 0, err
	}
	e.wake(e.wakeCompactor)
	return committed, nil
}

// ingest is Ingest as the leader of the commit queue.
func (e *Engine) ingest(r *Run, seq key.SeqNum, check func() error) error {
	if err := e.waitForFlush(); err != nil {
		return err
	}
	if err := e.writable(); err != nil {
		return err
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	if err := e.emptyMemtables(); err != nil {
		return err
	}
	root, err := e.prepareRoot(seq)
	if err != nil {
		return err
	}
	entries := r.Entries()
	if err := e.commitRun(r, seq, root.Num()); err != nil {
		e.dropRoot(root)
		return err
	}
	e.beginAt(root, seq)
	e.stats.ingests.Add(1)
	e.stats.commits.Add(1)
	e.stats.operations.Add(entries)
	return nil
}

// emptyMemtables writes everything committed so far to tables. A reader stops at the first version that it finds, from
// the active memtable to the last level: no older one may be above what is ingested. Nor may the log hold anything that
// a recovery would replay over it.
func (e *Engine) emptyMemtables() error {
	if err := e.flushFrozen(); err != nil {
		return err
	}
	if e.active().Count() > 0 {
		if err := join.Errors(e.freeze(0), e.flushFrozen()); err != nil {
			return err
		}
	}
	return e.syncLog() // the segment is closed soon, beside a SyncStep perhaps
}

// prepareRoot creates a log segment that begins behind seq. Until an edit names it, it stands unused beside the log. It
// syncs the directory, and so makes the names of the run's tables durable too.
func (e *Engine) prepareRoot(seq key.SeqNum) (*wal.Segment, error) {
	num := e.newNum()
	root, err := wal.Create(e.fs, num, e.databaseID(), wal.Root(seq))
	if err == nil {
		if err = e.fs.SyncDir(); err == nil {
			return root, nil
		}
		root.Close() // nothing was appended to it
	}
	e.discard(filename.Make(filename.Log, num))
	if passes(err) {
		return nil, err
	}
	return nil, e.fail("create log segment", err)
}

// dropRoot removes a segment that nothing names. If writes have failed, the manifest may name it: the next Open knows.
func (e *Engine) dropRoot(root *wal.Segment) {
	root.Close() // nothing was appended to it
	if e.failed.Load() == nil {
		e.discard(filename.Make(filename.Log, root.Num()))
	}
}

// commitRun makes the tables of r part of the tree, at seq, and logStart the beginning of the log.
func (e *Engine) commitRun(r *Run, seq key.SeqNum, logStart filename.Num) error {
	edit := &manifest.Edit{LogStart: logStart, LastSeq: seq}
	version := e.view.Load().version
	for _, t := range r.tables {
		level := compaction.DeepestLevel(version, t.meta)
		edit.Added = append(edit.Added, manifest.Placed{Level: level, Table: numbered(t.meta, seq)})
	}
	err := e.commitEdit(edit, nil)
	for _, added := range edit.Added {
		if t := added.Table; t.Tombstones < t.Entries {
			e.gaps.PutSpan(t.Smallest, t.Largest)
		}
	}
	r.letGo() // the files are the tree's, or removed, or it is not known
	if err != nil && !errors.Is(err, ErrReadOnly) && !(passes(err) && e.failed.Load() == nil) {
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	}
	return err
}

// beginAt makes root the active log segment, behind a commit at seq that is in tables, and publishes that. The tables are
// in the current view already: whoever reads at seq finds them.
func (e *Engine) beginAt(root *wal.Segment, seq key.SeqNum) {
	e.mu.Lock()
	e.logs = append(e.logs, logFile{num: root.Num()}) // the edit has retired all others
	e.segmentNum = root.Num()
	e.active().segment = root.Num() // it is empty, and the only memtable: nobody reads this before it is frozen
	e.mu.Unlock()
	old := e.segment.Load()
	e.useSegment(root)
	old.Close() // all that was in it is in tables
	e.rows.Forget(seq)
	e.confirmed = true // the edit was durable
	writer{e}.Publish(seq)
}
