package monitor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb"
	"lightningdb/event"
	"lightningdb/monitor"
)

// script is a workload that counts for itself what it does. It runs in a bubble, with a database in memory, so that
// nothing takes time but what says so.
type script struct {
	*testing.T
	db   *lightningdb.DB
	want map[string]float64 // by the name of the metric, without lightning_

	slowFlush atomic.Bool   // flushes take flushTime
	hold      chan struct{} // not nil: listeners wait for its end
	mu        sync.Mutex
	told      []event.Event
}

const (
	flushTime   = 3 * time.Second
	lockTimeout = 2 * time.Second
	slowTime    = time.Second
)

func (s *script) options() *lightningdb.Options {
	return &lightningdb.Options{InMemory: true, MemoryLimit: 10 << 20, Durability: lightningdb.Process,
		SyncInterval: 1000 * time.Hour, LockTimeout: lockTimeout, ScrubRate: 1 << 30,
		Compression: lightningdb.NoCompression,
		Events:      event.Options{Listener: s.hear, SlowOperation: slowTime},
		Merge: func(_, _, argument []byte) ([]byte, error) {
			if s.slowFlush.Load() {
				time.Sleep(flushTime)
			}
			return argument, nil
		}}
}

func (s *script) hear(r event.Record) {
	s.mu.Lock()
	hold := s.hold
	s.told = append(s.told, r.Event)
	s.mu.Unlock()
	if hold != nil {
		<-hold
	}
}

// setHold has listeners wait for the end of hold from now on, and returns what they waited for before.
func (s *script) setHold(hold chan struct{}) (before chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, s.hold = s.hold, hold
	return before
}

func (s *script) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *script) mustBe(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("%v, want %v", err, want)
	}
}

func (s *script) add(name string, n float64) { s.want[name] += n }

// committed counts a commit of what b has.
func (s *script) committed(b *lightningdb.Batch, sync bool) {
	s.add("commits_total", 1)
	s.add("operations_total", float64(b.Len()))
	s.add("sequence", float64(b.Len()))
	s.add("log_appends_total", 1)
	s.add("log_written_bytes_total", float64(b.Size()))
	if sync {
		s.add("log_syncs_total", 1)
		s.add("sync_latency_seconds_count", 1)
		s.add("commit_latency_seconds_count", 1)
	}
}

// write commits what fill puts into a batch.
func (s *script) write(d lightningdb.Durability, fill func(b *lightningdb.Batch)) {
	s.Helper()
	var b lightningdb.Batch
	b.SetDurability(d)
	fill(&b)
	s.must(s.db.Write(&b))
	s.committed(&b, d == lightningdb.Sync)
}

// put puts and counts a row, at Process durability.
func (s *script) put(key string, value []byte) {
	s.Helper()
	s.write(lightningdb.Process, func(b *lightningdb.Batch) { b.Put([]byte(key), value) })
}

// flushed counts n flushes. The segment of the log that a memtable ends is synced, which whoever ends it waits for.
func (s *script) flushed(n int, bytes float64) {
	s.add("flush_runs_total", float64(n))
	s.add("flush_latency_seconds_count", float64(n))
	s.add("sync_latency_seconds_count", float64(n))
	s.add("flush_written_bytes_total", bytes)
	s.add("events_total", float64(n))
}

// toldOf returns the events of type T so far.
func toldOf[T event.Event](s *script) (all []T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.told {
		if e, ok := e.(T); ok {
			all = append(all, e)
		}
	}
	return all
}

// slowMerge commits what the next flush has to merge.
func (s *script) slowMerge() {
	s.Helper()
	s.write(lightningdb.Process, func(b *lightningdb.Batch) {
		b.Put([]byte("merged"), nil)
		b.Merge([]byte("merged"), make([]byte, 1000))
	})
}

// levels is the size of all tables.
func (s *script) levels() (bytes float64) {
	for _, l := range s.db.Metrics().Levels {
		bytes += float64(l.Bytes)
	}
	return bytes
}

