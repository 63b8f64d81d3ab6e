package monitor_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb"
	"lightningdb/metrics"
	"lightningdb/monitor"
)

// scrape returns the metrics of m in one of the two formats.
func scrape(t *testing.T, m *monitor.Monitor, open bool) *exposed {
	t.Helper()
	accept, want := "text/plain", "text/plain; version=0.0.4; charset=utf-8"
	if open {
		accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
		want = "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	w := ask(m, http.MethodGet, "/metrics", "Accept", accept)
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != want {
		t.Fatalf("%d, %s", w.Code, got)
	}
	e, err := parse(w.Body.String(), open)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// scrapeQuiet returns the metrics of m, and those that db had before and after: it waits until these are the same.
func scrapeQuiet(t *testing.T, m *monitor.Monitor, db *lightningdb.DB, open bool) (*exposed, lightningdb.Metrics) {
	t.Helper()
	for {
		before, e, after := db.Metrics(), scrape(t, m, open), db.Metrics()
		before.OldestReader = after.OldestReader
		if reflect.DeepEqual(before, after) {
			return e, after
		}
		time.Sleep(time.Millisecond)
	}
}

// work does a little of everything.
func work(t *testing.T, db *lightningdb.DB) {
	t.Helper()
	var b lightningdb.Batch
	for i := range 2000 {
		b.Put(fmt.Appendf(nil, "key %04d", i), make([]byte, 100))
	}
	err := errors.Join(db.Write(&b), db.Flush(), db.Delete([]byte("key 0007")), db.Flush(),
		db.Compact(t.Context(), nil, nil), db.Put([]byte("k"), make([]byte, 100)))
	for range 5 {
		err = errors.Join(err, db.Put([]byte("k"), nil))
	}
	for range 256 * 20 {
		_, got := db.Get([]byte("key 0100"))
		err = errors.Join(err, got)
	}
	tx, begun := db.Begin(t.Context(), lightningdb.TxOptions{})
	if err = errors.Join(err, begun); err != nil {
		t.Fatal(err)
	}
	tx.Get([]byte("k"))
	err = errors.Join(tx.Put([]byte("l"), nil), db.Put([]byte("k"), []byte("another")))
	if lost := tx.Commit(); err != nil || !errors.Is(lost, lightningdb.ErrConflict) {
		t.Fatal(err, lost)
	}
}

// An alarm on a figure that is another one's, or of another unit, rings at the wrong time or never.
func TestMetrics_areThoseOfTheDatabase(t *testing.T) {
	db := open(t, &lightningdb.Options{MemoryLimit: 10 << 20})
	work(t, db)
	defer db.Snapshot().Close()
	m := newMonitor(t, db, nil)
	for _, open := range []bool{false, true} {
		e, now := scrapeQuiet(t, m, db, open)
		want := map[string]float64{
			"sequence": float64(now.Sequence), "durable_sequence": float64(now.DurableSequence), "snapshots": 1,
			"commits_total": 9, "operations_total": 2008, "conflicts_total": 1,
			"disk_bytes": float64(now.DiskBytes), "live_bytes": float64(now.LiveBytes), "open": 1, "background_error": 0,
			"memory_used_bytes": float64(now.MemoryUsed), "memory_limit_bytes": 10 << 20,
			"cache_misses_total": float64(now.Cache.Misses), "cache_read_bytes_total": float64(now.Cache.ReadBytes),
			"log_syncs_total":         float64(now.Log.Syncs),
			"log_appends_total":       float64(now.Log.Appends),
			"log_written_bytes_total": float64(now.Log.BytesWritten),
			"flush_runs_total":        float64(now.Flush.Count), "flush_seconds_total": now.Flush.Duration.Seconds(),
			"flush_written_bytes_total":      float64(now.Flush.BytesWritten),
			"compaction_runs_total":          float64(now.Compaction.Count),
			"compaction_read_bytes_total":    float64(now.Compaction.BytesRead),
			"write_amplification_ratio":      now.WriteAmplification,
			"commit_latency_seconds_count":   float64(now.Latency.Commit.Count),
			"sync_latency_seconds_count":     float64(now.Latency.Sync.Count),
			"get_latency_seconds_count":      float64(now.Latency.Get.Count),
			"database path=" + db.Path():     1,
			"level_bytes level=0":            float64(now.Levels[0].Bytes),
			"disk_limit_bytes":               0,
			"stalls_total":                   0,
			"memtables_active":               float64(now.Memtable.Active),
			"oldest_readable_sequence":       float64(now.OldestReadable),
			"value_bytes":                    float64(now.Values.Bytes),
			"large_transactions_total":       0,
			"compaction_written_bytes_total": float64(now.Compaction.BytesWritten),
		}
		for _, l := range now.Levels {
			want[fmt.Sprintf("level_entries level=%d", l.Level)] = float64(l.Entries)
			want[fmt.Sprintf("level_tables level=%d", l.Level)] = float64(l.Tables)
		}
		for name, value := range want {
			if got, ok := e.samples["lightning_"+name]; !ok || got != value {
				t.Errorf("open %v: %s is %v (there: %v), not %v", open, name, got, ok, value)
			}
		}
		checkLatency(t, e, "commit", now.Latency.Commit)
		checkLatency(t, e, "sync", now.Latency.Sync)
		checkLatency(t, e, "get", now.Latency.Get)
	}
}

// checkLatency compares a histogram with the buckets that it is made of.
func checkLatency(t *testing.T, e *exposed, name string, l metrics.Latency) {
	t.Helper()
	name = "lightning_" + name + "_latency_seconds"
	if l.Count == 0 {
		t.Errorf("nothing to compare in %s", name)
	}
	for power := 8; power <= 34; power++ {
		want := uint64(0)
		for _, b := range l.Buckets {
			if b.UpTo < 1<<power {
				want += b.Count
			}
		}
		key := fmt.Sprintf("%s_bucket le=%v", name, float64(uint64(1)<<power)/1e9)
		if got, ok := e.samples[key]; !ok || got != float64(want) {
			t.Errorf("%s is %v (there: %v), not %d", key, got, ok, want)
		}
	}
	mean := e.samples[name+"_sum"] / e.samples[name+"_count"]
	if want := l.Mean.Seconds(); math.Abs(mean-want) > want/16+1e-9 {
		t.Errorf("the mean of %s is %v, not %v", name, mean, want)
	}
}

// fake is a Source with figures of its own.
type fake struct {
	metrics lightningdb.Metrics
	path    string
}

func (f *fake) Metrics() lightningdb.Metrics { return f.metrics }
func (f *fake) Path() string                 { return f.path }
func (f *fake) Get([]byte) ([]byte, error)   { return nil, lightningdb.ErrNotFound }

// fill gives every figure in v another number, and returns them by the name of the field. Latencies and readers are
// left out.
func fill(v reflect.Value, name string, numbers map[string]float64) {
	next := 1000 + float64(len(numbers))
	switch {
	case v.Type() == reflect.TypeFor[metrics.Latencies](), name == ".Levels.Level":
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(int64(next), 0)))
		numbers[name] = next
	case v.Type() == reflect.TypeFor[time.Duration]():
		v.SetInt(int64(next * float64(time.Second)))
		numbers[name] = next
	case v.CanInt():
		v.SetInt(int64(next))
		numbers[name] = next
	case v.CanUint():
		v.SetUint(uint64(next))
		numbers[name] = next
	case v.CanFloat():
		v.SetFloat(next + .5)
		numbers[name] = next + .5
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), name+"."+v.Type().Field(i).Name, numbers)
		}
	case v.Type() == reflect.TypeFor[[]metrics.Level]():
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name, numbers)
	}
}

