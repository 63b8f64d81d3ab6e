package torture

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/observer"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// Simulation is a whole life of a database that one random source decides: what several clients want, which of them
// moves next, when background work happens, which calls of the directory fail, when the process is killed or the power
// goes, and with which options the database is opened again. There are no goroutines and no real clock. The same seed
// gives the same run, byte for byte.
type Simulation struct {
	Seed  uint64
	Steps int // turns of the scheduler

	// What makes a failing run smaller, see Shrink. Zero values leave the seed as it is.
	Clients int      // at most; 0 is no bound
	Without []string // parts to leave out, see Parts

	Transactions bool // are what clients want most of the time, and there are several clients

	beneath func(vfs.FS) vfs.FS // the medium, if it is not as it should be: for tests of the simulation itself
}

// DefaultSteps is a length that leads through several lives.
const DefaultSteps = 400

// SimulationStats count what simulations did.
type SimulationStats struct {
	Seeds       int
	Steps       int
	Virtual     time.Duration
	Commits     int // acknowledged
	Reads       int // answers compared
	Past        int // snapshots of older states among them
	Expired     int // older states that were no longer kept, as they need not be
	Aged        int // answers of readers that were too old
	Steered     int // background steps that had something to do
	Lives       int // recoveries that ended in an open database
	Reopened    int // clean closings
	Kills       int
	PowerCuts   int
	Unkept      int            // recoveries that a fault or crash ended
	Injected    [numFaults]int // calls made to fail, and steps skipped, by kind
	Surfaced    int            // calls of the engine that returned an injected fault
	Failed      int            // recoveries that failed without a fault
	Values      ValueStats
	Streams     StreamStats
	Checkpoints int            // that were made, and judged
	Isolation   IsolationStats // of the transactions; their violations are in Counts, too
	Followers   observer.Stats
	oracle.Counts
}

// Add adds o to s.
func (s *SimulationStats) Add(o SimulationStats) {
	s.Seeds += o.Seeds
	s.Steps += o.Steps
	s.Virtual += o.Virtual
	s.Commits += o.Commits
	s.Reads += o.Reads
	s.Past += o.Past
	s.Expired += o.Expired
	s.Aged += o.Aged
	s.Steered += o.Steered
	s.Lives += o.Lives
	s.Reopened += o.Reopened
	s.Kills += o.Kills
	s.PowerCuts += o.PowerCuts
	s.Unkept += o.Unkept
	for i, n := range o.Injected {
		s.Injected[i] += n
	}
	s.Surfaced += o.Surfaced
	s.Failed += o.Failed
	s.Values.Add(o.Values)
	s.Streams.Add(o.Streams)
	s.Checkpoints += o.Checkpoints
	s.Isolation.Add(o.Isolation)
	s.Followers.Add(o.Followers)
	s.Counts.Add(o.Counts)
}

// Faults is the number of injected faults of all kinds.
func (s SimulationStats) Faults() (n int) {
	for _, injected := range s.Injected {
		n += injected
	}
	return n
}

func (s SimulationStats) String() string {
	by := ""
	for i, n := range s.Injected {
		by += fmt.Sprintf(" %v=%d", faultKind(i), n)
	}
	return fmt.Sprintf("seeds=%d steps=%d virtual_time=%v acked=%d reads=%d past=%d expired=%d aged=%d "+
		"background=%d lives=%d reopened=%d kills=%d "+
		"power_cuts=%d recoveries_interrupted=%d faults=%d (%s) surfaced=%d open_failed=%d checkpoints=%d %v %v %v %v",
		s.Seeds, s.Steps, s.Virtual.Round(time.Millisecond), s.Commits, s.Reads, s.Past, s.Expired, s.Aged,
		s.Steered, s.Lives, s.Reopened, s.Kills, s.PowerCuts, s.Unkept, s.Faults(), by[1:], s.Surfaced, s.Failed,
		s.Checkpoints, s.Followers, s.Values, s.Streams, s.Counts)
}

