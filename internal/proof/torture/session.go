// Package torture drives an engine and knows, through package oracle, what it must hold. A Session is one database
// over one life of its directory: it writes and reads through an open engine, and keeps the history of both. Crash
// workloads, differential tests, fault tests and soak tests are built from it. Nothing in the product
// imports it: it is for tests and for cmd/lightning-proof.
package torture

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// Session is a database under test. It is not safe for concurrent use.
type Session struct {
	Engine  *engine.Engine // nil while closed
	History *oracle.History

	opts    engine.Options
	medium  *memfs.FS   // beneath opts.FS, for workloads that change its capacity
	isDead  func() bool // whether nobody is told any more what the engine answers; nil for never
	decided key.SeqNum  // the newest that is published, or may be, though the history does not have it as acknowledged
	told    key.SeqNum  // the newest that was acknowledged, and not by a process that was dead
	values  *valueWatch // of the directory, in all of its lives
	shrunk  RangeStats  // likewise
	wall    *wall       // the clock by which entries end; nil for one that somebody else has
	got     []byte
}

// NewSession returns a session on a directory whose history so far is h. The engine is closed.
func NewSession(opts engine.Options, h *oracle.History) *Session {
	opts.FS = keptOpen{opts.FS}
	opts.Merge, opts.Partial, h.Merge = mergeByDigest, listed.Partial, mergeByDigest
	values := newValueWatch()
	opts.Events.Listener = values.hear
	s := &Session{History: h, opts: opts, values: values}
	if opts.Wall == nil {
		s.wall = newWall(h)
		s.opts.Wall = s.wall.now
	}
	return s
}

// keptOpen is a directory that outlives the engines on it.
type keptOpen struct{ vfs.FS }

// Close does nothing.
func (keptOpen) Close() error { return nil }

// Inner implements vfs.Wrapper.
func (k keptOpen) Inner() vfs.FS { return k.FS }

// Open opens the engine.
func (s *Session) Open() error {
	s.decided = s.History.Last() // recovery may find any of it, and publish that
	e, err := engine.Open(s.opts)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	s.Engine, s.decided = e, key.SeqNum(e.Report().LastSequence)
	if !s.opts.ReadOnly {
		s.History.Keep(oracle.PowerCut) // Open has edited the manifest
	}
	_, err = s.timeOf(nil)
	return err
}

// Published is the newest state that followers may show by now: that of the last acknowledged commit, or of one in
// progress, or what a recovery has found, or is about to find. A commit that was refused, or whose fate is unknown, is
// published by no writer but the next.
func (s *Session) Published() key.SeqNum { return max(s.History.Acknowledged(), s.decided) }

// issued is called with the sequence number that a commit in progress ends with, and what was the last one before. It
// returns the end of that progress.
func (s *Session) issued(last, before key.SeqNum) (ended func()) {
	decided := s.decided
	if before <= s.Published() { // otherwise it follows one of unknown fate, and is refused
		s.decided = last
	}
	return func() { s.decided = decided }
}

// Close closes the engine.
func (s *Session) Close() error {
	err := s.Engine.Close()
	s.Engine = nil
	if err == nil {
		s.History.Synced(s.History.Last())
		if !s.faulted() { // a close on a full disk leaves the edit out, as the log has everything but the time
			s.History.Keep(oracle.PowerCut)
		}
	}
	return err
}

// faulted reports whether a call of the directory has failed on purpose.
func (s *Session) faulted() bool {
	disk, _ := s.opts.FS.(keptOpen).FS.(*errfs.FS)
	return disk != nil && disk.Faults() > 0
}

// Abandon drops the engine after a crash, if it is open.
func (s *Session) Abandon() {
	if s.Engine != nil {
		s.Engine.Close() // fails, as the directory is gone; memory and goroutines must go all the same
		s.Engine = nil
	}
}

// Write commits b.
func (s *Session) Write(b *batch.Batch, sync bool) error {
	return s.commitBy(b, sync, func() (key.SeqNum, error) { return s.Engine.Commit(b, sync) })
}

// commitBy commits b by commit.
func (s *Session) commitBy(b *batch.Batch, sync bool, commit func() (key.SeqNum, error)) error {
	before := s.History.Last()
	want := s.History.Issue(b, sync)
	defer s.issued(want, before)()
	last, err := commit()
	switch {
	case err == nil && b.Count() > 0 && last != want:
		return fmt.Errorf("the commit has sequence number %d instead of %d", last, want)
	case err == nil:
		s.acknowledge()
		if sync {
			s.History.Synced(s.History.Last())
		}
		return nil
	case !errors.Is(err, engine.ErrCommitUnknown) && b.Count() > 0:
		s.History.Refuse()
	}
	return fmt.Errorf("commit: %w", err)
}