// commits does what changes the database.
func (s *script) commits() {
	key, value := []byte("key"), make([]byte, 100)
	for i := range 40 {
		s.put(fmt.Sprint("key", i), value)
	}
	single := func(fill func(b *lightningdb.Batch), do error) {
		s.Helper()
		var b lightningdb.Batch
		fill(&b)
		s.must(do)
		s.committed(&b, false)
	}
	single(func(b *lightningdb.Batch) { b.Put(key, value) }, s.db.Put(key, value))
	single(func(b *lightningdb.Batch) { b.Delete(key) }, s.db.Delete(key))
	single(func(b *lightningdb.Batch) { b.Add(key, 7) }, s.db.Add(key, 7))
	single(func(b *lightningdb.Batch) { b.Max(key, 9) }, s.db.Max(key, 9))
	single(func(b *lightningdb.Batch) { b.Append([]byte("tail"), value) }, s.db.Append([]byte("tail"), value))
	single(func(b *lightningdb.Batch) { b.Merge([]byte("merged"), value) }, s.db.Merge([]byte("merged"), value))
	for range 5 {
		s.write(lightningdb.Sync, func(b *lightningdb.Batch) {
			b.Put(key, value)
			b.Delete([]byte("key7"))
			b.Put(key, nil)
		})
	}
	s.must(s.db.Write(new(lightningdb.Batch))) // nothing is no commit
	s.mustBe(s.db.Put(make([]byte, lightningdb.MaxKeySize+1), nil), lightningdb.ErrKeyTooLarge)
	s.must(s.db.Update(s.Context(), func(tx *lightningdb.Tx) error { _, err := tx.Has(key); return err }))
	var b lightningdb.Batch
	b.Put(key, value)
	b.Delete([]byte("key8"))
	s.must(s.db.Update(s.Context(), func(tx *lightningdb.Tx) error {
		return errors.Join(tx.Put(key, value), tx.Delete([]byte("key8")))
	}))
	s.committed(&b, false)
	s.must(s.db.Sync())
	s.add("log_syncs_total", 1)
	s.add("sync_latency_seconds_count", 1)
}

// begin begins a transaction.
func (s *script) begin() *lightningdb.Tx {
	s.Helper()
	tx, err := s.db.Begin(s.Context(), lightningdb.TxOptions{})
	s.must(err)
	return tx
}

// conflicts has transactions lose, wait and time out.
func (s *script) conflicts() {
	a, b := []byte("a"), []byte("b")
	for range 3 {
		tx := s.begin()
		_, err := tx.Has(a)
		s.must(errors.Join(err, tx.Put(b, nil)))
		s.put("a", nil)
		s.mustBe(tx.Commit(), lightningdb.ErrConflict)
		s.add("conflicts_total", 1)
	}
	lock := func(tx *lightningdb.Tx, key []byte) error {
		if _, err := tx.GetForUpdate(key); !errors.Is(err, lightningdb.ErrNotFound) {
			return err
		}
		return nil
	}
	for range 2 { // a write waits for a transaction
		tx := s.begin()
		s.must(lock(tx, a))
		time.AfterFunc(slowTime/2, func() { tx.Rollback() })
		s.put("a", nil)
		s.add("lock_waits_total", 1)
		s.add("commit_latency_seconds_count", 1)
	}
	one, other := s.begin(), s.begin()
	s.must(errors.Join(lock(one, a), lock(other, b)))
	locked := make(chan error)
	go func() { locked <- lock(one, b) }()
	synctest.Wait()
	if m := s.db.Metrics().Transactions; m.Waiting != 1 {
		s.Errorf("%+v while one waits", m)
	}
	s.mustBe(lock(other, a), lightningdb.ErrDeadlock)
	s.must(other.Rollback())
	s.must(errors.Join(<-locked, one.Rollback()))
	s.add("lock_waits_total", 2)
	s.add("deadlocks_total", 1)
	tx := s.begin()
	s.must(lock(tx, a))
	s.mustBe(s.db.Put(a, nil), lightningdb.ErrLockTimeout)
	s.must(tx.Rollback())
	s.add("lock_waits_total", 1)
	s.add("lock_timeouts_total", 1)
	s.add("slow_operations_total", 1)
	s.add("events_total", 1)
}

// reads returns how many reads and steps it has done; they are measured by samples.
func (s *script) reads() (gets, steps int) {
	for range 256 * 50 {
		_, hit := s.db.Get([]byte("key1"))
		_, missed := s.db.Get([]byte("none"))
		s.must(hit)
		s.mustBe(missed, lightningdb.ErrNotFound)
		gets += 2
	}
	var b lightningdb.Batch
	const rows = 5000
	for i := range rows {
		b.Put(fmt.Appendf(nil, "row %04d", i), nil)
	}
	s.must(s.db.Write(&b))
	s.committed(&b, false)
	for range 2 {
		r := s.db.Prefix([]byte("row "))
		n := 0
		for range r.Keys() {
			n++
		}
		s.must(r.Err())
		if n != rows {
			s.Fatalf("a scan has %d rows", n)
		}
		steps += rows
	}
	return gets, steps
}

// tables flushes and compacts.
func (s *script) tables() {
	before := s.levels()
	s.must(s.db.Flush())
	s.flushed(1, s.levels()-before)
	s.must(s.db.Flush()) // there is nothing
	s.put("another", make([]byte, 1000))
	before = s.levels()
	s.must(s.db.Flush())
	s.flushed(1, s.levels()-before)
	before = s.levels()
	s.must(s.db.Compact(s.Context(), nil, nil))
	s.compacted(1, before, s.levels())
	s.must(s.db.Compact(s.Context(), nil, nil)) // there is nothing
}

