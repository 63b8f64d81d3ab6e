package torture

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/errfs"
	"lightningdb/internal/system/vfs/memfs"
)

// Concurrent is a database with several writers and readers at once, and with its background goroutines, whose machine
// crashes under them.
type Concurrent struct {
	Options engine.Options // FS is set by Run
	Writers int
	Hot     int // keys that all writers write
	Commits int // of each writer at most; 0 is no bound
}

// issued is a commit as its writer knows it.
type issued struct {
	batch *batch.Batch
	sync  bool
	last  key.SeqNum // 0 if the commit did not return without error
	// refused says that it returned an error after which it certainly did not happen.
	refused bool
}

// Life uses the database in fs, which holds nothing yet, until it crashes, recovers what cut leaves (nil: the process
// was killed) and judges it. It returns how many commits were acknowledged.
func (c Concurrent) Life(fs *memfs.FS, crashAt int, during bool, cut *Cut) (
	acked int, counts oracle.Counts, err error) {
	c.Options.FS = keptOpen{fs}
	c.Options.Random = nil
	e, err := engine.Open(c.Options)
	if err != nil {
		return 0, counts, err
	}
	if during {
		fs.CrashDuring(fs.Ops() + crashAt)
	} else {
		fs.CrashAt(fs.Ops() + crashAt)
	}
	commits, seen := c.use(e)
	loss, next := oracle.Killed, (*memfs.FS)(nil)
	if cut == nil {
		next = fs.Kill()
	} else {
		loss, next = oracle.PowerCut, fs.Image(cut.Policy, cut.Seed)
	}
	e.Close() // fails, as the directory is gone
	return c.judge(next, loss, commits, seen)
}

// Disturbed uses the database in fs, which holds nothing yet, while the call number at from here on fails, and judges
// what cut leaves of it (nil: it is closed, or the process killed if that fails). Injected is 0 in what it returns if
// the fault did not come to pass.
func (c Concurrent) Disturbed(fs *memfs.FS, fault Fault, at int, cut *Cut) (stats FaultStats, err error) {
	disk := errfs.New(fs)
	c.Options.FS = keptOpen{disk}
	values := newValueWatch()
	c.Options.Events.Listener = values.hear
	e, err := engine.Open(c.Options)
	if err != nil {
		return stats, err
	}
	disk.SetRules(fault.At(disk.Ops() + at).Times(30))
	commits, seen := c.use(e)
	values.look(e.Metrics().Version, fs)
	loss, next := oracle.Killed, (*memfs.FS)(nil)
	if cut != nil {
		loss, next = oracle.PowerCut, fs.Image(cut.Policy, cut.Seed)
	}
	failed := e.Close()
	stats.Values = values.stats()
	if cut == nil {
		next = fs.Kill()
	}
	surfaced := failed != nil || slices.ContainsFunc(commits, func(c issued) bool { return c.last == 0 })
	stats.Runs, stats.Injected = 1, disk.Faults()
	switch {
	case stats.Injected == 0:
	case surfaced:
		stats.Surfaced++
	default:
		stats.Absorbed++
	}
	if stats.Injected > 0 {
		stats.count(fault.Name, 1)
	}
	_, counts, err := c.judge(next, loss, commits, seen)
	stats.Counts.Add(counts)
	if err != nil && !surfaced && stats.Injected > 0 {
		stats.Swallowed++
	}
	return stats, err
}

// use runs all writers, and a reader, until the commits fail or are enough. It returns what was committed, and the
// newest sequence number that a reader saw.
func (c Concurrent) use(e *engine.Engine) (commits []issued, seen key.SeqNum) {
	var writers, reader sync.WaitGroup
	var stop atomic.Bool
	byWriter := make([][]issued, c.Writers)
	for w := range c.Writers {
		writers.Go(func() { byWriter[w] = c.write(e, w) })
	}
	reader.Go(func() {
		for !stop.Load() {
			s := e.Snapshot()
			seen = max(seen, s.Seq())
			s.Close()
		}
	})
	writers.Wait()
	stop.Store(true)
	reader.Wait()
	return slices.Concat(byWriter...), seen
}

// hotThreshold is from how many bytes on values stay where they are.
const hotThreshold = 200

// write commits until it may not or a commit fails; a full disk is tried again. The commits of writer w have w+2
// operations, so that a gap in the sequence numbers tells whose commit fills it.
func (c Concurrent) write(e *engine.Engine, w int) (commits []issued) {
	for n := 0; c.Commits == 0 || n < c.Commits; n++ {
		var b batch.Batch
		b.Put(spell(fmt.Sprintf("own/%d/%d", w, n)), []byte("x"))
		for i := range w + 1 {
			value := fmt.Appendf(nil, "%d/%d/%d", w, n, i)
			if n%4 == 0 {
				value = append(value, noise("hot", uint64(n), hotThreshold+i)...)
			}
			b.Put(spell(fmt.Sprintf("hot/%d", (n*(w+3)+i)%c.Hot)), value)
		}
		sync := (n+w)%3 == 0
		last, err := e.Commit(&b, sync)
		if err != nil {
			last = 0
		}
		commits = append(commits, issued{&b, sync, last, err != nil && !errors.Is(err, engine.ErrCommitUnknown)})
		if err != nil && (!errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, engine.ErrReadOnly)) {
			break
		}
	}
	return commits
}

