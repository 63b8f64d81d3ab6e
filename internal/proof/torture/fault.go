package torture

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/observer"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// Fault is one way in which calls fail.
type Fault struct {
	Name    string
	Kinds   []errfs.Kind // it makes sense for; none is all
	Forever bool         // from the chosen call on, instead of once
	Rule    func(r *errfs.Rule) *errfs.Rule
}

// Faults are those of the systematic test.
func Faults() []Fault {
	changes := []errfs.Kind{errfs.Create, errfs.Write, errfs.Allocate, errfs.Rename, errfs.SyncDir, errfs.Sync}
	return []Fault{
		{Name: "EIO", Rule: func(r *errfs.Rule) *errfs.Rule { return r.Fail(syscall.EIO) }},
		{Name: "ENOSPC", Kinds: changes, Rule: func(r *errfs.Rule) *errfs.Rule { return r.Fail(syscall.ENOSPC) }},
		{Name: "short write", Kinds: []errfs.Kind{errfs.Write},
			Rule: func(r *errfs.Rule) *errfs.Rule { return r.Short(7, syscall.EIO) }},
		{Name: "short write, ENOSPC", Kinds: []errfs.Kind{errfs.Write},
			Rule: func(r *errfs.Rule) *errfs.Rule { return r.Short(100, syscall.ENOSPC) }},
		{Name: "sync drops data", Kinds: []errfs.Kind{errfs.Sync},
			Rule: func(r *errfs.Rule) *errfs.Rule { return r.Drop(syscall.EIO) }},
		{Name: "EMFILE", Kinds: []errfs.Kind{errfs.Create, errfs.Open},
			Rule: func(r *errfs.Rule) *errfs.Rule { return r.Fail(syscall.EMFILE) }},
		{Name: "full disk", Kinds: []errfs.Kind{errfs.Create, errfs.Write, errfs.Allocate}, Forever: true,
			Rule: func(r *errfs.Rule) *errfs.Rule { return r.Short(33, syscall.ENOSPC) }},
	}
}

// FaultStats count what an Injector did.
type FaultStats struct {
	Calls    int // positions tried
	Runs     int
	Injected int // faults
	Surfaced int // runs whose workload returned an error
	Absorbed int // runs that had a fault and no error
	Resumed  int // runs that went on in the same handle when a full disk had space again
	Failed   int // recoveries that failed
	// Swallowed are runs without an error whose fault cost something all the same.
	Swallowed int
	// ByFault are the runs by the name of their fault.
	ByFault map[string]int
	Pairs   int // runs in which both faults of a pair came to pass
	Blinded int // runs in which a call of a follower failed
	Indices int // calls that the workload makes undisturbed
	// Followers are those that watched, with the calls of the writer failing or their own.
	Followers observer.Stats
	Values    ValueStats // of undisturbed runs
	Ranges    RangeStats // likewise
	oracle.Counts
}

// Add adds o to s.
func (s *FaultStats) Add(o FaultStats) {
	s.Calls += o.Calls
	s.Runs += o.Runs
	s.Injected += o.Injected
	s.Surfaced += o.Surfaced
	s.Absorbed += o.Absorbed
	s.Resumed += o.Resumed
	s.Failed += o.Failed
	s.Swallowed += o.Swallowed
	s.Pairs += o.Pairs
	s.Indices += o.Indices
	s.Blinded += o.Blinded
	for name, n := range o.ByFault {
		s.count(name, n)
	}
	s.Followers.Add(o.Followers)
	s.Values.Add(o.Values)
	s.Ranges.Add(o.Ranges)
	s.Counts.Add(o.Counts)
}

func (s *FaultStats) count(fault string, n int) {
	if s.ByFault == nil {
		s.ByFault = make(map[string]int)
	}
	s.ByFault[fault] += n
}

func (s FaultStats) String() string {
	return fmt.Sprintf("calls=%d runs=%d injected=%d surfaced=%d absorbed=%d resumed=%d open_failed=%d %v %v %v %v",
		s.Calls, s.Runs, s.Injected, s.Surfaced, s.Absorbed, s.Resumed, s.Failed, s.Followers, s.Values, s.Ranges,
		s.Counts)
}

// Injector makes each call of workloads fail in each way.
type Injector struct {
	Stride int // 1 tries every call, 3 every third
	Offset int // the first call to try, below Stride
	Seed   uint64
	Stop   func() bool // ends the run early; nil never does
	Fail   func(where string, err error)
	Stats  FaultStats
}

