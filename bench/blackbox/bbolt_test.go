package blackbox_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"lightningdb/internal/proof/blackbox"
)

// driverVariable makes the test binary a driver, with or without NoSync.
const driverVariable = "LIGHTNING_BBOLT_DRIVER"

func TestMain(m *testing.M) {
	mode := os.Getenv(driverVariable)
	if mode == "" {
		os.Exit(m.Run())
	}
	blackbox.ServeStandard(func(dir string) (blackbox.Store, error) { return open(dir, mode == "nosync") })
}

func driver(mode string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), driverVariable+"="+mode, "GOMAXPROCS=2")
	return cmd
}

var bucket = []byte("b")

type store struct{ db *bbolt.DB }

// open syncs the directory itself: bbolt leaves that to its user, who may or may not know.
func open(dir string, noSync bool) (blackbox.Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(filepath.Join(dir, "bolt.db"), 0o600, &bbolt.Options{NoSync: noSync})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucket)
		return err
	})
	if err == nil {
		err = errors.Join(syncDirectory(dir), syncDirectory(filepath.Dir(dir)))
	}
	if err == nil {
		err = db.Sync() // with NoSync too, so that the file is a database when the run begins
	}
	return store{db}, err
}

func syncDirectory(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s store) Write(ops []blackbox.Op, _ bool) error {
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, op := range ops {
			var err error
			if op.Value == nil {
				err = tx.Bucket(bucket).Delete(op.Key)
			} else {
				err = tx.Bucket(bucket).Put(op.Key, op.Value)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s store) Sync() error  { return s.db.Sync() }
func (s store) Flush() error { return nil }
func (s store) Close() error { return s.db.Close() }

func (s store) Entries(do func(k, v []byte)) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
			do(k, v)
			return nil
		})
	})
}

func script(steps int) blackbox.Script {
	var s blackbox.Script
	for i := range steps {
		key := fmt.Sprintf("key%02d", i*7%40)
		if i%4 == 3 {
			s = append(s, blackbox.Step{Verb: "batch", Sync: true, Size: 300 * (1 + i%9),
				Keys: []string{"head", key, "x" + key}})
		} else {
			s = append(s, blackbox.Step{Verb: "put", Sync: true, Size: 20 + 90*(i%11), Keys: []string{key}})
		}
	}
	return s
}

func sweep(t *testing.T, mode string, fail func(where string, err error)) blackbox.Stats {
	t.Helper()
	if err := blackbox.Strace(); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "db")
	trace := filepath.Join(t.TempDir(), "trace")
	s := script(40)
	if err := blackbox.Record(driver(mode), dir, trace, s); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := blackbox.Sweep{Script: s, Dir: dir, Scratch: scratch(t), Driver: func() *exec.Cmd { return driver("sync") },
		Seeds: 1, Stride: 3, Enough: 40, Fail: fail}
	if err := w.Run(f); err != nil {
		t.Fatal(err)
	}
	t.Logf("blackbox: engine=bbolt mode=%s %v", mode, w.Stats)
	return w.Stats
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

// A harness that finds fault with an engine that is known to be right would be wrong about ours too.
func TestBbolt_keepsWhatItSyncs(t *testing.T) {
	sweep(t, "sync", func(where string, err error) { t.Errorf("%s: %v", where, err) })
}

// The documentation of bbolt says that NoSync may lose or damage the database in a crash of the system. A harness
// that does not see it sees nothing.
func TestBbolt_losesWithNoSync(t *testing.T) {
	stats := sweep(t, "nosync", func(string, error) {})
	if stats.Lost == 0 || stats.Wrong+stats.Unopened+stats.Died == 0 {
		t.Errorf("neither lost commits nor damage: %v", stats)
	}
}
