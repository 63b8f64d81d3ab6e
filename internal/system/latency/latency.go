// Package latency counts how long operations took, in bounded memory. A Histogram is what operations add to; Counts are
// what it held at one moment, and know the quantiles. Histograms are safe for concurrent use and allocate nothing.
//
// # Buckets
//
// A latency is a number of nanoseconds. Up to 15 each number has a bucket of its own; above, a power of two is divided
// into eight buckets of the same width:
//
//	latency         width   bucket
//	0 to 15         1       0 to 15
//	16 to 31        2       16 to 23
//	32 to 63        4       24 to 31
//	...
//	2^41 to 2^42-1  2^38    312 to 319
//
// A bucket is at most an eighth wider than its least latency, so a quantile, which is the end of its bucket, is never
// too low and at most 12.5 % too high. What takes 73 minutes or more is in the last bucket; the maximum is exact all
// the same.
//
// The numbers of the buckets are in what a writer tells others (AppendBuckets): they must never change.
package latency

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	fraction    = 3  // bits behind the leading one that choose the bucket
	rangeBits   = 42 // of the longest latency that is told from longer ones
	bucketCount = (rangeBits - fraction + 1) << fraction
)

// Histogram holds how often each latency was seen. The zero value is empty and ready.
type Histogram struct {
	longest atomic.Int64 // in nanoseconds
	counts  [bucketCount]atomic.Uint64
}

// Add counts times operations that took d each.
func (h *Histogram) Add(d time.Duration, times uint64) {
	d = max(d, 0)
	for { // ends at the latest when another one has added a longer latency
		longest := h.longest.Load()
		if int64(d) <= longest || h.longest.CompareAndSwap(longest, int64(d)) {
			break
		}
	}
	h.counts[bucketOf(d)].Add(times) // after longest, so that Counts knows no latency above its maximum
}

// bucketOf is the number of the bucket that d is in.
func bucketOf(d time.Duration) int {
	n := min(uint64(d), 1<<rangeBits-1)
	shift := max(bits.Len64(n)-fraction-1, 0)
	return shift<<fraction + int(n>>shift)
}

// widthOf is how many latencies a bucket holds.
func widthOf(bucket int) time.Duration { return 1 << max(bucket>>fraction-1, 0) }

// endOf is the longest latency of a bucket.
func endOf(bucket int) time.Duration {
	if bucket < 1<<fraction {
		return time.Duration(bucket)
	}
	return widthOf(bucket)*time.Duration(bucket&(1<<fraction-1)+1<<fraction+1) - 1
}

// Counts returns what was counted so far. Of what is added meanwhile it may lack some.
func (h *Histogram) Counts() Counts {
	var c Counts
	for i := range h.counts {
		if n := h.counts[i].Load(); n > 0 {
			c.Buckets = append(c.Buckets, Bucket{endOf(i), n})
		}
	}
	c.Max = time.Duration(h.longest.Load())
	return c
}

// Bucket is how many calls took up to UpTo, and longer than the bucket before it says.
type Bucket struct {
	UpTo  time.Duration
	Count uint64
}

// Counts are those of a histogram at one moment, or between two. The zero value is that of no operation.
type Counts struct {
	Buckets []Bucket // those that are not empty, the shortest latency first
	Max     time.Duration
}

// Number is how many operations were counted.
func (c Counts) Number() (n uint64) {
	for _, b := range c.Buckets {
		n += b.Count
	}
	return n
}

// Mean is the mean latency, from the middle of each bucket; at most 6.25 % too low or too high. Without operations it
// is 0.
func (c Counts) Mean() time.Duration {
	sum, n := 0.0, 0.0
	for _, b := range c.Buckets {
		middle := float64(b.UpTo) - float64(widthOf(bucketOf(b.UpTo))-1)/2
		sum += middle * float64(b.Count)
		n += float64(b.Count)
	}
	if n == 0 {
		return 0
	}
	return min(time.Duration(sum/n), c.Max)
}

// Quantile is what perMille of 1,000 operations did not exceed, as far as buckets tell; 0 if there was no operation.
func (c Counts) Quantile(perMille uint64) time.Duration {
	n := c.Number()
	rank := n/1000*perMille + (n%1000*perMille+999)/1000 // without an overflow
	for _, b := range c.Buckets {
		if rank <= b.Count {
			return min(b.UpTo, c.Max)
		}
		rank -= b.Count
	}
	return 0
}

// Since returns what was counted after earlier, which is of the same histogram. If nothing then took longer than
// anything before, the maximum is only known as the end of its bucket.
func (c Counts) Since(earlier Counts) Counts {
	var d Counts
	before := earlier.Buckets
	for _, b := range c.Buckets {
		for len(before) > 0 && before[0].UpTo < b.UpTo {
			before = before[1:]
		}
		if len(before) > 0 && before[0].UpTo == b.UpTo {
			b.Count -= min(b.Count, before[0].Count)
		}
		if b.Count > 0 {
			d.Buckets = append(d.Buckets, b)
		}
	}
	switch last := len(d.Buckets) - 1; {
	case last < 0:
	case c.Max > earlier.Max:
		d.Max = c.Max
	default:
		d.Max = min(d.Buckets[last].UpTo, c.Max)
	}
	return d
}

// ErrBuckets says that bytes are not those of AppendBuckets. Use errors.Is.
var ErrBuckets = errors.New("latency: these are no buckets")

// AppendBuckets appends the buckets, which are those of Counts, to dst, in a few bytes each: how many empty ones are
// before it, and the count, both as unsigned varints. Two of 200 ns and two of 300 ns are 2c 02 04 02: 44 empty
// buckets, two in number 44, four empty ones, two in number 49.
func AppendBuckets(dst []byte, buckets []Bucket) []byte {
	next := 0
	for _, b := range buckets {
		i := bucketOf(b.UpTo)
		dst = binary.AppendUvarint(dst, uint64(i-next))
		dst = binary.AppendUvarint(dst, b.Count)
		next = i + 1
	}
	return dst
}

// ParseBuckets returns the buckets that AppendBuckets has made data of.
func ParseBuckets(data []byte) (buckets []Bucket, err error) {
	next := uint64(0)
	for len(data) > 0 {
		empty, n := binary.Uvarint(data)
		if n <= 0 || empty >= bucketCount-next {
			return nil, ErrBuckets
		}
		count, m := binary.Uvarint(data[n:])
		if m <= 0 || count == 0 {
			return nil, ErrBuckets
		}
		data = data[n+m:]
		next += empty + 1
		buckets = append(buckets, Bucket{endOf(int(next - 1)), count})
	}
	return buckets, nil
}
