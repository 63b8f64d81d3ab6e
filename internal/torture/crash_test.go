package torture

import (
	"flag"
	"testing"
)

var full = flag.Bool("full", false, "enumerate everything: all crash images, all bits, more rounds")

// A crash at some instant would lose an acknowledged commit, leave half of one, or leave a directory that does not
// open: each workload is cut before and during every change it makes, and every policy of what survives is tried.
func TestCrash_everyChangeAndPolicy(t *testing.T) {
	var total Stats
	workloads := CrashWorkloads()
	results := make(chan Stats, len(workloads))
	t.Run("workload", func(t *testing.T) {
		for _, w := range workloads {
			t.Run(w.Name, func(t *testing.T) {
				t.Parallel()
				x := explorer(t)
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
	if total.Images < 20_000 {
		t.Errorf("%d images are too few to mean anything", total.Images)
	}
}

// explorer looks at a third of the images that all policies give at each change, another third at the next one; with
// -full at all of them and many more seeds.
func explorer(t *testing.T) *Explorer {
	shown := 0
	share, limit, seeded, nested := 3, 2, 2, 331
	if *full {
		share, limit, seeded, nested = 1, 24, 16, 499
	}
	return &Explorer{
		Everywhere: *full,
		Cuts: func(depth, point, unsynced, sectors int) []Cut {
			if depth > 0 {
				return oneIn(5, point, AllCuts(unsynced, sectors, 1, 2))
			}
			return oneIn(share, point, AllCuts(unsynced, sectors, limit, seeded))
		},
		Nested: func(depth, image int) bool {
			return depth == 1 && image%nested == nested/2 || depth > 1 && depth <= 3 && image%151 == 0
		},
		After: func(image int) bool { return image%5 == 0 },
		Fail: func(where string, err error) {
			if shown++; shown <= 5 {
				t.Errorf("%s: %v", where, err)
			}
		},
	}
}

// oneIn returns one in n of cuts, others for other points.
func oneIn(n, point int, cuts []Cut) []Cut {
	var some []Cut
	for i, c := range cuts {
		if (i+point)%n == 0 {
			some = append(some, c)
		}
	}
	return some
}
