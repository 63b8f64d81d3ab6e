package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/event"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/codec"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/format/key"
	"lightningdb/internal/log/txn"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/system/vfs/quota"
)

const testLimit = 8 << 20

// tight is a database under a disk limit in a bubble, with all its goroutines, and what ought to be in it.
type tight struct {
	t        *testing.T
	fs       *memfs.FS
	e        *Engine
	r        *rand.Rand
	want     map[string]int // length of each value
	live     int64          // bytes of keys and values
	limit    int64
	steps    int
	above    bool // there was more than the limit when it was opened
	refusals atomic.Int32
	spent    atomic.Int32 // how often the reserve was
}

// hear counts how often the reserve was spent.
func (s *tight) hear(r event.Record) {
	if _, ok := r.Event.(event.ReserveSpent); ok {
		s.spent.Add(1)
	}
}

func newTight(t *testing.T, seed uint64, limit int64) *tight {
	return &tight{t: t, fs: memfs.NewVolatile(), r: rand.New(rand.NewPCG(seed, 1)), limit: limit,
		want: make(map[string]int)}
}

// skipWhereSlow skips a test that takes minutes under the race detector, which runs short tests.
func skipWhereSlow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes minutes under the race detector")
	}
}

// inTightBubble runs test on a new database under testLimit.
func inTightBubble(t *testing.T, seed uint64, test func(s *tight)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { newTight(t, seed, testLimit).use(test) })
}

// use opens the database, runs test and closes it. The medium counts every byte at every moment, too: what passes the
// limit finds it full.
func (s *tight) use(test func(s *tight)) {
	s.t.Helper()
	s.fs.SetCapacity(s.limit)
	s.open()
	defer func() {
		if s.e != nil {
			s.e.Close()
		}
	}()
	test(s)
}

func (s *tight) open() {
	s.t.Helper()
	var err error
	s.e, err = Open(Options{FS: s.fs, MemoryLimit: MinMemoryLimit, Codec: codec.By(codec.None), DiskLimit: s.limit,
		ManifestLimit: 64 << 10, Events: event.Options{Listener: s.hear}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// checkBound counts the files of the directory: the product's own count may be wrong.
func (s *tight) checkBound() {
	s.t.Helper()
	if s.e.opts.FS.(*quota.FS).MediumFull() {
		s.t.Fatal("the files have passed the limit")
	}
	if s.steps++; s.steps%100 != 0 || s.above {
		return
	}
	total := bytesOfDirectory(s.t, s.fs)
	if total > s.limit {
		s.t.Fatalf("the files have %d bytes, %d above the limit", total, total-s.limit)
	}
}

func bytesOfDirectory(t *testing.T, fs vfs.FS) (total int64) {
	t.Helper()
	names, err := fs.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if kind, _ := filename.Parse(name); kind == filename.Unknown {
			continue
		}
		if size, err := fs.FileSize(name); err == nil { // otherwise it has just been removed
			total += size
		}
	}
	return total
}

func (s *tight) put(k string, n int) error {
	s.t.Helper()
	value := make([]byte, n)
	for i := range value {
		value[i] = byte(s.r.Uint32())
	}
	var b batch.Batch
	b.Put([]byte(k), value)
	_, err := s.e.Commit(&b, false)
	s.checkBound()
	switch {
	case err == nil:
		if old, ok := s.want[k]; ok {
			s.live -= int64(len(k) + old)
		}
		s.want[k] = n
		s.live += int64(len(k) + n)
	case !errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, ErrReadOnly) || errors.Is(err, ErrCommitUnknown):
		s.t.Fatalf("put: %v", err)
	}
	return err
}

func (s *tight) remove(k string) {
	s.t.Helper()
	var b batch.Batch
	b.Delete([]byte(k))
	if _, err := s.e.Commit(&b, false); err != nil {
		s.t.Fatalf("delete: %v", err)
	}
	s.checkBound()
	if old, ok := s.want[k]; ok {
		s.live -= int64(len(k) + old)
		delete(s.want, k)
	}
}

// rest lets time pass in which nothing is done.
func (s *tight) rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	s.checkBound()
}

// fill puts new keys until that is refused, and returns how many there are then.
func (s *tight) fill(from, n int) int {
	s.t.Helper()
	for i := from; ; i++ {
		if s.put(fmt.Sprintf("%08d", i), n) != nil {
			return i
		}
		if s.live > s.limit {
			s.t.Fatal("nothing is refused")
		}
	}
}

