package copies

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"lightningdb/internal/proof/destruction"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
)

// Trial tries the copies of one database.
type Trial struct {
	Dir     string      // a real directory for what is restored; what it makes there it removes
	Stride  int         // 3 tries every third change and call, others with another seed; 0 is all
	Patient bool        // it waits, for ten seconds, until processes pass for dead that are gone
	Stop    func() bool // ends it early; nil never does
	Fail    func(where string, err error)
	Stats   Stats

	seed     uint64
	stride   int
	rng      *rand.Rand
	victim   *destruction.Victim
	watchdog *time.Timer
}

// Stats count what a Trial did.
type Stats struct {
	Runs      int // copies, backups, restores and prunes that were interrupted, or whose result was damaged
	PowerCuts int // during a run
	Faults    int // calls that failed
	Killed    int // runs whose process was gone from some call of the store on
	Damages   int // to streams and to files of a repository
	Absorbed  int // runs that had a fault and no error
	Noticed   int // runs that were refused because of damage
	Harmless  int // damages that changed nothing of what was restored
	Images    int // directories that were opened afterwards
	Refused   int // of these, unfinished ones, which are refused
	Empty     int // in which nothing had begun
	Complete  int // with a whole database
	Restored  int // databases that were restored and judged
	oracle.Counts
}

// Add adds o to s.
func (s *Stats) Add(o Stats) {
	s.Runs += o.Runs
	s.PowerCuts += o.PowerCuts
	s.Faults += o.Faults
	s.Killed += o.Killed
	s.Damages += o.Damages
	s.Absorbed += o.Absorbed
	s.Noticed += o.Noticed
	s.Harmless += o.Harmless
	s.Images += o.Images
	s.Refused += o.Refused
	s.Empty += o.Empty
	s.Complete += o.Complete
	s.Restored += o.Restored
	s.Counts.Add(o.Counts)
}

func (s Stats) String() string {
	return fmt.Sprintf("runs=%d power_cuts=%d faults=%d killed=%d damages=%d absorbed=%d noticed=%d harmless=%d "+
		"images=%d refused=%d empty=%d complete=%d restored=%d %v", s.Runs, s.PowerCuts, s.Faults, s.Killed, s.Damages,
		s.Absorbed, s.Noticed, s.Harmless, s.Images, s.Refused, s.Empty, s.Complete, s.Restored, s.Counts)
}

// chunked is how much wider the stride is for a database with a value of a MiB, whose every copy takes long.
const chunked = 8

// Run tries the database of seed. The error says that there is none.
func (t *Trial) Run(seed uint64) (err error) {
	t.seed, t.rng = seed, rand.New(rand.NewPCG(seed, 18))
	if t.victim, err = destruction.NewVictim(t.rng); err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	if t.stride = max(t.Stride, 1); t.victim.Chunked() {
		t.stride *= chunked
	}
	t.watchdog = time.AfterFunc(torture.Watchdog, func() { panic(fmt.Sprintf("copies: seed %d hangs", seed)) })
	defer t.watchdog.Stop()
	defer func() {
		if p := recover(); p != nil {
			t.Stats.Panics++
			t.fail("panic", fmt.Errorf("panic: %v", p))
		}
	}()
	for _, part := range []func() error{t.cutCheckpoints, t.failCheckpoints, t.failSources, t.cutRestores, t.breakStreams,
		t.damageStreams, t.interruptRepositories, t.damageRepositories} {
		if err := part(); err != nil {
			t.fail("what nothing interrupts", err)
		}
	}
	return nil
}

// each calls do with one in a stride of the numbers from 0 on, until it returns false.
func (t *Trial) each(stride int, do func(n int) bool) {
	stride = max(stride, 1)
	for n := t.rng.IntN(stride); t.Stop == nil || !t.Stop(); n += stride {
		t.watchdog.Reset(torture.Watchdog)
		if !do(n) {
			return
		}
	}
}

func (t *Trial) fail(where string, err error) {
	if errors.Is(err, torture.ErrMismatch) {
		t.Stats.WrongData++
	}
	t.Fail(fmt.Sprintf("seed %d, %s", t.seed, where), err)
}
