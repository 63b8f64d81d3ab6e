package lightningdb

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/status"
)

// WriterStatus is what the writer of a database has told last about itself: within a second of the last commit, flush
// or compaction, as long as one is in progress, and after a failure.
type WriterStatus struct {
	Pid     int       // of the process; another container may count differently
	Program string    // its name
	Opened  time.Time // when it opened the database
	At      time.Time // when it told this
	Metrics Metrics   // as DB.Metrics gave them then
}

// report is a WriterStatus as it is published. The error is its text.
type report struct {
	WriterStatus
	Failure string
}

// reports returns the function by which a database that is opened now tells followers what it does.
func reports() func(engine.Metrics) []byte {
	r := report{WriterStatus: WriterStatus{Pid: os.Getpid(), Opened: time.Now()}}
	if path, err := os.Executable(); err == nil {
		r.Program = filepath.Base(path)
	}
	return func(m engine.Metrics) []byte {
		r := r
		r.At, r.Metrics = time.Now(), metricsOf(m)
		if err := r.Metrics.BackgroundError; err != nil {
			r.Metrics.BackgroundError, r.Failure = nil, err.Error()
		}
		text, err := json.Marshal(r)
		if err != nil || len(text) > status.MaxReport { // of deep stacks, perhaps
			r.Metrics.Readers = nil
			text, _ = json.Marshal(r)
		}
		return text
	}
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
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return WriterStatus{}, fmt.Errorf("%w: what the writer says of itself: %w", ErrVersionTooNew, err)
	}
	if r.Failure != "" {
		r.Metrics.BackgroundError = failureOf(errors.New(r.Failure))
	}
	return r.WriterStatus, nil
}
