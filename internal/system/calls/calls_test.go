package calls

import (
	"errors"
	"testing"
)

// A call that comes after Close must not be counted, not even for a moment: many of them, one upon the other, would
// keep Wait from ever finding nobody in.
func TestGate_doesNotCountWhoComesLate(t *testing.T) {
	g := NewGate()
	g.Close()
	if err := g.Enter(); !errors.Is(err, ErrClosed) {
		t.Errorf("Enter after Close: %v", err)
	}
	if len(g.left) > 0 {
		t.Error("who came late has left: so it was in")
	}
	g.Wait()
}