// A figure that was added to the database and is not in the text is one that nobody can have an alarm on.
func TestMetrics_tellEveryFigure(t *testing.T) {
	f, numbers := new(fake), make(map[string]float64)
	fill(reflect.ValueOf(&f.metrics).Elem(), "", numbers)
	e := scrape(t, newMonitor(t, f, nil), false)
	told := make(map[float64]int)
	for _, v := range e.samples {
		told[v]++
	}
	for name, n := range numbers {
		if told[n] != 1 {
			t.Errorf("%d metrics tell %s", told[n], name)
		}
	}
	if len(numbers) < 60 {
		t.Errorf("only %d figures", len(numbers))
	}
	for _, name := range []string{"compaction_waits", "disk_refusing", "background_error"} {
		if e.samples["lightning_"+name] != 0 {
			t.Errorf("%s is not 0", name)
		}
	}
	f.metrics.CompactionWaits, f.metrics.Disk.Refusing = true, "full"
	f.metrics.BackgroundError = lightningdb.ErrClosed
	e = scrape(t, newMonitor(t, f, nil), true)
	for name, want := range map[string]float64{
		"compaction_waits": 1, "disk_refusing": 1, "background_error": 1, "open": 0,
	} {
		if e.samples["lightning_"+name] != want {
			t.Errorf("%s is not %v", name, want)
		}
	}
}

