package torture

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/oracle"
)

// epoch is what the clock of a new database shows.
const epoch = key.Time(1_000_000_000) * key.Time(time.Second)

// wall is the clock by which entries end. It stands until it is set: so whoever asks knows the answer, to the
// nanosecond, and a run is the same every time.
type wall struct{ at atomic.Int64 }

// newWall returns a clock that goes on where that of h stands.
func newWall(h *oracle.History) *wall {
	if h.Wall() == 0 {
		h.Shows(epoch)
	}
	w := new(wall)
	w.at.Store(int64(h.Wall()))
	return w
}

func (w *wall) now() time.Time { return time.Unix(0, w.at.Load()) }

// SetClock sets the clock, forward or back. Nobody need ask for the time before it is set again.
func (s *Session) SetClock(at key.Time) {
	s.wall.at.Store(int64(at))
	s.History.Shows(at)
}

// timeOf is the time by which snapshot reads (nil for a reader that begins now), which is right, or else an error. As
// long as nothing ends, it is not asked for.
func (s *Session) timeOf(snapshot *engine.Snapshot) (key.Time, error) {
	if !s.History.Ends() || s.wall == nil {
		return 0, nil
	}
	if snapshot != nil {
		return snapshot.Now(), nil
	}
	newest := s.Engine.Snapshot()
	defer newest.Close()
	now := newest.Now()
	if err := s.History.Told(newest.Seq(), now); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return now, nil
}

// editing does what may edit the manifest. If it does, the time that was told before is in the edit, which is durable.
func (s *Session) editing(do func() error) error {
	if !s.History.Ends() {
		return do()
	}
	before := s.version()
	err := do()
	if s.version() != before {
		s.History.Keep(oracle.PowerCut)
	}
	return err
}

func (s *Session) compactStep() (worked bool, err error) {
	err = s.editing(func() error { worked, err = s.Engine.CompactStep(); return err })
	return worked, err
}

// noteTime counts in n if err says that the time of a database is wrong.
func noteTime(n *oracle.Counts, err error) {
	if errors.Is(err, oracle.ErrTime) {
		n.EndsCameBack++
	}
}

// ended returns a copy of h whose process has ended by loss. By then the clock may have been set back, or have gone on;
// which of it, turn says.
func ended(h *oracle.History, loss oracle.Loss, turn int) *oracle.History {
	h = h.Clone()
	h.Ended(loss)
	if at := h.Wall(); h.Ends() {
		h.Shows([]key.Time{at, at - key.Time(time.Hour), at + 1, epoch - key.Time(time.Hour), at - 1}[turn%5])
	}
	return h
}
