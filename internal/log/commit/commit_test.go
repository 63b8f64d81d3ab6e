package commit

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
)

// recorder is an Env that writes down what it is asked for and fails on request.
type recorder struct {
	mu        sync.Mutex
	steps     []string
	applied   []key.SeqNum
	end       key.SeqNum // last number of the last one applied
	misfits   int        // requests applied whose first number does not follow end
	published key.SeqNum
	fits      int // operations up to which Fits says yes
	roomErr   error
	logErr    error
	syncErr   error
	onLog     func()
	check     func(r *Request, before []*Request) error
}

func (e *recorder) step(format string, args ...any) {
	e.steps = append(e.steps, fmt.Sprintf(format, args...))
}

func (e *recorder) Fits(operations, bytes int) bool { return operations <= e.fits }

func (e *recorder) MakeRoom(r *Request) error { return e.roomErr }

func (e *recorder) Check(r *Request, before []*Request) error {
	if e.check == nil {
		return nil
	}
	return e.check(r, before)
}

func (e *recorder) Log(group []*Request) error {
	if e.onLog != nil {
		e.onLog()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.step("log %d-%d", group[0].First, group[len(group)-1].Last())
	return e.logErr
}

func (e *recorder) Sync() error {
	e.step("sync")
	return e.syncErr
}

func (e *recorder) Apply(r *Request) {
	e.step("apply %d", r.First)
	if len(e.applied) > 0 && r.First != e.end+1 {
		e.misfits++
	}
	e.end = r.Last()
	e.applied = append(e.applied, r.First)
}

func (e *recorder) Publish(last key.SeqNum) {
	e.step("publish %d", last)
	e.published = last
}

func puts(n int) *batch.Batch {
	b := new(batch.Batch)
	for i := range n {
		b.Put([]byte{byte(i)}, nil)
	}
	return b
}

func (e *recorder) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(e.steps, want) {
		t.Errorf("steps %q, want %q", e.steps, want)
	}
	e.steps = nil
}

// A commit that was acknowledged before its sync would be lost in a crash; one that was visible before its log write
// would vanish in it.
func TestCommit_takesTheStepsInOrder(t *testing.T) {
	env := &recorder{fits: 8}
	q := NewQueue(env, 10)
	last, err := q.Commit(Commit{Batch: puts(3), Sync: true})
	if last != 12 || err != nil {
		t.Fatalf("Commit = %d, %v", last, err)
	}
	env.expect(t, "log 10-12", "sync", "apply 10", "publish 12")
	if last, _ = q.Commit(Commit{Batch: puts(1)}); last != 13 {
		t.Errorf("second commit ends at %d", last)
	}
	env.expect(t, "log 13-13", "apply 13", "publish 13")
}

// A rejected transaction that had been logged would come back at the next start.
func TestCommit_logsNothingOfWhatItRejects(t *testing.T) {
	env := &recorder{fits: 8}
	q := NewQueue(env, 1)
	conflict := errors.New("conflict")
	env.check = func(*Request, []*Request) error { return conflict }
	if _, err := q.Commit(Commit{Batch: puts(1), Sync: true}); err != conflict {
		t.Errorf("a failed check gave %v", err)
	}
	env.check = nil
	env.roomErr = errors.New("no room")
	if _, err := q.Commit(Commit{Batch: puts(1), Sync: true}); err != env.roomErr {
		t.Errorf("a commit without room gave %v", err)
	}
	env.expect(t)
	env.roomErr = nil
	if last, err := q.Commit(Commit{Batch: puts(1)}); last != 1 || err != nil {
		t.Errorf("the next commit = %d, %v; refused ones must use no number", last, err)
	}
}

// A gap in the numbers would look like a lost commit to recovery; a number used twice would hide one behind another.
func TestCommit_usesTheNumbersOfACleanlyFailedWriteAgain(t *testing.T) {
	env := &recorder{fits: 8, logErr: errors.New("disk full")}
	q := NewQueue(env, 1)
	if _, err := q.Commit(Commit{Batch: puts(2)}); err != env.logErr {
		t.Fatal(err)
	}
	env.logErr = nil
	if last, err := q.Commit(Commit{Batch: puts(2)}); last != 2 || err != nil {
		t.Errorf("Commit = %d, %v", last, err)
	}
	env.expect(t, "log 1-2", "log 1-2", "apply 1", "publish 2")
}

