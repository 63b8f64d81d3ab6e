package torture

import (
	"testing"
	"time"
)

// A run would report recoveries as faster than they were.
func TestDurations_quantilesAreAtMostAnEighthTooLarge(t *testing.T) {
	var h Durations
	for i := range 1000 {
		h.Observe(time.Duration(i+1) * time.Millisecond)
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		exact := time.Duration(q*1000) * time.Millisecond
		if got := h.Quantile(q); got < exact || got > exact*9/8 {
			t.Errorf("quantile %v is %v, want %v", q, got, exact)
		}
	}
	if h.Quantile(1) != time.Second || new(Durations).Quantile(0.5) != 0 {
		t.Errorf("maximum %v, none %v", h.Quantile(1), new(Durations).Quantile(0.5))
	}
}
