// Package collector gives the metrics of a database to a registry of Prometheus's client, for programs that have one:
// under the names, with the values, the help and the labels that /metrics of package monitor has.
//
//	m, err := monitor.New(db, nil)
//	registry.MustRegister(collector.New(m))
//
// Nothing has to be served for it, and the Monitor runs nothing by itself. Two databases of one program have the same
// names, so a label has to tell them apart:
//
//	for name, m := range monitors {
//		prometheus.WrapRegistererWith(prometheus.Labels{"database": name}, registry).MustRegister(collector.New(m))
//	}
//
// Package instruments, in this module too, does the same for OpenTelemetry. The module is one of its own so that
// programs without these clients need none of what they need.
package collector

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"lightningdb/monitor"
)

// Collector is a prometheus.Collector. It may be registered with several registries at once.
type Collector struct {
	monitor  *monitor.Monitor
	names    []string // in the order of monitor.Catalog
	describe map[string]*prometheus.Desc
}

var _ prometheus.Collector = (*Collector)(nil)

// New returns a collector of what m shows.
func New(m *monitor.Monitor) *Collector {
	c := &Collector{monitor: m, describe: make(map[string]*prometheus.Desc)}
	for _, f := range monitor.Catalog() {
		c.names = append(c.names, f.Name)
		c.describe[f.Name] = prometheus.NewDesc(f.SampleName(), f.Help, f.Labels, nil)
	}
	return c
}

// Describe implements prometheus.Collector. It does not ask the database.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, name := range c.names {
		to <- c.describe[name]
	}
}

// Collect implements prometheus.Collector. If the database does not tell its metrics within the Monitor's
// Options.HealthTimeout, the scrape fails with that error: figures that are missing without a word look like a database
// that is gone.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	families, err := c.monitor.Families(context.Background())
	if err != nil {
		to <- prometheus.NewInvalidMetric(c.describe[c.names[0]], err)
		return
	}
	for _, f := range families {
		for _, s := range f.Samples {
			metric, err := metricOf(c.describe[f.Name], f.Kind, &s)
			if err != nil {
				metric = prometheus.NewInvalidMetric(c.describe[f.Name], err)
			}
			to <- metric
		}
	}
}

// metricOf is a sample as the client has it. It fails for a label that is not UTF-8, which the name of a directory may
// be.
func metricOf(describe *prometheus.Desc, kind monitor.Kind, s *monitor.Sample) (prometheus.Metric, error) {
	switch kind {
	case monitor.Histogram:
		buckets := make(map[float64]uint64, len(s.Bounds))
		for i, bound := range s.Bounds {
			buckets[bound] = s.Counts[i]
		}
		return prometheus.NewConstHistogram(describe, s.Count, s.Sum, buckets, s.Labels...)
	case monitor.Counter:
		return prometheus.NewConstMetric(describe, prometheus.CounterValue, s.Value, s.Labels...)
	}
	return prometheus.NewConstMetric(describe, prometheus.GaugeValue, s.Value, s.Labels...)
}