// compare compares everything that can be read with what ought to be there: what was refused is not.
func (s *tight) compare() {
	s.t.Helper()
	snapshot := s.e.Snapshot()
	defer snapshot.Close()
	it, err := s.e.NewIterator(snapshot, nil, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer it.Close()
	found := 0
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.Value()
		if n, want := s.want[string(it.Key())]; err != nil || !want || n != len(v) {
			s.t.Fatalf("key %q has %d bytes, %v; want %d, %v", it.Key(), len(v), err, n, want)
		}
		found++
	}
	if err := it.Err(); err != nil || found != len(s.want) {
		s.t.Fatalf("%d keys, %v; want %d", found, err, len(s.want))
	}
}

// A program that overwrites the same keys for ever would be refused because of what nobody can read any more.
func TestDiskLimit_overwritingAtHalfTheLimitGoesOn(t *testing.T) {
	skipWhereSlow(t)
	for _, c := range []struct {
		limit      int64
		n          int // bytes of a value
		rounds     float64
		sequential bool
	}{
		{testLimit, 10, 1.3, false}, {testLimit, 10, 1.3, true}, {testLimit, 300, 2.5, false}, {testLimit, 300, 2, true},
		{testLimit, 5000, 4, false}, {testLimit, 5000, 4, true}, {testLimit, 100_000, 9, false},
		{testLimit, 100_000, 9, true}, {64 << 20, 1 << 20, 4, false}, {64 << 20, 1 << 20, 4, true},
	} {
		t.Run(fmt.Sprintf("values of %d bytes, sequential %v", c.n, c.sequential), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTight(t, 1, c.limit)
				s.use(func(s *tight) {
					keys := int(s.limit / 2 / int64(c.n+20+30))
					for i := range int(c.rounds * float64(keys)) {
						k := i % keys
						if i >= keys && !c.sequential {
							k = s.r.IntN(keys)
						}
						if err := s.put(fmt.Sprintf("%020d", k*7919%keys), c.n); err != nil {
							t.Fatalf("put %d with %d keys: %v", i, keys, err)
						}
					}
					s.compare()
				})
			})
		})
	}
}

// A full database of which half was deleted would take no writes until somebody compacts it.
func TestDiskLimit_deletesBringRoomBack(t *testing.T) {
	skipWhereSlow(t)
	for _, n := range []int{10, 300, 20_000} {
		for _, rest := range []time.Duration{0, time.Minute} {
			t.Run(fmt.Sprintf("values of %d bytes, a rest of %v", n, rest), func(t *testing.T) {
				inTightBubble(t, 2, func(s *tight) {
					full := s.fill(0, n)
					for i := range full / 2 {
						s.remove(fmt.Sprintf("%08d", s.r.Perm(2)[0]+2*i))
					}
					s.rest(rest)
					again := s.fill(full, n) - full
					if again < full/8 {
						t.Errorf("%d puts filled it, and after half was deleted %d more", full, again)
					}
					s.compare()
				})
			})
		}
	}
}

// A program that deletes half and writes on at once would be refused, because nothing but a memtable knows of the
// deletes, and nobody has had the time to look.
func TestDiskLimit_deletesInMemoryBringRoomBack(t *testing.T) {
	skipWhereSlow(t)
	o := Options{FS: memfs.NewVolatile(), MemoryLimit: MinMemoryLimit, Codec: codec.By(codec.None), Manual: true,
		DiskLimit: testLimit, ManifestLimit: 64 << 10}
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	commit := func(i int, deleted bool) error {
		var b batch.Batch
		if deleted {
			b.Delete(fmt.Appendf(nil, "%08d", i))
		} else {
			b.Put(fmt.Appendf(nil, "%08d", i), make([]byte, 20_000))
		}
		_, err := e.Commit(&b, false)
		return err
	}
	full := 0
	for range 3 {
		for commit(full, false) == nil {
			full++
		}
		if err := e.Flush(); err != nil { // so that there is nothing else to be gained
			t.Fatal(err)
		}
		for worked := true; worked; {
			if worked, err = e.CompactStep(); err != nil {
				t.Fatal(err)
			}
		}
		e.CleanStep()
	}
	for i := range full / 2 {
		if err := commit(i, true); err != nil {
			t.Fatal(err)
		}
	}
	for i := range full / 8 {
		if err := commit(full+i, false); err != nil {
			t.Fatalf("put %d after half of %d was deleted: %v", i, full, err)
		}
	}
}

