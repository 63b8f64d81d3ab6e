package torture

import (
	"testing"
	"time"
)

// A level that did nothing, or too little, would be taken for one that found nothing.
func TestCampaign_missedCountIsRed(t *testing.T) {
	c := &Campaign{Seed: 1, Time: time.Nanosecond, Only: []string{"simulation"}}
	if o := c.Run(t.Context())[0]; o.Problem() == "" {
		t.Errorf("%d of %d seeds, and no problem", o.Count, o.Minimum)
	}
}

// The levels would not run outside their tests, or report violations where there are none.
func TestCampaign_levelsReachTheirCounts(t *testing.T) {
	c := &Campaign{Seed: 1, Count: 20, Workers: 2, Only: []string{"differential", "crash", "error", "simulation"},
		Failed: func(level, where string, err error) { t.Errorf("%s: %s: %v", level, where, err) }}
	outcomes := c.Run(t.Context())
	for _, o := range outcomes {
		if problem := o.Problem(); problem != "" {
			t.Errorf("%s: %s", o.Level.Name, problem)
		}
	}
	if len(outcomes) != 4 {
		t.Errorf("%d levels ran", len(outcomes))
	}
}
