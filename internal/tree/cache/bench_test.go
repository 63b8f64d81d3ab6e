package cache

import (
	"math/rand/v2"
	"testing"

	"lightningdb/internal/system/epoch"
)

// benchFrames of 8 KiB each: slots, meta and the first line of each page together fit into a second-level cache.
const benchFrames = 1024

// zeros is a Loader that costs nothing, so that a miss shows what the cache adds to a load.
type zeros struct{}

func (zeros) LoadPage(n int, buf []byte) ([]byte, error) { return buf, nil }

func newBench(b *testing.B, frames, pages int) (*epoch.Domain, *Pages) {
	d := epoch.NewDomain()
	c := New(int64(frames)*8192, 8192, d)
	p := c.NewPages(pages, zeros{})
	b.Cleanup(func() {
		p.Close()
		c.Close()
		d.Drain()
	})
	b.ReportAllocs()
	return d, p
}

// touch reads page n as the table does: inside a guard, one byte of it.
func touch(b *testing.B, d *epoch.Domain, p *Pages, n int) {
	g := d.Enter()
	var private Pin
	data, err := p.Get(n, &private)
	if err != nil || data[0] != 0 {
		b.Error(err)
	}
	private.Unpin()
	g.Exit()
}

// BenchmarkGetHit leaves the guard out: it is entered once for a read of several pages.
func BenchmarkGetHit(b *testing.B) {
	d, p := newBench(b, benchFrames, benchFrames/2)
	for n := range benchFrames / 2 {
		touch(b, d, p, n)
	}
	b.RunParallel(func(pb *testing.PB) {
		g := d.Enter()
		defer g.Exit()
		var private Pin
		for n := 0; pb.Next(); n += 7 {
			if _, err := p.Get(n%(benchFrames/2), &private); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkGetHitGuarded enters a guard for each page and reads a byte of it.
func BenchmarkGetHitGuarded(b *testing.B) {
	d, p := newBench(b, benchFrames, benchFrames/2)
	for n := range benchFrames / 2 {
		touch(b, d, p, n)
	}
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n += 7 {
			touch(b, d, p, n%(benchFrames/2))
		}
	})
}

func BenchmarkPinHit(b *testing.B) {
	d, p := newBench(b, benchFrames, benchFrames/2)
	for n := range benchFrames / 2 {
		touch(b, d, p, n)
	}
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n += 7 {
			pin, err := p.Pin(n % (benchFrames / 2))
			if err != nil {
				b.Error(err)
			}
			pin.Unpin()
		}
	})
}

// BenchmarkGetMiss evicts a page for each it loads.
func BenchmarkGetMiss(b *testing.B) {
	d, p := newBench(b, benchFrames, 64*benchFrames)
	b.RunParallel(func(pb *testing.PB) {
		for n := rand.IntN(64 * benchFrames); pb.Next(); n++ {
			touch(b, d, p, n%(64*benchFrames))
		}
	})
	m := p.cache.Metrics()
	b.ReportMetric(float64(m.Uncached)/float64(max(m.Loads, 1)), "uncached/load")
	b.ReportMetric(float64(m.Misses)/float64(b.N), "misses/op")
}