// The directory of a program that has filled it and deleted everything would stay full.
func TestDiskLimit_anEmptiedDatabaseIsSmall(t *testing.T) {
	skipWhereSlow(t)
	inTightBubble(t, 3, func(s *tight) {
		for range 3 {
			full := s.fill(0, 400)
			for i := range full {
				s.remove(fmt.Sprintf("%08d", i))
			}
			s.rest(time.Hour)
			state := s.e.disk.State()
			if size := bytesOfDirectory(t, s.fs); size-state.Reserve > 150<<10 || state.Reserve == 0 {
				t.Errorf("the directory has %d bytes, %d of them for the reserve", size, state.Reserve)
			}
		}
	})
}

// A queue that is popped as fast as it is pushed would stop at the limit for what it has popped long ago.
func TestDiskLimit_queueGoesOn(t *testing.T) {
	skipWhereSlow(t)
	inTightBubble(t, 4, func(s *tight) {
		const length = 3000
		for i := range 10 * length {
			if err := s.put(fmt.Sprintf("%012d", i), 1000); err != nil {
				t.Fatalf("push %d: %v", i, err)
			}
			if i >= length {
				s.remove(fmt.Sprintf("%012d", i-length))
			}
		}
		s.compare()
	})
}

// An operator who is refused would look for the data that fills the disk, and it is a forgotten snapshot.
func TestDiskLimit_namesTheReaderThatKeepsSpace(t *testing.T) {
	inTightBubble(t, 5, func(s *tight) {
		for i := range 3000 {
			s.put(fmt.Sprintf("%08d", i), 1000)
		}
		snapshot := s.e.Snapshot()
		s.rest(time.Minute)
		var err error
		for i := 0; err == nil && i < 20_000; i++ {
			err = s.put(fmt.Sprintf("%08d", i%3000), 1000)
		}
		if err == nil || !strings.Contains(err.Error(), "oldest reader, open for 1m0s") ||
			!strings.Contains(err.Error(), fmt.Sprint(s.limit)) {
			t.Fatalf("refused with %v", err)
		}
		snapshot.Close()
		s.rest(time.Minute)
		if err := s.put("after", 1000); err != nil {
			t.Errorf("the snapshot has ended, and a put is refused: %v", err)
		}
	})
}

// Random loads: what is there is what was not refused, whatever came in between, and no moment has too many bytes.
func TestDiskLimit_agreesWithAMap(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inTightBubble(t, seed, func(s *tight) {
				for range 30 {
					s.phase()
				}
				s.compare()
			})
		})
	}
}

// phase is a few hundred operations of a kind.
func (s *tight) phase() {
	n, keys := 1<<s.r.IntN(17), 200+s.r.IntN(5000)
	var held *Snapshot
	if s.r.IntN(4) == 0 {
		held = s.e.Snapshot()
	}
	switch kind := s.r.IntN(8); kind {
	case 0:
		s.rest(time.Duration(s.r.IntN(20)) * time.Second)
	case 1:
		for k := range s.want {
			if s.r.IntN(2) == 0 {
				s.remove(k)
			}
		}
	case 2:
		if held != nil {
			held.Close()
			held = nil
		}
		if err := s.e.Close(); err != nil {
			s.t.Fatal(err)
		}
		s.fs = s.fs.Kill()
		s.open()
	default:
		for range min(500, int(2*s.limit)/(n+50)) {
			k := fmt.Sprintf("%08d", s.r.IntN(keys))
			if kind == 3 {
				s.remove(k)
			} else {
				s.put(k, s.r.IntN(n+1))
			}
		}
	}
	if held != nil {
		held.Close()
	}
}

