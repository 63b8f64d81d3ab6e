package torture_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"lightningdb"
)

// childVariable names the directory in which a process of the test binary is to write until it is killed.
const childVariable = "LIGHTNING_TORTURE_CHILD"

// The writers of the kill test.
const (
	writers = 4
	kept    = 150 // commits of a writer whose keys are still there; older ones are removed
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func killOptions() *lightningdb.Options {
	return &lightningdb.Options{MemoryLimit: 10 << 20, LogLimit: 300 << 10}
}

// writeUntilKilled commits from several goroutines and says so on standard output: "ack 2 17" when commit 17 of writer
// 2 has returned, "saw 2 17" when a reader has seen it.
func writeUntilKilled(dir string) error {
	db, err := lightningdb.Open(dir, killOptions())
	if err != nil {
		return err
	}
	var mu sync.Mutex
	say := func(what string, w int, n uint64) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Printf("%s %d %d\n", what, w, n)
		return err
	}
	failed := make(chan error)
	for w := range writers {
		go func() { failed <- writeOn(db, w, say) }()
	}
	go func() { failed <- watch(db, say) }()
	return <-failed
}

func writeOn(db *lightningdb.DB, w int, say func(string, int, uint64) error) error {
	n, err := head(db, w)
	if err != nil {
		return err
	}
	for {
		n++
		if err := db.Write(commitOf(w, n)); err != nil {
			return err
		}
		if err := say("ack", w, n); err != nil {
			return err
		}
	}
}

// watch reports what a reader sees.
func watch(db *lightningdb.DB, say func(string, int, uint64) error) error {
	var last [writers]uint64
	for {
		for w := range writers {
			n, err := head(db, w)
			if err != nil {
				return err
			}
			if n > last[w] {
				last[w] = n
				if err := say("saw", w, n); err != nil {
					return err
				}
			}
		}
	}
}

// commitOf is commit n of writer w: three keys of its own, those of an old commit removed, and the writer's head.
func commitOf(w int, n uint64) *lightningdb.Batch {
	var b lightningdb.Batch
	for part := range 3 {
		b.Put(partKey(w, n, part), partValue(w, n, part))
		if n > kept {
			b.Delete(partKey(w, n-kept, part))
		}
	}
	b.Put(headKey(w), binary.BigEndian.AppendUint64(nil, n))
	if n%3 > 0 {
		b.SetDurability(lightningdb.Process)
	}
	return &b
}

func headKey(w int) []byte { return fmt.Appendf(nil, "%d/head", w) }

func partKey(w int, n uint64, part int) []byte {
	return fmt.Appendf(nil, "%d/part/%08d/%d", w, n, part)
}

func partValue(w int, n uint64, part int) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("%d-%d-%d ", w, n, part), 1+int(n*7+uint64(part))%90))
}

// head is the number of the last commit of writer w.
func head(db *lightningdb.DB, w int) (uint64, error) {
	v, err := db.Get(headKey(w))
	if errors.Is(err, lightningdb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(v), nil
}

// A kill of the process would cost commits it had acknowledged, at either durability, or leave half of one.
func TestProcess_survivesKill(t *testing.T) {
	rounds := 6
	if flag.Lookup("full").Value.String() == "true" {
		rounds = 300
	}
	dir := t.TempDir()
	acked, survivors := 0, uint64(0)
	for round := range rounds {
		after := 200 + rand.IntN(1500)
		at, n := runAndKill(t, dir, after)
		acked += n
		db, err := lightningdb.Open(dir, killOptions())
		if err != nil {
			t.Fatalf("round %d, killed after %d acknowledgements: %v", round, after, err)
		}
		survivors = 0
		for w := range writers {
			n, err := head(db, w)
			if err != nil {
				t.Fatal(err)
			}
			if n < at[w].acked || n < at[w].seen || n > max(at[w].acked, at[w].seen)+1 {
				t.Errorf("round %d: writer %d: the last commit is %d; %d was acknowledged, %d was read", round, w, n,
					at[w].acked, at[w].seen)
			}
			survivors += n
			checkWriter(t, db, w, n)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("kill: kills=%d acked_txns=%d survived_txns=%d", rounds, acked, survivors)
}

// progress is what a writer is known to have done.
type progress struct{ acked, seen uint64 }

// runAndKill runs a process that writes in dir, and kills it after so many acknowledgements. It returns how far each
// writer got, and how many acknowledgements there were.
func runAndKill(t *testing.T, dir string, after int) (at [writers]progress, acks int) {
	t.Helper()
	db, err := lightningdb.Open(dir, killOptions())
	if err != nil {
		t.Fatal(err)
	}
	for w := range writers {
		n, err := head(db, w)
		if err != nil {
			t.Fatal(err)
		}
		at[w] = progress{n, n}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var what string
		var w int
		var n uint64
		if _, err := fmt.Sscan(lines.Text(), &what, &w, &n); err != nil {
			break // the last line may be cut short
		}
		if what == "saw" {
			at[w].seen = max(at[w].seen, n)
			continue
		}
		at[w].acked = n
		if acks++; acks == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := io.Copy(io.Discard, out); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	child.Wait() // killed
	if acks < after {
		t.Fatalf("the process ended by itself after %d acknowledgements", acks)
	}
	return at, acks
}

// checkWriter compares all keys of writer w with what they must be after commit n.
func checkWriter(t *testing.T, db *lightningdb.DB, w int, n uint64) {
	t.Helper()
	keys := db.Prefix(fmt.Appendf(nil, "%d/part/", w))
	next, part := uint64(1), 0
	if n > kept {
		next = n - kept + 1
	}
	for k, v := range keys.All() {
		if string(k) != string(partKey(w, next, part)) || string(v) != string(partValue(w, next, part)) {
			t.Fatalf("writer %d, last commit %d: key %q with %d bytes instead of %q", w, n, k, len(v), partKey(w, next, part))
		}
		if part++; part == 3 {
			next, part = next+1, 0
		}
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	if next != n+1 || part != 0 {
		t.Errorf("writer %d: the keys end before part %d of commit %d; the last commit is %d", w, part, next, n)
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
