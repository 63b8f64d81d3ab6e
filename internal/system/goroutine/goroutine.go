// Package goroutine tells goroutines apart, so that a program that would wait for itself gets an error, and keeps away
// from the caller what might end its goroutine. It owns nothing, and its functions are safe for concurrent use.
//
// An ID distinguishes goroutines that are alive. It is not a number to keep: once its goroutine has ended, another
// one may get it.
package goroutine

// ID identifies a live goroutine. Zero identifies none.
type ID uintptr
