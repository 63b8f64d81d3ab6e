//go:build amd64 || arm64

package prefetch

import "unsafe"

// lines asks for the cache lines from p to the one before p+n, at least one.
//
//go:noescape
func lines(p unsafe.Pointer, n int)
