// Package instruments gives the metrics of a database to OpenTelemetry, under the names and with the values that
// /metrics of package monitor has.
//
//	m, err := monitor.New(db, nil)
//	reader := metric.NewPeriodicReader(exporter, metric.WithProducer(instruments.NewProducer(m)))
//	provider := metric.NewMeterProvider(metric.WithReader(reader))
//	_, err = instruments.Register(provider.Meter(instruments.Scope), m)
//
// Register makes asynchronous instruments, which any provider of the API has: a counter or a gauge for each metric of
// that kind. Their names have no _total, which OpenTelemetry's own exporter for Prometheus adds. Histograms need the
// Producer: the API has no instrument for a distribution that was counted elsewhere, and the SDK takes one from there.
// A program without histograms may leave it out.
//
// Two databases of one program need meters with different attributes (metric.WithInstrumentationAttributes), and
// producers whose Attributes differ.
package instruments

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"lightningdb/monitor"
)

// Scope is the name for the meter, and that of the Producer.
const Scope = "lightningdb/monitor"

// units are those of the families, as OpenTelemetry writes them (UCUM).
var units = map[string]string{"bytes": "By", "seconds": "s", "ratio": "1", "": "1"}

// Register makes an instrument of meter for each counter and gauge of m. Each collection asks the database once. It
// ends with Unregister.
func Register(meter metric.Meter, m *monitor.Monitor) (metric.Registration, error) {
	var all []metric.Observable
	var errs []error
	named := make(map[string]metric.Float64Observable)
	for _, f := range monitor.Catalog() {
		var instrument metric.Float64Observable
		var err error
		description, unit := metric.WithDescription(f.Help), metric.WithUnit(units[f.Unit()])
		switch f.Kind {
		case monitor.Counter:
			instrument, err = meter.Float64ObservableCounter(f.Name, description, unit)
		case monitor.Gauge:
			instrument, err = meter.Float64ObservableGauge(f.Name, description, unit)
		default:
			continue
		}
		named[f.Name], all, errs = instrument, append(all, instrument), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		families, err := m.Families(ctx)
		if err != nil {
			return err
		}
		for _, f := range families {
			for _, s := range f.Samples {
				if instrument := named[f.Name]; instrument != nil {
					o.ObserveFloat64(instrument, s.Value, metric.WithAttributeSet(attributes(f.Labels, s.Labels)))
				}
			}
		}
		return nil
	}, all...)
}

// attributes are labels, and more.
func attributes(names, values []string, more ...attribute.KeyValue) attribute.Set {
	for i, name := range names {
		more = append(more, attribute.String(name, values[i]))
	}
	return attribute.NewSet(more...)
}

// Producer gives a reader of the SDK the histograms of a database.
type Producer struct {
	// Attributes are those of each histogram. Set it before the first collection.
	Attributes []attribute.KeyValue

	monitor *monitor.Monitor
	began   time.Time
}

var _ sdk.Producer = (*Producer)(nil)

// NewProducer returns a producer of the histograms of m, for metric.WithProducer. It does not ask the database.
func NewProducer(m *monitor.Monitor) *Producer { return &Producer{monitor: m, began: m.Began()} }

// Produce implements metric.Producer of the SDK.
func (p *Producer) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	families, err := p.monitor.Families(ctx)
	if err != nil {
		return nil, err
	}
	scope := metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: Scope}}
	now := time.Now()
	for _, f := range families {
		if f.Kind != monitor.Histogram {
			continue
		}
		h := metricdata.Histogram[float64]{Temporality: metricdata.CumulativeTemporality}
		for _, s := range f.Samples {
			h.DataPoints = append(h.DataPoints, metricdata.HistogramDataPoint[float64]{
				Attributes: attributes(f.Labels, s.Labels, p.Attributes...), StartTime: p.began, Time: now,
				Count: s.Count, Sum: s.Sum, Bounds: s.Bounds, BucketCounts: each(&s.Distribution),
			})
		}
		scope.Metrics = append(scope.Metrics, metricdata.Metrics{Name: f.Name, Description: f.Help, Unit: units[f.Unit()],
			Data: h})
	}
	return []metricdata.ScopeMetrics{scope}, nil
}

// each is how many values are in each bucket, the last one without a bound; a Distribution has them added up.
func each(d *monitor.Distribution) (counts []uint64) {
	before := uint64(0)
	for _, n := range append(d.Counts[:len(d.Counts):len(d.Counts)], d.Count) {
		counts = append(counts, n-before)
		before = n
	}
	return counts
}
