package watch

import (
	"time"

	"lightningdb"
	"lightningdb/metrics"
)

// Told is what a writer has told of itself, as JSON. Sizes are in bytes, times in seconds.
type Told struct {
	Pid     int       `json:"pid"`
	Program string    `json:"program"`
	Opened  time.Time `json:"opened"`
	At      time.Time `json:"at"`
	Age     float64   `json:"age_seconds"` // of what it told

	Sequence   uint64   `json:"sequence"`
	Durable    uint64   `json:"durable_sequence"`
	Commits    uint64   `json:"commits"`
	Operations uint64   `json:"operations"`
	Disk       int64    `json:"disk_bytes"`
	Live       int64    `json:"live_bytes"`
	DiskLimit  *Limit   `json:"disk_limit"` // null without one
	Scrub      *Scrub   `json:"scrub"`      // null without one
	Archive    *Archive `json:"archive"`    // null without one
	Levels     []Level  `json:"levels"`
	Values     Values   `json:"value_files"`
	Memory     struct {
		Used  int64 `json:"used_bytes"`
		Limit int64 `json:"limit_bytes"`
	} `json:"memory"`
	Memtables struct {
		Active  int   `json:"active"`
		Frozen  int   `json:"frozen"`
		Bytes   int64 `json:"bytes"`
		Entries int   `json:"entries"`
		Held    int64 `json:"held_bytes"`
	} `json:"memtables"`
	Cache struct {
		Used      int64  `json:"used_bytes"`
		Limit     int64  `json:"limit_bytes"`
		Rows      int64  `json:"row_bytes"`
		Misses    uint64 `json:"misses"`
		Evictions uint64 `json:"evictions"`
		Read      uint64 `json:"read_bytes"`
	} `json:"cache"`
	Log struct {
		Segments int    `json:"segments"`
		Bytes    int64  `json:"bytes"`
		Appends  uint64 `json:"appends"`
		Syncs    uint64 `json:"syncs"`
		Written  uint64 `json:"bytes_written"`
	} `json:"log"`
	Stalls struct {
		Count   uint64  `json:"count"`
		Seconds float64 `json:"seconds"`
		Cause   string  `json:"cause"`
	} `json:"stalls"`
	Transactions struct {
		Conflicts  uint64  `json:"conflicts"`
		LockWaits  uint64  `json:"lock_waits"`
		Deadlocks  uint64  `json:"deadlocks"`
		Timeouts   uint64  `json:"timeouts"`
		Large      uint64  `json:"large"`
		Waiting    int     `json:"waiting"`
		OldestLock float64 `json:"oldest_lock_seconds"`
	} `json:"transactions"`
	Latency         Latencies `json:"latency"` // since Open
	Flush           Work      `json:"flush"`
	Compaction      Work      `json:"compaction"`
	CompactionWaits bool      `json:"compaction_waits"`
	Amplification   float64   `json:"write_amplification"`
	TablesOpen      int       `json:"tables_open"`
	ObsoleteFiles   int       `json:"obsolete_files"`
	PinnedFiles     int       `json:"pinned_files"`
	PinnedBytes     int64     `json:"pinned_bytes"`
	Snapshots       int       `json:"snapshots"` // open, and transactions
	Cursors         int       `json:"cursors"`
	OldestReader    float64   `json:"oldest_reader_seconds"`
	Readers         []Reader  `json:"readers"` // the oldest of them, where they are traced
	BackgroundError string    `json:"background_error,omitempty"`
}

// Limit is what a disk limit makes of the disk.
type Limit struct {
	Limit    int64  `json:"limit_bytes"`
	Reserve  int64  `json:"reserve_bytes"` // 0 while it is spent
	Refusing string `json:"refusing"`      // why only deletes are accepted; empty if all writes are
	Refused  uint64 `json:"refused"`
}

// Scrub is what a scrub has read and found.
type Scrub struct {
	Passes  uint64   `json:"passes"`
	Done    int64    `json:"done_bytes"` // of the present pass, or the last one
	Total   int64    `json:"total_bytes"`
	Damaged uint64   `json:"damaged_tables"`
	Found   []Damage `json:"found"` // in the first of them
}