// After a failed sync nobody knows what is on the disk: going on would build acknowledged commits on sand.
func TestCommit_stopsForEverAfterAFailedSync(t *testing.T) {
	env := &recorder{fits: 8, syncErr: errors.New("input/output error")}
	q := NewQueue(env, 1)
	for range 2 {
		if _, err := q.Commit(Commit{Batch: puts(1), Sync: true}); !errors.Is(err, env.syncErr) {
			t.Errorf("Commit gave %v", err)
		}
	}
	env.expect(t, "log 1-1", "sync")
	if env.published != 0 {
		t.Errorf("published %d", env.published)
	}
}

// A waiter that is never answered hangs a program; one answered wrongly loses its commit.
func TestCommit_answersTheWholeGroupWhenAStepPanics(t *testing.T) {
	env := &recorder{fits: 100, onLog: func() { panic("broken") }}
	q := NewQueue(env, 1)
	var wg sync.WaitGroup
	var mu sync.Mutex
	panics, failures := 0, 0
	for range 8 {
		wg.Go(func() {
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				if recover() != nil {
					panics++
				}
			}()
			_, err := q.Commit(Commit{Batch: puts(1)})
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, ErrPanicked) {
				failures++
			}
		})
	}
	wg.Wait()
	if panics == 0 || panics+failures != 8 {
		t.Errorf("%d panics and %d failures of 8 commits", panics, failures)
	}
}

// Grouping is for speed only: every commit is applied once, in the order of its numbers, whatever the group sizes.
func TestCommit_groupsWithoutLosingOrReordering(t *testing.T) {
	for _, fits := range []int{1, 3, 1000} {
		env := &recorder{fits: fits}
		q := NewQueue(env, 1)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for i := range 200 {
					last, err := q.Commit(Commit{Batch: puts(i % 4), Sync: i%3 == 0})
					if err != nil {
						t.Errorf("commit %d: %v", last, err)
					}
				}
			})
		}
		wg.Wait()
		if env.misfits > 0 {
			t.Errorf("fits %d: %d requests have numbers that do not follow those before", fits, env.misfits)
		}
		const operations = 16 * 200 / 4 * (0 + 1 + 2 + 3)
		if env.published != operations || !slices.IsSorted(env.applied) || len(env.applied) != 16*200 {
			t.Errorf("fits %d: published %d of %d, applied %d of %d", fits, env.published, operations,
				len(env.applied), 16*200)
		}
	}
}

// Of two commits with one number, one would hide the other.
func TestCommit_membersOfAGroupHaveNumbersOfTheirOwn(t *testing.T) {
	env := &recorder{fits: 8}
	q := NewQueue(env, 1)
	gathered := func(n int) bool {
		q.waitMu.Lock()
		defer q.waitMu.Unlock()
		return len(q.waiting) == n
	}
	var wg sync.WaitGroup
	env.onLog = func() { // while the first is logged, three more gather
		env.onLog = nil
		for range 3 {
			wg.Go(func() { q.Commit(Commit{Batch: puts(2)}) })
		}
		for !gathered(3) {
			runtime.Gosched()
		}
	}
	if _, err := q.Commit(Commit{Batch: puts(2)}); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	env.expect(t, "log 1-2", "apply 1", "publish 2", "log 3-8", "apply 3", "apply 5", "apply 7", "publish 8")
}

// A transaction that was checked against the tree alone would miss what its own group is about to write.
func TestCommit_checksEachMemberAgainstThoseBefore(t *testing.T) {
	env := &recorder{fits: 8}
	q := NewQueue(env, 1)
	conflict := errors.New("conflict")
	var seen []int
	env.check = func(r *Request, before []*Request) error {
		seen = append(seen, len(before))
		if len(before) > 1 {
			return conflict
		}
		return nil
	}
	group := []*Request{}
	for range 4 {
		group = append(group, &Request{Commit: Commit{Batch: puts(1)}, done: make(chan struct{}, 1)})
	}
	q.process(group)
	if want := []int{0, 1, 2, 2}; !slices.Equal(seen, want) {
		t.Errorf("members were checked against %v before them, want %v", seen, want)
	}
	for i, want := range []error{nil, nil, conflict, conflict} {
		<-group[i].done
		if group[i].err != want {
			t.Errorf("member %d got %v, want %v", i, group[i].err, want)
		}
	}
	env.expect(t, "log 1-2", "apply 1", "apply 2", "publish 2")
}

