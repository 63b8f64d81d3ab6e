package torture_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lightningdb"
	"lightningdb/internal/proof/torture"
)

// childVariable names the directory in which a process of the test binary is to write until it is killed.
const childVariable = "LIGHTNING_TORTURE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := torture.WriteUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A kill of the process would cost commits it had acknowledged, at either durability, or leave half of one; or a
// follower that goes on meanwhile would show what is not there afterwards.
func TestProcess_survivesKill(t *testing.T) {
	rounds, full := 6, flag.Lookup("full").Value.String() == "true"
	if full {
		rounds = 300
	}
	k := &torture.Killer{Dir: t.TempDir(), Random: rand.New(rand.NewPCG(rand.Uint64(), 5)),
		Command: thisTest,
		Fail:    func(where string, err error) { t.Errorf("%s: %v", where, err) },
	}
	defer func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	}()
	for range rounds {
		if err := k.Round(); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Salvage(); err != nil {
		t.Error(err)
	}
	if k.Stats.Copies == 0 || k.Stats.CopiesWhole == 0 {
		t.Error("no copies were made, or none was whole")
	}
	t.Logf("kill: %v", k.Stats)
	if full {
		if err := errors.Join(k.LeasesEnd(), k.CopiesEnd()); err != nil {
			t.Error(err)
		}
	}
	if k.Stats.Values == 0 {
		t.Error("no value stays where it is: nothing of value files was tested")
	}
	if k.Stats.Followers.Shown < rounds || k.Stats.Followers.Misled > 0 {
		t.Errorf("%v: the followers saw too little, or what was not there", k.Stats.Followers)
	}
}

// thisTest is a process of the test binary that writes until it is killed.
func thisTest(dir string) *exec.Cmd {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+dir)
	return child
}

// A kill of a process that archives would cost commits that it has said are archived, or leave others in the archive
// than in the database, or a gap that nothing but the kill has made.
func TestProcess_archivesThroughKills(t *testing.T) {
	rounds := 8
	if flag.Lookup("full").Value.String() == "true" {
		rounds = 200
	}
	seed := rand.Uint64()
	k := &torture.Killer{Dir: filepath.Join(t.TempDir(), "db"), Random: rand.New(rand.NewPCG(seed, 6)),
		Command: thisTest, Fail: func(where string, err error) { t.Errorf("%s: %v", where, err) }}
	if err := k.Archive(rounds); err != nil {
		t.Fatal(err)
	}
	t.Logf("kill: %v", k.Stats)
	if k.Stats.Points < rounds || k.Stats.ArchivesBehind == 0 {
		t.Errorf("of %d kills %d had something that was not archived, and %d points were restored", rounds,
			k.Stats.ArchivesBehind, k.Stats.Points)
	}
}

// A program that opens and closes databases would run out of descriptors, mappings or memory.
func TestProcess_openAndCloseLeaveNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	cycle := func(i int) {
		db, err := lightningdb.Open(dir, &lightningdb.Options{MemoryLimit: 10 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			if err := db.Put([]byte("key"), []byte("value")); err != nil {
				t.Fatal(err)
			}
		}
		if v, err := db.Get([]byte("key")); string(v) != "value" {
			t.Fatalf("cycle %d: %q, %v", i, v, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		cycle(i)
	}
	files, mappings, heap := footprint(t)
	for i := range 1000 {
		cycle(i)
	}
	files2, mappings2, heap2 := footprint(t)
	t.Logf("1000 cycles: files %d -> %d, mappings %d -> %d, heap %d -> %d", files, files2, mappings, mappings2,
		heap, heap2)
	if files2 > files {
		t.Errorf("open files grew from %d to %d", files, files2)
	}
	if mappings2 > mappings+8 { // the heap itself may take a few
		t.Errorf("mappings grew from %d to %d", mappings, mappings2)
	}
	if heap2 > heap+(1<<20) {
		t.Errorf("the heap grew from %d to %d bytes", heap, heap2)
	}
}

// footprint is the number of open files and of mappings of this process, and the bytes on its heap. Where the platform
// does not tell, files and mappings are 0.
func footprint(t *testing.T) (files, mappings int, heap uint64) {
	t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if runtime.GOOS != "linux" {
		return 0, 0, m.HeapAlloc
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries), strings.Count(string(maps), "\n"), m.HeapAlloc
}
