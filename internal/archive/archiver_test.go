package archive

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lightningdb/event"
	"lightningdb/internal/checkpoint"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/metrics"
)

var (
	seedFlag = flag.Uint64("archive.seed", 0, "seed of the one run to make")
	runsFlag = flag.Int("archive.runs", 60, "runs to make")
)

// runs calls fn with a generator for each run, whose seed it tells if the run fails.
func runs(t *testing.T, fn func(t *testing.T, rng *rand.Rand)) {
	for range *runsFlag {
		seed := *seedFlag
		if seed == 0 {
			seed = rand.Uint64()
		}
		fn(t, rand.New(rand.NewPCG(seed, 0)))
		if t.Failed() {
			t.Fatalf("-archive.seed=%d", seed)
		}
		if *seedFlag != 0 {
			return
		}
	}
}

// A restart, a kill or a power cut must not lose what was acknowledged to the archive, nor archive what was lost, as
// long as the log is held; and a store may fail as it likes.
func TestArchiver_oneBranchOverCrashesAndRestarts(t *testing.T) {
	runs(t, func(t *testing.T, rng *rand.Rand) {
		w := newWorld(t, rng)
		w.shelf.faults = rng.IntN(2) * 40
		for range 100 + rng.IntN(200) {
			w.step()
		}
		w.shelf.settle()
		w.catchUp()
		if all := w.branches(); len(all) != 1 || all[0].Cause != Begin {
			t.Errorf("the branches are %+v", all)
		}
		w.check(4)
		w.close()
	})
}

// slow is a shelf that gives no answer for a while.
type slow struct {
	*shelf
	begun   chan struct{} // a piece is on its way
	answers chan struct{} // closed when there are answers again
}

func (s *slow) PutPiece(ctx context.Context, name string, content []byte) error {
	select {
	case s.begun <- struct{}{}:
	default:
	}
	<-s.answers
	return s.shelf.PutPiece(ctx, name, content)
}

// What is committed while a piece is on its way would be noted as one moment, when it has arrived: a restore to a time
// in between would give the state of before, without a word.
func TestArchiver_notesMomentsWhileAPutTakesLong(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 0)))
	defer func() { _ = w.e.Close() }()
	store := &slow{w.shelf, make(chan struct{}, 1), make(chan struct{})}
	var minutes atomic.Int64
	wall := func() time.Time { return w.clock.Add(time.Duration(minutes.Load()) * time.Minute) }
	a := Start(w.e, Options{Store: store, Interval: 10 * time.Millisecond, Wall: wall})
	until := func(what string, is func() bool) {
		t.Helper()
		for begun := time.Now(); !is(); time.Sleep(time.Millisecond) {
			if time.Since(begun) > time.Minute {
				t.Fatalf("not within a minute: %s", what)
			}
		}
	}
	w.put("a", true)
	<-store.begun
	for _, letter := range []string{"b", "c", "d"} {
		minutes.Add(1)
		w.put(letter, true)
		until(letter+" is noted", func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			n := len(a.moments)
			return n > 0 && a.moments[n-1].Sequence == w.e.Tree().Visible()
		})
	}
	minutes.Add(1)
	close(store.answers)
	until("all is archived", func() bool { return a.Metrics().LagOperations == 0 })
	a.Stop()
	for minute, want := range []string{"a", "b", "c", "d"} {
		got, _, err := w.restore(At(w.clock.Add(time.Duration(minute)*time.Minute+time.Second)), Choice{})
		if err != nil || got["letter"] != want {
			t.Errorf("after %d minutes: %v, %v, want %s", minute, got, err, want)
		}
	}
}

// slowBase is a shelf that calls meanwhile before it has a base.
type slowBase struct {
	*shelf
	meanwhile func()
}

func (s *slowBase) Base(ctx context.Context, from checkpoint.Source) (id string, seq uint64, err error) {
	id, seq, err = s.shelf.Base(ctx, from)
	s.meanwhile()
	return id, seq, err
}