// A group of refused members must neither write nor keep later ones from being written.
func TestCommit_goesOnAfterAGroupThatWasRefused(t *testing.T) {
	env := &recorder{fits: 8, check: func(r *Request, _ []*Request) error {
		if r.Sync {
			return errors.New("conflict")
		}
		return nil
	}}
	q := NewQueue(env, 1)
	if _, err := q.Commit(Commit{Batch: puts(1), Sync: true}); err == nil {
		t.Error("a refused commit returned nil")
	}
	env.expect(t)
	if last, err := q.Commit(Commit{Batch: puts(1)}); last != 1 || err != nil {
		t.Errorf("Commit = %d, %v", last, err)
	}
}

// Two commits would have the same sequence number, or the log would have a gap that stops every restart.
func TestExclusiveNumbered_takesANumberOnlyIfItSucceeds(t *testing.T) {
	e := &recorder{fits: 1}
	q := NewQueue(e, 7)
	refused := errors.New("refused")
	number := func(result error) (seq key.SeqNum, err error) {
		err = q.ExclusiveNumbered(func(s key.SeqNum) error { seq = s; return result })
		return seq, err
	}
	if seq, err := number(refused); seq != 7 || err != refused {
		t.Errorf("number %d, %v", seq, err)
	}
	if seq, err := number(nil); seq != 7 || err != nil {
		t.Errorf("after a refusal: number %d, %v", seq, err)
	}
	var b batch.Batch
	b.Put([]byte("k"), nil)
	if last, err := q.Commit(Commit{Batch: &b}); last != 8 || err != nil {
		t.Errorf("the next commit: %d, %v", last, err)
	}
	e.syncErr = errors.New("lost")
	if _, err := q.Commit(Commit{Batch: &b, Sync: true}); err == nil {
		t.Fatal("a commit succeeded though its sync failed")
	}
	if _, err := number(nil); !errors.Is(err, e.syncErr) {
		t.Errorf("after a sync failed: %v", err)
	}
}

