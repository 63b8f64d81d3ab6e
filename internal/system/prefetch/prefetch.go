// Package prefetch asks the processor for memory that is going to be read, without waiting for it. Loading the memory
// and ignoring the result is a poor substitute: a processor remembers only a limited number of unfinished
// instructions, and once that many stand behind a load that memory has not answered, nothing after it begins.
package prefetch

import "unsafe"

// Bytes asks for the n bytes from p on, and for at least one. Any address is allowed: memory that cannot be read is
// skipped.
func Bytes(p unsafe.Pointer, n int) { lines(p, n) }
