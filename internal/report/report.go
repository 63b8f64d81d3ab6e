// Package report makes the figures of an engine and its archiver those that users see, and tells them to the processes
// that follow the database. It has no state.
package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"lightningdb/internal/archive"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/owner"
	"lightningdb/internal/tree/manifest"
	"lightningdb/metrics"
)

// report is a metrics.Writer as it is published. The error is its text, and the buckets of latencies are apart, in a
// form that leaves room for readers.
type report struct {
	metrics.Writer
	Failure string
	Buckets buckets
}

// Publisher returns the function by which a database that is opened now tells followers what it does.
func Publisher(archiver func() *archive.Archiver) func(engine.Metrics) []byte {
	r := report{Writer: metrics.Writer{Pid: os.Getpid(), Program: owner.Program(), Opened: time.Now()}}
	return func(m engine.Metrics) []byte {
		r := r
		r.At, r.Metrics = time.Now(), Of(m, archiver().Report())
		r.Metrics.Archive.LastError = status.Short(r.Metrics.Archive.LastError)
		if err := r.Metrics.BackgroundError; err != nil {
			r.Metrics.BackgroundError, r.Failure = nil, status.Short(err.Error())
		}
		r.Buckets.take(&r.Metrics.Latency)
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

// Parse is what a writer of any version has published.
func Parse(text []byte) (metrics.Writer, error) {
	var r report
	err := json.Unmarshal(text, &r)
	err = cmp.Or(err, r.Buckets.give(&r.Metrics.Latency))
	if err != nil {
		return metrics.Writer{}, fmt.Errorf("%w: what the writer says of itself: %w", manifest.ErrVersionTooNew, err)
	}
	if r.Failure != "" {
		r.Metrics.BackgroundError = status.Failure(errors.New(r.Failure))
	}
	return r.Writer, nil
}
