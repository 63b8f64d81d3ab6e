package torture

import (
	"math"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
)

// far is how far a clock is set at most, and how far off an end is: it can be done a few times before 2262.
const far = key.Time(30 * 365 * 24 * time.Hour)

// distance is a random time: none, nanoseconds, hours or years.
func (d *differential) distance() key.Time {
	switch d.r.IntN(5) {
	case 0:
		return 0
	case 1:
		return 1
	}
	return key.Time(d.r.Int64N(int64(far) >> d.r.IntN(60)))
}

// putUntil adds to b a put that ends: at any time, past or to come, or exactly with another one. Some renew what is
// there, as it is.
func (d *differential) putUntil(b *batch.Batch) {
	k := d.mix.key(d.r)
	v := d.mix.valueOf(d.r, k)
	if old, found := d.History.Get(k, d.History.Last()); found && d.r.IntN(3) == 0 {
		v = old
	}
	switch p := d.r.IntN(64); {
	case p == 0:
		d.end = 1
	case p == 1:
		d.end = math.MaxInt64
	case p < 16 && d.end > 0: // as before
	case p < 24:
		d.end = max(max(d.History.Wall(), d.History.Now)-d.distance(), 1)
	default:
		d.end = max(max(d.History.Wall(), d.History.Now)+d.distance(), 1) // the clock may show a time before all ends
	}
	d.tally.Ends++
	b.PutUntil(k, v, d.end)
}

// setClock sets the clock, forward or back, often to about the end of an entry. Mostly nobody asks before it is used
// or set again.
func (d *differential) setClock() {
	at := d.History.Wall()
	switch p := d.r.IntN(8); {
	case p < 3 && d.end > 1 && d.end < epoch+3*far:
		at = d.end + key.Time(d.r.IntN(3)) - 1
	case p < 5:
		at -= d.distance()
	case p < 6:
		at = d.History.Now
	default:
		at += d.distance()
	}
	if at > epoch+4*far { // or else time ends
		at = epoch
	}
	d.tally.ClockSet++
	d.note("the clock shows %d", at)
	d.SetClock(at)
}
