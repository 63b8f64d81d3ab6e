package follower

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/status"
	"lightningdb/internal/log/wal"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/memtable"
)

// longestWait is how long a refresh waits for a page that is being replaced, or that leads to what is not there. The
// page of a writer that lives is right again within moments.
const longestWait = 2 * time.Second

// publishWait is how long a refresh waits for a commit that is in tables already, by an ingest, and is published a
// moment later: no copy can be made of what is shown before.
const publishWait = 50 * time.Millisecond

// current is what a follower has read, and perhaps not shown yet.
type current struct {
	db    [16]byte
	tail  *wal.Tail
	read  *placed          // as far as the manifest was read; nil at first
	mems  []*tree.Memtable // newest first; what the tail has read since read.version.LogStart
	fresh []*tree.Memtable // those of them that were never shown
}

// placed is a version and where the manifest ends that leads to it.
type placed struct {
	version *manifest.Version
	place   status.Manifest
}

// refresh is Refresh for the one who has the turn.
func (f *Follower) refresh(ctx context.Context) error {
	var last status.State
	var waited time.Duration
	for pause := time.Millisecond; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := status.Read(f.opts.FS)
		if err == nil {
			err = f.catchUp(page)
		}
		waits := err != nil && mayPass(err) || err == nil && !f.opts.Manual && waited < publishWait &&
			f.current.read.version.LastSeq > page.Visible
		if !waits {
			return err
		}
		if waited >= longestWait || f.opts.Manual && page == last { // a page that only grows may lead nowhere as well
			return f.explain(err)
		}
		last = page
		if f.opts.Manual {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
			waited, pause = waited+pause, min(2*pause, 50*time.Millisecond)
		}
	}
}

// mayPass reports whether err may come of a writer that is replacing what was to be read.
func mayPass(err error) bool {
	return errors.Is(err, status.ErrNone) || errors.Is(err, status.ErrAhead)
}

// explain is what Refresh returns for an err that has not passed.
func (f *Follower) explain(err error) error {
	if errors.Is(err, status.ErrNone) {
		_, _, recovered := manifest.Recover(f.opts.FS)
		if errors.Is(recovered, manifest.ErrNoDatabase) {
			return recovered
		}
	}
	return fmt.Errorf("%w (%v)", ErrNoWriter, err)
}

// catchUp shows what page says.
func (f *Follower) catchUp(page status.State) error {
	c := &f.current
	if err := f.checkGrown(page); err != nil {
		return err
	}
	if c.tail == nil {
		c.db, c.tail = page.DB, wal.NewTail(f.opts.FS, page.DB)
	}
	if c.read == nil || c.read.place != page.Manifest {
		version, err := manifest.ReadTo(f.opts.FS, page.DB, page.Manifest)
		if err != nil {
			return err
		}
		c.read = &placed{version, page.Manifest}
		f.drop(version)
	}
	if err := f.readLog(c.read.version, page.Visible); err != nil {
		return err
	}
	f.show(page)
	return nil
}

// checkGrown refuses the page of another database, or of an earlier state of this one.
func (f *Follower) checkGrown(page status.State) error {
	c, seq := &f.current, f.Sequence()
	switch {
	case f.shown.Load() == nil:
		return nil
	case page.DB != c.db:
		return fmt.Errorf("%w (the directory holds another database)", owner.ErrTakenOver)
	case page.Visible < seq:
		return fmt.Errorf("%w (it ends with commit %d, where %d was there before)", owner.ErrTakenOver, page.Visible, seq)
	case page.Manifest.Num == c.read.place.Num && page.Manifest.Length < c.read.place.Length:
		return fmt.Errorf("%w: the manifest has become shorter", status.ErrAhead)
	}
	return nil
}

// drop lets go the memtables that are in the tables of version.
func (f *Follower) drop(version *manifest.Version) {
	c := &f.current
	c.mems = slices.DeleteFunc(c.mems, func(m *tree.Memtable) bool {
		flushed := version.LogEmpty() || m.Segment() < version.LogStart
		if i := slices.Index(c.fresh, m); flushed && i >= 0 {
			c.fresh = slices.Delete(c.fresh, i, i+1)
			f.tree.Recycle(m)
		}
		return flushed
	})
}

// readLog reads the log up to visible into memtables above version.
func (f *Follower) readLog(version *manifest.Version, visible key.SeqNum) error {
	tail := f.current.tail
	apply := func(segment filename.Num, first key.SeqNum, b *batch.Batch) error {
		return f.apply(version, segment, first, b)
	}
	if tail.Num() == 0 {
		return f.jump(version, visible, apply)
	}
	err := tail.ReadTo(visible, apply)
	if errors.Is(err, status.ErrAhead) && tail.Num() < version.LogStart {
		return f.jump(version, visible, apply)
	}
	return err
}

// jump goes on at the beginning of the log of version. Which keys have changed before that is not known.
func (f *Follower) jump(version *manifest.Version, visible key.SeqNum,
	apply func(filename.Num, key.SeqNum, *batch.Batch) error) error {
	f.tree.ForgetRows(max(visible, version.LastSeq))
	tail := f.current.tail
	if version.LogEmpty() { // there is none, and all of it is in tables
		return nil
	}
	tail.Begin(version.LogStart)
	return tail.ReadTo(visible, apply)
}

// apply takes a commit from segment of the log.
func (f *Follower) apply(version *manifest.Version, segment filename.Num, first key.SeqNum, b *batch.Batch) error {
	if segment < version.LogStart {
		f.tree.Follow(nil, b, first)
		return nil
	}
	c := &f.current
	if len(c.mems) == 0 || c.mems[0].Segment() != segment || !c.mems[0].Fits(b.Count(), len(b.Bytes())) {
		if err := f.newMemtable(segment, memtable.SizeFor(b)); err != nil {
			return err
		}
	}
	f.tree.Follow(c.mems[0], b, first)
	return nil
}

func (f *Follower) newMemtable(segment filename.Num, need int) error {
	m, err := f.tree.NewMemtable(segment, need)
	if err != nil {
		return fmt.Errorf("memory for what the log holds: %w", err)
	}
	c := &f.current
	c.mems, c.fresh = slices.Insert(c.mems, 0, m), append(c.fresh, m)
	return nil
}

// show makes what was read, for page, the state that readers see.
func (f *Follower) show(page status.State) {
	c := &f.current
	if told := max(page.Time, c.read.version.Time); told > 0 {
		f.tree.Time().Begin(told) // before what rests on it is shown
	}
	changed := f.shown.Load() != c.read
	if changed || page.Visible != f.Sequence() {
		f.tree.Show(slices.Clone(c.mems), c.read.version, page.Visible)
		c.fresh = nil
		f.tree.Reclaim()
	}
	f.shown.Store(c.read)
	f.durable.Store(max(f.durable.Load(), uint64(page.Durable))) // nobody else stores it
	if changed {
		f.raise()
	}
}

// free gives back the memtables that were never shown.
func (c *current) free(tr *tree.Tree) {
	for _, m := range c.fresh {
		tr.Recycle(m)
	}
}
