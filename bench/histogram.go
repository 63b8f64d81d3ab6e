package main

import (
	"math/bits"
	"time"
)

// percentiles that are reported, by the suffix of the row's name.
var percentiles = []struct {
	suffix, title string
	share         float64
}{
	{"_p50", "p50", 0.5},
	{"_p99", "p99", 0.99},
	{"_p999", "p99.9", 0.999},
}

// histogram counts durations in buckets that are at most 1/32 of their value wide.
type histogram struct {
	buckets [64 << bucketBits]uint64
	count   uint64
	largest time.Duration
}

const bucketBits = 5

func bucketOf(d time.Duration) int {
	n := uint64(max(0, d))
	if n < 1<<bucketBits {
		return int(n)
	}
	shift := bits.Len64(n) - bucketBits - 1
	return (shift+1)<<bucketBits + int(n>>shift) - 1<<bucketBits
}

// ceiling is the largest duration of a bucket.
func ceiling(bucket int) time.Duration {
	if bucket < 1<<bucketBits {
		return time.Duration(bucket)
	}
	shift := bucket>>bucketBits - 1
	mantissa := bucket&(1<<bucketBits-1) + 1<<bucketBits
	return time.Duration((mantissa+1)<<shift - 1)
}

func (h *histogram) record(d time.Duration) {
	h.buckets[bucketOf(d)]++
	h.count++
	h.largest = max(h.largest, d)
}

// add adds what other has counted.
func (h *histogram) add(other *histogram) {
	for i, n := range other.buckets {
		h.buckets[i] += n
	}
	h.count += other.count
	h.largest = max(h.largest, other.largest)
}

// quantile is the duration that a share of all does not exceed.
func (h *histogram) quantile(share float64) time.Duration {
	rank, seen := uint64(share*float64(h.count)), uint64(0)
	for i, n := range h.buckets {
		if seen += n; seen > rank {
			return min(ceiling(i), h.largest)
		}
	}
	return h.largest
}