// A transaction reads a key after it has locked it: a commit of that key which passed its check before the lock was
// there must be published by then. Commits of other keys must not be waited for: that would take as long as a sync.
func TestSettleKey_waitsForWhatWritesTheKey(t *testing.T) {
	for name, carry := range map[string]func(*Queue, func()) error{
		"by the log": func(q *Queue, _ func()) error {
			var b batch.Batch
			b.Put([]byte("a"), nil)
			b.Delete([]byte("k"))
			_, err := q.Commit(Commit{Batch: &b})
			return err
		},
		"by another way": func(q *Queue, during func()) error {
			return q.ExclusiveNumbered(func(key.SeqNum) error { during(); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := &recorder{fits: 1}
			q := NewQueue(e, 1)
			var over atomic.Bool
			var settled sync.WaitGroup
			during := func() {
				settled.Go(func() {
					if q.SettleKey([]byte("k")); !over.Load() {
						t.Error("SettleKey returned while a commit of the key was in flight")
					}
				})
				for range 1000 {
					runtime.Gosched()
				}
				if name == "by the log" {
					q.SettleKey([]byte("other"))
				}
				over.Store(true)
			}
			e.onLog = during
			if err := carry(q, during); err != nil {
				t.Fatal(err)
			}
			settled.Wait()
			q.SettleKey([]byte("k"))
		})
	}
}

// A batch too large to look through may write anything.
func TestFlight_doesNotSearchForLong(t *testing.T) {
	var b batch.Batch
	b.Put([]byte("large"), make([]byte, maxSearchedBytes))
	f := flight{requests: []*Request{{Commit: Commit{Batch: &b}}}}
	if !f.mayWrite([]byte("k")) {
		t.Error("a large batch was taken for one that does not write the key")
	}
}

// A transaction that has locked a key would read it while a commit that deletes it with a range is in flight, and miss
// that.
func TestFlight_looksIntoRanges(t *testing.T) {
	var b batch.Batch
	b.DeleteRange(span.Span{Lo: []byte("b"), Hi: []byte("d")})
	b.DeleteRange(span.Span{Lo: []byte("x")})
	f := flight{requests: []*Request{{Commit: Commit{Batch: &b}}}}
	for k, want := range map[string]bool{"a": false, "b": true, "c": true, "d": false, "x": true, "\xff": true} {
		if got := f.mayWrite([]byte(k)); got != want {
			t.Errorf("%q is written: %v, want %v", k, got, want)
		}
	}
}

// A commit during an exclusive step would take the number that the step was given, or change what it looks at.
func TestExclusive_keepsCommitsOut(t *testing.T) {
	q := NewQueue(&recorder{fits: 1}, 1)
	alone := func() error {
		if q.pipelineMu.TryLock() {
			q.pipelineMu.Unlock()
			return errors.New("a commit could go on")
		}
		return nil
	}
	if err := errors.Join(q.Exclusive(alone), q.ExclusiveNumbered(func(key.SeqNum) error { return alone() })); err != nil {
		t.Error(err)
	}
}

// syncer is an Env whose syncs take a while and let others run meanwhile, as a system call does.
type syncer struct {
	recorder
	syncs int
}

func (e *syncer) Sync() error {
	e.syncs++
	for range 20 {
		runtime.Gosched()
	}
	return nil
}

// Writers that come back while the next group is under way would be in every second group only, half of them in each
// sync.
func TestCommit_callersOfAGroupComeAlong(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const writers, each = 8, 100
	env := &syncer{recorder: recorder{fits: writers}}
	q := NewQueue(env, 1)
	q.longYield = time.Hour // the machine may be busy with something else
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				if _, err := q.Commit(Commit{Batch: puts(1), Sync: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if env.syncs > each*3/2 {
		t.Errorf("%d syncs for %d commits of each of %d writers", env.syncs, each, writers)
	}
}

// overlapped is an Env whose Sync ends after the first Apply.
type overlapped struct {
	recorder
	applying sync.Once
	begun    chan struct{}
	sync     func() error
}

func (e *overlapped) Sync() error {
	<-e.begun
	return e.sync()
}

func (e *overlapped) Apply(r *Request) {
	e.applying.Do(func() { close(e.begun) })
	e.recorder.Apply(r)
}

// A large group would wait for the medium first and for the memory then. What is applied too early must not be seen
// before its sync has succeeded.
func TestCommit_appliesALargeGroupWhileItIsSynced(t *testing.T) {
	broken := errors.New("input/output error")
	for name, c := range map[string]struct {
		sync      func() error
		err       error
		published key.SeqNum
		panics    any
	}{
		"synced":  {func() error { return nil }, nil, parallelApplyMinOps, nil},
		"failed":  {func() error { return broken }, broken, 0, nil},
		"panics":  {func() error { panic(broken) }, nil, 0, broken},
		"is gone": {func() error { runtime.Goexit(); return nil }, nil, 0, ErrPanicked},
	} {
		t.Run(name, func(t *testing.T) {
			env := &overlapped{recorder: recorder{fits: 1}, begun: make(chan struct{})}
			env.sync = func() error {
				if env.published != 0 {
					t.Error("published before the sync")
				}
				return c.sync()
			}
			q := NewQueue(env, 1)
			defer func() {
				if p := recover(); p != c.panics {
					t.Errorf("panicked with %v, want %v", p, c.panics)
				}
				if env.published != c.published {
					t.Errorf("published %d, want %d", env.published, c.published)
				}
				if _, err := q.Commit(Commit{Batch: puts(1)}); (err == nil) != (c.published > 0) {
					t.Errorf("the next commit: %v", err)
				}
			}()
			if _, err := q.Commit(Commit{Batch: puts(parallelApplyMinOps), Sync: true}); !errors.Is(err, c.err) {
				t.Errorf("Commit gave %v, want %v", err, c.err)
			}
		})
	}
}
