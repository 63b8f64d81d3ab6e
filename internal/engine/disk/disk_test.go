package disk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb/event"
	"lightningdb/internal/engine/room"
	"lightningdb/internal/format/batch"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
	"lightningdb/internal/tree/manifest"
)

// engine is what a Disk asks, and a directory in which something is.
type engine struct {
	t      *testing.T
	medium *memfs.FS
	fs     vfs.FS
	gate   *calls.Gate
	d      *Disk
	room   room.Room

	mu     sync.Mutex
	demand Demand
	comes  func() bool // nil: nothing does
	stalls int
	reader bool
}

const limit = 64 << 20

// newEngine is an engine that finds tables of the given bytes, and makes its reserve.
func newEngine(t *testing.T, tables ...int64) *engine {
	t.Helper()
	e := &engine{t: t, medium: memfs.NewVolatile(), gate: calls.NewGate()}
	e.fs = e.medium
	for i, n := range tables {
		e.fill(fmt.Sprintf("%06d.tbl", i+1), n)
	}
	start, n := time.Now(), uint64(0)
	e.d, e.fs = New(BoundsFor(limit, 1<<30, 1<<30), Options{FS: e.medium, Env: e, Gate: e.gate, Tell: func(event.Event) {},
		Now: func() time.Duration { return time.Since(start) }, Changed: func() {},
		Random: func() uint64 { n++; return n << 1 }})
	if err := e.d.Begin(e.fs, false); err != nil {
		t.Fatal(err)
	}
	e.d.MakeReserve()
	return e
}

func (e *engine) Demand() Demand {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.demand
}

func (e *engine) SpaceComes() bool { return e.comes != nil && e.comes() }

func (e *engine) OldestReader() (bool, time.Duration) { return e.reader, 90 * time.Second }

func (e *engine) NextChange() <-chan struct{} { return e.room.NextChange() }

func (e *engine) Changed() { e.room.Changed() }

func (e *engine) Stall(ctx context.Context, changed <-chan struct{}, wait time.Duration) error {
	e.stalls++
	select {
	case <-changed:
	case <-time.After(wait):
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// fill makes a file of n bytes.
func (e *engine) fill(name string, n int64) {
	e.t.Helper()
	f, err := e.fs.Create(name)
	if err == nil {
		err = errors.Join(f.Allocate(n), f.Close())
	}
	if err != nil {
		e.t.Fatal(err)
	}
}

// room is what a new database has.
func (e *engine) space() int64 {
	b := &e.d.bounds
	return b.Limit - b.Reserve - b.Compaction - b.Deletes
}

func put(n int) *batch.Batch {
	var b batch.Batch
	b.Put([]byte("key"), make([]byte, n))
	return &b
}

func deletion() *batch.Batch {
	var b batch.Batch
	b.Delete([]byte("key"))
	return &b
}

// What is forgotten in the sum would be missing when a flush or a compaction needs it.
func TestAdmit_roomIsWhatNothingElseNeeds(t *testing.T) {
	need := needOf(put(1000))
	for _, c := range []struct {
		name string
		take func(e *engine, n int64) // takes n bytes
	}{
		{"files", func(e *engine, n int64) { e.fill("000001.tbl", n) }},
		{"memtables", func(e *engine, n int64) {
			e.demand = Demand{Unflushed: (n - tableOverhead) * unflushedShare / (unflushedShare + 1), Entries: 1, Memtables: 1}
		}},
		{"what was admitted", func(e *engine, n int64) {
			if _, err := e.d.Claim(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}},
		{"a compaction", func(e *engine, n int64) { e.d.SetJob(n + e.d.bounds.Compaction) }},
		{"the largest table", func(e *engine, n int64) {
			e.demand.Tables = new(manifest.Version)
			e.demand.Tables.Levels[6] = []*manifest.TableMeta{{Size: (n + e.d.bounds.Compaction) / largestTables}}
		}},
	} {
		for _, left := range []int64{need + 16, need - 16} {
			t.Run(fmt.Sprintf("%s, %d bytes left for %d", c.name, left, need), func(t *testing.T) {
				e := newEngine(t)
				c.take(e, e.space()-left)
				_, err := e.d.Admit(t.Context(), put(1000))
				if (err == nil) != (left > need) || err != nil && !errors.Is(err, vfs.ErrNoSpace) {
					t.Errorf("put: %v", err)
				}
				if _, err := e.d.Admit(t.Context(), deletion()); err != nil {
					t.Errorf("delete: %v", err)
				}
			})
		}
	}
}

// A database that is full to the last byte would have no way back.
func TestAdmit_deletesAreNeverRefused(t *testing.T) {
	e := newEngine(t)
	e.fill("000001.tbl", limit-e.d.Used()-100)
	for range 3 {
		if _, err := e.d.Admit(t.Context(), deletion()); err != nil {
			t.Errorf("delete: %v", err)
		}
	}
	mixed := put(10)
	mixed.Delete([]byte("other"))
	if _, err := e.d.Admit(t.Context(), mixed); !errors.Is(err, vfs.ErrNoSpace) {
		t.Errorf("a put and a delete: %v", err)
	}
}

// An operator would be told that a commit needs less than there is, and is refused all the same.
func TestAdmit_refusalsTellWhyThereIsNoRoom(t *testing.T) {
	for _, spent := range []bool{false, true} {
		e := newEngine(t)
		if spent {
			e.d.Spend() // because of the limit: the medium has space
		}
		e.fill("000001.tbl", e.space()-100)
		_, err := e.d.Admit(t.Context(), put(10))
		var need, left int
		if err == nil || !strings.Contains(err.Error(), "and the commit needs ") {
			t.Fatalf("spent %v: %v", spent, err)
		}
		_, figures, _ := strings.Cut(err.Error(), "and the commit needs ")
		if n, _ := fmt.Sscanf(figures, "%d of %d;", &need, &left); n != 2 || need <= left {
			t.Errorf("spent %v: %v", spent, err)
		}
	}
}

// A database that had more than its limit when it was opened would stay above it for ever: what deletes return would be
// taken by puts, or by the reserve.
func TestAdmit_onlyDeletesUntilThereIsLessThanTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t, limit/2, limit/2, limit/2, limit/2)
		admit := func(when string, puts bool) {
			t.Helper()
			if _, err := e.d.Admit(t.Context(), put(10)); (err == nil) != puts || err != nil && !errors.Is(err, vfs.ErrNoSpace) {
				t.Errorf("%s, put: %v", when, err)
			}
			if _, err := e.d.Admit(t.Context(), deletion()); err != nil {
				t.Errorf("%s, delete: %v", when, err)
			}
			if s := e.d.State(); (s.Refusing == "") != puts {
				t.Errorf("%s: %+v", when, s)
			}
			time.Sleep(remakeInterval)
			if e.d.Remake(); e.d.Spent() == puts {
				t.Errorf("%s: the reserve is spent is %v", when, e.d.Spent())
			}
		}
		admit("at twice the limit", false)
		for i, when := range []string{"at one and a half", "at the limit"} {
			if err := e.fs.Remove(fmt.Sprintf("%06d.tbl", i+1)); err != nil {
				t.Fatal(err)
			}
			if !e.d.Short() {
				t.Errorf("%s compactions do not know that space is short", when)
			}
			admit(when, false)
		}
		if err := e.fs.Remove("000003.tbl"); err != nil {
			t.Fatal(err)
		}
		admit("at half the limit", true)
	})
}

