// Package latency counts how long things took, in bounded memory. A Histogram belongs to one goroutine.
package latency

import (
	"math/bits"
	"time"
)

// A bucket is a sixteenth of a power of two wide, so that no quantile is wrong by more than 7 %.
const (
	fraction = 4 // bits behind the leading one that count
	buckets  = (64 - fraction) << fraction
)

// Histogram holds how often each latency was seen, in nanoseconds. The zero value is empty and ready.
type Histogram struct {
	counts  [buckets]uint32
	total   int64
	longest time.Duration
}

// Add counts one latency.
func (h *Histogram) Add(d time.Duration) {
	h.counts[bucket(uint64(max(d, 0)))]++
	h.total++
	h.longest = max(h.longest, d)
}

// bucket is n itself where that is small, else how far its leading bit lies above, and the bits behind that.
func bucket(n uint64) int {
	shift := max(bits.Len64(n)-fraction-1, 0)
	return shift<<fraction + int(n>>shift)
}

// highest is the largest number in a bucket.
func highest(bucket int) uint64 {
	shift := max(bucket>>fraction-1, 0)
	return uint64(bucket-shift<<fraction+1)<<shift - 1
}

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.longest = max(h.longest, other.longest)
}

// Count is how many latencies were counted.
func (h *Histogram) Count() int64 { return h.total }

// Longest is the longest latency, exactly; 0 if there is none.
func (h *Histogram) Longest() time.Duration { return h.longest }

// Quantile is what perMille of 1,000 latencies did not exceed, rounded up to the end of its bucket; 0 if there is none.
func (h *Histogram) Quantile(perMille int64) time.Duration {
	rank := (h.total*perMille + 999) / 1000
	for i, n := range h.counts {
		if rank -= int64(n); rank <= 0 && h.total > 0 {
			return time.Duration(highest(i))
		}
	}
	return 0
}
