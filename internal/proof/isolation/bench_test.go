package isolation

import (
	"fmt"
	"testing"
)

// BenchmarkCheck checks serial histories of six clients, at StrictSerializable.
func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(*seedFlag, workload{clients: 6, keys: 6, certain: true})
			w.run(n)
			h := w.recorder.History()
			b.ReportAllocs()
			for b.Loop() {
				if r := Check(h, StrictSerializable); !r.OK() {
					b.Fatal(r)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/transaction")
		})
	}
}