// A count of what is in progress that grows would refuse everything in the end, one that shrinks nothing.
func TestAdmit_finishedCommitsClaimNothing(t *testing.T) {
	e := newEngine(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 2000 {
				need, err := e.d.Admit(t.Context(), put(i*10))
				if err != nil {
					t.Error(err)
					return
				}
				e.d.Finish(need)
			}
		})
	}
	wg.Wait()
	if _, err := e.d.Claim(t.Context(), e.space()); err != nil {
		t.Error(err)
	}
	if _, err := e.d.Claim(t.Context(), 1); !errors.Is(err, vfs.ErrNoSpace) {
		t.Errorf("a byte more than there is room for: %v", err)
	}
}

// Writers would be refused while a compaction is about to make room, or wait when there is none; a delete would wait
// with them.
func TestAdmit_waitsWhileSpaceComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.fill("000001.tbl", e.space())
		comes := true
		e.comes = func() bool { return comes }
		results := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := e.d.Admit(context.Background(), put(1000))
				results <- err
			}()
		}
		synctest.Wait()
		if _, err := e.d.Admit(context.Background(), deletion()); err != nil || !e.d.Waiting() || len(results) > 0 {
			t.Errorf("delete: %v; waiting %v, %d done", err, e.d.Waiting(), len(results))
		}
		if err := e.fs.Remove("000001.tbl"); err != nil {
			t.Fatal(err)
		}
		e.Changed()
		for range 3 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if e.stalls == 0 || e.d.Waiting() {
			t.Errorf("%d stalls, waiting %v", e.stalls, e.d.Waiting())
		}
		e.fill("000002.tbl", e.space()-10_000)
		e.d.BeginJob() // which takes back what was allowed before
		e.d.SetJob(0)
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if _, err := e.d.Admit(ctx, put(20_000)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a deadline: %v", err)
		}
		comes, e.reader = false, true
		if _, err := e.d.Admit(context.Background(), put(20_000)); !errors.Is(err, vfs.ErrNoSpace) ||
			!strings.Contains(err.Error(), "open for 1m30s") {
			t.Errorf("when nothing comes: %v", err)
		}
		comes = true
		go e.gate.Close()
		if _, err := e.d.Admit(context.Background(), put(20_000)); !errors.Is(err, calls.ErrClosed) {
			t.Errorf("while it is closed: %v", err)
		}
	})
}

