package bench

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lightningdb"
)

// small is a configuration that takes a second or two.
func small(t *testing.T) Config {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return Config{Rows: 2000, KeySize: 24, ValueSize: 150, Time: 10 * time.Millisecond, MemoryLimit: 32 << 20, Seed: seed,
		Out: io.Discard, Bold: func(text string) string { return text }}
}

// A workload that is left out, or counts nothing, leaves a hole in the table that nobody sees.
func TestRun_measuresEveryWorkload(t *testing.T) {
	c := small(t)
	var out bytes.Buffer
	c.Out, c.Time = &out, 20*time.Millisecond
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if len(report.Workloads) != len(workloads) || report.Rows != c.Rows || report.Seed != c.Seed ||
		report.Processors == 0 {
		t.Errorf("%+v", report)
	}
	for i, r := range report.Workloads {
		if r.Name != workloads[i].name || r.Count == 0 || r.Seconds <= 0 || r.PerSecond <= 0 || r.P50 <= 0 || r.P50 > r.P99 ||
			r.P99 > r.P999 || r.P999 > r.Max || r.Workers == 0 {
			t.Errorf("workload %s: %+v", workloads[i].name, r)
		}
		if !strings.Contains(out.String(), "   "+r.Name+" ") {
			t.Errorf("%s is not in the table:\n%s", r.Name, &out)
		}
	}
	if load := report.Workloads[3]; load.Name != loadName || load.Count != int64(c.Rows) || load.DiskBytes == 0 {
		t.Errorf("the load: %+v", load)
	}
}

// Sizes that are no multiple of a word, and the smallest ones, must be checked as any other.
func TestRun_everySize(t *testing.T) {
	for _, size := range [][2]int{{minKeySize, minValueSize}, {13, 1001}} {
		c := small(t)
		c.KeySize, c.ValueSize, c.Rows = size[0], size[1], minRows
		if _, err := Run(t.Context(), c); err != nil {
			t.Errorf("%v: %v", size, err)
		}
	}
}

