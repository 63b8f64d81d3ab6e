package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// A disk that fails once, writes half, is full for a while, or forgets what it was told to sync would cost
// acknowledged commits, half a commit, or a crash of the program.
func TestFault_everyCallAndKind(t *testing.T) {
	stride := 13 * slowdown
	if *workloadFlag != "" {
		stride = 7 * slowdown
	}
	if *full {
		stride = 1
	}
	var mu sync.Mutex
	var total FaultStats
	p, offset := newPace(25*time.Second), rand.IntN(stride)
	t.Logf("from call %d on, every %dth", offset, stride)
	workloads := chosenWorkloads(t)
	t.Run("workload", func(t *testing.T) {
		for _, w := range workloads {
			t.Run(w.Name, func(t *testing.T) {
				t.Parallel()
				shown := 0
				x := &Injector{Stride: stride, Offset: offset, Stop: p.late, Fail: func(where string, err error) {
					if shown++; shown <= 5 {
						t.Errorf("%s: %v", where, err)
					}
				}}
				if w.Stride > 1 {
					x.Stride *= 3
				}
				if err := x.Run(w); err != nil {
					t.Error(err)
				}
				t.Log(x.Stats)
				mu.Lock()
				defer mu.Unlock()
				total.Add(x.Stats)
			})
		}
	})
	t.Logf("faults: workloads=%d %v", len(workloads), total)
	if *workloadFlag == "" && !total.Values.some() {
		t.Errorf("%v: nothing of value files was tested", total.Values)
	}
	if *workloadFlag == "" && !total.Ranges.some() {
		t.Errorf("%v: nothing of deletes of ranges was tested", total.Ranges)
	}
	if *workloadFlag == "" && total.Surfaced < p.owed(500/slowdown/2) {
		t.Errorf("only %d faults were noticed: the test tests nothing", total.Surfaced)
	}
}

// A full disk would stop the database for good, or cost what was acknowledged before, during or after it.
func TestFault_fullDiskResumesBesideBackgroundWork(t *testing.T) {
	for capacity := int64(8 << 10); capacity <= 1<<20; capacity = capacity * 7 / 4 {
		t.Run(fmt.Sprint(capacity), func(t *testing.T) {
			t.Parallel()
			fs := memfs.New()
			s := NewSession(engine.Options{FS: fs, LogLimit: 24 << 10, PageSize: 512, Codec: codec.By(codec.S2)},
				new(oracle.History))
			if err := s.Open(); err != nil {
				t.Fatal(err)
			}
			defer s.Abandon()
			fs.SetCapacity(capacity)
			full := fillDisk(t, s)
			if err := s.CompareAcknowledged(); err != nil {
				t.Errorf("while the disk is full: %v", err)
			}
			checkFullOpen(t, fs, s.History)
			fs.SetCapacity(-1)
			deadline := time.Now().Add(20 * time.Second)
			for {
				err := s.Put("resumed", "with space", true)
				if err == nil {
					break
				}
				if !errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, engine.ErrReadOnly) || time.Now().After(deadline) {
					t.Fatalf("the disk has space again, yet: %v (before: %v)", err, full)
				}
				runtime.Gosched()
			}
			err := s.Flush()
			for errors.Is(err, vfs.ErrNoSpace) && !time.Now().After(deadline) { // told by what began while it was full
				err = s.Flush()
			}
			if err := errors.Join(err, s.Compare(nil), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// fillDisk commits until the disk is full, and returns the error that said so.
func fillDisk(t *testing.T, s *Session) error {
	t.Helper()
	for i := range 100_000 {
		k := fmt.Sprintf("%05d", i*7919%100_000)
		err := s.Put(k, value(s, k, 900), i%2 == 0)
		if err == nil {
			continue
		}
		if !errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, engine.ErrReadOnly) || errors.Is(err, engine.ErrCommitUnknown) {
			t.Fatalf("a full disk is reported as: %v", err)
		}
		return err
	}
	t.Fatal("the disk does not become full")
	return nil
}

// checkFullOpen opens what a kill would leave on the full disk, then with space.
func checkFullOpen(t *testing.T, fs *memfs.FS, h *oracle.History) {
	t.Helper()
	killed := fs.Image(memfs.All, 0)
	opts := engine.Options{FS: keptOpen{killed}, Manual: true}
	if e, err := engine.Open(opts); err == nil {
		e.Close() // there was room enough
	} else if !errors.Is(err, vfs.ErrNoSpace) {
		t.Errorf("open on a full disk: %v", err)
	}
	killed.SetCapacity(-1)
	e, err := engine.Open(opts)
	if err != nil {
		t.Fatalf("open after a full disk: %v", err)
	}
	defer e.Close()
	entries, err := Content(e, nil)
	if err != nil {
		t.Fatal(err)
	}
	visible := e.Snapshot()
	defer visible.Close()
	if counts, err := h.Judge(oracle.Killed, visible.Seq(), entries); err != nil {
		t.Errorf("%v: %v", counts, err)
	}
}

// A second fault, while the first is being dealt with, would cost what was acknowledged before both.
func TestFault_pairs(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	n := max(12/slowdown, 2)
	if *full {
		n = 4000
	}
	var total FaultStats
	p := newPace(15 * time.Second)
	for _, w := range chosenWorkloads(t) {
		x := &Injector{Seed: seed, Stop: p.late, Fail: func(where string, err error) {
			t.Errorf("-seed %d, %s: %v", seed, where, err)
		}}
		if err := x.RunPairs(w, n); err != nil {
			t.Error(err)
		}
		total.Add(x.Stats)
	}
	t.Logf("pairs: both=%d %v, by fault %v", total.Pairs, total, total.ByFault)
	if *workloadFlag == "" && !total.Values.some() {
		t.Errorf("%v: nothing of value files was tested", total.Values)
	}
	if *workloadFlag == "" && !total.Ranges.some() {
		t.Errorf("%v: nothing of deletes of ranges was tested", total.Ranges)
	}
	if *workloadFlag == "" && (total.Surfaced < p.owed(5*n) || total.Pairs < p.owed(n)) {
		t.Error("too few faults were noticed: the test tests nothing")
	}
}

// A fault under several writers and background work would cost a commit that one of them was told is safe.
func TestFault_concurrentWriters(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d (the timing of goroutines is not repeated)", seed)
	lives := 150 / slowdown
	if *full {
		lives = 20_000
	}
	var total FaultStats
	p := newPace(10 * time.Second)
	for life := range lives {
		if life > p.owed(lives) {
			lives = life
			break
		}
		stats, err := DisturbedLife(seed + uint64(life))
		total.Add(stats)
		if err != nil || !stats.Zero() {
			t.Fatalf("life %d: %v: %v", life, stats, err)
		}
	}
	t.Logf("concurrent: %v, by fault %v", total, total.ByFault)
	if total.Runs >= 90 && total.Values.Made+total.Values.Emptied == 0 {
		t.Errorf("%v: nothing of value files was tested", total.Values)
	}
	if total.Surfaced < lives/10 {
		t.Error("too few faults were noticed: the test tests nothing")
	}
}