// freeBytes is a directory that tells somebody when it is asked for the free bytes of the medium.
type freeBytes struct {
	vfs.FS
	asked func()
}

func (f freeBytes) FreeBytes() (uint64, error) {
	f.asked()
	return f.FS.FreeBytes()
}

// A large commit would begin to write what a full disk cannot take, or all others would wait for what the disk says.
func TestAdmit_asksTheMediumBeforeALargeCommit(t *testing.T) {
	e, asked := newEngine(t), 0
	e.d.quota.FS = freeBytes{e.d.quota.FS, func() {
		asked++
		if !e.d.mu.TryLock() {
			t.Error("it is asked under the mutex")
			return
		}
		e.d.mu.Unlock()
	}}
	large := put(2 << 20)
	e.medium.SetCapacity(e.d.Used() + needOf(large) - 1)
	if _, err := e.d.Admit(t.Context(), large); !errors.Is(err, vfs.ErrNoSpace) || asked == 0 {
		t.Errorf("a byte less than it needs: asked %d times, %v", asked, err)
	}
	e.medium.SetCapacity(e.d.Used() + needOf(large))
	if _, err := e.d.Admit(t.Context(), large); err != nil {
		t.Errorf("as much as it needs: %v", err)
	}
	asked = 0
	if _, err := e.d.Admit(t.Context(), put(1000)); err != nil || asked > 0 {
		t.Errorf("a small one: asked %d times, %v", asked, err)
	}
}

// Commits that were promised room before the disk was full would take what the reserve has given to deletes.
func TestAdmit_aSpentReserveTakesTheAllowanceBack(t *testing.T) {
	e := newEngine(t)
	if _, err := e.d.Admit(t.Context(), put(10)); err != nil {
		t.Fatal(err)
	}
	e.medium.SetCapacity(e.d.Used())
	e.fill("000001.tbl", 1000) // which finds the medium full
	for range 2 {
		if _, err := e.d.Admit(t.Context(), put(10)); !errors.Is(err, vfs.ErrNoSpace) {
			t.Errorf("put: %v", err)
		}
	}
	if _, err := e.d.Admit(t.Context(), deletion()); err != nil {
		t.Errorf("delete: %v", err)
	}
	if s := e.d.State(); s.Refused != 2 || s.Reserve != 0 || s.Refusing != "the disk is full" {
		t.Errorf("%+v", s)
	}
	e.medium.SetCapacity(limit)
	if due := e.d.Remake(); due < time.Hour || e.d.Spent() {
		t.Errorf("the reserve is due in %v, spent %v", due, e.d.Spent())
	}
	if _, err := e.d.Admit(t.Context(), put(10)); err != nil {
		t.Errorf("with the reserve made again: %v", err)
	}
	if s := e.d.State(); s.Reserve != e.d.bounds.Reserve || s.Refusing != "" {
		t.Errorf("%+v", s)
	}
}

// A reserve that cannot be made would be written again and again, or take what deletes have just freed.
func TestRemake_onlyWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEngine(t)
		e.d.Spend()
		e.medium.SetCapacity(e.d.bounds.Reserve + e.d.bounds.Reserve/8)
		if due := e.d.Remake(); due != remakeInterval || !e.d.Spent() {
			t.Errorf("without a margin: due in %v, spent %v", due, e.d.Spent())
		}
		e.medium.SetCapacity(-1)
		if due := e.d.Remake(); due > remakeInterval || !e.d.Spent() {
			t.Errorf("before it is due: in %v, spent %v", due, e.d.Spent())
		}
		time.Sleep(remakeInterval)
		e.fill("000001.tbl", e.space()+1)
		if e.d.Remake(); !e.d.Spent() {
			t.Error("it was made in the room of compactions")
		}
		if err := e.fs.Remove("000001.tbl"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(remakeInterval)
		if e.d.Remake(); e.d.Spent() {
			t.Error("it was not made")
		}
	})
}

// At half the limit of live data nothing would be left to garbage, and each commit would wait for a compaction.
func TestBounds_leaveASeventhAtHalfTheLimit(t *testing.T) {
	for _, limit := range []int64{64 << 20, 1 << 30, 20 << 30, 1 << 40} {
		b := BoundsFor(limit, 160<<20, 26<<20)
		files := 5 * 2 * b.Log / 3 // segments, each allocated ahead
		if left := limit/2 - b.Reserve - b.Compaction - b.Deletes - b.Log - files; left < limit/7 {
			t.Errorf("of %d bytes %d are left: %+v", limit, left, b)
		}
		if b.Reserve < b.Log+b.Log/2+largestTables*b.Table && b.Reserve < limit/reserveShare {
			t.Errorf("a reserve of %d bytes for a log of %d: %+v", b.Reserve, b.Log, b)
		}
	}
}