func (s *Session) acknowledge() {
	s.History.Acknowledge()
	if s.isDead != nil && s.isDead() {
		return
	}
	s.told = s.History.Last()
	if s.opts.Followers { // the page for them has it
		s.History.Keep(oracle.Killed)
	}
}

// Ingest commits b by way of tables, under one sequence number. Of operations on one key the last counts.
func (s *Session) Ingest(b *batch.Batch) error {
	b = lastOfEach(b)
	run, err := s.writeRun(b)
	if err != nil {
		return err
	}
	defer run.Remove()
	err = s.commitAtOnce(b, func() (key.SeqNum, error) { return s.Engine.Ingest(run, nil) })
	if err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	return nil
}

// commitAtOnce commits b by commit, which gives all of it one sequence number.
func (s *Session) commitAtOnce(b *batch.Batch, commit func() (key.SeqNum, error)) error {
	before := s.History.Last()
	want := s.History.IssueAtOnce(b)
	defer s.issued(want, before)()
	got, err := commit()
	switch {
	case err == nil && got != want:
		return fmt.Errorf("the commit has sequence number %d instead of %d", got, want)
	case err == nil:
		s.acknowledge()
		s.History.Synced(s.History.Last())
		s.History.Keep(oracle.PowerCut)
	case !errors.Is(err, engine.ErrCommitUnknown):
		s.History.Refuse()
	}
	return err
}

// lastOfEach returns the last operation on each key of b, by ascending keys.
func lastOfEach(b *batch.Batch) *batch.Batch {
	newest := make(map[string]batch.Op)
	for op := range b.Ops() {
		if op.Kind != key.KindRangeDelete { // which a run has none of
			newest[string(op.Key)] = op
		}
	}
	last := new(batch.Batch)
	for _, k := range slices.Sorted(maps.Keys(newest)) {
		switch op := newest[k]; op.Kind {
		case key.KindDelete:
			last.Delete(op.Key)
		case key.KindMerge:
			last.Merge(operand.Operator(op.Value[0]), op.Key, op.Value[1:])
		case key.KindPutUntil:
			end, value := key.SplitEnd(op.Value)
			last.PutUntil(op.Key, value, end)
		default:
			last.Put(op.Key, op.Value)
		}
	}
	return last
}

// writeRun writes b, which is in order, to a run.
func (s *Session) writeRun(b *batch.Batch) (*engine.Spill, error) {
	w := s.Engine.NewIngest()
	for op := range b.Ops() {
		if err := w.Add(op.Key, op.Kind, op.Value); err != nil {
			w.Abort()
			return nil, fmt.Errorf("write a run: %w", err)
		}
	}
	return w.Finish()
}

// Put commits one value; k is spelled.
func (s *Session) Put(k, v string, sync bool) error {
	var b batch.Batch
	b.Put(spell(k), []byte(v))
	return s.Write(&b, sync)
}

// Delete commits one removal; k is spelled.
func (s *Session) Delete(k string, sync bool) error {
	var b batch.Batch
	b.Delete(spell(k))
	return s.Write(&b, sync)
}

// Get reads k in the newest state and compares.
func (s *Session) Get(k []byte) error {
	return s.GetAt(k, nil, s.History.Last())
}

// GetAt reads k at the state of snapshot (nil for the newest) and compares with the state at want.
func (s *Session) GetAt(k []byte, snapshot *engine.Snapshot, want key.SeqNum) error {
	now, err := s.timeOf(snapshot)
	if err != nil {
		return err
	}
	got, found, err := getAt(s.Engine, snapshot, s.got[:0], k)
	if err != nil {
		return fmt.Errorf("get %.40q: %w", k, err)
	}
	s.got = got
	value, exists := s.History.GetBy(now, k, want)
	if found != exists || found && !bytes.Equal(got, value) {
		return mismatch("get %.40q at %d: found %v, %d bytes; want %v, %d bytes", k, want, found, len(got), exists,
			len(value))
	}
	return nil
}

// Sync makes everything committed so far durable by a SyncStep.
func (s *Session) Sync() error {
	if _, err := s.Engine.SyncStep(); err != nil {
		return err
	}
	s.History.Synced(s.History.Last())
	return nil
}

// Flush writes everything committed so far to tables.
func (s *Session) Flush() error {
	if err := s.editing(s.Engine.Flush); err != nil {
		return err
	}
	s.History.Synced(s.History.Last())
	return nil
}

// ErrMismatch says that the engine answered wrongly, in contrast to not at all.
var ErrMismatch = errors.New("wrong answer")

func mismatch(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMismatch, fmt.Sprintf(format, args...))
}
