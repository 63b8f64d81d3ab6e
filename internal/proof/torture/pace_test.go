package torture

import (
	"testing"
	"time"
)

// pace fits a test to the machine. Within its time the test does all that it does every day; after that it does only
// what it owes in any case, so that many other programs on the machine do not make it run for many times as long.
// What was done is printed; the counts that must be reached are those of make torture.
type pace struct{ deadline time.Time }

// newPace begins. A quiet machine takes half of within, or less. With -full there is no end.
func newPace(within time.Duration) pace {
	if *full {
		within = 24 * time.Hour
	}
	return pace{time.Now().Add(within)}
}

func (p pace) late() bool { return time.Now().After(p.deadline) }

// thinned is how many times fewer a test does once it is late.
const thinned = 32

// owed is what a count must have come to, at least.
func (p pace) owed(count int) int {
	if p.late() {
		return count / thinned
	}
	return count
}

// A busy machine would be an excuse to test nothing.
func TestPace_owesSomethingInAnyCase(t *testing.T) {
	late := pace{time.Now().Add(-time.Second)}
	if !late.late() || late.owed(3200) != 100 || newPace(time.Hour).owed(7) != 7 {
		t.Error("a late test owes nothing, or one in time owes less than all")
	}
}
