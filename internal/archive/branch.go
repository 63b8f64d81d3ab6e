package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/status"
	"lightningdb/internal/log/wal"
)

// begin finds the branch that the log leads on from, or makes a new one.
func (a *Archiver) begin(ctx context.Context) error {
	if a.cause != Begin || a.pending != nil {
		return a.newBranch(ctx)
	}
	database := a.log.Database()
	all, err := strands(ctx, a.opts.Store, &database)
	if err != nil {
		return fmt.Errorf("list the archive: %w", err)
	}
	var tips []*piece
	for _, of := range all {
		p, err := read(ctx, a.opts.Store, of[len(of)-1])
		if errors.Is(err, ErrBadPiece) {
			continue // nobody goes on behind it; List tells of it
		}
		if err != nil {
			return err
		}
		tips = append(tips, p)
	}
	slices.SortFunc(tips, func(x, y *piece) int { return cmp.Compare(y.last, x.last) })
	for _, p := range tips {
		if p.last > a.log.Durable() {
			continue
		}
		tail := a.log.Tail()
		err := tail.Resume(p.end)
		if err == nil {
			a.tail = tail
			a.advance(tip{branch: p.branch, last: p.last, digest: p.digest, position: p.end}, 0)
			return nil
		}
		if !errors.Is(err, status.ErrAhead) {
			return err
		}
	}
	if len(tips) > 0 { // it is archived, and the log does not lead on from there
		a.tip = tip{branch: tips[0].branch, last: tips[0].last}
		cause := Gap
		if a.isForeign(tips[0]) {
			cause = Fork
		}
		a.breakOff(cause)
	}
	return a.newBranch(ctx)
}

// isForeign reports whether a piece behind which the log does not lead on is of another log, and not of this one's past
// that was given up: segments are given up from the oldest on.
func (a *Archiver) isForeign(p *piece) bool {
	return p.last > a.log.Durable() || p.end.Num >= a.log.Segments()[0]
}

// newBranch begins a branch with a base.
func (a *Archiver) newBranch(ctx context.Context) error {
	if a.pending == nil {
		if err := a.makeBase(ctx); err != nil {
			return err
		}
	}
	var err error
	tail := a.log.Tail()
	if a.pending.end.Num == 0 {
		err = tail.Seek(a.log.Segments(), a.pending.last)
	} else { // it may be there already: then with these very bytes
		err = tail.Resume(a.pending.end)
	}
	if errors.Is(err, status.ErrAhead) {
		a.pending = nil
		return fmt.Errorf("what was committed while a base was made is not held any more: raise ArchiveRetention: %w", err)
	}
	if err == nil {
		a.pending.end = tail.Position()
		err = a.put(ctx, a.pending)
	}
	if err == nil {
		a.tail, a.pending = tail, nil
	}
	return err
}

// makeBase makes the backup of a base, and the piece, which is put when everything in the backup is durable.
func (a *Archiver) makeBase(ctx context.Context) error {
	id, seq, err := a.opts.Store.Base(ctx, a.source())
	if err != nil {
		return fmt.Errorf("make a base of the archive: %w", err)
	}
	last := key.SeqNum(seq)
	if err := a.engine.WaitDurable(ctx, last); err != nil {
		return err
	}
	_, times := a.unarchived() // a base takes long, and what is committed meanwhile is noted: it was there before that
	moments := momentsOf(times, last, last)
	if len(moments) == 0 {
		moments = []Moment{{a.opts.Wall().UTC(), last}}
	}
	a.pending = &piece{
		database: a.log.Database(), branch: rand.Uint64()>>1 + 1, first: last, last: last, moments: moments,
		base: &base{backup: id, cause: a.cause, after: a.tip.branch, ended: a.tip.last},
	}
	return nil
}

// errFull ends the reading of the log for a piece.
var errFull = errors.New("the piece is full")

// collect reads the next piece from the log. It is nil if there is nothing, and then the cause says why the log does
// not lead on, if it does not.
func (a *Archiver) collect() (*piece, Cause, error) {
	limit, times := a.unarchived()
	p := &piece{database: a.log.Database(), branch: a.tip.branch, before: a.tip.digest, first: a.tip.last + 1}
	last, size := a.tip.last, 0
	take := func(_ filename.Num, first key.SeqNum, b *batch.Batch) error {
		if first != last+1 {
			return fmt.Errorf("%w: commit %d follows %d", status.ErrAhead, first, last)
		}
		if len(p.commits) > 0 && size+len(b.Bytes()) > pieceBytes {
			return errFull
		}
		c := commit{first: first, count: b.Count(), bytes: slices.Clone(b.Bytes())}
		p.commits = append(p.commits, c)
		last, size = c.last(), size+len(c.bytes)
		return nil
	}
	roots := a.log.Roots() // after what is durable was looked at: so the root behind each large commit is among them
	var cause Cause
	for cause == "" && last < limit {
		err := a.tail.ReadTo(limit, take)
		if errors.Is(err, errFull) {
			break
		}
		var damage *corrupt.Error
		if errors.Is(err, status.ErrAhead) {
			cause = a.follow(roots, last)
		} else if errors.As(err, &damage) { // the log is no way to what follows, and a new base is
			cause = Gap
		} else if err != nil {
			return nil, "", err
		}
	}
	if len(p.commits) == 0 {
		return nil, cause, nil
	}
	p.last, p.end = last, a.tail.Position()
	p.moments = momentsOf(times, p.first, p.last)
	return p, "", nil
}

// follow goes on with the chain that begins behind commit last, where one has ended. The cause is "" if there is one.
func (a *Archiver) follow(roots []wal.RootSegment, last key.SeqNum) Cause {
	for _, r := range roots {
		switch {
		case r.Num <= a.tail.Num() || r.LastSeq < last:
			continue
		case r.LastSeq == last:
			a.tail.Begin(r.Num)
			return ""
		case r.LastSeq == last+1:
			return Transaction
		}
		break
	}
	return Gap
}

// unarchived is what was durable at the last moment that was noted, and all those moments.
func (a *Archiver) unarchived() (key.SeqNum, []Moment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.moments) == 0 {
		return 0, nil
	}
	return a.moments[len(a.moments)-1].Sequence, slices.Clone(a.moments)
}

// momentsOf is those of times that are in a piece, and when all of it was there.
func momentsOf(times []Moment, first, last key.SeqNum) (moments []Moment) {
	for _, m := range times {
		if m.Sequence >= last {
			return append(moments, Moment{m.Time, last})
		}
		if m.Sequence >= first {
			moments = append(moments, m)
		}
	}
	return moments
}
