package torture

import (
	"sync"
	"testing"
)

// A disk that fails once, writes half, is full for a while, or forgets what it was told to sync would cost
// acknowledged commits, half a commit, or a crash of the program.
func TestFault_everyCallAndKind(t *testing.T) {
	stride := 7
	if *full {
		stride = 1
	}
	var mu sync.Mutex
	var total FaultStats
	workloads := CrashWorkloads()
	t.Run("workload", func(t *testing.T) {
		for _, w := range workloads {
			t.Run(w.Name, func(t *testing.T) {
				t.Parallel()
				shown := 0
				x := &Injector{Stride: stride, Fail: func(where string, err error) {
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
	if total.Surfaced < 500 {
		t.Errorf("only %d faults were noticed: the test tests nothing", total.Surfaced)
	}
}
