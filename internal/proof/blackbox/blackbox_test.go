package blackbox_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"lightningdb"
	"lightningdb/internal/proof/blackbox"
	"lightningdb/internal/system/vfs"
)

var full = flag.Bool("full", false, "look at every moment of the recorded run, at least 20,000 images")

const driverVariable = "LIGHTNING_BLACKBOX_DRIVER"

func TestMain(m *testing.M) {
	if os.Getenv(driverVariable) != "" {
		vfs.WriteThrough() // a trace has no stores into a mapping
		blackbox.ServeStandard(openDriven)
		return
	}
	os.Exit(m.Run())
}

// driver is the test binary as a driver.
func driver() *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), driverVariable+"=1", "GOMAXPROCS=2", "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// store is a database behind the protocol.
type store struct{ db *lightningdb.DB }

func open(dir string) (blackbox.Store, error) {
	db, err := lightningdb.Open(dir, &lightningdb.Options{MemoryLimit: 10 << 20, LogLimit: 1 << 20})
	return store{db}, err
}

// openDriven opens the store of a driver, archived if it is to be.
func openDriven(dir string) (blackbox.Store, error) {
	repository := os.Getenv(repositoryVariable)
	if repository == "" {
		return open(dir)
	}
	a, err := openArchived(dir, repository)
	if err == nil {
		err = a.wait()
	}
	return a, err
}

func (s store) Write(ops []blackbox.Op, sync bool) error {
	var b lightningdb.Batch
	for _, op := range ops {
		if op.Value == nil {
			b.Delete(op.Key)
		} else {
			b.Put(op.Key, op.Value)
		}
	}
	b.SetDurability(lightningdb.Process)
	if sync {
		b.SetDurability(lightningdb.Sync)
	}
	return s.db.Write(&b)
}

func (s store) Sync() error  { return s.db.Sync() }
func (s store) Flush() error { return s.db.Flush() }
func (s store) Close() error { return s.db.Close() }

func (s store) Entries(do func(k, v []byte)) error {
	all := s.db.Range(nil, nil)
	for k, v := range all.All() {
		do(k, v)
	}
	return all.Err()
}

// script has commits of both durabilities, some longer than a sector and a page, removals, explicit syncs, flushes
// whose tables add up to a compaction, and a log that goes through several segments.
func script(steps int) blackbox.Script {
	var s blackbox.Script
	for i := range steps {
		key := fmt.Sprintf("key%02d", i*7%40)
		switch {
		case i%23 == 22:
			s = append(s, blackbox.Step{Verb: "flush"})
		case i%13 == 12:
			s = append(s, blackbox.Step{Verb: "sync"})
		case i%5 == 3:
			keys := []string{"head", key, "-" + fmt.Sprintf("key%02d", i*3%40), "x" + key}
			s = append(s, blackbox.Step{Verb: "batch", Sync: i%2 == 0, Size: 200 * (1 + i%9), Keys: keys})
		case i%31 == 30:
			s = append(s, blackbox.Step{Verb: "batch", Sync: i%2 == 0, Size: 150 << 10, Keys: []string{"large", "head"}})
		default:
			s = append(s, blackbox.Step{Verb: "put", Sync: i%3 == 0, Size: 20 + 90*(i%11), Keys: []string{key}})
		}
	}
	return append(s, blackbox.Step{Verb: "close"})
}

// scratch is a directory for images, in memory where there is such a place.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "blackbox")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// What the database says of itself would be all there is: the simulated directory cannot tell what the real one is
// asked to do.
func TestTrace_everyLegalImageKeepsThePromises(t *testing.T) {
	if err := blackbox.Strace(); err != nil {
		t.Skipf("SKIPPED, no recorded system calls are judged here: %v (scripts/blackbox installs strace)", err)
	}
	steps, seeds, stride := 70, 1, 4
	if *full {
		steps, seeds, stride = 260, 5, 1
	}
	dir := filepath.Join(t.TempDir(), "db")
	trace := filepath.Join(t.TempDir(), "trace")
	s := script(steps)
	if err := blackbox.Record(driver(), dir, trace, s); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sweep := blackbox.Sweep{Script: s, Dir: dir, Scratch: scratch(t), Driver: driver, Seeds: seeds, Stride: stride,
		Fail: func(where string, err error) { t.Errorf("%s: %v", where, err) }}
	if err := sweep.Run(f); err != nil {
		t.Fatal(err)
	}
	t.Logf("blackbox: engine=lightning %v", sweep.Stats)
	if sweep.Stats.Images < 300 || *full && sweep.Stats.Images < 20000 {
		t.Errorf("only %d images", sweep.Stats.Images)
	}
}

// A harness that overlooks an engine that acknowledges without a sync proves nothing.
func TestTrace_noticesAStoreThatDoesNotSync(t *testing.T) {
	if err := blackbox.Strace(); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	s := script(30)
	for i := range s {
		s[i].Sync = false
	}
	dir := filepath.Join(t.TempDir(), "db")
	trace := filepath.Join(t.TempDir(), "trace")
	if err := blackbox.Record(driver(), dir, trace, s); err != nil {
		t.Fatal(err)
	}
	promised := append(blackbox.Script(nil), s...) // the oracle expects what the driver was not asked for
	for i := range promised {
		promised[i].Sync = true
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sweep := blackbox.Sweep{Script: promised, Dir: dir, Scratch: scratch(t), Driver: driver, Seeds: 1, Stride: 3,
		Fail: func(string, error) {}}
	if err := sweep.Run(f); err != nil {
		t.Fatal(err)
	}
	t.Logf("blackbox: engine=lightning without sync %v", sweep.Stats)
	if sweep.Stats.Lost == 0 || sweep.Stats.Wrong+sweep.Stats.Died+sweep.Stats.Unopened > 0 {
		t.Errorf("%v: losses must be noticed, and nothing but losses", sweep.Stats)
	}
}
