package copies

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "the database whose copies are interrupted; 0 is another one each time")
	strideFlag = flag.Int("stride", 24, "3 tries every third change and call")
)

// A copy that is interrupted anywhere would pass for a database, or its database would lose something; or a backup that
// was damaged would be restored as if it were whole. Each is found on the day when the copy is needed.
func TestTrial_interruptedAndDamagedCopies(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64N(1 << 40)
	}
	x := &Trial{Dir: t.TempDir(), Stride: *strideFlag, Patient: !testing.Short(),
		Fail: func(where string, err error) { t.Errorf("-seed %d: %s: %v", seed, where, err) }}
	for n := range uint64(2) {
		if err := x.Run(seed + n); err != nil {
			t.Fatal(err)
		}
		if *seedFlag != 0 {
			break
		}
	}
	t.Log(x.Stats)
	s := x.Stats
	if least := min(s.PowerCuts, s.Faults, s.Killed, s.Damages, s.Noticed, s.Refused, s.Complete, s.Restored); least == 0 {
		t.Errorf("something never happened: %v", s)
	}
}
