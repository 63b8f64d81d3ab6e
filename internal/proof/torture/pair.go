package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/cespare/xxhash/v2"

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
	calls, err := countCalls(w, start)
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
		x.injectPair(w, start, pair{first, first + 1 + r.IntN(reach), anyFault(r), anyFault(r)})
	}
	return nil
}

// pair is two faults and the calls at which they happen.
type pair struct {
	at, then    int
	first, next Fault
}

func (p pair) String() string {
	return fmt.Sprintf("%s at call %d, %s at call %d", p.first.Name, p.at, p.next.Name, p.then)
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
	fs := start.fs.Kill()
	disk := errfs.New(fs, p.first.at(p.at), p.next.at(p.then))
	s := newRun(w, disk, fs, start.history.Clone())
	defer s.Abandon()
	err := w.Run(s)
	if disk.Faults() == 0 {
		return // neither fits its call
	}
	if err != nil && !errors.Is(err, ErrMismatch) {
		if broken := x.goOn(s, disk, start.loss); broken != nil {
			x.Fail(where+"/reopened", broken)
		}
	}
	if disk.Faults() > 1 {
		x.Stats.Pairs++
	}
	x.Stats.count(p.first.Name, 1)
	x.judgeRun(w, s, disk, state{fs, s.History, start.loss}, err, where)
}

// goOn opens again after a fault, judges what is there and writes. Only a further fault may disturb any of that.
func (x *Injector) goOn(s *Session, disk *errfs.FS, loss oracle.Loss) error {
	s.Abandon()
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
	last := s.Engine.Report().LastSequence
	counts, err := s.History.Judge(loss, last, entries)
	x.Stats.Counts.Add(counts)
	if err != nil {
		return err
	}
	s.History.Recovered(last)
	s.History.Read(last)
	return excused(errors.Join(s.Put("after", "a fault", true), s.Flush()))
}
