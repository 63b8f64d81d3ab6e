package lightningdb

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var memoryTime = flag.Duration("memory", 0, "how long each test of memory loads its process; 0 for a second or three")

const (
	memoryChildEnv  = "LIGHTNING_MEMORY_CHILD"
	memoryAllowance = 32 << 20 // what the process may take beyond the limit
	largeValueSize  = 20 << 20
)

// A database that outgrows its limit gets the program it lives in killed. A process of its own is put under each
// load, with the processors busy with something else, and reports the largest resident set that the kernel saw.
func TestMemoryLimit_boundsTheProcess(t *testing.T) {
	if child := os.Getenv(memoryChildEnv); child != "" {
		memoryChild(t, child)
		return
	}
	if testing.Short() || raceDetector {
		t.Skip("takes seconds, and the race detector takes memory of its own")
	}
	defer keepProcessorsBusy()()
	for _, limit := range []int{10 << 20, 64 << 20} {
		for _, load := range memoryLoads {
			t.Run(fmt.Sprintf("%s/%d MiB", load.name, limit>>20), func(t *testing.T) {
				span := max(load.least, *memoryTime)
				child := fmt.Sprintf("%s %d %d", load.name, limit, span.Milliseconds())
				cmd := exec.Command(os.Args[0], "-test.run=^TestMemoryLimit_boundsTheProcess$")
				cmd.Env = append(os.Environ(), memoryChildEnv+"="+child)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				judgeMemory(t, string(out), limit, limit+memoryAllowance+load.beyond)
			})
		}
	}
}

// judgeMemory reads what a child has reported.
func judgeMemory(t *testing.T, out string, limit, bound int) {
	var peakKiB, used, steps int
	for line := range strings.Lines(out) {
		if n, _ := fmt.Sscanf(line, "peak %d used %d steps %d", &peakKiB, &used, &steps); n == 3 {
			t.Logf("%d steps: peak %d MiB of %d; the database said up to %d MiB of %d", steps, peakKiB>>10, bound>>20,
				used>>20, limit>>20)
		}
	}
	if steps == 0 || peakKiB == 0 {
		t.Fatalf("nothing was done or measured:\n%s", out)
	}
	if peakKiB<<10 > bound {
		t.Errorf("the process took %d MiB, more than %d\n%s", peakKiB>>10, bound>>20, out)
	}
}

// keepProcessorsBusy runs something else while the children run, until the returned function is called: what a
// database does in the background then comes late.
func keepProcessorsBusy() (stop func()) {
	var stopped atomic.Bool
	var burning sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		burning.Go(func() {
			for !stopped.Load() {
			}
		})
	}
	return func() { stopped.Store(true); burning.Wait() }
}

// memoryLoad is what a child does to its database.
type memoryLoad struct {
	name   string
	least  time.Duration // for which it runs
	beyond int           // bytes that it may take beyond the bound of the others
	start  func(l *loaded)
}

var memoryLoads = []memoryLoad{
	{"everything", 3 * time.Second, 0, loadEverything},
	{"batches", 500 * time.Millisecond, 0, loadBatches},
	{"mixed", 500 * time.Millisecond, 0, func(l *loaded) { loadVersions(l, 400, 4, 64) }},
	{"endurance", 500 * time.Millisecond, 0, func(l *loaded) { loadVersions(l, 20_000, 2, 64*200) }},
	{"money", 500 * time.Millisecond, 0, loadMoney},
	{"memory", time.Second, 0, loadFill},
	{"scans", 500 * time.Millisecond, 0, loadScans},
	{"reads", 3 * time.Second, 0, loadReads},
	// Keys of 60,000 bytes are not in the bound: a page of them is larger than a frame, and is read onto the heap.
	{"keys", 3 * time.Second, 96 << 20, loadLongKeys},
	{"value", time.Millisecond, 3*largeValueSize + 4<<20, loadLargeValue},
}

// loaded is a database under a load, which runs until ctx ends.
type loaded struct {
	t       *testing.T
	db      *DB
	ctx     context.Context
	span    time.Duration
	steps   atomic.Int64
	running sync.WaitGroup
	started uint64 // goroutines
}

// memoryChild is the process that what describes: a load, its limit in bytes and its time in milliseconds.
func memoryChild(t *testing.T, what string) {
	var name string
	var limit, milliseconds int
	if _, err := fmt.Sscan(what, &name, &limit, &milliseconds); err != nil {
		t.Fatal(err)
	}
	db := openTemp(t, &Options{MemoryLimit: int64(limit), Durability: Process})
	span := time.Duration(milliseconds) * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), span)
	defer cancel()
	l := &loaded{t: t, db: db, ctx: ctx, span: span}
	var used int64 // as the database says
	l.repeat(func(*rand.Rand) error {
		l.steps.Add(-1)
		used = max(used, db.Metrics().MemoryUsed)
		time.Sleep(20 * time.Millisecond)
		return nil
	})
	for _, load := range memoryLoads {
		if load.name == name {
			load.start(l)
		}
	}
	l.running.Wait()
	if m := db.Metrics(); m.MemoryUsed > m.MemoryLimit {
		t.Errorf("at the end the metrics say %d of %d bytes", m.MemoryUsed, m.MemoryLimit)
	}
	fmt.Printf("peak %d used %d steps %d\n", peakResidentKiB(t), used, l.steps.Load())
}

