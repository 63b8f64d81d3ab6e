package torture

import (
	"errors"
	"fmt"
	"math"
	"syscall"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/observer"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// followed is a session whose directory an observer follows. The observer has its turn before calls of the writer's
// file system, so within all that the writer does.
type followed struct {
	*Session
	observer *observer.Observer // nil while there is none
	opts     observer.Options
	every    int   // it has its turn before each call of the writer, or each second one, or so
	calls    int   // of the writer
	turns    int   // of the observer
	err      error // the first of the observer's that should not be
	lost     bool  // the power has gone, and nobody has recovered since
	before   state // in which the session began
	opened   bool  // the writer has been, once
	patient  bool  // after two faults the page may neither be written to nor be gone

	disk, eyes *errfs.FS // the directory as the writer and as the follower see it
	failed     int       // calls of eyes, before the present turn
}

// follow returns the session of a run of w on medium. Writer and follower have rules of their own, by which their calls
// fail.
func follow(w Workload, medium *memfs.FS, start state, stats *observer.Stats, rules, blinders []*errfs.Rule) *followed {
	f := &followed{every: 1, lost: start.loss == oracle.PowerCut, before: start}
	hooked := errfs.New(medium, errfs.On().Call(func(errfs.Op) { f.call() }))
	f.disk, f.eyes = errfs.New(hooked, rules...), errfs.New(medium, blinders...)
	f.Session = newRun(w, f.disk, medium, start.history)
	f.opts = observer.Options{FS: keptOpen{f.eyes}, History: start.history, Stats: stats, Merge: mergeByDigest,
		Wall: f.wall.now, Random: w.Options.Random, Acknowledged: f.acknowledged, Published: f.Published}
	return f
}

// acknowledged is the newest commit that the follower must show. After a power cut the history has commits that are
// gone, until somebody has recovered and told it so.
func (f *followed) acknowledged() key.SeqNum {
	f.opened = f.opened || f.Engine != nil
	f.lost = f.lost && (f.Engine == nil || f.History.Acknowledged() > f.decided)
	switch {
	case f.lost || f.patient && f.disk.Faults() > 1:
		return 0
	case !f.opened:
		return f.before.acknowledged
	}
	return f.History.Acknowledged()
}

// call is before a call of the writer.
func (f *followed) call() {
	if f.calls++; f.calls%f.every == 0 && f.err == nil {
		f.turn()
	}
}

// turn lets the observer do what is next. It opens if it has to, refreshes, and now and then looks at all there is,
// keeps a state or gives it up, renews its lease, or ends.
func (f *followed) turn() {
	f.failed = f.eyes.Faults()
	f.turns++
	if f.observer == nil {
		f.open()
		return
	}
	f.note(f.observer.Refresh())
	if f.turns%8 == 0 {
		f.note(f.observer.Look())
	}
	switch f.turns % 16 {
	case 1, 10:
		f.observer.Pin()
	case 2:
		f.observer.Beat()
	case 9:
		if f.observer.Pins() > 1 {
			f.observer.Unpin()
		}
	}
	if f.turns%37 == 0 {
		f.end()
	}
}

func (f *followed) open() {
	o, err := observer.Open(f.opts)
	f.note(err)
	if err != nil {
		return
	}
	f.observer = o
	if f.lost { // the power cut may have left a page that leads to what is gone
		o.Lapse()
	}
	f.note(o.Look())
}

// note remembers err, if it is the first that should not be.
func (f *followed) note(err error) {
	switch {
	case err == nil || f.err != nil || f.medium.Crashed():
	case errors.Is(err, observer.ErrMisled):
		f.err = err
	case observer.Refused(err) && f.mayRefuse():
		f.opts.Stats.Refused++
	case mayComeOfFault(err) && f.eyes.Faults() > f.failed:
	default:
		f.err = fmt.Errorf("a follower: %w", err)
	}
}

// mayRefuse reports whether there may be no page, or one that leads nowhere: nothing was acknowledged yet, a power cut
// has taken it, or a failure of the writer, or the writer has no page. A follower that cannot read the page says so.
func (f *followed) mayRefuse() bool {
	return f.acknowledged() == 0 || f.disk.Faults() > 0 || !f.Session.opts.Followers
}

// mayComeOfFault reports whether err is what a follower may answer when one of its calls fails: that fault, or that a
// state has expired, if the refresh failed by which Get would have come to the next one.
func mayComeOfFault(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE) ||
		errors.Is(err, engine.ErrSnapshotExpired)
}

// end closes the follower.
func (f *followed) end() {
	if f.observer != nil {
		f.note(f.observer.Close())
		f.observer = nil
	}
}

// finish ends all faults, looks once more, ends the follower for good, and returns its first error.
func (f *followed) finish() error {
	f.disk.SetRules()
	f.eyes.SetRules()
	f.turn()
	if f.observer != nil {
		f.note(f.observer.Look())
	}
	f.end()
	f.every = math.MaxInt
	return f.err
}

// faults is how many calls have failed, of writer and follower.
func (f *followed) faults() int { return f.disk.Faults() + f.eyes.Faults() }
