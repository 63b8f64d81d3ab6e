package collector_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"lightningdb"
	"lightningdb/monitor"
	"lightningdb/monitor/collector"
	"lightningdb/monitor/collector/instruments"
)

// still is what a database told at one moment.
type still struct{ metrics lightningdb.Metrics }

func (s *still) Metrics() lightningdb.Metrics { return s.metrics }
func (s *still) Path() string                 { return "/srv/\"shop\"/\xff" }
func (s *still) Get([]byte) ([]byte, error)   { return nil, lightningdb.ErrNotFound }

// worked is a monitor of what a database told that has done something.
func worked(t *testing.T) *monitor.Monitor {
	t.Helper()
	db, err := lightningdb.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		if err := db.Put(fmt.Appendf(nil, "key %d", i), make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	for range 256 * 10 {
		if _, err := db.Get([]byte("key 7")); err != nil {
			t.Fatal(err)
		}
	}
	now := db.Metrics()
	now.Stall.Duration = 1500 * time.Millisecond // a figure with a fraction
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	m, err := monitor.New(&still{now}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// told is a metric without its samples.
type told struct{ kind, help string }

// exposed is what was told: metrics by their names, and samples by these and their labels.
type exposed struct {
	metrics map[string]told
	samples map[string]float64
}

func newExposed() *exposed {
	return &exposed{metrics: make(map[string]told), samples: make(map[string]float64)}
}

// add adds metrics of Prometheus.
func (e *exposed) add(f *dto.MetricFamily) {
	e.metrics[f.GetName()] = told{strings.ToLower(f.GetType().String()), f.GetHelp()}
	for _, m := range f.Metric {
		name := f.GetName()
		for _, l := range m.Label {
			name += " " + l.GetName() + "=" + l.GetValue()
		}
		switch {
		case m.Counter != nil:
			e.samples[name] = m.Counter.GetValue()
		case m.Gauge != nil:
			e.samples[name] = m.Gauge.GetValue()
		case m.Histogram != nil:
			e.samples[name+" count"] = float64(m.Histogram.GetSampleCount())
			e.samples[name+" sum"] = m.Histogram.GetSampleSum()
			for _, b := range m.Histogram.Bucket {
				if le := fmt.Sprint(b.GetUpperBound()); le != "+Inf" { // that is the count
					e.samples[name+" le="+le] = float64(b.GetCumulativeCount())
				}
			}
		}
	}
}

// exposition is what /metrics says, as Prometheus's own parser reads it.
func exposition(t *testing.T, m http.Handler) *exposed {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/metrics", nil)
	r.RemoteAddr = "127.0.0.1:1234"
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil || len(families) < 50 {
		t.Fatalf("%d metrics, %v", len(families), err)
	}
	e := newExposed()
	for _, f := range families {
		e.add(f)
	}
	return e
}

// mustBe compares what was told with what /metrics says.
func (e *exposed) mustBe(t *testing.T, want *exposed) {
	t.Helper()
	for name := range maps.Keys(want.metrics) {
		if got, ok := e.metrics[name]; !ok || got != want.metrics[name] {
			t.Errorf("%s is %v (there: %v), not %v", name, got, ok, want.metrics[name])
		}
	}
	for name, value := range want.samples {
		if got, ok := e.samples[name]; !ok || got != value {
			t.Errorf("%s is %v (there: %v), not %v", name, got, ok, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.samples)) {
		if _, ok := want.samples[name]; !ok {
			t.Errorf("%s is not in /metrics", name)
		}
	}
}

// An alarm that rings for one way to collect and not for the other is trusted by nobody.
func TestCollector_tellsWhatMetricsTells(t *testing.T) {
	m := worked(t)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collector.New(m))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := newExposed()
	for _, f := range families {
		got.add(f)
	}
	got.mustBe(t, exposition(t, m))
}

// Two databases of one program would have one set of figures, or the program would not start.
func TestCollector_ofTwoDatabases(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, name := range []string{"orders", "users"} {
		labelled := prometheus.WrapRegistererWith(prometheus.Labels{"database": name}, registry)
		if err := labelled.Register(collector.New(worked(t))); err != nil {
			t.Fatal(err)
		}
	}
	families, err := registry.Gather()
	if err != nil || len(families) < 50 {
		t.Fatalf("%d metrics, %v", len(families), err)
	}
	for _, f := range families {
		if f.GetName() == "lightning_commits_total" && len(f.Metric) != 2 {
			t.Errorf("%d databases", len(f.Metric))
		}
	}
}

// hanging is a database whose file system does not answer.
type hanging struct {
	still
	until chan struct{}
}

func (h *hanging) Metrics() lightningdb.Metrics {
	<-h.until
	return h.metrics
}

// Figures that are missing without a word look like a database that is gone.
func TestCollector_failsIfTheDatabaseDoesNotTell(t *testing.T) {
	h := &hanging{until: make(chan struct{})}
	defer close(h.until)
	m, err := monitor.New(h, &monitor.Options{HealthTimeout: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector.New(m)) // does not ask
	if _, err := registry.Gather(); err == nil || !strings.Contains(err.Error(), "has not told its metrics") {
		t.Error(err)
	}
	reader := sdk.NewManualReader(sdk.WithProducer(instruments.NewProducer(m)))
	if _, err := instruments.Register(sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("m"), m); err != nil {
		t.Fatal(err)
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err == nil || !strings.Contains(err.Error(), "has not told") {
		t.Error(err)
	}
}

// named is a name of a sample, with its attributes.
func named(name string, attributes attribute.Set) string {
	for _, a := range attributes.ToSlice() {
		name += " " + string(a.Key) + "=" + a.Value.AsString()
	}
	return name
}

// addMetric adds a metric of OpenTelemetry, under the name that Prometheus has for it.
func (e *exposed) addMetric(t *testing.T, m metricdata.Metrics) {
	t.Helper()
	name, kind := m.Name, "gauge"
	switch data := m.Data.(type) {
	case metricdata.Sum[float64]:
		if name, kind = name+"_total", "counter"; !data.IsMonotonic || data.Temporality != metricdata.CumulativeTemporality {
			t.Errorf("%s is no counter", m.Name)
		}
		for _, p := range data.DataPoints {
			e.samples[named(name, p.Attributes)] = p.Value
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			e.samples[named(name, p.Attributes)] = p.Value
		}
	case metricdata.Histogram[float64]:
		kind = "histogram"
		for _, p := range data.DataPoints {
			e.samples[named(name, p.Attributes)+" count"] = float64(p.Count)
			e.samples[named(name, p.Attributes)+" sum"] = p.Sum
			sum := uint64(0)
			for i, n := range p.BucketCounts {
				if sum += n; i < len(p.Bounds) {
					e.samples[named(name, p.Attributes)+fmt.Sprint(" le=", p.Bounds[i])] = float64(sum)
				}
			}
			if sum != p.Count || len(p.BucketCounts) != len(p.Bounds)+1 {
				t.Errorf("%s: %d in buckets, %d in all", name, sum, p.Count)
			}
		}
	default:
		t.Errorf("%s is %T", name, data)
	}
	e.metrics[name] = told{kind, m.Description}
	suffix := map[string]string{"By": "_bytes", "s": "_seconds", "1": ""}[m.Unit]
	if !strings.HasSuffix(m.Name, suffix) {
		t.Errorf("%s is in %q", m.Name, m.Unit)
	}
}

// As with Prometheus's client, so with OpenTelemetry.
func TestInstruments_tellWhatMetricsTells(t *testing.T) {
	m := worked(t)
	reader := sdk.NewManualReader(sdk.WithProducer(instruments.NewProducer(m)))
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	registration, err := instruments.Register(provider.Meter(instruments.Scope), m)
	if err != nil {
		t.Fatal(err)
	}
	collect := func() *exposed {
		t.Helper()
		var all metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &all); err != nil {
			t.Fatal(err)
		}
		e := newExposed()
		for _, scope := range all.ScopeMetrics {
			if scope.Scope.Name != instruments.Scope {
				t.Errorf("the scope %q", scope.Scope.Name)
			}
			for _, one := range scope.Metrics {
				e.addMetric(t, one)
			}
		}
		return e
	}
	collect().mustBe(t, exposition(t, m))
	if err := registration.Unregister(); err != nil {
		t.Fatal(err)
	}
	for name := range collect().metrics {
		if !strings.HasSuffix(name, "_latency_seconds") {
			t.Errorf("%s is still there", name)
		}
	}
}
