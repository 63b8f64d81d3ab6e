package validate

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os/exec"
	"runtime"
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
		Each: 300 * time.Millisecond, generations: 10, Child: fillProcess, Out: io.Discard}
}

// fillProcess is a process of the test binary that runs Fill.
func fillProcess(dir string, seed uint64) (*exec.Cmd, error) {
	return taskProcess(task{Dir: dir, Fill: true, Seed: seed})
}

// What several goroutines do at once must not show in what any of them reads.
func TestStress_everyTestHolds(t *testing.T) {
	for _, name := range Tests() {
		if raceDetector && name == "memory" {
			continue // the detector takes memory of its own
		}
		c := stressConfig(t, name)
		var results []Result
		c.Done = func(r Result) error {
			results = append(results, r)
			return nil
		}
		report, err := Stress(t.Context(), c)
		if err != nil || !report.Passed || report.Tests != 1 || len(results) != 1 {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, report, results)
			continue
		}
		if r := results[0]; r.Test != name || !r.Passed || r.Commits == 0 || r.Checks == 0 {
			t.Errorf("%+v", r)
		}
	}
}

// lie is told in place of a commit.
type lie func(next commitFunc, reads [][]byte, write writeFunc, sync bool) (uint64, error)

// lies are what a database may do that is broken. Each is told at every fifth commit.
var lies = map[string]lie{
	"drops what it acknowledges": func(_ commitFunc, reads [][]byte, write writeFunc, _ bool) (uint64, error) {
		_, err := write(startOf(reads))
		return 0, err
	},
	"tears a batch": func(next commitFunc, reads [][]byte, write writeFunc, sync bool) (uint64, error) {
		return next(reads, func(values [][]byte) ([]entry, error) {
			entries, err := write(values)
			return entries[:len(entries)/2], err
		}, sync)
	},
	"changes a value": func(next commitFunc, reads [][]byte, write writeFunc, sync bool) (uint64, error) {
		return next(reads, func(values [][]byte) ([]entry, error) {
			entries, err := write(values)
			return changed(entries), err
		}, sync)
	},
	"fails": func(commitFunc, [][]byte, writeFunc, bool) (uint64, error) { return 0, errors.New("disk on fire") },
}

// startOf are values that the transactions of every test take.
func startOf(reads [][]byte) [][]byte {
	values := make([][]byte, len(reads))
	for i := range values {
		values[i] = binary.BigEndian.AppendUint64(nil, startBalance)
	}
	return values
}

// changed are the entries with one bit of the first value flipped.
func changed(entries []entry) []entry {
	entries = slices.Clone(entries)
	for i := range entries {
		if value := bytes.Clone(entries[i].value); len(value) > 0 {
			value[len(value)-1] ^= 1
			entries[i].value = value
			break
		}
	}
	return entries
}

// losesUpdates reads in one transaction and writes in another: what others write in between is lost.
func losesUpdates(next commitFunc, reads [][]byte, write writeFunc, sync bool) (uint64, error) {
	var entries []entry
	_, err := next(reads, func(values [][]byte) (_ []entry, err error) {
		entries, err = write(values)
		return nil, err
	}, sync)
	if err != nil {
		return 0, err
	}
	runtime.Gosched()
	return next(nil, always(entries), sync)
}

// Transactions without isolation lose money, and count wrong.
func TestStress_noticesLostUpdates(t *testing.T) {
	for _, name := range []string{"money", "scans"} {
		c := stressConfig(t, name)
		c.commits = func(next commitFunc) commitFunc {
			return func(reads [][]byte, write writeFunc, sync bool) (uint64, error) {
				return losesUpdates(next, reads, write, sync)
			}
		}
		var problem string
		c.Done = func(r Result) error {
			problem = r.Problem
			return nil
		}
		if _, err := Stress(t.Context(), c); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: not noticed: %v", name, err)
		}
		t.Logf("%s: %s", name, problem)
	}
}

// A test that passes whatever the database does is none.
func TestStress_everyTestNoticesLies(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for _, name := range Tests() {
		if name == "memory" {
			continue // it has a process of its own; see below
		}
		for lie, tell := range lies {
			t.Run(name+"/"+lie, func(t *testing.T) {
				c := stressConfig(t, name)
				var n atomic.Int64
				c.commits = func(next commitFunc) commitFunc {
					return func(reads [][]byte, write writeFunc, sync bool) (uint64, error) {
						if n.Add(1)%5 == 0 {
							return tell(next, reads, write, sync)
						}
						return next(reads, write, sync)
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

// A batch that becomes visible in two steps is whole at rest: only a snapshot between the steps shows it. Here a reader
// is made to come between.
func TestStress_noticesABatchInTwoSteps(t *testing.T) {
	for name, reader := range map[string]func(s *stress) func() error{
		"money": func(s *stress) func() error {
			return func() error { return s.audit(context.Background(), nil) }
		},
		"batches": func(s *stress) func() error {
			set := new(batchSet)
			set.begun.Store(1)
			return func() error { return s.readSets([]*batchSet{set}) }
		},
		"scans": func(s *stress) func() error {
			t := &scanned{stress: s}
			t.begun.Store(2)
			return t.scan
		},
	} {
		between := test{name: name, run: func(_ context.Context, s *stress) error {
			var entries []entry
			switch name {
			case "money":
				for i := range accounts {
					entries = append(entries, balanceEntry(i, startBalance))
				}
			case "batches":
				for i := range batchEntries {
					entries = append(entries, new(batchSet).entry(s.Seed, 1, i))
				}
			case "scans":
				filled := &scanned{stress: s}
				if err := filled.prepare(); err != nil {
					return err
				}
				for m := range scanMarkers {
					entries = append(entries, entry{markerKey(m), binary.BigEndian.AppendUint64(nil, 2)})
				}
			}
			read := reader(s)
			if err := s.commit(entries[:len(entries)/2]...); err != nil {
				return err
			}
			if err := read(); !errors.Is(err, ErrBroken) {
				t.Errorf("%s: half a batch was visible: %v", name, err)
			}
			if err := s.commit(entries[len(entries)/2:]...); err != nil {
				return err
			}
			return read()
		}}
		s := &stress{StressConfig: stressConfig(t, name), say: printer{out: io.Discard}, dir: t.TempDir()}
		if r := s.play(t.Context(), between); !r.Passed {
			t.Errorf("the whole batch: %+v", r)
		}
	}
}

// A process that outgrows the limit is killed by somebody else, and at the worst time.
func TestStress_memoryIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, child := range map[string]func(string, uint64) (*exec.Cmd, error){
		"over the limit": func(dir string, seed uint64) (*exec.Cmd, error) {
			return taskProcess(task{Dir: dir, Fill: true, Seed: seed, Ballast: 64 << 20})
		},
		"nothing reported": func(string, uint64) (*exec.Cmd, error) { return exec.Command("true"), nil },
		"failed":           func(string, uint64) (*exec.Cmd, error) { return exec.Command("false"), nil },
	} {
		if raceDetector && name == "over the limit" {
			continue // the detector takes it there without our doing
		}
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

// A database that stands still for seconds must be found out, and a machine that is busy for a moment must not.
func TestEndurance_judgesLongIntervalsOnly(t *testing.T) {
	for ago, judged := range map[time.Duration]bool{enduranceInterval: true, enduranceJudged: true, 0: false} {
		r := &rates{stress: &stress{say: printer{out: io.Discard}}, last: time.Now().Add(-ago)}
		if err := r.interval(); errors.Is(err, ErrBroken) != judged {
			t.Errorf("%v without a commit: %v", ago, err)
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
