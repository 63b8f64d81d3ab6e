package lightningdb

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"lightningdb/metrics"
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
	if (metrics.Latencies{}).Since(after).Commit.Count != 0 ||
		!reflect.DeepEqual(after.Since(metrics.Latencies{}), after) {
		t.Error("since nothing is not since Open")
	}
}

// From the first commit on, the writer tells others what it knows itself.
func TestFollower_tellsHowLongCallsTake(t *testing.T) {
	db := openTemp(t, nil)
	f := newFollower(t, db.Path())
	var own metrics.Latencies
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
