package oracle

import (
	"errors"
	"fmt"

	"lightningdb/internal/format/key"
)

// ErrTime says that a reader was told a time that it cannot be: what has ended may be there again.
var ErrTime = errors.New("oracle: it is not that time")

// clock is what a history knows of the time of its database. The time that readers are told is Now.
//
// It never goes back while a process lives. The next process must begin with what the last one has kept: after a kill,
// with what it had told when it last committed (if the database has a page for followers) or edited the manifest; after
// a power cut, with what it had told when it last edited. It cannot be later than the clock ever was.
type clock struct {
	wall, shown key.Time    // what the clock shows, and the latest that it ever has
	ends        bool        // something was issued that ends
	kept        [2]key.Time // by Loss: what the next process begins with, at least
}

// Shows records what the clock shows from now on.
func (h *History) Shows(wall key.Time) { h.wall, h.shown = wall, max(h.shown, wall) }

// Wall is what the clock shows.
func (h *History) Wall() key.Time { return h.wall }

// Ends reports whether anything was ever issued that ends: otherwise nobody need know what time it is.
func (h *History) Ends() bool { return h.ends }

// Told records that a reader that began just now, at seq, was told now. ErrTime if it cannot be.
func (h *History) Told(seq key.SeqNum, now key.Time) error {
	switch {
	case now == 0 && h.Now == 0 && !h.endsAt(seq):
		return nil
	case now < h.Now:
		return fmt.Errorf("%w: %d was told or kept, and now it is %d", ErrTime, h.Now, now)
	case now < h.wall:
		return fmt.Errorf("%w: the clock shows %d, and it is %d", ErrTime, h.wall, now)
	case now > h.shown:
		return fmt.Errorf("%w: it is %d, and the clock has never shown more than %d", ErrTime, now, h.shown)
	}
	h.Now = now
	return nil
}

// endsAt reports whether anything that is there at seq ends, so that there must be a time.
func (h *History) endsAt(seq key.SeqNum) bool {
	for _, versions := range h.versions {
		if v := at(versions, seq); v != nil && v.end != 0 {
			return true
		}
	}
	return false
}

// Keep records that what readers were told so far outlives the end of the process by loss.
func (h *History) Keep(loss Loss) {
	h.kept[Killed] = max(h.kept[Killed], h.Now)
	if loss == PowerCut {
		h.kept[PowerCut] = max(h.kept[PowerCut], h.Now)
	}
}

// Ended records that the process has ended by loss.
func (h *History) Ended(loss Loss) {
	h.Now = h.kept[loss]
	h.kept[Killed] = h.kept[loss] // a power cut may have taken what a kill would have left
}
