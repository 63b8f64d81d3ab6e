package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"lightningdb/internal/archive"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/latency"
	"lightningdb/internal/tree/manifest"
	"lightningdb/metrics"
)

// noArchiver is that of a database without an archive.
func noArchiver() *archive.Archiver { return nil }

// fullHistogram is the counts of a writer that was as fast and as slow as can be, for years.
func fullHistogram() latency.Counts {
	var h latency.Histogram
	for d := time.Duration(1); d > 0; d += max(1, d/16) {
		h.Add(d, 1<<33)
	}
	h.Add(math.MaxInt64, 1)
	return h.Counts()
}

// A report that is too long, or lacks the buckets, leaves whoever watches at night without the figures of now.
func TestReport_hasLatenciesThatCanBeSubtracted(t *testing.T) {
	var m engine.Metrics
	m.CommitTimes, m.SyncTimes, m.Gets = fullHistogram(), fullHistogram(), fullHistogram()
	m.Levels = make([]metrics.Level, 7)
	text := Publisher(noArchiver)(m)
	if len(text) > status.MaxReport {
		t.Fatalf("%d bytes of %d", len(text), status.MaxReport)
	}
	t.Logf("%d bytes of %d", len(text), status.MaxReport)
	told, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if want := Of(m, metrics.Archive{}).Latency; !reflect.DeepEqual(told.Metrics.Latency, want) {
		t.Errorf("%+v; want %+v", told.Metrics.Latency, want)
	}
	if n := len(told.Metrics.Latency.Sync.Buckets); n < 300 {
		t.Errorf("%d buckets", n)
	}
}

// Programs of several versions watch each other while they are exchanged one by one.
func TestReport_isReadByOtherVersions(t *testing.T) {
	var m engine.Metrics
	m.Commits, m.CommitTimes = 7, fullHistogram()
	text := Publisher(noArchiver)(m)
	var older struct { // what one before latencies knew
		Pid     int
		Metrics struct{ Commits uint64 }
		Failure string
	}
	if err := json.Unmarshal(text, &older); err != nil || older.Metrics.Commits != 7 || older.Pid == 0 {
		t.Errorf("%+v, %v", older, err)
	}
	before, err := json.Marshal(older)
	if err != nil {
		t.Fatal(err)
	}
	told, err := Parse(before)
	if err != nil || told.Metrics.Commits != 7 || !reflect.DeepEqual(told.Metrics.Latency, metrics.Latencies{}) {
		t.Errorf("%+v, %v", told, err)
	}
	newer := bytes.Replace(text, []byte(`"Buckets":{"Commit":"`), []byte(`"Buckets":{"Commit":"////`), 1)
	if _, err := Parse(newer); bytes.Equal(newer, text) || !errors.Is(err, manifest.ErrVersionTooNew) {
		t.Errorf("buckets that cannot be understood: %v", err)
	}
}

// A leak in a program whose stacks are deep is just what its readers are told for.
func TestReport_keepsTheOldestOfReadersWithDeepStacks(t *testing.T) {
	var r report
	for n := range 8 {
		r.Metrics.Readers = append(r.Metrics.Readers, metrics.Reader{
			Sequence: uint64(n), Stack: strings.Repeat("main.function /a/long/path/of/a/program/file.go:1234\n", 50),
		})
	}
	var told report
	text := r.text()
	if err := json.Unmarshal(text, &told); err != nil || len(text) > status.MaxReport {
		t.Fatalf("%d bytes, %v", len(text), err)
	}
	if n := len(told.Metrics.Readers); n < 3 || !reflect.DeepEqual(told.Metrics.Readers, r.Metrics.Readers[:n]) {
		t.Errorf("%d readers are told", n)
	}
}