// A base of a large database takes minutes. A restore to one of these minutes would be refused, although each commit in
// them is archived, and the branch would seem to end before it begins.
func TestArchiver_notesMomentsWhileABaseTakesLong(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 0)))
	defer func() { _ = w.e.Close() }()
	now := w.clock
	store := &slowBase{shelf: w.shelf}
	a := Start(w.e, Options{Store: store, Manual: true, Wall: func() time.Time { return now }})
	store.meanwhile = func() {
		for _, letter := range []string{"b", "c", "d"} {
			a.sample()
			now = now.Add(time.Minute)
			w.put(letter, true)
		}
		a.sample()
		now = now.Add(time.Hour)
	}
	w.put("a", true)
	if err := a.catchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	for minute, want := range []string{"a", "b", "c", "d"} {
		got, _, err := w.restore(At(w.clock.Add(time.Duration(minute)*time.Minute+time.Second)), Choice{})
		if err != nil || got["letter"] != want {
			t.Errorf("after %d minutes: %v, %v, want %s", minute, got, err, want)
		}
	}
	all := w.branches()
	if len(all) != 1 || all[0].To.Before(all[0].From) || !all[0].From.Equal(w.clock) {
		t.Errorf("the branches are %+v", all)
	}
}

// Whoever sets no interval loses at most a second of commits with the disk, and of many commits no more than 1 MiB and
// what comes within a tenth of that second.
func TestArchiver_putsEachSecondAndEachMebibyte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, rand.New(rand.NewPCG(1, 0)))
		a := Start(w.e, Options{Store: w.shelf})
		lags := func(after time.Duration) bool {
			time.Sleep(after)
			synctest.Wait()
			return a.Metrics().LagOperations > 0
		}
		w.put("a", true)
		if lags(2 * time.Second) {
			t.Error("the first commit is not archived") // nor is the branch begun
		}
		w.put("b", true)
		if !lags(700 * time.Millisecond) {
			t.Error("a small commit did not wait")
		}
		if lags(500 * time.Millisecond) {
			t.Error("a small commit waits for more than a second")
		}
		lags(600 * time.Millisecond) // far from the next second
		w.put(strings.Repeat("c", pieceBytes), true)
		if lags(150 * time.Millisecond) {
			t.Error("a piece that is full waits")
		}
		a.Stop()
		w.close()
	})
}

// An archive that stands still would be found out by whoever asks for it, perhaps after the disk is lost.
func TestArchiver_tellsThatItStandsStill(t *testing.T) {
	var told []string
	w := newWorld(t, rand.New(rand.NewPCG(1, 0)))
	w.close()
	w.options.Events.Listener = func(r event.Record) {
		switch e := r.Event.(type) {
		case event.Hindered:
			told = append(told, fmt.Sprint(e.By, " held up ", errors.Is(e.Cause, errNoAnswer)))
		case event.Resumed:
			told = append(told, e.By+" no more")
		}
	}
	w.open()
	w.put("a", true)
	w.shelf.faults = 100
	for range 3 {
		if _, err := w.a.Step(t.Context()); err == nil {
			t.Fatal("a store that gives no answer takes a piece")
		}
	}
	w.shelf.settle()
	w.catchUp()
	w.close()
	if diff := cmp.Diff([]string{"the archive is held up true", "the archive is no more"}, told); diff != "" {
		t.Error(diff)
	}
}

// What cannot be restored is refused by name; what can be is what it was.
func TestArchiver_gapsAndLargeTransactionsAreNamed(t *testing.T) {
	runs(t, func(t *testing.T, rng *rand.Rand) {
		w := newWorld(t, rng)
		w.options.HoldLog = 8 << 10
		w.close()
		w.open()
		for range 100 + rng.IntN(200) {
			if rng.IntN(30) == 0 {
				w.ingest()
			}
			w.step()
		}
		w.catchUp()
		w.check(4)
		if gaps := w.branches(); w.a.Metrics().Gaps > uint64(len(gaps)) {
			t.Errorf("%d gaps, and %d branches", w.a.Metrics().Gaps, len(gaps))
		}
		w.close()
	})
}

