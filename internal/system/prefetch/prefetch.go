// Package prefetch asks the processor for memory that is going to be read, without waiting for it. A load whose result nobody
// uses is a poor substitute where the memory is far away: once the processor's window is full, which is long before memory
// answers, nothing goes on behind it.
package prefetch

import "unsafe"

// Span asks for the n bytes from p on, and for one at least. They may be any: what cannot be read is passed over.
func Span(p unsafe.Pointer, n int) { lines(p, n) }