// fillMedium has somebody else take what the medium has left, but for a number of bytes.
func (s *tight) fillMedium(name string, left int64) {
	s.t.Helper()
	free, err := s.fs.FreeBytes()
	if err != nil || int64(free) < left {
		s.t.Fatalf("%d bytes are free, %v", free, err)
	}
	f, err := s.fs.Create(name)
	if err == nil {
		err = f.Allocate(int64(free) - left)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	f.Close()
}

// On a disk that others have filled neither a delete nor Open would have space to work with, and the database could
// only be removed.
func TestDiskLimit_reserveServesDeletesAndOpenOnAFullMedium(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTight(t, 1, 64<<20)
		s.fs.SetCapacity(24 << 20)
		s.open()
		defer func() { s.e.Close() }()
		put := func(i int) error {
			var b batch.Batch
			b.Put(fmt.Appendf(nil, "%08d", i), make([]byte, 1000))
			_, err := s.e.Commit(&b, true)
			return err
		}
		full := 0
		for ; put(full) == nil; full++ {
			if full == 5000 {
				s.fillMedium("ballast", 0)
			}
		}
		err := put(full)
		synctest.Wait() // for the listener
		if !errors.Is(err, vfs.ErrNoSpace) || !strings.Contains(err.Error(), "disk is full") || s.spent.Load() != 1 {
			t.Fatalf("put %d, with the reserve spent %d times: %v", full, s.spent.Load(), err)
		}
		for i := range full * 9 / 10 {
			if i == full/2 {
				if err := s.e.Close(); err != nil {
					t.Fatal(err)
				}
				s.fs = s.fs.Kill()
				s.open()
			}
			var b batch.Batch
			b.Delete(fmt.Appendf(nil, "%08d", i))
			if _, err := s.e.Commit(&b, i%16 == 0); err != nil {
				t.Fatalf("delete %d of %d: %v", i, full, err)
			}
		}
		time.Sleep(time.Minute)
		if err := put(full); err != nil {
			t.Errorf("put after the deletes: %v; %+v", err, s.e.disk.State())
		}
		for i := range full {
			if found, err := s.e.Has(fmt.Appendf(nil, "%08d", i), Latest); err != nil || found != (i >= full*9/10) {
				t.Fatalf("key %d: found %v, %v", i, found, err)
			}
		}
	})
}

// With the disk full and the reserve there, what a crash has left could not be replayed.
func TestDiskLimit_openSpendsTheReserveOnTheReplay(t *testing.T) {
	fs, spent := memfs.New(), new(tight)
	o := Options{FS: fs, MemoryLimit: MinMemoryLimit, DiskLimit: 64 << 20, Manual: true,
		Events: event.Options{Listener: spent.hear}}
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		put(t, e, fmt.Sprint(i), strings.Repeat("x", 1000))
	}
	used := bytesOfDirectory(t, fs)
	killed := fs.Kill()
	e.Close()
	killed.SetCapacity(used + 100)
	o.FS = killed
	e, err = Open(o)
	if err != nil {
		t.Fatalf("open on a full disk: %v", err)
	}
	defer e.Close()
	if v, found, err := e.Get(nil, []byte("499"), Latest); len(v) != 1000 || !found || err != nil {
		t.Errorf("%d bytes, %v, %v", len(v), found, err)
	}
	if spent.spent.Load() == 0 {
		t.Error("there was space without the reserve")
	}
}

// A limit that is lowered, as that of a database which has had none, would keep it from being opened.
func TestDiskLimit_mayBeLessThanThereIs(t *testing.T) {
	inTightBubble(t, 9, func(s *tight) {
		s.e.Close()
		s.fs = s.fs.Kill()
		s.fs.SetCapacity(-1)
		s.limit *= 2
		s.open()
		full := s.fill(0, 1000)
		s.e.Close()
		s.fs = s.fs.Kill()
		s.limit, s.above = s.limit/2, true
		s.open()
		if err := s.put("more", 1000); err == nil {
			t.Error("above the limit a put is accepted")
		}
		for i := range full * 3 / 4 {
			s.remove(fmt.Sprintf("%08d", i))
		}
		s.rest(time.Minute)
		s.steps, s.above = 99, false
		s.checkBound()
		if err := s.put("more", 1000); err != nil {
			t.Errorf("with three quarters deleted: %v", err)
		}
		s.compare()
	})
}

// A reserve of a database that has no limit any more would be space that nobody ever gets back.
func TestDiskLimit_openWithoutItRemovesTheReserve(t *testing.T) {
	fs := memfs.New()
	o := Options{FS: fs, DiskLimit: testLimit, Manual: true}
	for _, limit := range []int64{testLimit, 0} {
		o.DiskLimit = limit
		e, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = fs.FileSize(filename.Make(filename.Reserve, 0))
		if there := err == nil; there != (limit > 0) {
			t.Errorf("with a limit of %d bytes there is a reserve: %v", limit, there)
		}
		e.Close()
		fs = fs.Kill()
		o.FS = fs
	}
}