// A graph with a gap, and an alarm that is silent because what it is on has gone.
func TestMetrics_namesNeverVanish(t *testing.T) {
	db := open(t, nil)
	m := newMonitor(t, db, nil)
	before := scrape(t, m, false)
	work(t, db)
	during := scrape(t, m, false)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	after := scrape(t, m, false)
	if !slices.Equal(before.names(), during.names()) || !slices.Equal(during.names(), after.names()) {
		t.Errorf("%d names, then %d, then %d", len(before.names()), len(during.names()), len(after.names()))
	}
	const commits = "lightning_commits_total"
	if after.samples["lightning_open"] != 0 || after.samples[commits] != during.samples[commits] {
		t.Error("a closed database is shown as another one")
	}
	// Levels come and go with what the source says.
	f := &fake{metrics: lightningdb.Metrics{Levels: make([]metrics.Level, 3)}}
	for i := range f.metrics.Levels {
		f.metrics.Levels[i].Level = i
	}
	m = newMonitor(t, f, nil)
	three := scrape(t, m, false)
	f.metrics.Levels = nil
	if none := scrape(t, m, false); !slices.Equal(three.names(), none.names()) {
		t.Error("levels have vanished")
	}
}

// silent is a Source that does not return from Metrics: the file system under it has gone.
type silent struct {
	fake
	calls atomic.Int64
	until chan struct{}
}

func (s *silent) Metrics() lightningdb.Metrics {
	s.calls.Add(1)
	<-s.until
	return s.metrics
}

// With each scrape another goroutine stands still, until the program is killed for its memory.
func TestMetrics_ofADatabaseThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &silent{until: make(chan struct{})}
		m := newMonitor(t, s, nil)
		for range 20 {
			for _, path := range []string{"/metrics", "/debug/lightning", "/healthz"} {
				began := time.Now()
				if w := ask(m, http.MethodGet, path); w.Code != http.StatusServiceUnavailable {
					t.Fatalf("%s: %d", path, w.Code)
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("%s took %v", path, took)
				}
			}
		}
		if n := s.calls.Load(); n != 2 { // one for the metrics, one for the health
			t.Errorf("%d calls", n)
		}
		close(s.until)
		synctest.Wait()
		scrape(t, m, false)
		mustBe(t, m, "/healthz", true, "")
	})
}

// One directory with a quote in its name, and the scraper drops everything.
func TestMetrics_labelsAreEscaped(t *testing.T) {
	m := newMonitor(t, &fake{path: "a \"b\" \\n\nc\xff"}, nil)
	for _, open := range []bool{false, true} {
		e := scrape(t, m, open)
		if e.samples["lightning_database path=a \"b\" \\n\nc\uFFFD"] != 1 {
			t.Errorf("%q", e.names()[:20])
		}
	}
}

// A scraper that is given the format that it did not ask for, or a browser that is offered a file to keep.
func TestMetrics_formatIsTheOneAskedFor(t *testing.T) {
	m := newMonitor(t, &fake{}, nil)
	for accept, open := range map[string]bool{
		"": false, "*/*": false, "text/html,*/*;q=0.8": false, "text/plain": false,
		"application/openmetrics-text": true, "application/openmetrics-text; version=1.0.0, text/plain;q=0.5": true,
		"application/openmetrics-text;q=0": false, "text/plain, application/openmetrics-text;q=0.5": false,
		"application/openmetrics-text;q=x": false, "application/openmetrics-text;;;": false,
	} {
		got := ask(m, http.MethodGet, "/metrics", "Accept", accept).Header().Get("Content-Type")
		if strings.HasPrefix(got, "application/openmetrics-text") != open {
			t.Errorf("Accept %q gives %q", accept, got)
		}
	}
}