// Who is told of no gap looks for it on the day of the restore. One that is found at the start must be told too, and a
// large transaction must not pass for a lost log, nor a copy of the directory for either.
func TestArchiver_tellsWhenAGapWasFound(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(5, 5)))
	expect := func(w *world, gaps uint64, want metrics.ArchiveGaps) {
		t.Helper()
		if m := w.a.Metrics(); m.Gaps != gaps || m.LastGap != want {
			t.Errorf("%d gaps, %+v; want %d, %+v", m.Gaps, m.LastGap, gaps, want)
		}
	}
	giveUp := func() { // more than is held
		for n := range 200 {
			w.commit()
			if n%20 > 0 {
				continue
			}
			_, cleaning := w.e.CleanStep()
			if err := errors.Join(w.e.Flush(), cleaning); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.options.HoldLog = 8 << 10
	w.close()
	w.open()
	w.put("a", true)
	w.catchUp()
	expect(w, 0, metrics.ArchiveGaps{})
	w.ingest()
	w.catchUp()
	large := w.clock.UTC()
	expect(w, 1, metrics.ArchiveGaps{Transaction: large})
	giveUp()
	w.catchUp()
	expect(w, 2, metrics.ArchiveGaps{Transaction: large, Lost: w.clock.UTC()})
	giveUp()
	w.close()
	w.open()
	w.catchUp()
	expect(w, 1, metrics.ArchiveGaps{Lost: w.clock.UTC()})
	f := w.fork()
	w.put("b", true)
	w.catchUp()
	f.put("c", true)
	f.put("d", true)
	f.catchUp()
	expect(f, 1, metrics.ArchiveGaps{Fork: f.clock.UTC()})
	f.close()
	w.close()
}

// Two copies of a directory that go on apart must never be mixed: the second to put sees it, and has a branch of its
// own.
func TestArchiver_copiesAreAFork(t *testing.T) {
	runs(t, func(t *testing.T, rng *rand.Rand) {
		w := newWorld(t, rng)
		for range 20 {
			w.commit()
		}
		w.catchUp()
		for range rng.IntN(3) {
			w.commit() // both have it, and none has archived it
		}
		if err := w.e.Sync(); err != nil {
			t.Fatal(err)
		}
		f := w.fork()
		both := []*world{w, f}
		for range 60 {
			one := both[rng.IntN(2)]
			one.commit()
			if rng.IntN(5) == 0 {
				one.catchUp()
			}
		}
		w.catchUp()
		f.catchUp()
		all := w.branches()
		if len(all) != 2 || all[0].Cause == Fork == (all[1].Cause == Fork) {
			t.Fatalf("the branches are %+v", all)
		}
		for _, one := range both {
			seq := one.a.Metrics().Sequence
			got, _, err := one.restore(Sequence(seq), Choice{Branch: one.a.Metrics().Branch})
			if err != nil || !maps.Equal(got, one.now) {
				t.Errorf("branch %s at %d: %d keys of %d, %v", one.a.Metrics().Branch, seq, len(got), len(one.now), err)
			}
		}
		_, _, err := w.restore(Sequence(min(all[0].Last, all[1].Last)), Choice{})
		if max(all[0].First, all[1].First) <= min(all[0].Last, all[1].Last) && !errors.Is(err, ErrForked) {
			t.Errorf("of two branches it took one: %v", err)
		}
		w.close()
		f.close()
	})
}

// put commits one operation, whose record is as long as that of any other letter.
func (w *world) put(letter string, sync bool) {
	w.t.Helper()
	var b batch.Batch
	b.Put([]byte("letter"), []byte(letter))
	if _, err := w.e.Commit(&b, sync); err != nil {
		w.t.Fatal(err)
	}
}

// Two copies that have written the same number of operations, of the same length, in the same place of their logs,
// differ in nothing but a checksum.
func TestArchiver_copiesThatLookAlikeAreAFork(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(3, 3)))
	w.put("a", true)
	w.catchUp()
	one, two := w.fork(), w.fork()
	w.close()
	one.catchUp()
	two.catchUp()
	one.put("b", true)
	two.put("c", true)
	one.catchUp()
	two.catchUp()
	all := w.branches()
	if len(all) != 2 || all[0].Cause == Fork == (all[1].Cause == Fork) {
		t.Errorf("the branches are %+v", all)
	}
	for letter, of := range map[string]*world{"b": one, "c": two} {
		m := of.a.Metrics()
		got, _, err := w.restore(Sequence(m.Sequence), Choice{Branch: m.Branch})
		if err != nil || got["letter"] != letter {
			t.Errorf("branch %s has %q, not %q: %v", m.Branch, got["letter"], letter, err)
		}
		of.close()
	}
}

