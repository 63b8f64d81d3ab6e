//go:build amd64 || arm64

package goroutine

// Current is the goroutine that calls it: the address of the runtime's record of it, which assembly can see.
func Current() ID { return ID(current()) }

func current() uintptr
