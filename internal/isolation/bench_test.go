package isolation

import (
	"fmt"
	"testing"
)

// BenchmarkCheck checks histories of a correct engine with six clients, at StrictSerializable.
func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := newEngine(*seedFlag, correct).run(n)
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
