// Package observer holds what a follower shows against the history of its writer. An Observer is a follower of which is
// known, at any time, what it may show: a state that the writer has published, whole, not an older one than before, and
// not an older one than the writer had acknowledged when the refresh began. Its pinned snapshots must stay as they are.
//
// Writer and observers live in one goroutine and take turns, also within each other's calls of the file system. The
// package is for tests and simulations.
package observer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/follower"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/operand"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/origin"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree"
	"lightningdb/internal/tree/manifest"
	"lightningdb/internal/tree/readers"
)

// ErrMisled says that a follower showed what it must not, in contrast to nothing.
var ErrMisled = errors.New("a follower misleads")

// Stats count what observers saw.
type Stats struct {
	Opened  int   // followers
	Refused int   // openings and refreshes that found nothing to show, where that may be
	Shown   int   // states that were compared whole
	Expired int   // snapshots that were kept no longer, as they need not be
	Misled  int64 // states that the writer had not published, or that are older than one before; must be zero
}

// Add adds o to s.
func (s *Stats) Add(o Stats) {
	s.Opened += o.Opened
	s.Refused += o.Refused
	s.Shown += o.Shown
	s.Expired += o.Expired
	s.Misled += o.Misled
}

func (s Stats) String() string {
	return fmt.Sprintf("followers=%d followers_refused=%d followers_shown=%d followers_expired=%d misled_followers=%d",
		s.Opened, s.Refused, s.Shown, s.Expired, s.Misled)
}

// Options say what an observer follows. All but Elapsed and Wall are required.
type Options struct {
	FS      vfs.FS          // the directory, as the follower's process sees it
	History *oracle.History // of the writer; it grows
	Stats   *Stats          // to which the observer adds
	Merge   operand.Func
	Random  func() uint64
	Elapsed func() time.Duration // nil for a clock that stands still
	Wall    func() time.Time     // by which entries end, if the writer has not told a later time; nil if nothing ends

	// Acknowledged is the newest commit that has returned by now, so that a refresh must show it; 0 if a power cut may
	// have taken it, or what was published of it.
	Acknowledged func() key.SeqNum
	// Published is the newest state that the writer may have published by now.
	Published func() key.SeqNum
}

// Observer is a follower, and what is known about it.
type Observer struct {
	opts     Options
	follower *follower.Follower
	shown    key.SeqNum
	pins     []*tree.Snapshot // oldest first
	lapsed   bool             // its lease has ended once, or never was
}

