package timing

import (
	"sync/atomic"
	"time"

	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/goroutine"
	"lightningdb/internal/system/vfs"
)

// Meter counts what goroutines read of files, each for itself. It has a place for some of them: a goroutine whose place
// another one takes in the middle of its read has read nothing, as far as the meter knows. Nobody waits for it.
type Meter struct{ places [256]place }

// place is that of the goroutine who.
type place struct {
	who   atomic.Uintptr
	reads atomic.Int64
	took  atomic.Int64
	_     [40]byte // a cache line for each
}

func (m *Meter) mine() (*place, uintptr) {
	who := uintptr(goroutine.Current())
	return &m.places[uint64(who)*0x9e3779b97f4a7c15>>56], who
}

// begin begins to count for the caller.
func (m *Meter) begin() {
	p, who := m.mine()
	p.who.Store(who)
	p.reads.Store(0)
	p.took.Store(0)
}

// end returns what the caller has read since begin.
func (m *Meter) end() (reads int, took time.Duration) {
	p, who := m.mine()
	if p.who.Load() != who {
		return 0, 0
	}
	return int(p.reads.Load()), time.Duration(p.took.Load())
}

func (m *Meter) add(took time.Duration) {
	if p, who := m.mine(); p.who.Load() == who {
		p.reads.Add(1)
		p.took.Add(int64(took))
	}
}

// File returns f with its reads counted. A nil Meter returns f.
func (m *Meter) File(f vfs.File, c clock.Monotonic) vfs.File {
	if m == nil {
		return f
	}
	return metered{f, m, c}
}

type metered struct {
	vfs.File
	meter *Meter
	clock clock.Monotonic
}

func (f metered) ReadAt(p []byte, off int64) (int, error) {
	start := f.clock.Now()
	n, err := f.File.ReadAt(p, off)
	f.meter.add(f.clock.Now().Since(start))
	return n, err
}
