package lightningdb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"lightningdb/internal/archive"
	"lightningdb/internal/engine"
	"lightningdb/internal/format/status"
	"lightningdb/internal/system/latency"
)

// What an operator is told must be how long the calls of the program took: all of them, and no others.
func TestMetrics_tellHowLongCallsTook(t *testing.T) {
	db := openTemp(t, nil)
	for i := range 10 {
		mustPut(t, db, fmt.Sprint(i), "value")
	}
	before := db.Metrics().Latency
	if c, s := before.Commit, before.Sync; c.Count != 10 || s.Count != 10 || s.Max > c.Max || c.P50 > c.P99 ||
		c.P99 > c.P999 || c.P999 > c.Max || c.Mean > c.Max || c.Mean <= 0 {
		t.Errorf("ten commits: %+v", before)
	}
	requireNil(t, db.Update(t.Context(), func(tx *Tx) error { return tx.Put([]byte("k"), []byte("v")) }))
	requireNil(t, db.Update(t.Context(), func(tx *Tx) error { _, err := tx.Has([]byte("k")); return err }))
	requireNil(t, db.Sync())
	if err := db.Put(make([]byte, MaxKeySize+1), nil); !errors.Is(err, ErrKeyTooLarge) {
		t.Error(err)
	}
	after := db.Metrics().Latency
	if d := after.Since(before); d.Commit.Count != 1 || d.Sync.Count != 1 || d.Commit.Max < d.Commit.P50 ||
		d.Commit.Max > after.Commit.Max || len(d.Commit.Buckets) != 1 {
		t.Errorf("one transaction that wrote: %+v", d)
	}
	for range 256 * 200 {
		if ok, err := db.Has([]byte("k")); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	d := db.Metrics().Latency.Since(after)
	if n := d.Get.Count; n < 256*100 || n > 256*400 || d.Get.Max > time.Minute || d.Commit.Count != 0 {
		t.Errorf("%d reads: %+v", 256*200, d)
	}
	if (LatencyMetrics{}).Since(after).Commit.Count != 0 || !reflect.DeepEqual(after.Since(LatencyMetrics{}), after) {
		t.Error("since nothing is not since Open")
	}
}

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
	m.Levels = make([]engine.LevelState, 7)
	text := reports(noArchiver)(m)
	if len(text) > status.MaxReport {
		t.Fatalf("%d bytes of %d", len(text), status.MaxReport)
	}
	t.Logf("%d bytes of %d", len(text), status.MaxReport)
	told, err := parseReport(text)
	if err != nil {
		t.Fatal(err)
	}
	if want := metricsOf(m, ArchiveMetrics{}).Latency; !reflect.DeepEqual(told.Metrics.Latency, want) {
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
	text := reports(noArchiver)(m)
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
	told, err := parseReport(before)
	if err != nil || told.Metrics.Commits != 7 || !reflect.DeepEqual(told.Metrics.Latency, LatencyMetrics{}) {
		t.Errorf("%+v, %v", told, err)
	}
	newer := bytes.Replace(text, []byte(`"Buckets":{"Commit":"`), []byte(`"Buckets":{"Commit":"////`), 1)
	if _, err := parseReport(newer); bytes.Equal(newer, text) || !errors.Is(err, ErrVersionTooNew) {
		t.Errorf("buckets that cannot be understood: %v", err)
	}
}

// From the first commit on, the writer tells others what it knows itself.
func TestFollower_tellsHowLongCallsTake(t *testing.T) {
	db := openTemp(t, nil)
	f := newFollower(t, db.Path())
	var own LatencyMetrics
	for n := 0; reflect.DeepEqual(own.Commit.Buckets, own.Sync.Buckets); n++ { // the sync may be all of it
		if n == 5000 {
			t.Fatalf("each of %d commits took as long as its sync", n)
		}
		mustPut(t, db, "key", "value")
		own = db.Metrics().Latency
	}
	told(t, f, "the commit", func(m Metrics) bool {
		return reflect.DeepEqual(m.Latency.Commit, own.Commit) && reflect.DeepEqual(m.Latency.Sync, own.Sync)
	})
}
