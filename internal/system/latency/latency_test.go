package latency

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"
)

const longest = 1<<rangeBits - 1

// A bucket that is not where its latencies are makes every figure wrong.
func TestBucketOf_holdsItsLatencies(t *testing.T) {
	check := func(d time.Duration) {
		t.Helper()
		b := bucketOf(d)
		if b < 0 || b >= bucketCount {
			t.Fatalf("%d is in bucket %d of %d", d, b, bucketCount)
		}
		end, first := endOf(b), endOf(b)-widthOf(b)+1
		if d < first || d > end || b > 0 && endOf(b-1) != first-1 || float64(end) > 1.125*float64(d) {
			t.Errorf("%d is in bucket %d, of %d to %d", d, b, first, end)
		}
	}
	for d := range time.Duration(1 << 16) {
		check(d)
	}
	for shift := range rangeBits {
		for _, d := range []time.Duration{1<<shift - 1, 1 << shift, 1<<shift + 1, 3<<shift/2 - 1} {
			check(min(d, longest))
		}
	}
	check(longest)
	if b := bucketOf(math.MaxInt64); b != bucketCount-1 || endOf(b) != longest {
		t.Errorf("the longest of all is in bucket %d, which ends at %d", b, endOf(b))
	}
}

// sample is random latencies of every size.
func sample(random *rand.Rand, n int) (all []time.Duration) {
	for range n {
		d := time.Duration(random.ExpFloat64() * 1e6)
		if random.IntN(4) == 0 {
			d = time.Duration(random.Int64N(longest+1) >> random.IntN(rangeBits))
		}
		all = append(all, min(d, longest))
	}
	return all
}

// The quantiles are what people act on: they must be those of the sorted latencies, as exactly as is promised.
func TestQuantile_isThatOfTheSortedLatencies(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, n := range []int{1, 2, 10, 999, 1000, 1001, 50_000} {
		var h Histogram
		all := sample(random, n)
		sum := 0.0
		for _, d := range all {
			h.Add(d, 1)
			sum += float64(d)
		}
		slices.Sort(all)
		c := h.Counts()
		if c.Number() != uint64(n) || c.Max != all[n-1] {
			t.Errorf("of %d latencies up to %v there are %d up to %v", n, all[n-1], c.Number(), c.Max)
		}
		for _, perMille := range []uint64{1, 500, 990, 999, 1000} {
			want := all[max(0, (n*int(perMille)+999)/1000-1)]
			if got := c.Quantile(perMille); got < want || float64(got) > 1.125*float64(want) || got > c.Max {
				t.Errorf("%d per mille of %d latencies is %v; want %v", perMille, n, got, want)
			}
		}
		if got, want := float64(c.Mean()), sum/float64(n); math.Abs(got-want) > 0.0625*want+1 {
			t.Errorf("the mean of %d latencies is %v; want %v", n, got, want)
		}
	}
}

// One that stands for many must weigh as much as they do.
func TestAdd_countsOneForMany(t *testing.T) {
	var h Histogram
	h.Add(time.Microsecond, 990)
	h.Add(time.Second, 10)
	c := h.Counts()
	if n, p := c.Number(), c.Quantile(990); n != 1000 || p > 1125*time.Nanosecond {
		t.Errorf("%d latencies, and 990 of 1,000 up to %v", n, p)
	}
	if p := c.Quantile(991); p != time.Second {
		t.Errorf("991 of 1,000 up to %v", p)
	}
}

// Nothing, and what a clock that steps makes of it, must not break the table.
func TestCounts_ofNothing(t *testing.T) {
	var h Histogram
	if c := h.Counts(); c.Number() != 0 || c.Mean() != 0 || c.Quantile(500) != 0 || c.Max != 0 || c.Buckets != nil {
		t.Errorf("of nothing: %+v", c)
	}
	h.Add(-time.Second, 1)
	if c := h.Counts(); c.Number() != 1 || c.Quantile(1000) != 0 {
		t.Errorf("a negative latency: %+v", c)
	}
	h.Add(math.MaxInt64, 1)
	if c := h.Counts(); c.Number() != 2 || c.Max != math.MaxInt64 || c.Quantile(1000) != longest {
		t.Errorf("the longest of all: %+v", c)
	}
}

