// Package goroutine tells goroutines apart, so that a program that would wait for itself gets an error, and keeps away
// from the caller what might end its goroutine. It owns nothing, and its functions are safe for concurrent use.
//
// An ID distinguishes goroutines that are alive. It is not a number to keep: once its goroutine has ended, another
// one may get it.
package goroutine

import "unsafe"

// ID identifies a live goroutine. Zero identifies none.
type ID uintptr

// StackHash returns a number that differs between goroutines that run at the same time: each has its own stack, at
// least 2 KiB from any other. A stack may move at any time, so the number means nothing later. The multiplication
// spreads neighbouring stacks over the upper bits. It takes a nanosecond.
func StackHash() uint64 {
	var here byte
	return uint64(uintptr(unsafe.Pointer(&here))>>11) * 0x9e3779b97f4a7c15
}