// Archive is how far an archive is.
type Archive struct {
	Sequence   uint64  `json:"sequence"` // of the newest commit in it
	Lag        float64 `json:"lag_seconds"`
	Operations uint64  `json:"lag_operations"`
	Pieces     uint64  `json:"pieces"`
	Bytes      uint64  `json:"bytes"`
	Failures   uint64  `json:"failures"`
	Gaps       uint64  `json:"gaps"`
	Held       int64   `json:"held_bytes"` // of log that only the archive needs
	Branch     string  `json:"branch"`
	LastError  string  `json:"last_error"` // why it cannot go on; empty if it can
}

// Damage is what is wrong with a file.
type Damage struct {
	File   string    `json:"file"`
	Damage string    `json:"damage"`
	At     time.Time `json:"found_at"`
}

// Values are the value files.
type Values struct {
	Files   int   `json:"files"`
	Bytes   int64 `json:"bytes"`
	Garbage int64 `json:"garbage_bytes"`
}

// Level is a level of the tree.
type Level struct {
	Level      int     `json:"level"`
	Tables     int     `json:"tables"`
	Bytes      int64   `json:"bytes"`
	Values     int64   `json:"value_bytes"` // in value files
	Entries    uint64  `json:"entries"`
	Tombstones uint64  `json:"tombstones"`
	Target     int64   `json:"target_bytes"`
	Score      float64 `json:"score"`
}

// Latencies are how long calls of each kind took.
type Latencies struct {
	Commit Latency `json:"commit"`
	Sync   Latency `json:"sync"`
	Get    Latency `json:"get"`
}

// Latency is how long calls of one kind took. Count is an estimate where not all are measured. Without calls all is 0.
type Latency struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean_seconds"`
	P50   float64 `json:"p50_seconds"`
	P99   float64 `json:"p99_seconds"`
	P999  float64 `json:"p999_seconds"`
	Max   float64 `json:"max_seconds"`
}

func newLatencies(l *metrics.Latencies) Latencies {
	return Latencies{newLatency(&l.Commit), newLatency(&l.Sync), newLatency(&l.Get)}
}

func newLatency(l *metrics.Latency) Latency {
	return Latency{l.Count, l.Mean.Seconds(), l.P50.Seconds(), l.P99.Seconds(), l.P999.Seconds(), l.Max.Seconds()}
}

// Work is what flushes or compactions have done. Done and Total are of the one in progress.
type Work struct {
	Count   uint64  `json:"count"`
	Read    int64   `json:"bytes_read"`
	Written int64   `json:"bytes_written"`
	Seconds float64 `json:"seconds"`
	Running int     `json:"running"`
	Done    int64   `json:"done_bytes"`
	Total   int64   `json:"total_bytes"`
}

// Reader is an open snapshot, transaction, cursor or loop.
type Reader struct {
	Kind     string    `json:"kind"`
	Age      float64   `json:"age_seconds"`
	Sequence uint64    `json:"sequence"`
	Opened   time.Time `json:"opened"`
	Stack    string    `json:"stack"`
}

