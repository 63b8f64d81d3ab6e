package readers

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/format/key"
)

// Time is the time of a database, by which entries end: the largest that its clock has shown, and what Open found. It
// never goes back. A clock that is set back stands still until it has caught up. A database in which nothing ends has
// no time, and nobody in it asks the clock.
//
// # Why an end is like a commit
//
// Each reader has a sequence number and a time. There must be one order of commits, ends and readers in which each sees
// what comes before it and nothing else. A commit that rests on reads has a time, too: it is where everything that it
// saw live has not ended yet, and what it saw ended has. So, of a reader with sequence number k and time t:
//
//   - t is not before the time of any commit up to k. Otherwise the reader would see what a commit has written that saw
//     an entry ended, and the entry still live.
//   - t is not after the time of commit k+1, or of a later one, if that saw something live. Otherwise the reader might
//     see an entry ended and miss what was written by a commit that saw it live.
//
// For the first, a reader takes both in one step (Registry.Moment), in which nothing is published: whoever is published
// by then began before, with a time that was told before. For the second, a commit that saw something live holds the
// time (Hold) after its check and until it is published: whatever is told meanwhile is the time of the check. All times
// that were told before are not after that, because the time never goes back.
//
// So the time stands still during such a commit. An entry may be seen a little longer than the clock says, as long as
// its sync takes, and never shorter.
type Time struct {
	wall func() time.Time

	on   atomic.Bool  // something in the database ends; set before that is published
	told atomic.Int64 // the largest time that was told, or found

	mu   sync.RWMutex // read while a reader takes its time and its sequence number; written while one is published
	held bool         // told is the time of a commit that is not published yet
}

// Begin says that something in the database may end, and that its time is not before at. It is called before readers
// can see such an entry.
func (t *Time) Begin(at key.Time) {
	for told := t.told.Load(); told < int64(at); told = t.told.Load() {
		if t.told.CompareAndSwap(told, int64(at)) {
			break
		}
	}
	if !t.on.Load() {
		t.on.Store(true)
	}
}

// Told is the largest time that anybody was told; 0 if nothing in the database ends. After the time has been told to
// nobody, it is that of the clock.
func (t *Time) Told() key.Time {
	if !t.on.Load() {
		return 0
	}
	if told := t.told.Load(); told > 0 {
		return key.Time(told)
	}
	return t.Now()
}

// Now is the time; 0 if nothing in the database ends.
func (t *Time) Now() key.Time {
	if !t.on.Load() {
		return 0
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.nowLocked()
}

// First is Now, and what the clock shows if nothing in the database ends. That never goes back, either.
func (t *Time) First() key.Time {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.nowLocked()
}

// nowLocked is Now, whether or not something ends.
func (t *Time) nowLocked() key.Time {
	told := t.told.Load()
	if t.held {
		return key.Time(told)
	}
	now := int64(ofClock(t.wall()))
	for now > told {
		if t.told.CompareAndSwap(told, now) {
			return key.Time(now)
		}
		told = t.told.Load()
	}
	return key.Time(told)
}

// ofClock is what a clock shows, at least 1. What has no place in a key.Time is as far as that goes.
func ofClock(shown time.Time) key.Time {
	at, ok := key.TimeOf(shown)
	switch {
	case ok:
		return at
	case shown.Unix() > 0:
		return math.MaxInt64
	}
	return 1
}

// Hold lets the time stand still until Release, unless it has come to end: then it reports false. Only the leader of
// the commit queue calls it, for a commit that rests on an entry which ends then, and nothing can refuse it any more.
func (t *Time) Hold(end key.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.nowLocked() >= end {
		return false
	}
	t.held = true
	return true
}

// Release ends Hold, if it was called: the commit was not published, and will not be.
func (t *Time) Release() {
	if t.on.Load() {
		t.mu.Lock()
		t.held = false
		t.mu.Unlock()
	}
}

// publish calls store, which makes a commit visible, while no reader takes its time, and ends Hold.
func (t *Time) publish(store func()) {
	if !t.on.Load() {
		store()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	store()
	t.held = false
}

// Moment is the newest visible sequence number and the time, in one step; see Time. before is called first, within the
// step.
func (r *Registry) Moment(before func()) (seq key.SeqNum, now key.Time) {
	r.Time.mu.RLock()
	defer r.Time.mu.RUnlock()
	before()
	return r.Visible(), r.Time.nowLocked()
}

// standAtNewest makes reg stand at the newest visible sequence number, and gives it its time if the database has one.
// That is asked after the number: what ends in that state has been told of by then.
func (r *Registry) standAtNewest(reg *Registration) {
	seq, now := r.Visible(), key.Time(0)
	if r.Time.on.Load() {
		seq, now = r.Moment(func() {})
	}
	reg.standAt(seq)
	reg.now = now
}
