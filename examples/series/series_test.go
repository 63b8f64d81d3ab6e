package series

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/examples/internal/trial"
)

func Example() {
	options := Options()
	options.InMemory = true
	db, err := lightningdb.Open("", options)
	if err != nil {
		panic(err)
	}
	defer db.Close()
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	var b lightningdb.Batch
	for n := range 180 { // one a minute, from 0 up
		if err := Add(&b, "temperature", noon.Add(time.Duration(n)*time.Minute), int64(n)); err != nil {
			panic(err)
		}
	}
	if err := db.Write(&b); err != nil {
		panic(err)
	}
	hours, err := Read(context.Background(), db, Hour, "temperature", noon, noon.Add(2*time.Hour))
	if err != nil {
		panic(err)
	}
	for _, h := range hours {
		fmt.Println(h.Start.Format(time.TimeOnly), h.Count, "from", h.Min, "to", h.Max, "mean", h.Sum/h.Count)
	}
	// Output:
	// 12:00:00 60 from 0 to 59 mean 29
	// 13:00:00 60 from 60 to 119 mean 89
}

var start = time.Date(2026, 12, 1, 22, 59, 59, 999_999_999, time.UTC) // near the end of minute, hour and day

func read(t *testing.T, db *lightningdb.DB, r Resolution, name string, from, to time.Time) []Bucket {
	t.Helper()
	buckets, err := Read(t.Context(), db, r, name, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return buckets
}

// The database merges arguments before it knows what they are added to: that must not make a difference.
func TestOptions_partialMergeIsMergeTwice(t *testing.T) {
	o, random := Options(), rand.New(rand.NewPCG(1, 2))
	some := func() []byte {
		return Summary{random.Int64N(9), int64(random.Uint64()), int64(random.Uint64()), int64(random.Uint64())}.encode()
	}
	for range 1000 {
		old, older, newer := some(), some(), some()
		if random.IntN(3) == 0 {
			old = nil
		}
		once, err := o.Merge(nil, old, older)
		if err != nil {
			t.Fatal(err)
		}
		want, err := o.Merge(nil, once, newer)
		if err != nil {
			t.Fatal(err)
		}
		both, ok := o.PartialMerge(nil, older, newer)
		got, err := o.Merge(nil, old, both)
		if !ok || err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%x, not %x: %v, %v", got, want, ok, err)
		}
	}
	if _, ok := o.PartialMerge(nil, some(), []byte("x")); ok {
		t.Error("what is no summary was merged")
	}
}