// ToldBy is what the writer said in s, as JSON.
func ToldBy(s lightningdb.WriterStatus, now time.Time) *Told {
	m := &s.Metrics
	t := &Told{Pid: s.Pid, Program: s.Program, Opened: s.Opened, At: s.At, Age: now.Sub(s.At).Seconds(),
		Sequence: m.Sequence, Durable: m.DurableSequence, Commits: m.Commits, Operations: m.Operations,
		Disk: m.DiskBytes, Live: m.LiveBytes, Levels: []Level{}, Values: Values(m.Values), Latency: newLatencies(&m.Latency),
		Flush: newWork(m.Flush), Compaction: newWork(m.Compaction),
		CompactionWaits: m.CompactionWaits, Amplification: m.WriteAmplification, TablesOpen: m.TablesOpen,
		ObsoleteFiles: m.ObsoleteFiles, PinnedFiles: m.PinnedFiles, PinnedBytes: m.PinnedBytes, Snapshots: m.Snapshots,
		Cursors: m.Iterators, OldestReader: m.OldestReader.Seconds(), Readers: []Reader{},
	}
	if m.Disk.Limit > 0 {
		limit := Limit(m.Disk)
		t.DiskLimit = &limit
	}
	if s := &m.Scrub; s.Total > 0 || s.Passes > 0 {
		t.Scrub = &Scrub{Passes: s.Passes, Done: s.Done, Total: s.Total, Damaged: s.Damaged, Found: []Damage{}}
		for _, f := range s.Found {
			t.Scrub.Found = append(t.Scrub.Found, Damage(f))
		}
	}
	if a := &m.Archive; *a != (metrics.Archive{}) {
		t.Archive = &Archive{a.Sequence, a.Lag.Seconds(), a.LagOperations, a.Pieces, a.Bytes, a.Failures, a.Gaps, a.HeldBytes,
			a.Branch, a.LastError}
	}
	for _, l := range m.Levels {
		t.Levels = append(t.Levels, Level(l))
	}
	for _, r := range m.Readers {
		t.Readers = append(t.Readers, Reader{r.Kind, r.Age.Seconds(), r.Sequence, r.Opened, r.Stack})
	}
	t.Memory.Used, t.Memory.Limit = m.MemoryUsed, m.MemoryLimit
	t.Memtables.Active, t.Memtables.Frozen, t.Memtables.Entries = m.Memtable.Active, m.Memtable.Frozen, m.Memtable.Entries
	t.Memtables.Bytes, t.Memtables.Held = m.Memtable.Bytes, m.Memtable.HeldBytes
	t.Cache.Used, t.Cache.Limit, t.Cache.Rows = m.Cache.UsedBytes, m.Cache.LimitBytes, m.Cache.RowBytes
	t.Cache.Misses, t.Cache.Evictions, t.Cache.Read = m.Cache.Misses, m.Cache.Evictions, m.Cache.ReadBytes
	t.Log.Segments, t.Log.Bytes, t.Log.Appends = m.Log.Segments, m.Log.Bytes, m.Log.Appends
	t.Log.Syncs, t.Log.Written = m.Log.Syncs, m.Log.BytesWritten
	t.Stalls.Count, t.Stalls.Seconds, t.Stalls.Cause = m.Stall.Count, m.Stall.Duration.Seconds(), m.Stall.Cause
	x := &m.Transactions
	t.Transactions.Conflicts, t.Transactions.LockWaits, t.Transactions.Large = x.Conflicts, x.LockWaits, x.Large
	t.Transactions.Deadlocks, t.Transactions.Timeouts, t.Transactions.Waiting = x.Deadlocks, x.Timeouts, x.Waiting
	t.Transactions.OldestLock = x.OldestLock.Seconds()
	if m.BackgroundError != nil {
		t.BackgroundError = m.BackgroundError.Error()
	}
	return t
}

func newWork(w metrics.Work) Work {
	return Work{w.Count, w.BytesRead, w.BytesWritten, w.Duration.Seconds(), w.Running, w.Done, w.Total}
}

// Object is a picture as JSON.
type Object struct {
	Path    string     `json:"path"`
	URL     string     `json:"url,omitempty"` // where it was asked, if not the directory
	Time    time.Time  `json:"time"`
	Ended   *string    `json:"writer_ended"` // why it seems to be gone, or gives no answer; null if it is there
	Rates   *PerSecond `json:"per_second"`   // null before two reports are known
	Latency *Latencies `json:"latency"`      // of the calls between them; null also while the writer is quiet
	Told    *Told      `json:"told"`         // null if the writer has told nothing
}

// PerSecond is Rates as JSON.
type PerSecond struct {
	Period     float64 `json:"period_seconds"` // over which they were measured
	Commits    float64 `json:"commits"`
	Operations float64 `json:"operations"`
	LogBytes   float64 `json:"log_bytes"`
	Syncs      float64 `json:"syncs"`
	Misses     float64 `json:"cache_misses"`
	Conflicts  float64 `json:"conflicts"`
	LockWaits  float64 `json:"lock_waits"`
	Stalls     float64 `json:"stalls"`
	Stalled    float64 `json:"stalled_share"`
}

// Object is what is known now.
func (w *Watch) Object(now time.Time) Object {
	o := Object{Path: w.Path, URL: w.URL, Time: now}
	if w.Ended != "" {
		o.Ended = &w.Ended
	}
	if !w.told {
		return o
	}
	o.Told = ToldBy(w.last, now)
	if r := w.rates(now); r.Period > 0 {
		o.Rates = &PerSecond{r.Period.Seconds(), r.Commits, r.Operations, r.LogBytes, r.Syncs, r.Misses, r.Conflicts,
			r.LockWaits, r.Stalls, r.Stalled}
	}
	if took, known := w.latency(now); known {
		l := newLatencies(&took)
		o.Latency = &l
	}
	return o
}
