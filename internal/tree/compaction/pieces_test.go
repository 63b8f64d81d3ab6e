package compaction

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"lightningdb/internal/tree/manifest"
)

// tightParams make jobs of a hundred KiB too large.
func tightParams(maxBytes int64, short bool) Params {
	return Params{BaseBytes: 1 << 20, Multiplier: 8, TargetTableBytes: 8 << 10, FullBytes: 200, L0Trigger: 4,
		L0Bytes: 1 << 20, MaxBytes: maxBytes, Short: short, Quiet: true}
}

// settleTight runs what Pick finds until it finds nothing. It fails if a job may take more than there is, or changes
// what is read, or there is no end.
func settleTight(t *testing.T, w *world) (jobs int) {
	t.Helper()
	for ; ; jobs++ {
		job := w.pick(true)
		if job == nil {
			return jobs
		}
		if jobs > 2000 {
			t.Fatalf("no end of jobs; the last is %s into level %d", job.Reason, job.OutputLevel)
		}
		if job.OutputBytes() > w.params.MaxBytes {
			t.Fatalf("a job of %d bytes where %d are left", job.OutputBytes(), w.params.MaxBytes)
		}
		if err := w.start(job); err != nil {
			t.Fatal(err)
		}
		if err := w.complete(0); err != nil {
			t.Fatal(err)
		}
		if jobs%16 == 0 { // it takes much longer than a job
			if err := w.check(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A database of which there is as much as half the disk could not be compacted at all, or a value would come back when
// a part of level 0 goes down and what is older stays.
func TestPieces_takeLevel0DownInSmallJobs(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			w := newWorld(tightParams(1<<40, false))
			write := func(n int) {
				for range n {
					k := fmt.Sprintf("key%04d", r.IntN(400))
					if r.IntN(4) == 0 {
						w.remove(k)
					} else {
						w.put(k, make([]byte, 500+r.IntN(1000)))
					}
				}
				if err := w.flush(); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 400 {
				w.put(fmt.Sprintf("key%04d", i), make([]byte, 500+r.IntN(1000)))
				if i%8 == 7 { // tables of the usual size
					if err := w.flush(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := w.settle(func() *Job { return w.manual(t) }); err != nil {
				t.Fatal(err)
			}
			w.params = tightParams(int64(120+r.IntN(60))<<10, seed%2 == 0)
			for range 20 {
				write(1 + r.IntN(3)*r.IntN(30))
				if r.IntN(5) == 0 {
					w.hold()
				}
				settleTight(t, w)
				if err := w.check(); err != nil {
					t.Fatal(err)
				}
			}
			w.live = nil
			settleTight(t, w)
			if runs := len(manifest.Runs(w.v.Levels[0])); runs >= w.params.L0Trigger {
				t.Errorf("level 0 has %d runs, and nothing takes them down", runs)
			}
			if total, live := w.bytes(), w.liveBytes(); w.params.Short && total > live+live/3 {
				t.Errorf("%d bytes, %d of them live, where space is short", total, live)
			}
		})
	}
}

// Without the bound of a job everything is as it was: pieces cost more writes.
func TestPieces_onlyWhereSpaceIsBounded(t *testing.T) {
	w := newWorld(tightParams(0, false))
	for i := range 2000 {
		w.put(fmt.Sprintf("key%04d", i%400), make([]byte, 1000))
		if i%100 == 99 {
			if err := w.flush(); err != nil {
				t.Fatal(err)
			}
			for job := w.pick(false); job != nil; job = w.pick(false) {
				if job.OutputLevel == 0 {
					t.Fatalf("%s job within level 0", job.Reason)
				}
				if err := w.start(job); err != nil {
					t.Fatal(err)
				}
				if err := w.complete(0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