// Watchdog bounds one run, of a simulation one step; after it the program ends with the stacks of all goroutines.
const Watchdog = time.Minute

// Run runs w once for each of its calls and each fault. Its error says that w itself failed, undisturbed.
func (x *Injector) Run(w Workload) error {
	w.Options.Manual = true
	w.Options.Random = counter()
	start, err := prepare(w)
	if err != nil {
		return fmt.Errorf("prepare %s: %w", w.Name, err)
	}
	calls, err := x.countCalls(w, start)
	if err != nil {
		return fmt.Errorf("%s: %w", w.Name, err)
	}
	x.Stats.Indices += calls
	for n := x.Offset; n < calls && (x.Stop == nil || !x.Stop()); n += x.Stride {
		x.Stats.Calls++
		for i, fault := range Faults() {
			if (n+i)%watched == 0 {
				x.injectFollowed(w, start, n, fault)
			} else {
				x.inject(w, start, n, fault)
			}
		}
	}
	return x.blind(w, start)
}

// countCalls runs w undisturbed.
func (x *Injector) countCalls(w Workload, start state) (int, error) {
	fs := start.fs.Kill()
	disk := errfs.New(fs)
	s := newRun(w, disk, fs, start.history.Clone())
	defer s.Abandon()
	err := w.Run(s)
	x.Stats.Values.Add(s.values.stats())
	x.Stats.Ranges.Add(s.shrunk)
	return disk.Ops(), err
}

// inject runs w with call n failing, and judges what is left.
func (x *Injector) inject(w Workload, start state, n int, fault Fault) {
	where := fmt.Sprintf("%s: %s at call %d", w.Name, fault.Name, n)
	defer x.guard(where)()
	fs := start.fs.Kill()
	disk := errfs.New(fs, fault.At(n))
	s := newRun(w, disk, fs, start.history.Clone())
	err := w.Run(s)
	defer s.Abandon()
	if disk.Faults() == 0 {
		return // the fault does not fit this call
	}
	x.Stats.count(fault.Name, 1)
	x.judgeRun(w, s, disk, state{fs: fs, history: s.History, loss: start.loss}, err, where)
}

// watched is how many runs there are for each one that a follower watches.
const watched = 4

// injectFollowed is inject while a follower watches. Afterwards it must show the newest, or that there is no page.
func (x *Injector) injectFollowed(w Workload, start state, n int, fault Fault) {
	where := fmt.Sprintf("%s: %s at call %d, followed", w.Name, fault.Name, n)
	defer x.guard(where)()
	start.fs, start.history = start.fs.Kill(), start.history.Clone()
	f := follow(w, start.fs, start, &x.Stats.Followers, []*errfs.Rule{fault.At(n)}, nil)
	defer f.Abandon()
	f.every = 3 + n/x.Stride%watched*2
	err := w.Run(f.Session)
	if broken := f.finish(); broken != nil {
		x.Fail(where, broken)
	}
	if f.disk.Faults() == 0 {
		return
	}
	x.Stats.count(fault.Name, 1)
	x.judgeRun(w, f.Session, f.disk, state{fs: start.fs, history: f.History, loss: start.loss}, err, where)
}

// blind runs w undisturbed while the calls of a follower fail: one in each run, at every position of a wider stride.
func (x *Injector) blind(w Workload, start state) error {
	var kinds []errfs.Kind // of the follower's calls
	listen := errfs.On().Call(func(op errfs.Op) { kinds = append(kinds, op.Kind) })
	if err := x.runBlind(w, start, listen, w.Name+" followed"); err != nil {
		return err
	}
	for n := x.Offset; n < len(kinds) && (x.Stop == nil || !x.Stop()); n += x.Stride * watched {
		for _, fault := range Faults() {
			if len(fault.Kinds) > 0 && !slices.Contains(fault.Kinds, kinds[n]) {
				continue
			}
			where := fmt.Sprintf("%s: %s at call %d of a follower", w.Name, fault.Name, n)
			if err := x.runBlind(w, start, fault.At(n), where); err != nil {
				return err
			}
			x.Stats.Runs++
			x.Stats.Blinded++
			x.Stats.count(fault.Name, 1)
		}
	}
	return nil
}

