package torture

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/cespare/xxhash/v2"

	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/observer"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs/errfs"
)

// reach is the largest distance between the two faults of a pair, in calls.
const reach = 60

// RunPairs makes two calls fail in each of n runs of w: the first anywhere, the second soon after it, in what the
// first leads to or in the recovery that follows. Seed and name of w choose. Its error says that w itself failed,
// undisturbed.
func (x *Injector) RunPairs(w Workload, n int) error {
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
	r := rand.New(rand.NewPCG(x.Seed, xxhash.Sum64String(w.Name)))
	for range n {
		if x.Stop != nil && x.Stop() {
			break
		}
		x.Stats.Calls++
		first := r.IntN(calls)
		p := pair{at: first, then: first + 1 + r.IntN(reach), first: anyFault(r), next: anyFault(r)}
		p.by = watcher(r.IntN(4))
		x.injectPair(w, start, p)
	}
	return nil
}

// pair is two faults and the calls at which they happen.
type pair struct {
	at, then    int
	first, next Fault
	by          watcher
}

// watcher says who watches a pair.
type watcher uint8

const (
	byFollower watcher = iota // a follower
	byBlinded                 // a follower, one of whose calls is the second that fails
	byNobody                  // or more
)

func (p pair) String() string {
	watched := [...]string{" followed,", " followed, of the follower,", ""}[min(p.by, byNobody)]
	return fmt.Sprintf("%s at call %d,%s %s at call %d", p.first.Name, p.at, watched, p.next.Name, p.then)
}

// run returns the session of a run of w with both faults.
func (p pair) run(w Workload, start state, stats *observer.Stats) *followed {
	rules, blinders := []*errfs.Rule{p.first.At(p.at), p.next.At(p.then)}, []*errfs.Rule(nil)
	if p.by == byBlinded {
		rules, blinders = rules[:1], rules[1:]
	}
	f := follow(w, start.fs, start, stats, rules, blinders)
	f.every, f.patient = 7, true
	if p.by >= byNobody {
		f.every = math.MaxInt
	}
	return f
}

func anyFault(r *rand.Rand) Fault {
	all := slices.DeleteFunc(Faults(), func(f Fault) bool { return f.Forever })
	return all[r.IntN(len(all))]
}

// injectPair runs w with both faults of p. If that ends in an error, the database is opened again and used while the
// second fault may still come.
func (x *Injector) injectPair(w Workload, start state, p pair) {
	where := fmt.Sprintf("%s: %v", w.Name, p)
	defer x.guard(where)()
	start.fs, start.history = start.fs.Kill(), start.history.Clone()
	f := p.run(w, start, &x.Stats.Followers)
	defer f.Abandon()
	err := w.Run(f.Session)
	if f.faults() > 0 && err != nil && !errors.Is(err, ErrMismatch) {
		if broken := x.goOn(f.Session, f.disk, start.loss); broken != nil {
			x.Fail(where+"/reopened", broken)
		}
	}
	if p.by < byNobody {
		if broken := f.finish(); broken != nil {
			x.Fail(where, broken)
		}
	}
	if f.faults() == 0 {
		return // neither fits its call
	}
	if f.faults() > 1 {
		x.Stats.Pairs++
	}
	if f.eyes.Faults() > 0 {
		x.Stats.Blinded++
	}
	x.Stats.count(p.first.Name, 1)
	x.judgeRun(w, f.Session, f.disk, state{fs: start.fs, history: f.History, loss: start.loss}, err, where)
}

// goOn opens again after a fault, judges what is there and writes. Only a further fault may disturb any of that.
func (x *Injector) goOn(s *Session, disk *errfs.FS, loss oracle.Loss) error {
	s.Abandon()
	s.History.Ended(oracle.PowerCut)
	before := disk.Faults()
	excused := func(err error) error {
		if disk.Faults() > before && !errors.Is(err, ErrMismatch) {
			return nil
		}
		return err
	}
	if err := s.Open(); err != nil {
		return excused(err)
	}
	entries, err := Content(s.Engine, nil)
	if err != nil && excused(err) == nil { // a read has failed; the next one may not
		disk.SetRules()
		entries, err = Content(s.Engine, nil)
	}
	if err != nil {
		return err
	}
	last := key.SeqNum(s.Engine.Report().LastSequence)
	counts, err := s.History.Judge(loss, last, entries)
	x.Stats.Counts.Add(counts)
	if err != nil {
		return err
	}
	s.History.Recovered(last)
	s.History.Read(last)
	return excused(errors.Join(s.Put("after", "a fault", true), s.Flush()))
}
