package engine

import (
	"context"
	"errors"
	"fmt"

	"lightningdb/internal/format/directory"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/table"
)

// Ingest commits the entries of s, which NewIngest has written, under one sequence number, which it returns. The
// commit survives a power cut. It costs what a flush costs, however large the spill is: while commits wait,
// everything older goes to tables, and one edit of the manifest adds the tables of the spill and lets the log begin
// anew behind them. That edit, durable, is the commit.
//
// check, which may be nil, is called while no other commit is in progress. If it fails, or anything else before the
// edit is written, nothing has happened, and s can be ingested again; if the disk is too full for the edit, or no
// descriptor is left to look for other writers, nothing has happened, and s is gone. After ErrCommitUnknown the next
// Open decides. A spill that was committed is of no more use.
func (e *Engine) Ingest(s *Spill, check func() error) (key.SeqNum, error) {
	return e.ingestUntil(context.Background(), s, check)
}

// ingestUntil is Ingest, but the end of ctx ends its wait for room.
func (e *Engine) ingestUntil(ctx context.Context, s *Spill, check func() error) (key.SeqNum, error) {
	switch {
	case s.Temporary():
		return 0, errTemporarySpill
	case s.Entries() == 0:
		return 0, errEmptySpill
	}
	if err := e.Enter(); err != nil {
		return 0, err
	}
	defer e.Leave()
	for {
		if err := e.Flush(); err != nil { // most of the work, while others still commit
			return 0, err
		}
		var committed key.SeqNum
		err := e.queue.ExclusiveNumbered(func(next key.SeqNum) error {
			committed = next
			defer e.tree.Time().Release() // which check may have begun to hold
			return e.ingest(s, next, check)
		})
		if err == nil {
			e.background.compactor.Wake()
			return committed, nil
		}
		if err == errNoRoom {
			err = e.waitForRoom(ctx)
		}
		if err != nil {
			return 0, err
		}
	}
}

// ingest is Ingest as the leader of the commit queue.
func (e *Engine) ingest(s *Spill, seq key.SeqNum, check func() error) error {
	if err := e.dir.Writable(); err != nil {
		return err
	}
	if cause, _ := e.lacks(); cause != "" {
		return errNoRoom
	}
	if check != nil {
		if err := check(); err != nil {
			return err
		}
	}
	if err := e.emptyMemtables(); err != nil {
		return err
	}
	root, err := e.log.Root(seq)
	if err != nil {
		return err
	}
	entries := s.Entries()
	if err := e.commitSpill(s, seq, root.Num()); err != nil {
		e.log.DropRoot(root)
		return err
	}
	e.beginAt(root, seq)
	e.stats.Ingests.Add(1)
	e.stats.Commits.Add(1)
	e.stats.Operations.Add(entries)
	return nil
}

// emptyMemtables writes everything committed so far to tables. A reader stops at the first version that it finds, from
// the active memtable to the last level: no older one may be above what is ingested. Nor may the log hold anything that
// a recovery would replay over it.
func (e *Engine) emptyMemtables() error {
	if err := e.flushFrozen(); err != nil {
		return err
	}
	if !e.tree.Active().IsEmpty() {
		if err := errors.Join(e.freeze(0), e.flushFrozen()); err != nil {
			return err
		}
	}
	return e.log.Sync(e.tree.Visible()) // the segment is closed soon, during a SyncStep perhaps
}

// commitSpill makes the tables of s part of the tree, at seq, and logStart the beginning of the log.
func (e *Engine) commitSpill(s *Spill, seq key.SeqNum, logStart filename.Num) error {
	e.tree.NoteEnds(s)
	edit := &manifest.Edit{LogStart: logStart, LastSeq: seq, RangesAdded: s.Tombstones(seq)}
	version := e.tree.Current().Version()
	for _, t := range s.Tables(seq) {
		edit.Added = append(edit.Added, manifest.Placed{Level: compaction.DeepestLevel(version, t), Table: t})
	}
	err := e.commitEdit(edit, nil)
	e.tree.Ingested(edit.Added)
	s.Forget() // the files are the tree's, or removed, or it is not known
	if err != nil && !errors.Is(err, ErrReadOnly) && !(directory.Transient(err) && e.dir.Cause() == nil) {
		return fmt.Errorf("%w: %w", ErrCommitUnknown, err)
	}
	return err
}

// beginAt makes root the active log segment, behind a commit at seq that is in tables, and publishes that. The tables
// are in the current view already: whoever reads at seq finds them.
func (e *Engine) beginAt(root *wal.Segment, seq key.SeqNum) {
	e.tree.Active().ForSegment(root.Num()) // it is empty, and the only memtable: nobody reads this before it is frozen
	e.log.UseRoot(root, seq)
	e.tree.ForgetRows(seq)
	e.leader.confirmed = true // the edit was durable
	writer{e}.Publish(seq)
}

// ErrStreamTooLong refuses a streamed value of more than key.MaxStreamedSize bytes.
var ErrStreamTooLong = table.ErrStreamTooLong

var (
	errEmptySpill     = errors.New("ingest: the spill holds nothing")
	errTemporarySpill = errors.New("ingest: the spill was not written by NewIngest")
)