func (s *script) compacted(n int, read, written float64) {
	s.add("compaction_runs_total", float64(n))
	s.add("compaction_latency_seconds_count", float64(n))
	s.add("compaction_read_bytes_total", read)
	s.add("compaction_written_bytes_total", written)
	s.add("events_total", float64(n))
}

// pausing is a writer that takes a while, and counts.
type pausing struct {
	bytes  int64
	paused bool
}

func (p *pausing) Write(b []byte) (int, error) {
	if !p.paused {
		p.paused = true
		time.Sleep(slowTime)
	}
	p.bytes += int64(len(b))
	return len(b), nil
}

// copies makes backups and a checkpoint. What was committed before the first of them is flushed by it.
func (s *script) copies() {
	before := s.levels()
	var p pausing
	s.put("before the backup", nil)
	seq, err := s.db.Backup(s.Context(), &p, nil)
	s.must(err)
	s.flushed(1, s.levels()-before)
	s.want["last_backup_sequence"], s.want["last_backup_bytes"] = float64(seq), float64(p.bytes)
	s.want["last_backup_seconds"] = slowTime.Seconds()
	s.want["last_backup_timestamp_seconds"] = float64(time.Now().Unix())
	s.add("backups_total", 1)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	_, err = s.db.Backup(ctx, io.Discard, nil)
	s.mustBe(err, context.Canceled)
	s.add("backup_failures_total", 1)
	s.add("events_total", 2)
	_, err = s.db.Checkpoint(s.Context(), filepath.Join(s.TempDir(), "copy"), nil)
	s.must(err)
}

// stall has a commit wait for a flush. How many flushes and compactions that takes is told by events alone. Nobody may
// call Flush meanwhile: it would wait for a mutex, and while somebody does the clock of a bubble stands still.
func (s *script) stall() {
	flushes, compactions := len(toldOf[event.Flushed](s)), len(toldOf[event.Compacted](s))
	s.slowMerge()
	s.slowFlush.Store(true)
	for s.db.Metrics().Stall.Count == 0 {
		s.put("stalled", make([]byte, 50_000))
	}
	s.slowFlush.Store(false)
	s.add("stalls_total", 1)
	s.add("stall_seconds_total", flushTime.Seconds())
	s.add("flush_seconds_total", flushTime.Seconds())
	s.add("slow_operations_total", 1)
	s.add("commit_latency_seconds_count", 1)
	time.Sleep(time.Minute)
	synctest.Wait()
	s.add("events_total", 3) // the beginning and end of the stall, and the slow operation
	for _, e := range toldOf[event.Flushed](s)[flushes:] {
		s.flushed(1, float64(e.BytesWritten))
	}
	for _, e := range toldOf[event.Compacted](s)[compactions:] {
		s.compacted(1, float64(e.BytesRead), float64(e.BytesWritten))
	}
}

// large commits what does not fit into memory: in tables, past the log, with one sequence number. What is in memory is
// flushed before, and the log is synced.
func (s *script) large() {
	const rows = 40
	s.put("before the large one", nil)
	flushes := len(toldOf[event.Flushed](s))
	s.must(s.db.Update(s.Context(), func(tx *lightningdb.Tx) error {
		for i := range rows {
			if err := tx.Put(fmt.Append(nil, "large", i), bytes.Repeat([]byte{1}, 50_000)); err != nil {
				return err
			}
		}
		return nil
	}))
	s.add("large_transactions_total", 1)
	s.add("commits_total", 1)
	s.add("operations_total", rows)
	s.add("sequence", 1)
	s.add("log_syncs_total", 1)
	s.add("commit_latency_seconds_count", 1)
	synctest.Wait()
	for _, e := range toldOf[event.Flushed](s)[flushes:] {
		s.flushed(1, float64(e.BytesWritten))
	}
}

// drop has more happen than a listener takes that hangs.
func (s *script) drop() {
	const happen = 1100
	synctest.Wait()
	s.setHold(make(chan struct{}))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	for n := range happen {
		_, err := s.db.Backup(ctx, io.Discard, nil)
		s.mustBe(err, context.Canceled)
		if n == 0 {
			synctest.Wait() // the listener has it
		}
	}
	close(s.setHold(nil))
	synctest.Wait()
	s.add("backup_failures_total", happen)
	s.add("events_total", 1+event.QueueLength)
	s.add("events_dropped_total", happen-1-event.QueueLength)
}

