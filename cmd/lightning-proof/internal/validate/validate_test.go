package validate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"lightningdb"
)

// childVariable makes this test binary a process to be killed or measured. It holds what runTask takes.
const childVariable = "LIGHTNING_VALIDATE_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := runTask(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// task is what a child process of these tests does.
type task struct {
	Dir  string
	Work Workload
	Fill bool // or Increment, or else Write

	Increments Increments // with a Mode
	Seed       uint64
	Ballast    int // bytes to hold meanwhile
}

func runTask(text string) error {
	var t task
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return err
	}
	if t.Fill {
		ballast := bytes.Repeat([]byte("x"), t.Ballast)
		defer runtime.KeepAlive(ballast)
		return Fill(context.Background(), t.Dir, t.Seed, os.Stdout)
	}
	if t.Increments.Mode != "" {
		return Increment(context.Background(), t.Dir, t.Increments, os.Stdout)
	}
	return Write(context.Background(), t.Dir, t.Work, os.Stdout)
}

// writeProcess is a process of the test binary that runs Write.
func writeProcess(dir string, w Workload) (*exec.Cmd, error) {
	return taskProcess(task{Dir: dir, Work: w})
}

func taskProcess(t task) (*exec.Cmd, error) {
	text, err := json.Marshal(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	return cmd, err
}

func crashConfig(t *testing.T) CrashConfig {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return CrashConfig{Dir: t.TempDir(), Rounds: 1, Writers: 4, Duration: 150 * time.Millisecond, Sync: true, Seed: seed,
		Child: writeProcess, Out: io.Discard}
}

// This is the test by which the ancestor fell: it kept 40 of 85,055 entries.
func TestCrash_keepsEveryAcknowledgedEntry(t *testing.T) {
	for _, sync := range []bool{true, false} {
		c := crashConfig(t)
		c.Sync, c.Rounds = sync, 3
		report, err := Crash(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if report.Kills != 3 || report.Lost != 0 || report.Plain+report.Transactional < report.Acknowledged ||
			report.Plain+report.Transactional > report.Written {
			t.Errorf("sync %v: %+v", sync, report)
		}
	}
}

// firstRegister is the first that is there. Which of them the transactions of a short run have reached is chance.
func firstRegister(db *lightningdb.DB) (key []byte, r register, err error) {
	entries := db.Prefix([]byte(registersPrefix)).Limit(1)
	for k, value := range entries.All() {
		r, _ = parseRegister(value)
		return bytes.Clone(k), r, nil
	}
	return nil, r, errors.Join(entries.Err(), errors.New("there is no register"))
}

// A comparison that cannot fail proves nothing: every kind of damage must be found and named.
func TestCrash_noticesEveryKindOfDamage(t *testing.T) {
	plain, group := commitID{1, 2, 3}, commitID{1, 1, 10}
	for name, c := range map[string]struct {
		damage func(db *lightningdb.DB, seed uint64) error
		want   string
	}{
		"an acknowledged entry is gone": {func(db *lightningdb.DB, _ uint64) error {
			return db.Delete(plain.appendKey(nil, 0))
		}, "lost 1, corrupted 0, acked_lost=1 torn_txns=0"},
		"a batch is half there": {func(db *lightningdb.DB, _ uint64) error { return db.Delete(group.appendKey(nil, 1)) },
			"lost 1, corrupted 0, acked_lost=0 torn_txns=1"},
		"a value changed": {func(db *lightningdb.DB, _ uint64) error { return db.Put(plain.appendKey(nil, 0), []byte("x")) },
			"lost 0, corrupted 1, acked_lost=0 torn_txns=0 holes=0 vanished_reads=0 wrong_data=1"},
		"a part of a batch is of another": {func(db *lightningdb.DB, seed uint64) error {
			other := commitID{1, 1, 20}.appendEntries(nil, seed)
			return db.Put(group.appendKey(nil, 0), other[0].value)
		}, "lost 0, corrupted 1, acked_lost=0 torn_txns=1 holes=0 vanished_reads=0 wrong_data=1"},
		"a batch is gone": {func(db *lightningdb.DB, seed uint64) error {
			var b lightningdb.Batch
			for _, e := range group.appendEntries(nil, seed) {
				b.Delete(e.key)
			}
			return db.Write(&b)
		}, "corrupted 0, acked_lost=1 torn_txns=0"},
		"an entry that was never begun": {func(db *lightningdb.DB, seed uint64) error {
			e := commitID{1, 2, 999999}.appendEntries(nil, seed)[0]
			return db.Put(e.key, e.value)
		}, "lost 0, corrupted 1, acked_lost=0"},
		"an entry of a round to come": {func(db *lightningdb.DB, seed uint64) error {
			return db.Put(commitID{2, 2, 1}.appendKey(nil, 0), nil)
		}, "lost 0, corrupted 1, acked_lost=0"},
		"a register lost an update": {func(db *lightningdb.DB, _ uint64) error {
			key, r, err := firstRegister(db)
			if err != nil {
				return err
			}
			return db.Put(key, register{r.n - 1, r.sum}.value())
		}, "lost 0, corrupted 1, acked_lost=0 torn_txns=0 holes=0 vanished_reads=0 wrong_data=1"},
		"a register is gone": {func(db *lightningdb.DB, _ uint64) error {
			key, _, err := firstRegister(db)
			if err != nil {
				return err
			}
			return db.Delete(key)
		}, "lost 0, corrupted 1, acked_lost=0 torn_txns=0 holes=0 vanished_reads=0 wrong_data=1"},
		"a register nobody could read": {func(db *lightningdb.DB, _ uint64) error {
			return db.Put(registerKey(4), []byte("x"))
		}, "lost 0, corrupted 1, acked_lost=0 torn_txns=0 holes=0 vanished_reads=0 wrong_data=1"},
		"a register that there is not": {func(db *lightningdb.DB, _ uint64) error {
			return db.Put(registerKey(8), register{1, 1}.value())
		}, "lost 0, corrupted 1, acked_lost=0"},
		"a key of nobody": {func(db *lightningdb.DB, _ uint64) error { return db.Put([]byte("x"), nil) },
			"lost 0, corrupted 1, acked_lost=0"},
		"nothing is left": {func(db *lightningdb.DB, _ uint64) error {
			var b lightningdb.Batch
			all := db.Range(nil, nil)
			for k := range all.Keys() {
				b.Delete(k)
			}
			return errors.Join(all.Err(), db.Write(&b))
		}, "corrupted 0, acked_lost="},
	} {
		t.Run(name, func(t *testing.T) {
			config := crashConfig(t)
			config.AfterKill = func(db *lightningdb.DB) error { return c.damage(db, config.Seed) }
			report, err := Crash(t.Context(), config)
			if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), c.want) || report.Passed {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

// A run that shows nothing must not pass.
func TestCrash_failsIfNothingHappened(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell")
	}
	for script, want := range map[string]string{
		"exec sleep 0":                         "0 of 1 rounds were interrupted",
		"echo 'b 0 1'; exec sleep 60":          "nothing was acknowledged",
		"echo 'b 0 1'; echo oh":                "not a report",
		"echo 'b 0 1'; echo 'b 0 3'":           "begins commit 3 after 1",
		"echo 'b 0 1'; echo broken >&2; false": "broken",
	} {
		c := crashConfig(t)
		c.timeout = time.Millisecond
		c.Child = func(string, Workload) (*exec.Cmd, error) { return exec.Command(shell, "-c", script), nil }
		if _, err := Crash(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", script, err, want)
		}
	}
}

// A key that parses as another would hide what is missing.
func TestParseKey_isTheInverse(t *testing.T) {
	for _, want := range []commitID{{1, 0, 1}, {maxRounds, maxWriters - 1, 9999999999}} {
		for part := range maxParts {
			key := want.appendKey(nil, part)
			if got, gotPart, ok := parseKey(key); !ok || got != want || gotPart != part {
				t.Errorf("%q: %v, %d, %v", key, got, gotPart, ok)
			}
		}
	}
	for _, key := range []string{"", "0001/00/0000000001/", "0001/00/0000000001/00", "0001-00/0000000001/0",
		"0001/00/000000000x/0"} {
		if _, _, ok := parseKey([]byte(key)); ok {
			t.Errorf("%q passed", key)
		}
	}
}

func powerConfig(t *testing.T) CrashConfig {
	c := crashConfig(t)
	c.PowerLoss, c.Rounds, c.Child = true, 2, nil
	return c
}

// The caches of the system go with the power; a kill does not show what was never synced.
func TestCrash_powerLossKeepsWhatWasSynced(t *testing.T) {
	for _, sync := range []bool{true, false} {
		c := powerConfig(t)
		c.Sync = sync
		report, err := Crash(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if report.Policies != 10 || report.Images != 2*(2+8*imagesPerPolicy) {
			t.Errorf("%d images of %d policies", report.Images, report.Policies)
		}
	}
}

// An engine that acknowledges what it has not synced, or not written at all, must be found out.
func TestCrash_powerLossNoticesLies(t *testing.T) {
	for name, lie := range map[string]lie{
		"a sync that was not done": func(next commitFunc, reads [][]byte, write writeFunc, _ bool) (uint64, error) {
			return next(reads, write, false)
		},
		"a commit that was not made": func(next commitFunc, reads [][]byte, write writeFunc, sync bool) (uint64, error) {
			if entries, _ := write(make([][]byte, len(reads))); len(reads) == 0 &&
				bytes.Contains(entries[0].key, []byte("/0000000007/")) {
				return 0, nil
			}
			return next(reads, write, sync)
		},
		"a transaction that was torn": func(next commitFunc, reads [][]byte, write writeFunc, sync bool) (uint64, error) {
			return next(reads, func(values [][]byte) ([]entry, error) {
				entries, err := write(values)
				return entries[:(len(entries)+1)/2], err
			}, sync)
		},
		"a transaction that is not in all registers": func(
			next commitFunc, reads [][]byte, write writeFunc, sync bool,
		) (uint64, error) {
			return next(reads, func(values [][]byte) ([]entry, error) {
				entries, err := write(values)
				return entries[:len(entries)-len(reads)/registersEach], err
			}, sync)
		},
		"a transaction that reads what others have replaced": func(
			next commitFunc, reads [][]byte, write writeFunc, sync bool,
		) (uint64, error) {
			return next(reads, func(values [][]byte) ([]entry, error) { return write(make([][]byte, len(values))) }, sync)
		},
	} {
		c := powerConfig(t)
		c.commits = func(next commitFunc) commitFunc {
			return func(reads [][]byte, write writeFunc, sync bool) (uint64, error) { return lie(next, reads, write, sync) }
		}
		_, err := Crash(t.Context(), c)
		if !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
}
