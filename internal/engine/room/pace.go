package room

import "time"

// A compaction that takes level 0 down reads about half as much of the level below, and is about as fast as those
// before it.
const (
	belowPerLevel0 = 0.5
	expectedSpeed  = 32 << 20 // bytes a second that a compaction reads, while too few were measured
	leastMeasured  = 16 << 20 // bytes
	slowestPace    = 1 << 20  // bytes a second
)

// Pace is what decides by how much writers are slowed: they bring what fits into the room that is left while a
// compaction makes level 0 shorter. All sizes are in bytes.
type Pace struct {
	Left     int64 // the room in memtables and level 0
	Memtable int64 // the size of one
	Level0   int64 // in level 0

	Compacted int64         // read by compactions until now
	Took      time.Duration // what that took
	Rest      int64         // what the compaction in progress has yet to read
	Shortens  bool          // it makes level 0 shorter; otherwise the one after it will
}

// PerSecond is how many bytes a second writers may bring.
func (p Pace) PerSecond() float64 {
	speed := float64(expectedSpeed)
	if p.Compacted >= leastMeasured && p.Took > 0 {
		speed = float64(p.Compacted) / p.Took.Seconds()
	}
	rest := float64(p.Rest)
	if !p.Shortens {
		rest += (1 + belowPerLevel0) * float64(p.Level0)
	}
	return max(float64(p.Left)*speed/max(rest, float64(p.Memtable)), slowestPace)
}
