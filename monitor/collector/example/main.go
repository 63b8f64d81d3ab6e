// Command example gives the metrics of a database to Prometheus's client and to OpenTelemetry, and prints what each has
// of its commits:
//
//	go run ./example
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"lightningdb"
	"lightningdb/monitor"
	"lightningdb/monitor/collector"
	"lightningdb/monitor/collector/instruments"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m, err := monitor.New(db, nil)
	if err != nil {
		return err
	}
	defer m.Close() // before the database

	registry := prometheus.NewRegistry()
	if err := registry.Register(collector.New(m)); err != nil {
		return err
	}
	reader := metric.NewManualReader(metric.WithProducer(instruments.NewProducer(m)))
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	defer provider.Shutdown(ctx)
	if _, err := instruments.Register(provider.Meter(instruments.Scope), m); err != nil {
		return err
	}

	if err := db.Put([]byte("greeting"), []byte("hello")); err != nil {
		return err
	}
	families, err := registry.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if f.GetName() == "lightning_commits_total" {
			fmt.Fprintln(out, "Prometheus:", f.GetName(), f.Metric[0].Counter.GetValue())
		}
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &all); err != nil {
		return err
	}
	for _, scope := range all.ScopeMetrics {
		for _, one := range scope.Metrics {
			if sum, ok := one.Data.(metricdata.Sum[float64]); ok && one.Name == "lightning_commits" {
				fmt.Fprintln(out, "OpenTelemetry:", one.Name, sum.DataPoints[0].Value)
			}
		}
	}
	return nil
}
