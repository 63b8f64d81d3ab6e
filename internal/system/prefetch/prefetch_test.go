package prefetch

import (
	"testing"
	"unsafe"
)

// A hint that faults, or that does not come to its end, would take the program down for the sake of speed.
func TestSpan_takesAnyAddress(t *testing.T) {
	b := make([]byte, 1<<16)
	for _, n := range []int{1, 63, 64, 65, 1 << 16, 1 << 17} {
		for at := range 70 {
			Span(unsafe.Pointer(&b[at]), n)
		}
	}
	Span(nil, 1)
	Span(nil, 4096)
}