// repeat lets a goroutine take steps until the time is up.
func (l *loaded) repeat(step func(rng *rand.Rand) error) {
	l.started++
	rng := rand.New(rand.NewPCG(l.started, 1))
	l.running.Go(func() {
		for l.ctx.Err() == nil {
			err := step(rng)
			if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, context.DeadlineExceeded) {
				l.t.Error(err)
				return
			}
			l.steps.Add(1)
		}
	})
}

// fill makes b n random bytes, which do not compress.
func fill(b []byte, n int, rng *rand.Rand) []byte {
	for b = b[:0]; len(b) < n; {
		b = AppendInt64(b, int64(rng.Uint64()))
	}
	return b[:n]
}

// readAll reads all of r.
func readAll(r *Range) error {
	for range r.All() {
	}
	return r.Err()
}

// loadEverything is batches of 200 kB, scans of 5,000 entries by four goroutines, and a transaction of 20 MB again and
// again, each five seconds after the last if there is time for that.
func loadEverything(l *loaded) {
	const keys = 200_000
	for range 2 {
		var b Batch
		var value []byte
		l.repeat(func(rng *rand.Rand) error {
			b.Reset()
			for range 500 {
				value = fill(value, 100+rng.IntN(500), rng)
				b.Put(fmt.Appendf(nil, "key%08d", rng.IntN(keys)), value)
			}
			return l.db.Write(&b)
		})
	}
	for range 4 {
		l.repeat(func(rng *rand.Rand) error {
			return readAll(l.db.Range(fmt.Appendf(nil, "key%08d", rng.IntN(keys)), nil).Limit(5000))
		})
	}
	l.repeat(func(rng *rand.Rand) error {
		err := l.db.Update(l.ctx, func(tx *Tx) error {
			value := make([]byte, 1000)
			for range 20_000 {
				value = fill(value, 1000, rng)
				if err := tx.Put(fmt.Appendf(nil, "large%08d", rng.IntN(1e8)), value); err != nil {
					return err
				}
			}
			return nil
		})
		select {
		case <-l.ctx.Done():
		case <-time.After(min(5*time.Second, l.span/6)):
		}
		return err
	})
}

// loadBatches sets sets of 1,000 keys, and reads them in snapshots.
func loadBatches(l *loaded) {
	for set := range 3 {
		l.repeat(func(rng *rand.Rand) error {
			var b Batch
			for i := range 1000 {
				b.Put(fmt.Appendf(nil, "set%d/%04d", set, i), fill(nil, 108, rng))
			}
			return l.db.Write(&b)
		})
	}
	for range 2 {
		l.repeat(func(rng *rand.Rand) error {
			s := l.db.Snapshot()
			defer s.Close()
			return readAll(s.Prefix([]byte("set")))
		})
	}
}

// loadVersions writes and reads keys, and now and then all of them.
func loadVersions(l *loaded, keys, readers, scanEvery int) {
	for range 4 {
		l.repeat(func(rng *rand.Rand) error {
			var b Batch
			for range 1 + rng.IntN(3) {
				b.Put(fmt.Appendf(nil, "key%06d", rng.IntN(keys)), fill(nil, 100+rng.IntN(900), rng))
			}
			return l.db.Write(&b)
		})
	}
	for range readers {
		l.repeat(func(rng *rand.Rand) error {
			if rng.IntN(scanEvery) == 0 {
				s := l.db.Snapshot()
				defer s.Close()
				return readAll(s.Prefix([]byte("key")))
			}
			_, err := l.db.Get(fmt.Appendf(nil, "key%06d", rng.IntN(keys)))
			return err
		})
	}
}

