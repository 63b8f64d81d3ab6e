package torture

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/system/vfs/memfs"
)

var (
	full         = flag.Bool("full", false, "enumerate everything: all crash images, all bits, more rounds")
	workloadFlag = flag.String("workload", "", "only this workload of the crash and fault tests")
)

// chosenWorkloads returns the workload that -workload names, or all.
func chosenWorkloads(t *testing.T) []Workload {
	all := CrashWorkloads()
	if *workloadFlag == "" {
		return all
	}
	for _, w := range all {
		if w.Name == *workloadFlag {
			return []Workload{w}
		}
	}
	t.Fatalf("there is no workload %q", *workloadFlag)
	return nil
}

// A crash at some instant would lose an acknowledged commit, leave half of one, or leave a directory that does not
// open: each workload is cut before and during every change it makes, and every policy of what survives is tried.
func TestCrash_everyChangeAndPolicy(t *testing.T) {
	var total Stats
	p := newPace(30 * time.Second)
	workloads := chosenWorkloads(t)
	results := make(chan Stats, len(workloads))
	t.Run("workload", func(t *testing.T) {
		for _, w := range workloads {
			t.Run(w.Name, func(t *testing.T) {
				t.Parallel()
				x := explorer(t, p)
				if err := x.Run(w); err != nil {
					t.Error(err)
				}
				t.Log(x.Stats)
				results <- x.Stats
			})
		}
	})
	for range workloads {
		total.Add(<-results)
	}
	t.Logf("crash: workloads=%d %v", len(workloads), total)
	if *workloadFlag == "" && !total.Values.some() {
		t.Errorf("%v: nothing of value files was tested", total.Values)
	}
	if *workloadFlag == "" && !total.Ranges.some() {
		t.Errorf("%v: nothing of deletes of ranges was tested", total.Ranges)
	}
	if *workloadFlag == "" && (len(workloads) < 25 || total.Images < p.owed(20_000/slowdown)) {
		t.Errorf("%d images of %d workloads are too few to mean anything", total.Images, len(workloads))
	}
}

// explorer looks at a twelfth of the images that all policies give at each change, another twelfth at the next one; at
// a third of those of one workload; with -full at all of them, and at many more seeds. Once it is late it skips most.
func explorer(t *testing.T, p pace) *Explorer {
	shown := 0
	share, limit, seeded, nested := 12*slowdown, 2, 2, 997
	if *workloadFlag != "" {
		share, nested = 3*slowdown, 331
	}
	if *full {
		share, limit, seeded, nested = 1, 24, 16, 499
	}
	return &Explorer{
		Everywhere: *full,
		Cuts: func(depth, point, unsynced, sectors int) []Cut {
			if depth > 0 {
				return OneIn(5, point, AllCuts(unsynced, sectors, 1, 2))
			}
			if p.late() {
				return OneIn(thinned*share, point, AllCuts(unsynced, sectors, limit, seeded))
			}
			return OneIn(share, point, AllCuts(unsynced, sectors, limit, seeded))
		},
		Nested: func(depth, image int) bool {
			return depth == 1 && image%nested == nested/2 || depth > 1 && depth <= 3 && image%151 == 0
		},
		After:    func(image int) bool { return image%5 == 0 },
		Followed: func(n int) bool { return n%(2*FollowedShare*slowdown) == 3 },
		Fail: func(where string, err error) {
			if shown++; shown <= 5 {
				t.Errorf("%s: %v", where, err)
			}
		},
	}
}

// A directory that has crashed many times would slowly lose, or bring back, what an earlier life wrote.
func TestCrash_generations(t *testing.T) {
	generations := max(50/slowdown, 5)
	if *full {
		generations = 2000
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d", seed)
	p := newPace(12 * time.Second)
	for i, m := range Mixes() {
		if m.Load || m.Style == Giant {
			continue
		}
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			tally, err := m.Generations(seed+uint64(i), max(p.owed(generations), 3))
			if err != nil {
				t.Errorf("-seed %d: %v", seed, err)
			}
			t.Log(tally)
		})
	}
}

// A crash under several writers would lose a commit that one of them was told is safe, or one that a reader saw.
func TestCrash_concurrentWriters(t *testing.T) {
	lives := 400 / slowdown
	if *full {
		lives = 20_000
	}
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-seed %d (the timing of goroutines is not repeated)", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	acked := 0
	p := newPace(10 * time.Second)
	for life := range lives {
		if life > p.owed(lives) {
			lives = life
			break
		}
		c := Concurrent{Writers: 1 + life%5, Hot: 7, Options: engine.Options{PageSize: 512,
			LogLimit: int64(3000 + r.IntN(20_000)), MemoryLimit: engine.MinMemoryLimit, Poison: true, Rows: true, Gaps: true,
			SyncInterval: time.Millisecond, ValueThreshold: hotThreshold}}
		var cut *Cut
		if r.IntN(4) > 0 {
			cut = &Cut{memfs.Policies[r.IntN(len(memfs.Policies))], r.Uint64N(1 << 20)}
		}
		crashAt, during := r.IntN(300), r.IntN(2) == 0
		n, counts, err := c.Life(memfs.New(), crashAt, during, cut)
		acked += n
		if err != nil || !counts.Zero() {
			t.Fatalf("life %d, %d writers, crash at change %d (during it: %v), cut %v: %v: %v", life, c.Writers, crashAt,
				during, cut, counts, err)
		}
	}
	t.Logf("concurrent: lives=%d acked=%d", lives, acked)
	if acked < lives {
		t.Errorf("only %d commits were acknowledged: the test tests nothing", acked)
	}
}
