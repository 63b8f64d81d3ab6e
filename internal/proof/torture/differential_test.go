package torture

import (
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// everydayOps are the operations of the differential test on a machine that has the time.
const everydayOps = 320_000 / slowdown

var (
	seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0 chooses one")
	opsFlag  = flag.Int("ops", everydayOps, "operations of the differential test")
	timeFlag = flag.Duration("time", 0, "the differential test ends after this time, whatever it did")
	mixFlag  = flag.String("mix", "", "only this mix of the differential test")
)

// A key would be lost, come back after its removal, or have another value than was written, after some sequence of
// ordinary operations, background work, closings and crashes.
func TestDifferential_equalsSortedMap(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	mixes := Mixes()
	p := newPace(30 * time.Second)
	switch {
	case *timeFlag > 0:
		p = newPace(*timeFlag)
	case *opsFlag != everydayOps:
		p = newPace(24 * time.Hour)
	}
	var mu sync.Mutex
	var total Tally
	t.Run("mix", func(t *testing.T) {
		for i, m := range mixes {
			if *mixFlag != "" && *mixFlag != m.Name {
				continue
			}
			t.Run(m.Name, func(t *testing.T) {
				t.Parallel()
				tally, err := m.Run(seed+uint64(i), *opsFlag/len(mixes), p.late)
				if err != nil {
					t.Errorf("-seed %d: %v", seed, err)
				}
				t.Log(tally)
				mu.Lock()
				defer mu.Unlock()
				total.Add(tally)
			})
		}
	})
	t.Logf("differential: option_sets=%d %v", len(mixes), total)
	if *mixFlag == "" && !p.late() && !total.Values.some() {
		t.Errorf("%v: nothing of value files was tested", total.Values)
	}
	if *mixFlag == "" && !p.late() && !total.Streams.some() {
		t.Errorf("%v: nothing of streams was tested", total.Streams)
	}
	if *mixFlag == "" && total.Operations < p.owed(min(*opsFlag, 300_000/slowdown)) {
		t.Errorf("%d operations are too few to mean anything", total.Operations)
	}
}
