// Package goroutine tells goroutines apart, so that a program that would wait for itself gets an error. It owns
// nothing, starts nothing, and its one function is safe for concurrent use.
//
// An ID distinguishes goroutines that are alive. It is not a number to keep: once its goroutine has ended, another
// one may get it.
package goroutine

// ID identifies a live goroutine. Zero identifies none.
type ID uintptr