// runBlind runs w, which nothing disturbs, while a follower watches whose calls fail by rule.
func (x *Injector) runBlind(w Workload, start state, rule *errfs.Rule, where string) error {
	defer x.guard(where)()
	start.fs, start.history = start.fs.Kill(), start.history.Clone()
	f := follow(w, start.fs, start, &x.Stats.Followers, nil, []*errfs.Rule{rule})
	defer f.Abandon()
	f.every = 2 * watched
	err := w.Run(f.Session)
	x.Stats.Injected += f.eyes.Faults()
	if broken := f.finish(); broken != nil {
		x.Fail(where, broken)
	}
	return err
}

// At is the rule by which f happens at call n.
func (f Fault) At(n int) *errfs.Rule {
	rule := errfs.On(f.Kinds...).At(n)
	if f.Forever {
		rule = errfs.On(f.Kinds...).From(n)
	}
	return f.Rule(rule)
}

// guard ends the program if a run hangs, and turns a panic into a violation. What it returns ends the run.
func (x *Injector) guard(where string) (end func()) {
	watchdog := time.AfterFunc(Watchdog, func() { panic("torture: hangs: " + where) })
	return func() {
		watchdog.Stop()
		if p := recover(); p != nil {
			x.Stats.Panics++
			x.Fail(where, fmt.Errorf("panic: %v", p))
		}
	}
}

// judgeRun counts a run that met faults and returned err, and judges what is left of it.
func (x *Injector) judgeRun(w Workload, s *Session, disk *errfs.FS, now state, err error, where string) {
	x.Stats.Runs++
	x.Stats.Injected += disk.Faults()
	if err != nil {
		x.Stats.Surfaced++
	} else {
		x.Stats.Absorbed++
	}
	disk.SetRules()
	if errors.Is(err, ErrMismatch) {
		x.Stats.WrongData++
		x.Fail(where, err)
		return
	}
	before := x.Stats.Counts
	x.judge(w, s, now, err, where)
	if err == nil && x.Stats.Counts != before {
		x.Stats.Swallowed++
	}
}

// judge checks what a restart finds at once, before anything else is written, then the handle that met the fault,
// then what each kind of end leaves on the disk, now without faults.
func (x *Injector) judge(w Workload, s *Session, now state, met error, where string) {
	fs := now.fs
	x.recover(w, state{fs: fs.Image(memfs.All, 0), history: s.History.Clone(), loss: oracle.PowerCut}, where+"/at once")
	if s.Engine != nil {
		if err := s.CompareAcknowledged(); err != nil {
			x.Stats.WrongData++
			x.Fail(where+"/same handle", err)
		}
		if err := x.resume(s, met); err != nil {
			x.Fail(where+"/resume", err)
		}
	}
	for _, cut := range []Cut{{memfs.None, 0}, {memfs.Random, x.Seed}, {memfs.All, 0}} {
		img := state{fs: fs.Image(cut.Policy, cut.Seed), history: s.History.Clone(), loss: oracle.PowerCut}
		x.recover(w, img, fmt.Sprintf("%s/%v", where, cut.Policy))
	}
	if s.Engine != nil && s.Close() == nil {
		where += "/closed"
	}
	x.recover(w, state{fs: fs.Kill(), history: s.History, loss: now.loss}, where+"/kill")
}

// resume goes on writing: after a full disk it must work; after anything else it must either work or be refused.
func (x *Injector) resume(s *Session, met error) error {
	for due := s.Engine.ReserveStep(); due < time.Minute; due = s.Engine.ReserveStep() { // as the housekeeper would
		time.Sleep(due)
	}
	err := s.Put("resumed", "after the fault", true)
	if err != nil && (errors.Is(met, vfs.ErrNoSpace) || met == nil) && !errors.Is(err, engine.ErrReadOnly) {
		return err
	}
	if err != nil {
		return nil
	}
	x.Stats.Resumed++
	return errors.Join(s.Flush(), compactSteps(s), s.Compare(nil))
}

func (x *Injector) recover(w Workload, img state, where string) {
	w.Options.FS = img.fs
	img.history.Ended(oracle.PowerCut) // at least: the page that a kill leaves may be what has failed
	s := NewSession(w.Options, img.history)
	defer s.Abandon()
	if err := s.Open(); err != nil {
		x.Stats.Failed++
		noteTime(&x.Stats.Counts, err)
		x.Fail(where, err)
		return
	}
	entries, err := Content(s.Engine, nil)
	if err != nil {
		x.Fail(where, err)
		return
	}
	counts, err := s.History.Judge(img.loss, key.SeqNum(s.Engine.Report().LastSequence), entries)
	x.Stats.Counts.Add(counts)
	if err != nil {
		x.Fail(where, err)
	}
}
