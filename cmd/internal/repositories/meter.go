package repositories

import (
	"sync/atomic"
	"time"

	"lightningdb/cmd/internal/progress"
)

// Meter draws how many bytes have been moved, or operations replayed, in one phase after the other.
type Meter struct {
	screen *progress.Screen
	line   *progress.Line
	phase  string
	begun  time.Time

	done, total atomic.Int64
}

// Start begins to draw.
func Start(screen *progress.Screen, phase string) *Meter {
	m := &Meter{screen: screen, begun: time.Now()}
	m.start(phase)
	return m
}

func (m *Meter) start(phase string) {
	m.phase = phase
	m.done.Store(0)
	m.total.Store(0)
	noun := "bytes"
	if phase == "replay" {
		noun = "operations"
	}
	m.line = progress.Start(m.screen, phase, func() progress.Sample {
		done := m.done.Load()
		return progress.Sample{Done: done, Total: m.total.Load(), Noun: noun, Count: done}
	})
}

// Told takes how far the phase is.
func (m *Meter) Told(done, total int64) {
	m.done.Store(done)
	m.total.Store(total)
}

// ToldOf is Told for work that names its phases: rate and remaining time are of the one that runs.
func (m *Meter) ToldOf(phase string, done, total int64) {
	if phase != m.phase {
		m.line.Stop()
		m.start(phase)
	}
	m.Told(done, total)
}

// Done is how far the phase has come.
func (m *Meter) Done() int64 { return m.done.Load() }

// Total is how far it has to come.
func (m *Meter) Total() int64 { return m.total.Load() }

// Stop ends the drawing, and returns how long all took.
func (m *Meter) Stop() time.Duration {
	m.line.Stop()
	return time.Since(m.begun)
}