// loadMoney changes two accounts of a hundred in each transaction, and adds all of them up.
func loadMoney(l *loaded) {
	account := func(rng *rand.Rand) []byte { return fmt.Appendf(nil, "account%03d", rng.IntN(100)) }
	for range 4 {
		l.repeat(func(rng *rand.Rand) error {
			return l.db.Update(l.ctx, func(tx *Tx) error {
				for range 2 {
					key := account(rng)
					if _, err := tx.Get(key); err != nil && !errors.Is(err, ErrNotFound) {
						return err
					}
					if err := tx.Put(key, fill(nil, 8, rng)); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	for range 2 {
		l.repeat(func(*rand.Rand) error {
			return l.db.View(l.ctx, func(tx *Tx) error { return readAll(tx.Prefix([]byte("account"))) })
		})
	}
}

// loadFill writes values of 10 kB, many times the limit, and reads them by key and in order. It ends with a compaction.
func loadFill(l *loaded) {
	var next atomic.Int64
	key := func(n int64) []byte { return fmt.Appendf(nil, "value%06d", n%20_000) }
	for range 4 {
		var value []byte
		l.repeat(func(rng *rand.Rand) error {
			value = fill(value, 10_000, rng)
			return l.db.Put(key(next.Add(1)), value)
		})
	}
	for range 2 {
		var buf []byte
		l.repeat(func(rng *rand.Rand) (err error) {
			buf, err = l.db.GetAppend(buf[:0], key(rng.Int64N(next.Load()+1)))
			return err
		})
	}
	l.repeat(func(*rand.Rand) error { return readAll(l.db.Range(nil, nil)) })
	l.running.Wait()
	if err := l.db.Compact(context.Background(), nil, nil); err != nil {
		l.t.Error(err)
	}
}

// loadScans reads 40,000 entries in order while transactions change a few of them.
func loadScans(l *loaded) {
	const entries = 40_000
	var b Batch
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range entries {
		b.Put(fmt.Appendf(nil, "%06d", i), fill(nil, 60, rng))
		if i%1000 == 999 {
			if err := l.db.Write(&b); err != nil {
				l.t.Error(err)
			}
			b.Reset()
		}
	}
	for range 2 {
		l.repeat(func(rng *rand.Rand) error {
			return l.db.Update(l.ctx, func(tx *Tx) error {
				for mark := range 9 {
					if err := tx.Add(fmt.Appendf(nil, "%06d!", mark*entries/9), 1); err != nil {
						return err
					}
				}
				return nil
			})
		})
		l.repeat(func(*rand.Rand) error { return readAll(l.db.Range(nil, nil)) })
	}
}

// loadReads has 64 transactions open, each of which has looked up 20,000 keys.
func loadReads(l *loaded) {
	for n := range 64 {
		l.repeat(func(*rand.Rand) error {
			tx, err := l.db.Begin(context.Background(), TxOptions{})
			if err != nil {
				return err
			}
			defer tx.Rollback()
			var key []byte
			for i := range 20_000 {
				if i%1000 == 0 && l.ctx.Err() != nil {
					return nil
				}
				key = fmt.Appendf(key[:0], "transaction%02d/%08d", n, i)
				if _, err := tx.Get(key); !errors.Is(err, ErrNotFound) {
					return fmt.Errorf("read of an absent key: %w", err)
				}
			}
			<-l.ctx.Done()
			return nil
		})
	}
}

// loadLongKeys writes keys of 60,000 bytes, which begin alike, and reads them.
func loadLongKeys(l *loaded) {
	alike := fill(nil, 59_992, rand.New(rand.NewPCG(7, 7)))
	keys := func() func(n uint64) []byte { // in memory of its own: the program's is not what is measured
		key := append(append([]byte(nil), alike...), make([]byte, 8)...)
		return func(n uint64) []byte {
			binary.BigEndian.PutUint64(key[len(alike):], n)
			return key
		}
	}
	toPut, toGet := keys(), keys()
	l.repeat(func(rng *rand.Rand) error { return l.db.Put(toPut(rng.Uint64N(4000)), alike[:100]) })
	l.repeat(func(rng *rand.Rand) error {
		_, err := l.db.Get(toGet(rng.Uint64N(4000)))
		return err
	})
	l.repeat(func(*rand.Rand) error { return readAll(l.db.Range(nil, nil)) })
	l.running.Wait()
	if err := l.db.Compact(context.Background(), nil, nil); err != nil {
		l.t.Error(err)
	}
}

// loadLargeValue puts one value of 20 MiB three times, and reads it in every way, while other values are written. It
// has memory of its own for one such value.
func loadLargeValue(l *loaded) {
	rng := rand.New(rand.NewPCG(7, 7))
	value := fill(make([]byte, 0, largeValueSize+8), largeValueSize, rng)
	key := []byte("large")
	for range 3 {
		value[rng.IntN(len(value))]++
		sum := crc32.ChecksumIEEE(value)
		err := l.db.Put(key, value)
		for i := range 2000 {
			err = errors.Join(err, l.db.Put(fmt.Appendf(nil, "key%06d", i), value[i:i+1000]))
		}
		for range 3 {
			var e error
			value, e = l.db.GetAppend(value[:0], key)
			err = errors.Join(err, e, readAll(l.db.Range(nil, nil)))
			if crc32.ChecksumIEEE(value) != sum {
				l.t.Error("the value is not what was put")
			}
		}
		if err = errors.Join(err, l.db.Flush(), l.db.Compact(context.Background(), nil, nil)); err != nil {
			l.t.Error(err)
		}
		l.steps.Add(1)
	}
}

// peakResidentKiB is the highest resident set size of this process so far, in KiB.
func peakResidentKiB(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	for line := range strings.Lines(string(status)) {
		if field, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(field)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