// What top shows of the last second must not be that of the whole life, nor lack what only this second has seen.
func TestSince_isWhatWasAddedBetween(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		var all, later Histogram
		for _, d := range sample(random, random.IntN(100)) {
			all.Add(d, 1)
		}
		before := all.Counts()
		for _, d := range sample(random, random.IntN(100)) {
			all.Add(d, 1)
			later.Add(d, 1)
		}
		got, want := all.Counts().Since(before), later.Counts()
		if !reflect.DeepEqual(got.Buckets, want.Buckets) {
			t.Fatalf("buckets %v; want %v", got.Buckets, want.Buckets)
		}
		if got.Max < want.Max || float64(got.Max) > 1.125*float64(want.Max) {
			t.Fatalf("at most %v; want %v", got.Max, want.Max)
		}
		if want.Max > before.Max && got.Max != want.Max {
			t.Fatalf("a new maximum is %v; want %v", got.Max, want.Max)
		}
	}
	var shorter Histogram
	shorter.Add(time.Second, 3)
	more := shorter.Counts()
	shorter.Add(time.Second, 3)
	if got := more.Since(shorter.Counts()); got.Number() != 0 || got.Max != 0 {
		t.Errorf("counts that fall: %+v", got)
	}
}

// Any number of goroutines commit at a time: none of their latencies may get lost, and no quantile be above the
// maximum.
func TestAdd_losesNothingAmongMany(t *testing.T) {
	const adders, each = 4, 5000
	var h Histogram
	var adding sync.WaitGroup
	for n := range adders {
		adding.Go(func() {
			for i := range each {
				h.Add(time.Duration(n*each+i), 1)
			}
		})
	}
	stop := make(chan struct{})
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		for {
			if c := h.Counts(); len(c.Buckets) > 0 && bucketOf(c.Max) < bucketOf(c.Buckets[len(c.Buckets)-1].UpTo) {
				t.Errorf("latencies up to %v, and a maximum of %v", c.Buckets[len(c.Buckets)-1].UpTo, c.Max)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	adding.Wait()
	close(stop)
	<-looked
	if c := h.Counts(); c.Number() != adders*each || c.Max != adders*each-1 {
		t.Errorf("%d latencies up to %v", c.Number(), c.Max)
	}
}

// A commit that counts, and leaves a byte on the heap, is a collection now and then.
func TestAdd_allocatesNothing(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Add(time.Millisecond, 16) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What a writer tells must be what others read, and the bytes those of the programs that are in use.
func TestParseBuckets_returnsWhatWasAppended(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for n := range 200 {
		var h Histogram
		for _, d := range sample(random, n) {
			h.Add(d, random.Uint64N(1<<random.IntN(63))+1)
		}
		want := h.Counts().Buckets
		got, err := ParseBuckets(AppendBuckets(nil, want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v, %v; want %v", got, err, want)
		}
	}
	var h Histogram
	h.Add(200, 2)
	h.Add(300, 2)
	want := []byte{0x2c, 2, 4, 2}
	if got := AppendBuckets(nil, h.Counts().Buckets); !slices.Equal(got, want) {
		t.Errorf("% x; want % x", got, want)
	}
}

// A page that a newer program has written must not be taken for figures.
func TestParseBuckets_refusesOthers(t *testing.T) {
	for _, data := range [][]byte{{0}, {0, 0}, {0, 0x80}, {0x80}, {0xc0, 2, 1}, {0xbf, 2, 1, 0, 1},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1}} {
		if got, err := ParseBuckets(data); !errors.Is(err, ErrBuckets) {
			t.Errorf("% x: %v, %v", data, got, err)
		}
	}
}

// Whatever is on the page must not crash who reads it, nor be read as something else than it says.
func FuzzParseBuckets(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x2c, 2, 4, 2})
	f.Add([]byte{0xbf, 2, 1, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		buckets, err := ParseBuckets(data)
		if err != nil {
			return
		}
		again, err := ParseBuckets(AppendBuckets(nil, buckets))
		if err != nil || !reflect.DeepEqual(again, buckets) {
			t.Errorf("%v, %v; want %v", again, err, buckets)
		}
		c := Counts{Buckets: buckets, Max: math.MaxInt64}
		if c.Quantile(500) > c.Quantile(1000) || c.Since(c).Number() != 0 {
			t.Errorf("of %v", buckets)
		}
	})
}

// Every sync and many commits pay this.
func BenchmarkAdd(b *testing.B) {
	var h Histogram
	b.ReportAllocs()
	for b.Loop() {
		h.Add(123*time.Microsecond, 1)
	}
}