// What a power cut may take must not be archived: its sequence numbers will be those of other commits.
func TestArchiver_isNeverAheadOfTheDatabase(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(4, 4)))
	w.put("a", true)
	w.catchUp()
	w.put("b", false)
	if err := w.a.catchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	if m := w.a.Metrics(); m.Sequence != 1 || m.LagOperations != 1 {
		t.Errorf("before the sync: %+v", m)
	}
	w.disk = w.disk.Image(memfs.None, 0)
	w.e.Close()
	w.open()
	if got := w.e.Tree().Visible(); got != 1 {
		t.Fatalf("after the power cut there is commit %d", got)
	}
	w.put("c", true)
	w.catchUp()
	got, _, err := w.restore(Sequence(2), Choice{})
	if all := w.branches(); err != nil || got["letter"] != "c" || len(all) != 1 {
		t.Errorf("commit 2 is %q, %v, in %+v", got["letter"], err, all)
	}
	w.close()
}

// A time must give what was there then, and not what was committed later.
func TestFind_atATime(t *testing.T) {
	w := newWorld(t, rand.New(rand.NewPCG(1, 1)))
	defer w.close()
	w.catchUp()
	type past struct {
		at    time.Time
		state map[string]string
	}
	var all []past
	for range 40 {
		w.commit()
		w.clock = w.clock.Add(time.Minute)
		if err := w.e.Sync(); err != nil {
			t.Fatal(err)
		}
		w.a.sample()
		all = append(all, past{w.clock, w.now})
		if w.rng.IntN(4) == 0 {
			w.catchUp()
		}
	}
	w.catchUp()
	for _, p := range all {
		for _, later := range []time.Duration{0, 30 * time.Second} {
			got, _, err := w.restore(At(p.at.Add(later)), Choice{})
			if err != nil || !maps.Equal(got, p.state) {
				t.Errorf("at %v: %d keys of %d, %v", p.at, len(got), len(p.state), err)
			}
		}
	}
	if _, _, err := w.restore(At(all[0].at.Add(-time.Hour)), Choice{}); !errors.Is(err, ErrNoPoint) {
		t.Errorf("before the first base: %v", err)
	}
	if _, _, err := w.restore(Sequence(1_000_000), Choice{}); !errors.Is(err, ErrNoPoint) {
		t.Errorf("after the last piece: %v", err)
	}
}

// A piece that is missing or changed must not become a state that never was.
func TestReplay_refusesABrokenChain(t *testing.T) {
	look := func(w *world) (bytes int64, damage []error) {
		damage, err := Check(t.Context(), w.shelf, func(n int64) { bytes += n })
		if err != nil {
			t.Fatal(err)
		}
		return bytes, damage
	}

	w := newWorld(t, rand.New(rand.NewPCG(2, 2)))
	defer w.close()
	for range 12 {
		w.commit()
		w.catchUp()
	}
	b := w.branches()[0]
	of, err := b.strand(context.Background(), w.shelf)
	if err != nil || len(of) < 8 {
		t.Fatal(len(of), err)
	}
	if bytes, damage := look(w); bytes != b.Bytes || damage != nil {
		t.Errorf("a look at %d bytes of %d finds %v", bytes, b.Bytes, damage)
	}
	whole := maps.Clone(w.shelf.files)
	for i := 1; i < len(of)-1; i++ {
		for kind, damage := range []func(){
			func() { delete(w.shelf.files, of[i].name) },
			func() { w.shelf.files[of[i].name] = whole[of[i+1].name] },
			func() { w.shelf.files[of[i].name][70]++ },
			func() { w.shelf.files[of[i].name] = whole[of[i].name][:60] },
		} {
			w.shelf.files = make(map[string][]byte)
			for name, content := range whole {
				w.shelf.files[name] = append([]byte(nil), content...)
			}
			damage()
			_, found := look(w)
			if unseen := kind == 0 && i == 1; unseen != (found == nil) || !unseen && !errors.Is(found[0], ErrBadPiece) {
				t.Errorf("%s is damaged, and a look at all finds %v", of[i].name, found)
			}
			for _, seq := range []uint64{uint64(of[i].first), b.Last} {
				_, r, err := w.restore(Sequence(seq), Choice{})
				pruned := errors.Is(err, ErrNoPoint) && i == 1 // what a prune leaves looks as if the first one is missing
				if !errors.Is(err, ErrBadPiece) && !pruned {
					t.Errorf("%s is damaged, and %d gave %d, %v", of[i].name, seq, r.Sequence, err)
				}
			}
		}
	}
	w.shelf.files = whole
}
