package prefetch

import (
	"testing"
	"unsafe"
)

// A hint that faults, or never ends, would take the program down for the sake of speed.
func TestBytes_takesAnyAddress(t *testing.T) {
	b := make([]byte, 1<<16)
	for _, n := range []int{1, 63, 64, 65, 1 << 16, 1 << 17} {
		for at := range 70 {
			Bytes(unsafe.Pointer(&b[at]), n)
		}
	}
	Bytes(nil, 1)
	Bytes(nil, 4096)
}
