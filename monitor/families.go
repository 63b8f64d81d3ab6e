package monitor

import (
	"context"
	"strconv"
	"strings"
	"time"

	"lightningdb/metrics"
)

// Kind is the type of a metric, as the formats of Prometheus name it.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Family is a metric of /metrics, with all of its samples: one, or one for each value of its labels.
type Family struct {
	Name    string // of a counter without the _total that its sample has
	Kind    Kind
	Help    string
	Labels  []string // their names
	Samples []Sample
}

// SampleName is the name that a sample of f has in the text, and that a query asks for; of a histogram it is what the
// names of its samples begin with.
func (f *Family) SampleName() string {
	if f.Kind == Counter {
		return f.Name + "_total"
	}
	return f.Name
}

// Unit is that of f: "bytes", "seconds", "ratio", or empty for a number of things.
func (f *Family) Unit() string { return unitOf(f.Name) }

// Sample is a figure.
type Sample struct {
	Labels       []string // the values of Family.Labels
	Value        float64  // 0 in a histogram
	Distribution          // of a histogram; empty otherwise
}

// Distribution is what a histogram has counted since Open. A caller may keep it, and must not change it.
type Distribution struct {
	Bounds []float64 // the same in all histograms, rising
	Counts []uint64  // of each bound, how many values did not exceed it
	Count  uint64    // of all values
	Sum    float64   // of all values; at most 6.25 % off
}

// Families returns the metrics of this moment, which are those of /metrics in their order, for programs that send them
// elsewhere. It fails with what /metrics answers 503 with, after Options.HealthTimeout at the latest.
func (m *Monitor) Families(ctx context.Context) ([]Family, error) {
	now, err := m.gather(ctx)
	if err != nil {
		return nil, err
	}
	p := running{now.metrics.BackgroundError, m.began, now.lastBackup, m.o.BackupEvery}
	return familiesOf(m.db.Path(), &now.metrics, p, m.allLevels(now.metrics.Levels)), nil
}

// Catalog returns every metric that there is, in the order of Families, without samples.
func Catalog() []Family {
	all := familiesOf("", &metrics.Metrics{}, running{}, nil)
	for i := range all {
		all[i].Samples = nil
	}
	return all
}

// familiesOf are all metrics of now and of the program p. levels are its levels, and what else is to be shown of that
// kind. The name of a directory need not be UTF-8; a label has to be.
func familiesOf(path string, now *metrics.Metrics, p running, levels []metrics.Level) []Family {
	all := []Family{{Name: "database", Kind: Gauge, Help: "1; its label says which database this is of.",
		Labels: []string{"path"}, Samples: []Sample{{Labels: []string{strings.ToValidUTF8(path, "\uFFFD")}, Value: 1}}}}
	for _, f := range figures {
		all = append(all, Family{Name: f.name, Kind: f.kind, Help: f.help, Samples: []Sample{{Value: f.value(now)}}})
	}
	for _, work := range works {
		for _, f := range workFigures {
			all = append(all, Family{Name: work.name + "_" + f.name, Kind: f.kind, Help: f.help + " " + work.noun + ".",
				Samples: []Sample{{Value: f.value(work.of(now))}}})
		}
	}
	for _, f := range levelFigures {
		family := Family{Name: f.name, Kind: Gauge, Help: f.help, Labels: []string{"level"}}
		for _, l := range levels {
			family.Samples = append(family.Samples, Sample{Labels: []string{strconv.Itoa(l.Level)}, Value: f.value(l)})
		}
		all = append(all, family)
	}
	for _, l := range latencies {
		all = append(all, Family{Name: l.name, Kind: Histogram, Help: l.help,
			Samples: []Sample{{Distribution: distributionOf(l.of(now).Buckets)}}})
	}
	all = append(append(all, gaps(now)), p.families()...)
	for i := range all {
		all[i].Name = "lightning_" + all[i].Name
	}
	return all
}

// distributionOf is a histogram of buckets, which are those of metrics.Latency.
func distributionOf(buckets []metrics.LatencyBucket) (d Distribution) {
	next := 0
	for power := firstBound; power <= lastBound; power++ {
		bound := time.Duration(1) << power
		for ; next < len(buckets) && buckets[next].UpTo < bound; next++ {
			d.add(buckets[next])
		}
		d.Bounds, d.Counts = append(d.Bounds, float64(bound)/1e9), append(d.Counts, d.Count)
	}
	for _, b := range buckets[next:] {
		d.add(b)
	}
	return d
}

func (d *Distribution) add(b metrics.LatencyBucket) {
	d.Count += b.Count
	d.Sum += middleOf(b.UpTo) * float64(b.Count)
}