// Whoever waits for one figure should not wait for all.
func TestRun_onlyWhatIsAsked(t *testing.T) {
	for only, want := range map[string]string{
		"disk":              "disk-append disk-overwrite",
		"bank-durable":      "bank-durable",
		"durable-1":         "load durable-1 check",
		"scan-10,fill":      "fill load scan-10 scan-10-back check",
		"ycsb":              "load ycsb-a ycsb-b ycsb-c ycsb-d ycsb-e ycsb-f check",
		"check":             "load check",
		"open,remove,hot-2": "load open hot-2 remove check",
	} {
		c := small(t)
		c.Only = only
		report, err := Run(t.Context(), c)
		var names []string
		for _, r := range report.Workloads {
			names = append(names, r.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%s runs %q, %v; want %q", only, got, err, want)
		}
	}
}

// A benchmark that does not look at what it reads may measure how fast nothing is returned.
func TestRun_noticesEveryLie(t *testing.T) {
	row := func(c Config, n uint64) []byte { return c.appendKey(nil, n) }
	value := func(c Config, n uint64) []byte { return c.appendValue(nil, row(c, n), 7) }
	lies := map[string]func(c Config, db *lightningdb.DB, n uint64) error{
		"a row is missing": func(c Config, db *lightningdb.DB, n uint64) error { return db.Delete(row(c, n)) },
		"a row has the value of another": func(c Config, db *lightningdb.DB, n uint64) error {
			return db.Put(row(c, n), value(c, n+1))
		},
		"a value is cut": func(c Config, db *lightningdb.DB, n uint64) error {
			v := value(c, n)
			return db.Put(row(c, n), v[:len(v)-1])
		},
		"a byte is wrong": func(c Config, db *lightningdb.DB, n uint64) error {
			v := value(c, n)
			v[n%uint64(len(v))] ^= 1 << (n % 8)
			return db.Put(row(c, n), v)
		},
	}
	for name, lie := range lies {
		for _, only := range []string{"uniform-1", "zipfian-2", "scan-10", "scan-10-back", "scan-all", "ycsb-f", "check"} {
			c := small(t)
			c.Only, c.Time = only, 100*time.Millisecond
			c.loaded = func(db *lightningdb.DB) error { // about all rows: which ones are read is chance
				for n := range uint64(c.Rows) {
					if err := lie(c, db, n); err != nil {
						return err
					}
				}
				return nil
			}
			if _, err := Run(t.Context(), c); !errors.Is(err, ErrWrong) || !strings.HasPrefix(err.Error(), only+": ") {
				t.Errorf("%s: %s ended with %v", name, only, err)
			}
		}
	}
}

// One entry among thousands must be missed, too, and one too many.
func TestRun_noticesOneEntry(t *testing.T) {
	for name, lie := range map[string]func(c Config, db *lightningdb.DB) error{
		"a row is missing": func(c Config, db *lightningdb.DB) error { return db.Delete(c.appendKey(nil, 1234)) },
		"a row too many": func(c Config, db *lightningdb.DB) error {
			key := c.appendKey(nil, 1<<50)
			return db.Put(key, c.appendValue(nil, key, 1))
		},
	} {
		for _, only := range []string{"check", "scan-all-back", "open"} {
			c := small(t)
			c.Only = only
			c.loaded = func(db *lightningdb.DB) error { return lie(c, db) }
			if _, err := Run(t.Context(), c); !errors.Is(err, ErrWrong) {
				t.Errorf("%s: %s ended with %v", name, only, err)
			}
		}
	}
}

// Reads of absent keys that find something measure something else.
func TestRun_noticesWhatMustNotBeThere(t *testing.T) {
	c := small(t)
	c.Only = "absent-1"
	c.loaded = func(db *lightningdb.DB) error {
		for n := range uint64(c.Rows) {
			key := c.appendKey(nil, absentRows+n)
			if err := db.Put(key, c.appendValue(nil, key, 1)); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := Run(t.Context(), c); !errors.Is(err, ErrWrong) || !strings.Contains(err.Error(), "absent-1") {
		t.Errorf("%v", err)
	}
}

// Money that appears or vanishes is the failure that a bank is there to find.
func TestAudit_noticesOneCoin(t *testing.T) {
	s := &session{run: &run{Config: small(t), ctx: t.Context(), dir: t.TempDir()},
		workload: &workload{name: "bank", mix: "t", size: 10, own: true}}
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := errors.Join(s.work(), s.audit()); err != nil {
		t.Fatal(err)
	}
	if s.workers[0].done.Load() == 0 {
		t.Fatal("nothing was transferred")
	}
	s.workers[0].moved[3]++
	if err := s.audit(); !errors.Is(err, ErrWrong) {
		t.Errorf("a coin too few: %v", err)
	}
	s.workers[0].moved[3]--
	if err := errors.Join(s.audit(), s.db.Delete(s.accountKey(nil, 3))); err != nil {
		t.Fatal(err)
	}
	if err := s.audit(); !errors.Is(err, ErrWrong) {
		t.Errorf("an account too few: %v", err)
	}
}

// A temporary directory that stays fills the disk; one that was asked for is somebody's data.
func TestRun_leavesWhatItShould(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	c := small(t)
	c.Only = "load,fill,bank,disk"
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	c.Dir = filepath.Join(t.TempDir(), "asked")
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(c.Dir)
	if err != nil || len(left) != 1 || left[0].Name() != loadName {
		t.Errorf("%v is left in the directory asked for, %v", left, err)
	}
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a directory in use: %v", err)
	}
}

// An interrupted run must end soon, and clean up.
func TestRun_endsWithItsContext(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, cancel := context.WithCancel(t.Context())
	c := small(t)
	c.Only, c.Time = "process-2", time.Hour
	c.loaded = func(*lightningdb.DB) error {
		time.AfterFunc(50*time.Millisecond, cancel)
		return nil
	}
	if _, err := Run(ctx, c); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// What cannot be measured must be refused before anything is written.
func TestRun_refusesWhatMakesNoSense(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"there is no workload \"ycsb-x\"; the workloads are disk-append, ": func(c *Config) { c.Only = "load,ycsb-x" },
		"want at least 1000 rows":                    func(c *Config) { c.Rows = minRows - 1 },
		"want keys of 8 and values of 16 bytes":      func(c *Config) { c.KeySize = minKeySize - 1 },
		"at least, and of 65536 at most":             func(c *Config) { c.ValueSize = maxSize + 1 },
		"values of 16 bytes at least":                func(c *Config) { c.ValueSize = minValueSize - 1 },
		"keys of 8 and values of 16 bytes at least,": func(c *Config) { c.KeySize = maxSize + 1 },
		"want a time above 0":                        func(c *Config) { c.Time = 0 },
	} {
		c := small(t)
		c.Dir = filepath.Join(t.TempDir(), "new")
		change(&c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
		if _, err := os.Stat(c.Dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the directory was made", want)
		}
	}
}

// The worst second is what somebody waits for: that of all workers together, not of one.
func TestWorstSecond_isThatOfAllWorkers(t *testing.T) {
	s := &session{workers: []*worker{{seconds: []int64{5, 1, 9}}, {seconds: []int64{1, 8, 2}}}}
	if got := s.worstSecond(); got != 6 {
		t.Errorf("%d; want 6", got)
	}
}

// The choice of rows is what tells one workload from another.
func TestChoice_isWhatItSays(t *testing.T) {
	const n, draws = 1000, 200_000
	r := random{rand.Uint64()}
	t.Logf("state %d", r.state)
	counts := map[choice][]int{}
	for _, c := range []choice{uniform, zipfian, hot, absent} {
		counts[c] = make([]int, n)
		for range draws {
			row := c.row(&r, n)
			if c == absent {
				if row < absentRows {
					t.Fatalf("row %d is not absent", row)
				}
				row -= absentRows
			}
			if row >= n {
				t.Fatalf("choice %d gives row %d of %d", c, row, n)
			}
			counts[c][row]++
		}
	}
	first := func(c choice, rows int) float64 {
		total := 0
		for _, k := range counts[c][:rows] {
			total += k
		}
		return float64(total) / draws
	}
	for _, want := range []struct {
		c        choice
		rows     int
		low, top float64
	}{
		{uniform, n / 2, 0.48, 0.52}, {absent, n / 2, 0.48, 0.52}, {hot, n / 10, 1, 1}, {hot, n / 20, 0.48, 0.52},
		{zipfian, 1, 0.09, 0.11}, {zipfian, 31, 0.45, 0.55}, // half of the reads go to the square root of the rows
	} {
		if got := first(want.c, want.rows); got < want.low || got > want.top {
			t.Errorf("choice %d: %.3f of the draws are among the first %d rows", want.c, got, want.rows)
		}
	}
}

// The sum is all that stands between a wrong value and a figure: every bit of key and value must count.
func TestSound_everyBitCounts(t *testing.T) {
	for _, size := range [][2]int{{8, 16}, {24, 150}, {13, 37}} {
		c := Config{KeySize: size[0], ValueSize: size[1]}
		key := c.appendKey(nil, 5)
		value := c.appendValue(nil, key, 6)
		if !c.sound(key, value) {
			t.Fatalf("%v: a value is not sound", size)
		}
		for _, part := range [][]byte{key, value} {
			for bit := range 8 * len(part) {
				part[bit/8] ^= 1 << (bit % 8)
				if c.sound(key, value) {
					t.Errorf("%v: bit %d of %d bytes does not count", size, bit, len(part))
				}
				part[bit/8] ^= 1 << (bit % 8)
			}
		}
		for from := range len(value) - 8 {
			swapped := bytes.Clone(value)
			copy(swapped[:8], value[from:from+8])
			copy(swapped[from:from+8], value[:8])
			if from >= 8 && c.sound(key, swapped) {
				t.Errorf("%v: the order of words does not count", size)
			}
		}
	}
}
