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

func explorer(t *testing.T) *Explorer {
	shown := 0
	limit, seeded, nested := 3, 3, 97
	if *full {
		limit, seeded, nested = 40, 24, 11
	}
	return &Explorer{
		Cuts: func(depth, unsynced, sectors int) []Cut {
			if depth == 0 {
				return AllCuts(unsynced, sectors, limit, seeded)
			}
			return AllCuts(unsynced, sectors, 1, 1)
		},
		Nested: func(depth, image int) bool {
			return depth == 1 && image%nested == 0 || depth > 1 && depth <= 3 && image%(nested*7) == 0
		},
		After: func(image int) bool { return image%5 == 0 },
		Fail: func(where string, err error) {
			if shown++; shown <= 5 {
				t.Errorf("%s: %v", where, err)
			}
		},
	}
}