// A writer that waits for a compaction would wait on when its caller has given up, or keep Close from ending.
func TestDiskLimit_waitEndsWithContextAndClose(t *testing.T) {
	inTightBubble(t, 11, func(s *tight) {
		s.fill(0, 1000)
		if err := s.e.compactor.turn.Take(context.Background()); err != nil { // as if a compaction were in progress
			t.Fatal(err)
		}
		tx, reads := new(Txn), new(txn.Reads)
		s.e.Begin(tx, reads, 0)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var b batch.Batch
		b.Put([]byte("new"), make([]byte, 10_000))
		if _, err := tx.Commit(ctx, &b, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("commit with a deadline: %v", err)
		}
		tx.Close()
		var left sync.WaitGroup
		for range 4 {
			left.Go(func() {
				if _, err := s.e.Commit(&b, false); !errors.Is(err, ErrClosed) {
					t.Errorf("commit beside Close: %v", err)
				}
			})
		}
		synctest.Wait()
		var deletion batch.Batch
		deletion.Delete([]byte("00000001"))
		if _, err := s.e.Commit(&deletion, false); err != nil {
			t.Errorf("a delete beside commits that wait: %v", err)
		}
		if err := s.e.Close(); err != nil {
			t.Error(err)
		}
		left.Wait()
		s.e.compactor.turn.End()
		s.e = nil
	})
}

// Of many writers that all find the last byte free, more than one would get it, or one would never get any.
func TestDiskLimit_manyWritersAtTheLimit(t *testing.T) {
	skipWhereSlow(t)
	inTightBubble(t, 13, func(s *tight) {
		const writers, keys = 8, 500
		have := make([]map[string]int, writers)
		var left sync.WaitGroup
		for w := range writers {
			have[w] = make(map[string]int)
			left.Go(func() { s.writeAtTheLimit(w, keys, have[w]) })
		}
		left.Wait()
		for _, h := range have {
			for k, n := range h {
				s.want[k] = n
			}
		}
		s.rest(time.Minute)
		s.compare()
		if s.refusals.Load() == 0 {
			t.Error("nothing was refused")
		}
	})
}

// writeAtTheLimit puts and deletes keys of writer w, and notes in have what is there of them.
func (s *tight) writeAtTheLimit(w, keys int, have map[string]int) {
	r := rand.New(rand.NewPCG(uint64(w), 1))
	for range 3000 {
		k, n := fmt.Sprintf("%d/%05d", w, r.IntN(keys)), r.IntN(4000)
		var b batch.Batch
		if deleted := r.IntN(8) == 0; deleted {
			b.Delete([]byte(k))
			n = -1
		} else {
			b.Put([]byte(k), make([]byte, n))
		}
		_, err := s.e.Commit(&b, false)
		switch {
		case err == nil && n < 0:
			delete(have, k)
		case err == nil:
			have[k] = n
		case n < 0 || !errors.Is(err, vfs.ErrNoSpace):
			s.t.Errorf("writer %d: %v", w, err)
			return
		default:
			s.refusals.Add(1)
		}
		if s.e.opts.FS.(*quota.FS).MediumFull() {
			s.t.Error("the files have passed the limit")
			return
		}
	}
}

// A transaction larger than memory would fill the disk past the limit before its commit is refused.
func TestDiskLimit_spillsAskForSpace(t *testing.T) {
	inTightBubble(t, 12, func(s *tight) {
		full := s.fill(0, 1000)
		for name, kind := range map[string]key.Kind{"a put": key.KindPut, "a delete": key.KindDelete} {
			for _, w := range []*SpillWriter{s.e.NewSpill(1), s.e.NewIngest()} {
				err := w.Add([]byte("key"), kind, nil)
				if refused := errors.Is(err, vfs.ErrNoSpace); refused != (kind == key.KindPut) {
					t.Errorf("%s, of %d: %v", name, full, err)
				}
				w.Abort()
			}
		}
	})
}

// Without a limit a commit would pay for one.
func BenchmarkCommit_underADiskLimit(b *testing.B) {
	for _, limit := range []int64{0, 1 << 40} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			e, err := Open(Options{FS: memfs.NewVolatile(), DiskLimit: limit})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			var batch batch.Batch
			batch.Put([]byte("key"), []byte("value"))
			for b.Loop() {
				if _, err := e.Commit(&batch, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
