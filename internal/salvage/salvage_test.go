package salvage_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/format/filename"
	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/vfs/memfs"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "the one seed to run; 0 for seeds from 1 on")
	countFlag = flag.Int("destructions", 0, "how many random destructions; 0 for few")
)

// victim is a database that is to be damaged, and what was ever written to it.
type victim struct{ destruction.Victim }

// newVictim is a random one.
func newVictim(t testing.TB, rng *rand.Rand) *victim {
	t.Helper()
	v, err := destruction.NewVictim(rng)
	if err != nil {
		t.Fatal(err)
	}
	return &victim{*v}
}

// judge compares what was salvaged with what was written.
func (v *victim) judge(report *salvage.Report, entries []oracle.Entry) error {
	_, err := v.Judge(report, entries)
	return err
}

// What cannot be got out of a damaged database is lost for ever; what was never in it would be believed.
func TestSalvage_randomDestruction(t *testing.T) {
	count := 1000
	if testing.Short() {
		count = 250
	}
	if *countFlag > 0 {
		count = *countFlag
	}
	d := &destruction.Destroyer{Fail: func(where string, err error) { t.Errorf("-seed %s: %v", where, err) }}
	for seed := max(*seedFlag, 1); d.Stats.Destructions < count && !t.Failed(); seed++ {
		if err := d.Run(seed); err != nil {
			t.Fatal(err)
		}
		if *seedFlag > 0 {
			break
		}
	}
	t.Log(d.Stats)
	if d.Stats.Keys == 0 || d.Stats.Losses == 0 {
		t.Error("nothing was salvaged, or nothing was lost")
	}
}

// A salvage that is cut short must leave nothing that passes for a database, and all that it was to rescue from.
func TestSalvage_interrupted(t *testing.T) {
	const stride = 5
	d := &destruction.Destroyer{Fail: func(where string, err error) { t.Errorf("-seed %s: %v", where, err) }}
	for seed := max(*seedFlag, 1); seed < max(*seedFlag, 1)+stride && !t.Failed(); seed++ {
		if err := d.Interrupt(seed, stride); err != nil {
			t.Fatal(err)
		}
	}
	t.Log(d.Stats)
	if n := d.Stats.Interrupted; n.Refused < n.PowerCuts || n.Complete == 0 || n.Empty == 0 || n.Absorbed == 0 {
		t.Error("too little was interrupted")
	}
}

// A repair that loses what was whole is worse than none, and so is one that cries wolf.
func TestSalvage_withoutDamageIsTheDatabase(t *testing.T) {
	for seed := uint64(1); seed <= 30; seed++ {
		rng := rand.New(rand.NewPCG(seed, 1))
		v := newVictim(t, rng)
		report, entries, err := destruction.Salvage(v.FS.Kill(), salvage.Options{MaxRuns: int(seed % 4)})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(report.Losses) > 0 || len(report.Damage) > 0 || len(report.LeftOut) > 0 || report.Older > 0 {
			t.Fatalf("seed %d: %+v", seed, report)
		}
		if err := v.judge(report, entries); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if report.LastSequence != uint64(v.History.Last()) || report.Closed && !v.Clean {
			t.Errorf("seed %d: ends at %d, closed %v; want %d, %v", seed, report.LastSequence, report.Closed,
				v.History.Last(), v.Clean)
		}
	}
}

// filesOf are the names of fs of one kind.
func filesOf(t *testing.T, fs *memfs.FS, want filename.Kind) (names []string) {
	t.Helper()
	all, err := fs.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if kind, _ := filename.Parse(name); kind == want {
			names = append(names, name)
		}
	}
	return names
}