// judge recovers fs, finds the order of the commits by their sequence numbers, and compares.
func (c Concurrent) judge(fs *memfs.FS, loss oracle.Loss, commits []issued, seen key.SeqNum) (
	acked int, counts oracle.Counts, err error) {
	c.Options.FS = fs
	e, err := engine.Open(c.Options)
	if err != nil {
		return 0, counts, err
	}
	defer e.Close()
	entries, err := Content(e, nil)
	if err != nil {
		return 0, counts, err
	}
	last := key.SeqNum(e.Report().LastSequence)
	var unknown []issued
	commits = slices.DeleteFunc(commits, func(c issued) bool {
		if c.last == 0 && !c.refused {
			unknown = append(unknown, c)
		}
		return c.last == 0
	})
	slices.SortFunc(commits, func(a, b issued) int { return int(a.last) - int(b.last) })
	for unknown := range permutations(unknown) {
		counts = oracle.Counts{}
		h, err := order(commits, unknown, last)
		if err != nil {
			counts.Holes++
			continue
		}
		h.Read(seen)
		if counts, err = h.Judge(loss, last, entries); err == nil {
			return len(commits), counts, nil
		}
	}
	return len(commits), counts, fmt.Errorf("no order of the commits leads to what is there, up to %d", last)
}

// permutations yields s in every order, each time in the same slice.
func permutations(s []issued) iter.Seq[[]issued] {
	return func(yield func([]issued) bool) {
		var permute func(n int) bool
		permute = func(n int) bool {
			if n == len(s) {
				return yield(s)
			}
			for i := n; i < len(s); i++ {
				s[n], s[i] = s[i], s[n]
				if !permute(n + 1) {
					return false
				}
				s[n], s[i] = s[i], s[n]
			}
			return true
		}
		permute(0)
	}
}

// order is the history of commits, which are in order: those acknowledged where their sequence numbers say, those of
// unknown fate in the gaps that they fit, in the order given. One that fits no gap up to last is not in the database.
func order(commits, unknown []issued, last key.SeqNum) (h *oracle.History, err error) {
	h = new(oracle.History)
	unknown = slices.Clone(unknown)
	fill := func(upTo key.SeqNum) error {
		for h.Last() < upTo {
			room := int(upTo - h.Last())
			i := slices.IndexFunc(unknown, func(c issued) bool { return c.batch.Count() <= room })
			if i < 0 {
				return fmt.Errorf("nobody wrote the sequence numbers from %d to %d", h.Last()+1, upTo)
			}
			h.Issue(unknown[i].batch, unknown[i].sync)
			unknown = slices.Delete(unknown, i, i+1)
		}
		return nil
	}
	for _, c := range commits {
		if err := fill(c.last - key.SeqNum(c.batch.Count())); err != nil {
			return h, err
		}
		h.Issue(c.batch, c.sync)
		h.Acknowledge()
	}
	return h, fill(last)
}

// DisturbedLife is a life with concurrent writers, background goroutines and one fault, drawn from seed.
func DisturbedLife(seed uint64) (FaultStats, error) {
	r := rand.New(rand.NewPCG(seed, 7))
	faults := Faults()
	c := Concurrent{Writers: 1 + r.IntN(5), Hot: 7, Commits: 10 + r.IntN(60), Options: engine.Options{PageSize: 512,
		LogLimit: int64(3000 + r.IntN(20_000)), MemoryLimit: engine.MinMemoryLimit, Poison: true, Rows: true, Gaps: true,
		SyncInterval: time.Millisecond, ValueThreshold: hotThreshold}}
	var cut *Cut
	if r.IntN(3) > 0 {
		cut = &Cut{memfs.Policies[r.IntN(len(memfs.Policies))], r.Uint64N(1 << 20)}
	}
	fault, at := faults[r.IntN(len(faults))], r.IntN(250)
	watchdog := time.AfterFunc(Watchdog, func() { panic(fmt.Sprintf("torture: hangs: concurrent life %d", seed)) })
	defer watchdog.Stop()
	stats, err := c.Disturbed(memfs.New(), fault, at, cut)
	if err != nil {
		err = fmt.Errorf("%d writers, %s at call %d, cut %v: %w", c.Writers, fault.Name, at, cut, err)
	}
	return stats, err
}