// sampled are the counters that are estimates, or of which a script cannot know; see TestMetrics_countWhatAScriptDoes.
var sampled = map[string]string{
	"get_latency_seconds":       "one in 256 is measured; within bounds",
	"scan_step_latency_seconds": "one in 16 of the steps beyond what is at hand; within bounds",
	"commit_latency_seconds":    "of commits that wait for nothing one in 16 is measured; within bounds",
	"cache_misses":              "counted by internal/engine: TestCache_countsMissesAndEvictionsAsTheDiskSeesThem",
	"cache_evictions":           "the same",
	"cache_read_bytes":          "a script does not know which pages are read",
	"archive_pieces":            "there is no archive here",
	"archive_bytes":             "the same",
	"archive_failures":          "the same",
	"archive_gaps":              "the same",
}

// Whoever counts for an invoice, or compares two machines, would count what has not happened, or not all that has.
func TestMetrics_countWhatAScriptDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{T: t, want: map[string]float64{"events_total": 1, "scrub_passes_total": 1}}
		db, err := lightningdb.Open("", s.options())
		s.must(err)
		defer db.Close()
		s.db = db
		s.commits()
		s.conflicts()
		gets, steps := s.reads()
		s.tables()
		s.copies()
		s.stall()
		s.large()
		s.drop()
		snapshots := []io.Closer{db.Snapshot(), db.Snapshot()}
		cursor := db.Range(nil, nil).Cursor()
		cursor.First()
		s.want["snapshots"], s.want["iterators"] = 2, 1
		synctest.Wait()
		m := newMonitor(t, db, nil)
		e, now := scrapeQuiet(t, m, db, false)
		s.compare(e, now)
		within := func(name string, per, atLeast, atMost int) {
			got := e.samples["lightning_"+name+"_count"] - s.want[name+"_count"]
			if math.Mod(got, float64(per)) != 0 || got < float64(atLeast) || got > float64(atMost) {
				t.Errorf("%s is %v, of %d to %d", name, got, atLeast, atMost)
			}
		}
		within("get_latency_seconds", 256, gets/2, gets*2)
		within("scan_step_latency_seconds", 16, steps/64/2, steps/16)
		within("commit_latency_seconds", 16, 16, 2*int(s.want["commits_total"]))
		for _, c := range append(snapshots, cursor) {
			s.must(c.Close())
		}
	})
}

// compare compares what was exposed, and what Metrics says, with the script's own counts.
func (s *script) compare(e *exposed, m lightningdb.Metrics) {
	s.Helper()
	for _, f := range monitor.Catalog() {
		name := strings.TrimPrefix(f.Name, "lightning_")
		if _, ok := sampled[name]; ok || f.Kind == monitor.Gauge {
			continue
		}
		sample := strings.TrimPrefix(f.SampleName(), "lightning_")
		if f.Kind == monitor.Histogram {
			sample += "_count"
		}
		if got, ok := e.samples["lightning_"+sample]; !ok || math.Abs(got-s.want[sample]) > 1e-9 {
			s.Errorf("%s is %v (there: %v), the script counts %v", sample, got, ok, s.want[sample])
		}
	}
	for name, want := range s.want {
		if got, ok := e.samples["lightning_"+name]; (!ok || got != want) && !strings.HasPrefix(name, "commit_latency") {
			s.Errorf("%s is %v (there: %v), the script counts %v", name, got, ok, want)
		}
	}
	for name, got := range map[string]uint64{"commits_total": m.Commits, "operations_total": m.Operations,
		"sequence": m.Sequence, "conflicts_total": m.Transactions.Conflicts, "lock_waits_total": m.Transactions.LockWaits,
		"deadlocks_total": m.Transactions.Deadlocks, "lock_timeouts_total": m.Transactions.Timeouts,
		"large_transactions_total": m.Transactions.Large, "log_appends_total": m.Log.Appends,
		"log_syncs_total": m.Log.Syncs, "log_written_bytes_total": m.Log.BytesWritten, "flush_runs_total": m.Flush.Count,
		"compaction_runs_total": m.Compaction.Count, "events_total": m.Events.Told,
		"events_dropped_total": m.Events.Dropped, "slow_operations_total": m.Events.Slow,
		"damaged_files_total": m.Events.Damaged, "backups_total": m.Backups.Count,
		"backup_failures_total": m.Backups.Failed, "stalls_total": m.Stall.Count, "disk_refused_total": m.Disk.Refused,
		"scrub_passes_total": m.Scrub.Passes, "sync_latency_seconds_count": m.Latency.Sync.Count,
		"flush_latency_seconds_count":      m.Latency.Flush.Count,
		"compaction_latency_seconds_count": m.Latency.Compaction.Count} {
		if float64(got) != s.want[name] {
			s.Errorf("Metrics: %s is %d, the script counts %v", name, got, s.want[name])
		}
	}
	if len(s.told) != int(m.Events.Told) {
		s.Errorf("the listener was told of %d events, %d are counted", len(s.told), m.Events.Told)
	}
}