// Open begins to follow. An error is that of the follower (see Refused), or ErrMisled.
func Open(opts Options) (*Observer, error) {
	o := &Observer{opts: opts}
	if opts.Elapsed == nil {
		opts.Elapsed = func() time.Duration { return 0 }
	}
	least := o.least()
	f, err := follower.Open(follower.Options{
		FS: opts.FS, MemoryLimit: engine.MinMemoryLimit, Merge: opts.Merge, Elapsed: opts.Elapsed, Random: opts.Random,
		Wall: opts.Wall,
		Warn: func(string, ...any) { o.lapsed = true }, Manual: true, Poison: true, Rows: true,
	})
	if err != nil {
		return nil, err
	}
	o.follower = f
	opts.Stats.Opened++
	if err := o.advance(least); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// Refused reports whether err says that there is nothing to show: nobody has published anything, or a power cut has
// taken a part of it.
func Refused(err error) bool {
	return errors.Is(err, follower.ErrNoWriter) || errors.Is(err, manifest.ErrNoDatabase)
}

// least is the oldest state that a refresh may lead to that begins now.
func (o *Observer) least() key.SeqNum { return max(o.shown, o.opts.Acknowledged()) }

// Refresh makes the follower refresh. What it shows may not be older than what was acknowledged before. An error is
// that of the follower, or ErrMisled.
func (o *Observer) Refresh() error {
	if err := o.checkShown(); err != nil {
		return err
	}
	least := o.least()
	if err := o.follower.Refresh(context.Background()); err != nil {
		if o.follower.Sequence() != o.shown {
			return o.misled("after an error it went from %d to %d: %v", o.shown, o.follower.Sequence(), err)
		}
		return err
	}
	return o.advance(least)
}

// advance takes the state that the follower shows for the newest, and judges it.
func (o *Observer) advance(least key.SeqNum) error {
	seq := o.follower.Sequence()
	switch {
	case seq < o.shown:
		return o.misled("it went back from %d to %d", o.shown, seq)
	case seq < least:
		return o.misled("it shows %d, and %d had returned before", seq, least)
	case !o.opts.History.EndsAt(seq):
		return o.misled("it shows %d, where no commit ends", seq)
	}
	o.shown = seq
	return o.checkShown()
}

// checkShown finds out whether what is shown was published after all: a commit in progress may be, and one that was
// refused since, or whose fate is unknown, never was.
func (o *Observer) checkShown() error {
	if newest := o.opts.Published(); o.shown > newest {
		return o.misled("it shows %d, and the newest that was published is %d", o.shown, newest)
	}
	return nil
}

func (o *Observer) misled(format string, args ...any) error {
	o.opts.Stats.Misled++
	return fmt.Errorf("%w: %s", ErrMisled, fmt.Sprintf(format, args...))
}

// Look compares all that the follower shows: the newest state, key by key and as a whole, and every pinned snapshot. A
// snapshot that has expired, as it may, is closed.
func (o *Observer) Look() error {
	if err := o.lookAtNewest(); err != nil {
		return err
	}
	var failed error
	o.pins = slices.DeleteFunc(o.pins, func(s *tree.Snapshot) bool {
		if failed != nil {
			return false
		}
		var expired bool
		expired, failed = o.mayExpire(o.compare(s))
		if expired {
			s.Close()
		}
		return expired
	})
	return failed
}

// lookAtNewest compares the newest state by Get, which may come to a newer one, and by a snapshot.
func (o *Observer) lookAtNewest() error {
	for _, k := range o.opts.History.Keys() {
		got, found, err := o.follower.Get(nil, []byte(k))
		if o.follower.Sequence() != o.shown {
			if err := o.advance(o.shown); err != nil {
				return err
			}
		}
		if errors.Is(err, readers.ErrExpired) && o.Refresh() != nil { // so there was no newer state to be read instead
			_, err = o.mayExpire(err)
			return err
		}
		if err != nil {
			return fmt.Errorf("get %.40q: %w", k, err)
		}
		if err := o.check(o.now(), o.shown, []byte(k), got, found); err != nil {
			return err
		}
	}
	var s tree.Snapshot
	o.follower.Hold(&s, origin.Snapshot)
	defer s.Close()
	_, err := o.mayExpire(o.compare(&s))
	return err
}

// mayExpire takes it for no error that a state is kept no longer, if it need not be.
func (o *Observer) mayExpire(err error) (expired bool, _ error) {
	if o.lapsed && errors.Is(err, readers.ErrExpired) {
		o.opts.Stats.Expired++
		return true, nil
	}
	return false, err
}

// now is the time of a read that has just ended. Neither clock goes on within a turn.
func (o *Observer) now() key.Time {
	if !o.opts.History.Ends() {
		return 0
	}
	var s tree.Snapshot
	o.follower.Hold(&s, origin.Snapshot)
	defer s.Close()
	return s.Now()
}

func (o *Observer) check(now key.Time, at key.SeqNum, k, got []byte, found bool) error {
	want, exists := o.opts.History.GetBy(now, k, at)
	if found != exists || !bytes.Equal(got, want) {
		return o.misled("at %d, get %.40q: found %v, %d bytes; want %v, %d bytes", at, k, found, len(got), exists, len(want))
	}
	return nil
}

// compare compares all of s: forward, backward, and each key that ever was there.
func (o *Observer) compare(s *tree.Snapshot) (err error) {
	at := s.Seq()
	it, err := s.NewIterator(nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	want := slices.Collect(o.opts.History.EntriesBy(s.Now(), nil, nil, at))
	if err := o.walk(at, it, want, it.First, it.Next); err != nil {
		return err
	}
	slices.Reverse(want)
	if err := o.walk(at, it, want, it.Last, it.Prev); err != nil {
		return err
	}
	for _, k := range o.opts.History.Keys() {
		got, found, err := s.Get(nil, []byte(k))
		if err != nil {
			return err
		}
		if err := o.check(s.Now(), at, []byte(k), got, found); err != nil {
			return err
		}
	}
	o.opts.Stats.Shown++
	return nil
}

// walk compares what it yields with want.
func (o *Observer) walk(at key.SeqNum, it *tree.Iterator, want []oracle.Entry, begin, step func() bool) error {
	n := 0
	for ok := begin(); ok; ok = step() {
		v, err := it.Value()
		if err != nil {
			return err
		}
		if n == len(want) || !bytes.Equal(it.Key(), want[n].Key) || !bytes.Equal(v, want[n].Value) {
			return o.misled("scan at %d: entry %d of %d is %.40q with %d bytes", at, n, len(want), it.Key(), len(v))
		}
		n++
	}
	if err := it.Err(); err != nil {
		return err
	}
	if n < len(want) {
		return o.misled("scan at %d: it ends after %d of %d entries", at, n, len(want))
	}
	return nil
}

// Pin keeps the newest state, for Look.
func (o *Observer) Pin() {
	s := new(tree.Snapshot)
	o.follower.Hold(s, origin.Snapshot)
	o.pins = append(o.pins, s)
}

// Pins is how many states are kept.
func (o *Observer) Pins() int { return len(o.pins) }

// Unpin gives up the oldest state that is kept, if there is one.
func (o *Observer) Unpin() {
	if len(o.pins) > 0 {
		o.pins[0].Close()
		o.pins = o.pins[1:]
	}
}

// Beat renews the lease.
func (o *Observer) Beat() { o.follower.Step() }

// Lapse says that the lease has ended, or may have: from now on states may expire.
func (o *Observer) Lapse() { o.lapsed = true }

// Shown is the newest sequence number that was shown.
func (o *Observer) Shown() key.SeqNum { return o.shown }

// Close ends the follower.
func (o *Observer) Close() error {
	for len(o.pins) > 0 {
		o.Unpin()
	}
	return o.follower.Close()
}
