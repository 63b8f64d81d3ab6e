package torture

import (
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"lightningdb/internal/batch"
	"lightningdb/internal/engine"
	"lightningdb/internal/key"
	"lightningdb/internal/oracle"
	"lightningdb/internal/vfs/memfs"
)

// Concurrent is a database with several writers and readers at once, and with its background goroutines, whose machine
// crashes under them.
type Concurrent struct {
	Options engine.Options // FS is set by Run
	Writers int
	Hot     int // keys that all writers write
}

// issued is a commit as its writer knows it.
type issued struct {
	batch *batch.Batch
	sync  bool
	last  key.SeqNum // 0 if the commit did not return without error
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

// use runs all writers, and a reader, until the commits fail. It returns what was committed, and the newest sequence
// number that a reader saw.
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

// write commits until a commit fails. The commits of writer w have w+2 operations, so that a gap in the sequence
// numbers tells whose commit fills it.
func (c Concurrent) write(e *engine.Engine, w int) (commits []issued) {
	for n := 0; ; n++ {
		var b batch.Batch
		b.Put(fmt.Appendf(nil, "own/%d/%d", w, n), []byte("x"))
		for i := range w + 1 {
			b.Put(fmt.Appendf(nil, "hot/%d", (n*(w+3)+i)%c.Hot), fmt.Appendf(nil, "%d/%d/%d", w, n, i))
		}
		sync := (n+w)%3 == 0
		last, err := e.Commit(&b, sync)
		if err != nil {
			return append(commits, issued{batch: &b, sync: sync})
		}
		commits = append(commits, issued{&b, sync, last})
	}
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
	last := e.Report().LastSequence
	var unknown []issued
	commits = slices.DeleteFunc(commits, func(c issued) bool {
		if c.last == 0 {
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
