package latency

import "time"

// Summary sums up calls of one kind: see Counts for how exact its figures are. A metrics.Latency is converted from it,
// and has the same fields in the same order.
type Summary struct {
	Count          uint64 // calls; an estimate where one that was measured counts for several
	Mean           time.Duration
	P50, P99, P999 time.Duration // what half of the calls did not exceed, 99 %, 99.9 %
	Max            time.Duration // since Open exact, of the calls that were measured
	Buckets        []Bucket      // those with calls in them, the fastest first
}

// Summarize is the summary of c.
func Summarize(c Counts) Summary {
	return Summary{
		Count: c.Number(), Mean: c.Mean(), P50: c.Quantile(500), P99: c.Quantile(990), P999: c.Quantile(999), Max: c.Max,
		Buckets: c.Buckets,
	}
}

// Since is the summary of what s has counted after earlier, which is of the same histogram; see Counts.Since.
func Since(s, earlier Summary) Summary { return Summarize(s.counts().Since(earlier.counts())) }

// counts is what s was made of.
func (s Summary) counts() Counts { return Counts{Buckets: s.Buckets, Max: s.Max} }

// Packed is the buckets of a Summary, as AppendBuckets writes them.
type Packed []byte

// Take moves the buckets of s here.
func (p *Packed) Take(s *Summary) { *p, s.Buckets = AppendBuckets(nil, s.Buckets), nil }

// Give sets the buckets of s, and what is told by them.
func (p Packed) Give(s *Summary) error {
	buckets, err := ParseBuckets(p)
	*s = Summarize(Counts{Buckets: buckets, Max: s.Max})
	return err
}