// simulation is one run.
type simulation struct {
	*Session
	plan  Simulation
	swarm swarm
	r     *rand.Rand
	drawn *rand.Rand  // thresholds of values; nil for none: see drawThreshold
	hash  hash.Hash64 // of everything observed
	stats SimulationStats
	now   time.Duration // of the monotonic clock
	wall  wallClock

	fs      *memfs.FS // of this life
	process *errfs.FS // the same, as the process that writes sees it, until it is killed
	disk    *errfs.FS // the same, with faults
	mode    faultKind // what disk's rules inject

	followers   followers
	streams     streams
	copying     copying
	shaken      bool // of faults in a row, the page may be neither written to nor removed; until a commit without any
	unpublished bool // a writer has failed before, and perhaps left no page

	journal   journal // of the transactions
	clients   []client
	moments   []moment           // when which state became the newest
	slow      [numBackground]int // turns for which a background step is skipped
	refusing  bool               // writes of this handle have failed
	powerLost bool               // since the last completed recovery
	recent    []string           // what the last turns were, for the message of a failure
}

// Run runs the simulation. The hash is that of every answer, every call of the directory and every file between two
// lives. The error describes the first violation.
func (m Simulation) Run() (stats SimulationStats, sum uint64, err error) {
	s := newSimulation(m)
	watchdog := time.AfterFunc(Watchdog, func() { panic(fmt.Sprintf("torture: simulation hangs: seed %d", m.Seed)) })
	defer watchdog.Stop()
	defer func() {
		if p := recover(); p != nil {
			s.stats.Panics++
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil {
			err = fmt.Errorf("simulation seed %d, step %d: %w (before: %q)", m.Seed, s.stats.Steps, err, s.recent)
		}
		s.surveyTransactions()
		s.stats.Values = s.values.stats()
		stats, sum = s.stats, s.hash.Sum64()
	}()
	defer s.Abandon()
	defer s.dropReaders()
	defer s.killFollowers()
	if err := s.openOn(s.fs, oracle.Killed); err != nil {
		return s.stats, 0, err
	}
	for s.stats.Steps < m.Steps {
		s.stats.Steps++
		watchdog.Reset(Watchdog) // a busy machine may take minutes for all of them, under the race detector
		if err := s.turn(); err != nil {
			return s.stats, 0, err
		}
	}
	return s.stats, 0, s.finish()
}

func newSimulation(plan Simulation) *simulation {
	m := &simulation{plan: plan, r: rand.New(rand.NewPCG(plan.Seed, 4)), hash: fnv.New64a(), fs: memfs.New()}
	m.stats.Seeds = 1
	m.drawn = rand.New(rand.NewPCG(plan.Seed, 104))
	m.wall = newWallClock(plan.Seed)
	m.swarm = newSwarm(m.r)
	m.followers = newFollowers(plan.Seed)
	m.streams = newStreams(plan.Seed)
	m.copying = newCopying(plan.Seed)
	m.clients = make([]client, 1+m.r.IntN(5))
	m.swarm.ranges = []float64{0, 0.03, 0.15}[plan.Seed%3]
	if plan.Transactions {
		m.clients = make([]client, 3+m.r.IntN(5))
		m.swarm.ends /= 4
		m.swarm.mix.Sync *= float64(m.r.IntN(3)) / 10
		m.swarm.intents = append(m.swarm.intents, slices.Repeat([]intent{wantTransaction}, 50)...)
	}
	if plan.Clients > 0 {
		m.clients = m.clients[:min(plan.Clients, len(m.clients))]
	}
	for i := range m.clients {
		m.clients[i].id = i
	}
	for _, name := range plan.Without {
		m.swarm.leaveOut(name)
	}
	if slices.Contains(plan.Without, "values") {
		m.drawn = nil
	}
	if plan.Transactions || slices.Contains(plan.Without, "followers") {
		m.followers.odds = 0
	}
	if plan.Transactions || slices.Contains(plan.Without, "streams") {
		m.streams.intents = nil
	}
	if plan.Transactions || slices.Contains(plan.Without, "copies") {
		m.copying.intents = nil
	}
	m.swarm.intents = slices.Concat(m.swarm.intents, m.streams.intents, m.copying.intents)
	opts := m.swarm.mix.Options
	opts.Followers = m.followers.odds > 0
	opts.Manual, opts.Poison, opts.Rows, opts.Random = true, true, true, counter()
	opts.LockTimeout = 1 // in the one goroutine there is nobody who could free a lock meanwhile
	opts.Elapsed = func() time.Duration { return m.now }
	opts.Wall = func() time.Time { return m.wall.at }
	m.Session = NewSession(opts, new(oracle.History))
	if plan.Seed%2 == 0 {
		m.opts.Partial = nil
	}
	m.isDead = m.dead
	return m
}

// turn moves one part of the world. What it does, and whose turn it is, comes from the random source alone.
func (m *simulation) turn() error {
	passed := m.elapse()
	m.now += passed
	m.wall.pass(passed)
	if err := m.follow(); err != nil {
		return err
	}
	if m.refusing && m.r.IntN(10) == 0 {
		return m.endLife()
	}
	switch p := m.r.Float64(); {
	case p < m.swarm.ends:
		return m.endLife()
	case p < m.swarm.ends+m.swarm.faults:
		m.disturb()
		return nil
	case p < m.swarm.ends+m.swarm.faults+m.swarm.background:
		return m.background()
	}
	return m.move(&m.clients[m.r.IntN(len(m.clients))])
}

// elapse is the virtual time until the next turn: mostly very little.
func (m *simulation) elapse() time.Duration {
	d := time.Duration(m.r.IntN(1000)) * time.Microsecond
	if m.r.IntN(20) == 0 {
		d *= 1000
	}
	m.stats.Virtual += d
	return d
}

// attempt calls do, a use of the engine, and judges its error: only an injected fault excuses one, or a refusal after a
// fault. ok says that there was none, and that the machine is still running.
func (m *simulation) attempt(what string, do func() error) (ok bool, err error) {
	before := m.disk.Faults()
	err = do()
	injected := m.disk.Faults() - before
	m.stats.Injected[m.mode] += injected
	m.observe("%s: %v", what, err)
	m.shaken = m.shaken || injected > 1
	switch {
	case m.followers.err != nil:
		return false, m.followers.err
	case errors.Is(err, ErrMismatch):
		m.stats.WrongData++
		return false, fmt.Errorf("%s: %w", what, err)
	case m.dead():
		return false, m.crash()
	case err == nil:
		return true, nil
	case errors.Is(err, engine.ErrReadOnly) || errors.Is(err, engine.ErrCommitUnknown):
		m.refusing = true
	}
	if injected > 0 {
		m.stats.Surfaced++
		return false, nil
	}
	if m.refusing && m.disk.Faults() > 0 && errors.Is(err, engine.ErrReadOnly) {
		return false, nil
	}
	return false, fmt.Errorf("%s failed although nothing was wrong: %w", what, err)
}

// observe takes part of the run into its hash.
func (m *simulation) observe(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Fprintf(m.hash, "%d %s\n", m.now, line)
	m.recent = append(m.recent, line)
	if len(m.recent) > 16 {
		m.recent = m.recent[1:]
	}
}

// backgroundStep is a kind of background work.
type backgroundStep uint8

const (
	stepFlush backgroundStep = iota
	stepCompact
	stepSync
	stepClean
	stepFreeze // Engine.Flush: what a full memtable leads to, without waiting for one
	stepRetain
	numBackground
)

func (b backgroundStep) String() string {
	return [...]string{"flush step", "compact step", "sync step", "clean step", "freeze and flush", "retain step"}[b]
}

// background runs one background step, unless it is slow at the moment.
func (m *simulation) background() error {
	step := backgroundStep(m.r.IntN(int(numBackground)))
	if m.slow[step] > 0 {
		m.slow[step]--
		m.stats.Injected[faultSlow]++
		m.observe("%v skipped", step)
		return nil
	}
	worked := false
	ok, err := m.attempt(step.String(), func() (err error) {
		switch step {
		case stepFlush:
			worked, err = m.Engine.FlushStep()
		case stepCompact:
			worked, err = m.Engine.CompactStep()
			m.lookAtValues()
		case stepSync:
			worked, err = m.Engine.SyncStep()
		case stepClean:
			worked, err = m.Engine.CleanStep()
			m.Engine.MemoryStep()
			m.Engine.SpaceStep()
		case stepFreeze:
			worked, err = true, m.Flush()
		case stepRetain:
			m.Engine.RetainStep()
		}
		return err
	})
	if ok && worked {
		m.stats.Steered++
		if step == stepSync {
			m.History.Synced(m.History.Acknowledged())
		}
	}
	return err
}

// endLife closes the database, kills the process, or cuts the power, now or within a call that comes soon.
func (m *simulation) endLife() error {
	switch m.r.IntN(4) {
	case 0:
		return m.reopen()
	case 1:
		m.observe("crash soon")
		m.setCrash(40)
		if len(m.followers.all) > 0 && m.followers.r.IntN(2) == 0 {
			m.fs.CrashAt(-1)
			m.killWriter(m.followers.r.IntN(80))
		}
		return nil
	}
	return m.crash()
}

// setCrash lets the machine crash before or during one of the next changes of the directory.
func (m *simulation) setCrash(within int) {
	n := m.fs.Ops() + m.r.IntN(within)
	if m.r.IntN(2) == 0 {
		m.fs.CrashAt(n)
	} else {
		m.fs.CrashDuring(n)
	}
}

// reopen closes, with faults if there are any, and opens again.
func (m *simulation) reopen() error {
	m.dropReaders()
	ok, err := m.attempt("close", m.Close)
	if !ok && (err != nil || m.Engine != nil) { // Engine != nil: crashed while closing, and recovered already
		return err
	}
	if ok {
		m.stats.Reopened++
	}
	return m.openOn(m.killed(m.fs), oracle.Killed)
}

// crash ends the process or cuts the power, and recovers.
func (m *simulation) crash() error {
	m.dropReaders()
	next, loss := m.lose()
	m.Abandon()
	return m.openOn(next, loss)
}

// lose is what a crash leaves of the directory.
func (m *simulation) lose() (*memfs.FS, oracle.Loss) {
	if m.r.IntN(3) == 0 {
		m.stats.Kills++
		m.observe("kill")
		return m.killed(m.fs), oracle.Killed
	}
	m.stats.PowerCuts++
	policy, seed := memfs.Policies[m.r.IntN(len(memfs.Policies))], m.r.Uint64N(1<<20)
	m.observe("power cut %v:%d", policy, seed)
	m.fs.Crash()
	return m.fs.Image(policy, seed), oracle.PowerCut
}

// maxDisturbedRecoveries bounds how often in a row a recovery may be interrupted.
const maxDisturbedRecoveries = 4

// openOn recovers the directory, perhaps after recoveries that a crash or a fault ends, and judges what is there.
func (m *simulation) openOn(fs *memfs.FS, loss oracle.Loss) error {
	for try := 0; ; try++ {
		m.powerLost = m.powerLost || loss == oracle.PowerCut
		m.begin(fs)
		if try < maxDisturbedRecoveries {
			m.disturbRecovery()
		}
		err := m.Open()
		faults := m.disk.Faults()
		m.stats.Injected[m.mode] += faults
		m.observe("open: %v", err)
		switch {
		case m.followers.err != nil:
			return m.followers.err
		case m.dead():
			m.stats.Unkept++
			fs, loss = m.lose()
			m.Abandon()
		case err != nil && faults == 0:
			m.stats.Failed++
			return err
		case err != nil:
			m.stats.Unkept++
			fs, loss = m.killed(fs), oracle.Killed
		default:
			m.stats.Lives++
			m.calm()
			return m.judge()
		}
	}
}

// begin makes fs the directory of the next life, and draws the options that may change between two.
func (m *simulation) begin(fs *memfs.FS) {
	m.hashDirectory(fs)
	if fs != m.fs {
		m.killFollowers()
	}
	if m.disk != nil {
		m.unpublished = m.unpublished || m.disk.Faults() > 0
	}
	m.medium = fs
	m.fs, m.process = fs, errfs.New(fs, errfs.On().Call(m.followWithin))
	if m.plan.beneath != nil {
		m.process = errfs.New(m.plan.beneath(fs), errfs.On().Call(m.followWithin))
	}
	m.disk = errfs.New(m.process)
	m.disk.LogTo(m.hash)
	m.opts.FS = keptOpen{m.disk}
	m.swarm.vary(m.r, &m.opts)
	m.opts.ValueThreshold = math.MaxInt
	if m.drawn != nil {
		m.opts.ValueThreshold = drawThreshold(m.drawn)
	}
	m.refusing = false
	m.slow = [numBackground]int{}
}

// hashDirectory takes the names and contents of all files into the hash.
func (m *simulation) hashDirectory(fs *memfs.FS) {
	names, err := fs.List()
	fmt.Fprintln(m.hash, names, err)
	for _, name := range names {
		data, err := Contents(fs, name)
		fmt.Fprintln(m.hash, name, len(data), err)
		m.hash.Write(data)
	}
}

// judge holds the recovered content against the history, which goes on from there.
func (m *simulation) judge() error {
	entries, err := Content(m.Engine, nil)
	if errors.Is(err, ErrMismatch) {
		m.stats.WrongData++
	}
	if err != nil {
		return fmt.Errorf("read what was recovered: %w", err)
	}
	loss := oracle.Killed
	if m.powerLost {
		loss = oracle.PowerCut
	}
	last := key.SeqNum(m.Engine.Report().LastSequence)
	m.observe("recovered %d, %d entries", last, len(entries))
	counts, err := m.History.Judge(loss, last, entries)
	m.stats.Counts.Add(counts)
	if err != nil {
		return err
	}
	if loss == oracle.PowerCut {
		if err := m.strike(last); err != nil {
			return err
		}
	}
	m.History.Recovered(last)
	m.History.Read(last)
	m.recoverMoments(last)
	m.powerLost, m.unpublished, m.shaken = false, m.disk.Faults() > 0, m.disk.Faults() > 1
	m.told = last
	return m.followers.err
}

// finish ends all faults; then everything must work and be there.
func (m *simulation) finish() error {
	m.dropReaders()
	m.calm()
	m.swarm.recovery = 0
	err := m.settle()
	if errors.Is(err, engine.ErrReadOnly) && m.disk.Faults() > 0 { // only a new handle writes again
		if err = m.crash(); err == nil {
			err = m.settle()
		}
	}
	if errors.Is(err, ErrMismatch) {
		m.stats.WrongData++
	}
	if err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	if err := m.endFollowers(); err != nil {
		return err
	}
	err = errors.Join(m.reopen(), m.checkNothingIsHeld(), m.Close())
	m.hashDirectory(m.fs.Kill())
	return errors.Join(err, m.checkTransactions())
}

// settle does all the work that is left, and compares everything before and after it.
func (m *simulation) settle() error {
	if err := m.CompareAcknowledged(); err != nil {
		return err
	}
	if err := errors.Join(m.Flush(), compactSteps(m.Session)); err != nil {
		return err
	}
	return m.Compare(nil)
}
