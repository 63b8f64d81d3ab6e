package lightningdb

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"lightningdb/internal/archive"
	"lightningdb/internal/engine"
	"lightningdb/internal/engine/state"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/latency"
	"lightningdb/internal/system/owner"
)

// WriterStatus is what the writer of a database has told last about itself: within a second of the last commit, sync,
// flush or compaction, as long as a flush or compaction is in progress or somebody waits for a lock or commits for the
// archive, and after a failure. Of readers that came since, while none of this happened, it does not tell.
type WriterStatus struct {
	Pid     int       // of the process; another container may count differently
	Program string    // its name, as far as it is printable, at most 19 bytes
	Opened  time.Time // when it opened the database
	At      time.Time // when it told this
	Metrics Metrics   // as DB.Metrics gave them then; of many readers with deep stacks the oldest
}

// report is a WriterStatus as it is published. The error is its text, and the buckets of latencies are apart, in a form
// that leaves room for readers.
type report struct {
	WriterStatus
	Failure string
	Buckets latency.PackedMetrics
}

// reports returns the function by which a database that is opened now tells followers what it does, and its archiver.
func reports(archiver func() *archive.Archiver) func(engine.Metrics) []byte {
	r := report{WriterStatus: WriterStatus{Pid: os.Getpid(), Program: owner.Program(), Opened: time.Now()}}
	return func(m engine.Metrics) []byte {
		r := r
		r.At, r.Metrics = time.Now(), metricsOf(m, archiver().Report())
		r.Metrics.Archive.LastError = status.Short(r.Metrics.Archive.LastError)
		if err := r.Metrics.BackgroundError; err != nil {
			r.Metrics.BackgroundError, r.Failure = nil, status.Short(err.Error())
		}
		r.Buckets.Take(&r.Metrics.Latency)
		r.Metrics.Events.Recent = nil
		return r.text()
	}
}

// text is r as it is published. If it is too long, because of deep stacks, the youngest readers are left out.
func (r report) text() []byte {
	text, _ := json.Marshal(r) // there is nothing in it that cannot be marshaled
	for len(text) > status.MaxReport && len(r.Metrics.Readers) > 0 {
		r.Metrics.Readers = r.Metrics.Readers[:len(r.Metrics.Readers)-1]
		text, _ = json.Marshal(r)
	}
	return text
}

// Writer returns what the writer has told last. If it has ended since, At does not change any more. The error is
// ErrNoWriter if none has told anything, as in the first moments after Open, and ErrVersionTooNew if what it said
// cannot be understood.
func (f *Follower) Writer() (WriterStatus, error) {
	text, err := f.follower.Report()
	if errors.Is(err, status.ErrNone) {
		err = fmt.Errorf("%w (it has told nothing about itself yet)", ErrNoWriter)
	}
	if err != nil {
		return WriterStatus{}, err
	}
	return parseReport(text)
}

// parseReport is what a writer of any version has published.
func parseReport(text []byte) (WriterStatus, error) {
	var r report
	err := json.Unmarshal(text, &r)
	err = cmp.Or(err, r.Buckets.Give(&r.Metrics.Latency))
	if err != nil {
		return WriterStatus{}, fmt.Errorf("%w: what the writer says of itself: %w", ErrVersionTooNew, err)
	}
	if r.Failure != "" {
		r.Metrics.BackgroundError = status.Failure(errors.New(r.Failure))
	}
	return r.WriterStatus, nil
}

// RecoveryReport says what Open found and did: it has Created (bool) the database, because there was none; replayed
// Segments (int) of the log, with Records (int64), which are commits, and Operations in them; read LogBytes, and
// dropped TornBytes at the log's end, of writes that had not been synced. LastSequence (uint64) is of the newest
// commit, FilesRemoved ([]string) are what a crash had left behind, unused, and Duration is that of the whole Open.
type RecoveryReport = state.Report

// Recovery says what Open found and did.
func (db *DB) Recovery() RecoveryReport { return db.engine.Report() }
