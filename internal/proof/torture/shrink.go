package torture

import (
	"fmt"
	"slices"
	"strings"
)

// maxShrinkRuns bounds how many runs a Shrink tries.
const maxShrinkRuns = 150

// String is the command that repeats m.
func (m Simulation) String() string {
	s := fmt.Sprintf("go test ./internal/proof/torture -run Simulation_keeps -seeds 1 -seed %d -steps %d", m.Seed, m.Steps)
	if m.Transactions {
		s += " -transactions"
	}
	if m.Clients > 0 {
		s += fmt.Sprintf(" -clients %d", m.Clients)
	}
	if len(m.Without) > 0 {
		s += " -without " + strings.Join(m.Without, ",")
	}
	return s
}

// Shrink looks for the smallest run like m that still fails, in whatever way: fewer turns, fewer clients, without
// parts. It returns that run and its error; nil if m itself does not fail. stop ends it early.
func (m Simulation) Shrink(stop func() bool) (smallest Simulation, err error) {
	s := &shrinking{smallest: m, stop: stop}
	if !s.try(m) {
		return m, nil
	}
	for before := -1; before != s.successes; {
		before = s.successes
		s.steps()
		s.clients()
		s.parts()
	}
	return s.smallest, s.err
}

// shrinking is a search for a smaller run.
type shrinking struct {
	smallest  Simulation // that fails
	err       error      // of smallest
	runs      int
	successes int
	stop      func() bool
}

// try runs m, and takes it for the smallest if it fails.
func (s *shrinking) try(m Simulation) bool {
	if s.runs++; s.runs > maxShrinkRuns || s.runs > 1 && s.stop() {
		return false
	}
	stats, _, err := m.Run()
	if err == nil {
		return false
	}
	m.Steps = min(m.Steps, max(stats.Steps, 1)) // what would have come after the failure
	s.smallest, s.err = m, err
	s.successes++
	return true
}

// steps takes turns off the end.
func (s *shrinking) steps() {
	for less := s.smallest.Steps / 2; less > 0; less /= 2 {
		for m := s.smallest; m.Steps > less; m = s.smallest {
			m.Steps -= less
			if !s.try(m) {
				break
			}
		}
	}
}

// clients looks for the least number of clients.
func (s *shrinking) clients() {
	for n := 1; n < 5 && (s.smallest.Clients == 0 || n < s.smallest.Clients); n++ {
		m := s.smallest
		m.Clients = n
		if s.try(m) {
			return
		}
	}
}

// parts leaves out what is not needed, one after the other.
func (s *shrinking) parts() {
	for _, part := range partNames {
		if m := s.smallest; !slices.Contains(m.Without, part) {
			m.Without = append(slices.Clone(m.Without), part)
			s.try(m)
		}
	}
}
