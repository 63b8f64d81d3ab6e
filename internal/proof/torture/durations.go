package torture

import (
	"math/bits"
	"time"
)

// Durations is a histogram of how long something took. Its buckets are an eighth of a power of two wide, so that a
// quantile is at most an eighth too large. The zero value is empty.
type Durations struct {
	counts [64 * 8]int64
	total  int64
	max    time.Duration
}

// Observe adds d.
func (h *Durations) Observe(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.total++
	h.max = max(h.max, d)
}

// Add adds all of o.
func (h *Durations) Add(o Durations) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.total += o.total
	h.max = max(h.max, o.max)
}

// Quantile is the duration that a share q of all, from 0 to 1, did not exceed; 0 if there are none.
func (h *Durations) Quantile(q float64) time.Duration {
	left := int64(q * float64(h.total))
	for i, n := range h.counts {
		if left -= n; n > 0 && left <= 0 {
			return min(endOf(i), h.max)
		}
	}
	return h.max
}

// Milliseconds are the median, the 99th percentile and the maximum.
func (h *Durations) Milliseconds() map[string]float64 {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return map[string]float64{"p50": ms(h.Quantile(0.5)), "p99": ms(h.Quantile(0.99)), "max": ms(h.max)}
}

// bucketOf is the bucket of d: its highest bit, and the three below it.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 8))
	shift := bits.Len64(n) - 4
	return shift*8 + int(n>>shift&7)
}

// endOf is the largest duration of bucket i.
func endOf(i int) time.Duration { return time.Duration(uint64(i%8+9)<<(i/8) - 1) }
