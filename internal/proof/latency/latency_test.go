package latency

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A bucket that is not where its numbers are makes every figure of a benchmark wrong.
func TestBucket_holdsItsNumbers(t *testing.T) {
	for n := range uint64(1 << 16) {
		if b := bucket(n); highest(b) < n || b > 0 && highest(b-1) >= n {
			t.Fatalf("%d is in bucket %d, which ends at %d and begins behind %d", n, b, highest(b), highest(b-1))
		}
	}
	for shift := range 63 {
		for _, n := range []uint64{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			if b := bucket(n); b >= buckets || highest(b) < n || float64(highest(b)) > 1.07*float64(n) {
				t.Errorf("%d is in bucket %d of %d, which ends at %d", n, b, buckets, highest(b))
			}
		}
	}
}

// The quantiles are what people compare: they must be those of the sorted latencies, as exactly as is promised.
func TestQuantile_isThatOfTheSortedLatencies(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, n := range []int{1, 2, 10, 999, 1000, 1001, 50_000} {
		var whole, half Histogram
		var all []time.Duration
		for i := range n {
			d := time.Duration(random.ExpFloat64() * 1e6)
			if random.IntN(4) == 0 { // of any size, from none on
				d = time.Duration(random.Int64() >> random.IntN(64))
			}
			all = append(all, d)
			if i%2 == 0 {
				whole.Add(d)
			} else {
				half.Add(d)
			}
		}
		whole.Merge(&half)
		slices.Sort(all)
		if whole.Count() != int64(n) || whole.Longest() != all[n-1] {
			t.Errorf("%d latencies, the longest %v; want %d and %v", whole.Count(), whole.Longest(), n, all[n-1])
		}
		for _, perMille := range []int64{1, 500, 990, 999, 1000} {
			want := all[max(0, (int64(n)*perMille+999)/1000-1)]
			if got := whole.Quantile(perMille); got < want || float64(got) > 1.07*float64(want) {
				t.Errorf("%d per mille of %d latencies is %v; want %v", perMille, n, got, want)
			}
		}
	}
}

// Nothing, and what a clock that was set back makes of it, must not break the table.
func TestQuantile_ofNothing(t *testing.T) {
	var h Histogram
	if got := h.Quantile(500); got != 0 {
		t.Errorf("the median of nothing is %v", got)
	}
	h.Add(-time.Second)
	if got := h.Quantile(1000); got != 0 {
		t.Errorf("a negative latency counts as %v", got)
	}
}
