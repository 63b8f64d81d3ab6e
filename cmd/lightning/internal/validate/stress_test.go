package validate

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func stressConfig(t *testing.T, only string) StressConfig {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return StressConfig{Dir: t.TempDir(), Only: only, Seed: seed, Endurance: 300 * time.Millisecond,
		Each: 300 * time.Millisecond, Child: fillProcess, Out: io.Discard}
}

// fillProcess is a process of the test binary that runs Fill.
func fillProcess(dir string, seed uint64) (*exec.Cmd, error) {
	return taskProcess(task{Dir: dir, Fill: true, Seed: seed})
}

// What several goroutines do at once must not show in what any of them reads.
func TestStress_everyTestHolds(t *testing.T) {
	c := stressConfig(t, "")
	var results []Result
	c.Done = func(r Result) error {
		results = append(results, r)
		return nil
	}
	report, err := Stress(t.Context(), c)
	if err != nil || !report.Passed || report.Tests != len(tests) || len(results) != len(tests) {
		t.Errorf("%v\n%+v\n%+v", err, report, results)
	}
	for i, r := range results {
		if r.Test != Tests()[i] || !r.Passed || r.Commits == 0 || r.Checks == 0 {
			t.Errorf("%+v", r)
		}
	}
}

// lies are what a database may do that is broken. Each is told at every fifth commit.
var lies = map[string]func(commitFunc, []entry, bool) (uint64, error){
	"drops what it acknowledges": func(commitFunc, []entry, bool) (uint64, error) { return 0, nil },
	"tears a batch": func(next commitFunc, entries []entry, sync bool) (uint64, error) {
		return next(entries[:len(entries)/2], sync)
	},
	"changes a value": func(next commitFunc, entries []entry, sync bool) (uint64, error) {
		changed := slices.Clone(entries)
		for i := range changed {
			if value := bytes.Clone(changed[i].value); len(value) > 0 {
				value[len(value)-1] ^= 1
				changed[i].value = value
				break
			}
		}
		return next(changed, sync)
	},
	"makes two commits of one": func(next commitFunc, entries []entry, sync bool) (uint64, error) {
		if _, err := next(entries[:len(entries)/2], sync); err != nil {
			return 0, err
		}
		time.Sleep(time.Millisecond) // long enough for a reader to come between
		return next(entries[len(entries)/2:], sync)
	},
	"fails": func(commitFunc, []entry, bool) (uint64, error) { return 0, errors.New("disk on fire") },
}

// A test that passes whatever the database does is none.
func TestStress_everyTestNoticesLies(t *testing.T) {
	notTold := map[string]bool{ // that a batch is visible in two steps breaks no promise about single keys
		"mixed/makes two commits of one": true, "endurance/makes two commits of one": true,
	}
	for _, name := range Tests() {
		if name == "memory" {
			continue // it has a process of its own; see below
		}
		for lie, tell := range lies {
			if notTold[name+"/"+lie] {
				continue
			}
			t.Run(name+"/"+lie, func(t *testing.T) {
				c := stressConfig(t, name)
				var n atomic.Int64
				c.commits = func(next commitFunc) commitFunc {
					return func(entries []entry, sync bool) (uint64, error) {
						if n.Add(1)%5 == 0 {
							return tell(next, entries, sync)
						}
						return next(entries, sync)
					}
				}
				report, err := Stress(t.Context(), c)
				if !errors.Is(err, ErrBroken) || report.Passed || !slices.Equal(report.Failed, []string{name}) {
					t.Errorf("not noticed: %v", err)
				}
			})
		}
	}
}

// A process that outgrows the limit is killed by somebody else, and at the worst time.
func TestStress_memoryIsMeasured(t *testing.T) {
	for name, child := range map[string]func(string, uint64) (*exec.Cmd, error){
		"over the limit": func(dir string, seed uint64) (*exec.Cmd, error) {
			return taskProcess(task{Dir: dir, Fill: true, Seed: seed, Ballast: 64 << 20})
		},
		"nothing reported": func(string, uint64) (*exec.Cmd, error) { return exec.Command("true"), nil },
		"failed":           func(string, uint64) (*exec.Cmd, error) { return exec.Command("false"), nil },
	} {
		c := stressConfig(t, "memory")
		c.Child = child
		if _, err := Stress(t.Context(), c); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := filled{Commits: memoryValues, Checks: 1, PeakBytes: 1}
	if err := good.judge(); err != nil {
		t.Error(err)
	}
	for _, bad := range []filled{
		{Commits: memoryValues, PeakBytes: memoryLimit + memoryAllowance + 1},
		{Commits: memoryValues, PeakBytes: 1, MemoryUsed: memoryLimit + 1},
		{Commits: memoryValues - 1, PeakBytes: 1},
		{Commits: memoryValues},
	} {
		if err := bad.judge(); err == nil {
			t.Errorf("%+v passed", bad)
		}
	}
}

// A run in which nothing was committed or compared would pass for a good one.
func TestStress_failsIfNothingHappened(t *testing.T) {
	idle := test{name: "idle", run: func(context.Context, *stress) error { return nil }}
	s := &stress{StressConfig: stressConfig(t, ""), say: printer{out: io.Discard}}
	s.dir = s.Dir
	if r := s.play(t.Context(), idle); r.Passed || !strings.Contains(r.Problem, "show nothing") {
		t.Errorf("%+v", r)
	}
	if _, err := Stress(t.Context(), stressConfig(t, "no such test")); err == nil {
		t.Error("a test that does not exist passed")
	}
}

// What a reader may find decides every verdict on versions.
func TestVersions_knowWhatAReaderMayFind(t *testing.T) {
	v := newVersions("k", 1, 1)
	for range 7 {
		_, done := v.next(0)
		done()
	}
	at := func(version uint64) []byte { return v.value(0, version) }
	for _, c := range []struct {
		name  string
		floor uint64
		value []byte
		found bool
		right bool
	}{
		{"the newest", 7, at(7), true, true},
		{"not yet acknowledged", 5, at(7), true, true},
		{"an old one", 6, at(5), true, false},
		{"one that was not begun", 7, at(9), true, false},
		{"absent though set", 5, nil, false, false},
		{"absent as nobody had written", 0, nil, false, true},
		{"cut short", 7, at(7)[:9], true, false},
		{"of another version", 0, append(at(3)[:8:8], at(4)[8:]...), true, false},
		{"a few bytes", 0, []byte("x"), true, false},
	} {
		if _, err := v.check(0, c.floor, c.value, c.found); (err == nil) != c.right {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if e, _ := v.next(0); e.value != nil {
		t.Error("version 8 should remove the key")
	}
	if _, err := v.check(0, 7, nil, false); err != nil {
		t.Error("a removal in flight:", err)
	}
	if _, err := v.check(0, 7, at(8), true); err == nil {
		t.Error("a removed version was found, and passed")
	}
}