// All resolutions must tell what was measured, from many goroutines, wherever the database has merged it by then.
func TestRead_isWhatWasMeasured(t *testing.T) {
	dir := t.TempDir()
	db := trial.Open(t, dir, Options())
	var mu sync.Mutex
	want := map[Resolution]map[time.Time]Summary{Point: {}, Minute: {}, Hour: {}}
	var all sync.WaitGroup
	for g := range 8 {
		random := rand.New(rand.NewPCG(7, uint64(g)))
		all.Go(func() {
			for range 20 {
				var b lightningdb.Batch
				for range 10 {
					at := start.Add(time.Duration(random.IntN(150))*time.Minute + time.Duration(random.IntN(2)))
					value := random.Int64N(2000) - 1000
					if err := errors.Join(Add(&b, "a", at, value), Add(&b, "ab", at, 1)); err != nil {
						t.Error(err)
					}
					mu.Lock()
					for r, buckets := range want {
						s, ok := buckets[at.Truncate(time.Duration(r))]
						if !ok {
							s.Min, s.Max = value, value
						}
						buckets[at.Truncate(time.Duration(r))] = Summary{s.Count + 1, s.Sum + value, min(s.Min, value),
							max(s.Max, value)}
					}
					mu.Unlock()
				}
				if err := db.Write(&b); err != nil {
					t.Error(err)
				}
			}
		})
		if g == 4 {
			if err := db.Flush(); err != nil { // so that merges of one key are in memory and in tables
				t.Error(err)
			}
		}
	}
	all.Wait()
	requireBuckets(t, db, want)
	if err := db.Compact(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	requireBuckets(t, db, want)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	requireBuckets(t, trial.Open(t, dir, Options()), want)
}

func requireBuckets(t *testing.T, db *lightningdb.DB, want map[Resolution]map[time.Time]Summary) {
	t.Helper()
	for r, buckets := range want {
		got := read(t, db, r, "a", start.Add(-time.Hour), start.Add(72*time.Hour))
		if len(got) != len(buckets) {
			t.Errorf("%v: %d buckets, not %d", time.Duration(r), len(got), len(buckets))
		}
		for n, b := range got {
			if b.Summary != buckets[b.Start] || n > 0 && !got[n-1].Start.Before(b.Start) {
				t.Errorf("%v: %v, not %v", time.Duration(r), b, buckets[b.Start])
			}
		}
	}
}

// Bounds must hold to the nanosecond, and what expires goes by the day, of its resolution alone.
func TestExpire_removesWholeDays(t *testing.T) {
	db := trial.Open(t, "", Options())
	var b lightningdb.Batch
	midnight := start.Add(time.Hour + 1).Truncate(day)
	for _, at := range []time.Time{start.Add(-day), midnight.Add(-1), midnight, midnight.Add(day)} {
		if err := errors.Join(Add(&b, "a", at, 1), Add(&b, "b", at, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Write(&b); err != nil {
		t.Fatal(err)
	}
	from, to := start.Add(-2*day), start.Add(3*day)
	if n := len(read(t, db, Point, "a", midnight.Add(-1), midnight)); n != 1 {
		t.Errorf("%d points in the nanosecond before midnight", n)
	}
	if n := len(read(t, db, Point, "a", midnight, midnight.Add(day+1))); n != 2 {
		t.Errorf("%d points from midnight to midnight", n)
	}
	if err := Expire(db, Point, midnight.Add(5*time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		points, hours := read(t, db, Point, name, from, to), read(t, db, Hour, name, from, to)
		if len(points) != 2 || !points[0].Start.Equal(midnight) || len(hours) != 4 {
			t.Errorf("%s has %v and %v", name, points, hours)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, db, Point, "a", from, to); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := db.Put(key(Hour, "a", midnight), []byte("text")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), db, Hour, "a", from, to); !errors.Is(err, ErrSummary) {
		t.Error(err)
	}
}

// Wherever a kill cuts, the hours are the sums of the points, and what was acknowledged is among them.
func TestSeries_isWholeAfterAKill(t *testing.T) {
	dir := t.TempDir()
	said := trial.Kill(t, dir, 100, func(dir string, say func(string)) error {
		db, err := lightningdb.Open(dir, Options())
		if err != nil {
			return err
		}
		failed := make(chan error)
		for g := range 4 {
			go func() {
				for n := 0; ; n++ {
					var b lightningdb.Batch
					at := start.Add(time.Duration(n) * time.Second)
					if err := errors.Join(Add(&b, "a", at, int64(g)), db.Write(&b)); err != nil {
						failed <- err
					}
					say(strconv.Itoa(n))
				}
			}()
		}
		return <-failed
	})
	db := trial.Open(t, dir, Options())
	sums := map[Resolution]Summary{}
	for _, r := range []Resolution{Point, Minute, Hour} {
		s := Summary{}
		for _, b := range read(t, db, r, "a", start.Add(-time.Hour), start.Add(7*day)) {
			s.Count, s.Sum = s.Count+b.Count, s.Sum+b.Sum
		}
		sums[r] = s
	}
	if sums[Point] != sums[Minute] || sums[Point] != sums[Hour] || sums[Point].Count < int64(len(said)) {
		t.Errorf("%v; %d were acknowledged", sums, len(said))
	}
}
