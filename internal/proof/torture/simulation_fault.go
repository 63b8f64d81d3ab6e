package torture

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/system/vfs/errfs"
)

// faultKind is a kind of fault that a simulation injects.
type faultKind uint8

const (
	faultEIO faultKind = iota
	faultNoSpace
	faultShort        // a write that writes less and fails
	faultShortNoSpace // a write that fills the disk
	faultDrop         // a sync that fails and forgets
	faultNoFiles      // no file descriptors left
	faultSlow         // background steps do not come to run
	numFaults
)

func (k faultKind) String() string {
	return [...]string{"eio", "enospc", "short", "short_enospc", "sync_drops", "emfile", "slow"}[k]
}

// FaultName is the name of kind k of the faults that a simulation injects, by its place in SimulationStats.Injected.
func FaultName(k int) string { return faultKind(k).String() }

// swarm is what a seed has in it: leaving things out at random finds more than always doing everything, because what
// is frequent keeps what is rare from gathering.
type swarm struct {
	ranges  float64 // share of changes that come with the delete of a range
	mix     Mix
	intents []intent    // drawn from
	kinds   []faultKind // drawn from

	// Odds of a turn. What remains is the clients'.
	ends, faults, background float64
	recovery                 float64 // of a fault or crash in a recovery
}

func newSwarm(r *rand.Rand) swarm {
	s := swarm{
		mix: Mix{Keys: 5 + r.IntN(120), Style: KeyStyle(r.IntN(3)), MaxValue: 10 + r.IntN(1200), Huge: 0.01 * r.Float64(),
			Sync: r.Float64(), MaxBatch: 1 + r.IntN(8)},
		ends:       0.005 + 0.03*r.Float64(),
		faults:     0.05 * r.Float64(),
		background: 0.1 + 0.4*r.Float64(),
		recovery:   0.5 * r.Float64(),
	}
	if r.IntN(4) == 0 {
		s.mix.Sync = float64(r.IntN(2))
	}
	s.mix.Options = engine.Options{PageSize: 512 << r.IntN(5)}
	if r.IntN(2) == 0 {
		s.mix.Options.Retain = time.Duration(r.IntN(4000)) * time.Millisecond
	}
	if r.IntN(2) == 0 {
		s.mix.Options.MaxSnapshotAge = time.Duration(1+r.IntN(400)) * time.Millisecond
	}
	for i := range numIntents {
		for range r.IntN(4) {
			s.intents = append(s.intents, i)
		}
	}
	s.intents = append(s.intents, wantPut, wantGet)
	for k := range numFaults {
		if r.IntN(3) > 0 {
			s.kinds = append(s.kinds, k)
		}
	}
	if len(s.kinds) == 0 {
		s.kinds = []faultKind{faultEIO}
	}
	return s
}

func (s *swarm) intent(r *rand.Rand) intent { return s.intents[r.IntN(len(s.intents))] }

// partNames are the parts that a simulation can do without.
var partNames = []string{"batches", "deletes", "scans", "snapshots", "syncs", "transactions", "ranges", "huge",
	"values", "streams", "copies", "background", "ends", "recovery", "followers", "eio", "enospc", "short", "short_enospc",
	"sync_drops", "emfile", "slow"}

// Parts are the names of what a simulation can leave out: intents of clients, kinds of faults, faults in recoveries,
// ends of lives, followers, background steps, deletes of ranges, huge values, values that stay where they are, streams
// and values that are read piece by piece, checkpoints.
func Parts() []string { return slices.Clone(partNames) }

// leaveOut takes a part out, after all has been drawn, so that the rest is as much as possible what it was.
func (s *swarm) leaveOut(part string) {
	wants := map[string]intent{"batches": wantBatch, "deletes": wantDelete, "scans": wantScan, "snapshots": wantSnapshot,
		"syncs": wantSync, "transactions": wantTransaction}
	switch part {
	case "ranges":
		s.ranges = 0
	case "huge":
		s.mix.Huge = 0
	case "background":
		s.background = 0
	case "ends":
		s.ends = 0
	case "recovery":
		s.recovery = 0
	}
	if gone, ok := wants[part]; ok {
		s.intents = slices.DeleteFunc(s.intents, func(i intent) bool { return i == gone })
	}
	s.kinds = slices.DeleteFunc(s.kinds, func(k faultKind) bool { return k.String() == part })
	if len(s.kinds) == 0 {
		s.kinds, s.faults, s.recovery = []faultKind{faultEIO}, 0, 0
	}
}

// vary draws the options that a database may be reopened with.
func (s *swarm) vary(r *rand.Rand, o *engine.Options) {
	o.Codec = codec.By([]codec.ID{codec.None, codec.S2, codec.Zstd}[r.IntN(3)])
	o.LogLimit = int64(6<<10 + r.IntN(90<<10))
	o.MemoryLimit = engine.MinMemoryLimit + int64(r.IntN(3))<<20
	o.SyncInterval = time.Duration(1+r.IntN(2000)) * time.Millisecond
}

// disturb begins a fault, or ends the present one.
func (m *simulation) disturb() {
	if m.r.IntN(3) == 0 {
		m.observe("faults end")
		m.calm()
		return
	}
	kind := m.swarm.kinds[m.r.IntN(len(m.swarm.kinds))]
	if kind == faultSlow {
		step := backgroundStep(m.r.IntN(int(numBackground)))
		m.slow[step] = 1 + m.r.IntN(20)
		m.observe("%v is slow for %d turns", step, m.slow[step])
		return
	}
	m.inject(kind, 1+m.r.IntN(30))
}

// disturbRecovery makes some recoveries meet a crash or a fault.
func (m *simulation) disturbRecovery() {
	m.mode = faultEIO
	if m.r.Float64() >= m.swarm.recovery {
		return
	}
	if m.r.IntN(2) == 0 {
		m.setCrash(14)
		return
	}
	kind := m.swarm.kinds[m.r.IntN(len(m.swarm.kinds))]
	if kind != faultSlow {
		m.inject(kind, 60)
	}
}

// inject lets one of the next calls of the directory fail, or some in a row from there.
func (m *simulation) inject(kind faultKind, within int) {
	m.mode = kind
	times := 1
	if m.r.IntN(3) == 0 {
		times += m.r.IntN(20)
	}
	changes := []errfs.Kind{errfs.Create, errfs.Write, errfs.Allocate, errfs.Rename, errfs.SyncDir, errfs.Sync}
	var rule *errfs.Rule
	switch kind {
	case faultEIO:
		rule = errfs.On().Fail(syscall.EIO)
	case faultNoSpace:
		rule = errfs.On(changes...).Fail(syscall.ENOSPC)
	case faultShort:
		rule = errfs.On(errfs.Write).Short(m.r.IntN(600), syscall.EIO)
	case faultShortNoSpace:
		rule = errfs.On(errfs.Create, errfs.Write, errfs.Allocate).Short(m.r.IntN(600), syscall.ENOSPC)
	case faultDrop:
		rule = errfs.On(errfs.Sync).Drop(syscall.EIO)
	case faultNoFiles:
		rule = errfs.On(errfs.Create, errfs.Open).Fail(syscall.EMFILE)
	}
	from := m.disk.Ops() + m.r.IntN(within)
	m.observe("%v from call %d on, %d times", kind, from, times)
	m.disk.SetRules(rule.From(from).Times(times))
}

// calm ends all faults and takes back a crash that has not happened.
func (m *simulation) calm() {
	m.disk.SetRules()
	m.fs.CrashAt(-1)
	m.process.SetRules(errfs.On().Call(m.followWithin))
	m.mode = faultEIO
}
