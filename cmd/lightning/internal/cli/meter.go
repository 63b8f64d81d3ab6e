package cli

import (
	"fmt"
	"sync/atomic"
	"time"

	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/units"
)

// meter counts what long work has done. The worker adds, the progress line looks.
type meter struct {
	entries atomic.Int64
	bytes   atomic.Int64 // of the file read or written
	total   int64        // in entries or, if totalBytes, in bytes; 0 is not known. Set before the work begins

	totalBytes bool
}

func (m *meter) sample() progress.Sample {
	s := progress.Sample{Done: m.entries.Load(), Total: m.total, Count: m.entries.Load(), Noun: "entries"}
	if m.totalBytes {
		s.Done = m.bytes.Load()
	}
	return s
}

// summary is "1,234 entries, 5.6 MiB in 1.2 s (1,028 entries/s)".
func (m *meter) summary(elapsed time.Duration) string {
	n := m.entries.Load()
	return fmt.Sprintf("%s, %s in %s (%s entries/s)", units.Plural(n, "entry"), units.Bytes(m.bytes.Load()),
		units.Duration(elapsed), units.Count(units.Rate(n, elapsed)))
}

// transferResult is the outcome of import and export with --json.
type transferResult struct {
	Entries int64   `json:"entries"`
	Bytes   int64   `json:"bytes"` // of the file
	Seconds float64 `json:"seconds"`
}

func (m *meter) result(elapsed time.Duration) transferResult {
	return transferResult{Entries: m.entries.Load(), Bytes: m.bytes.Load(), Seconds: elapsed.Seconds()}
}
