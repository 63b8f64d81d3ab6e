// Package goroutine tells goroutines apart, so that a program that would wait for itself can be told so. It owns
// nothing, starts nothing, and its one function is safe for concurrent use.
//
// An ID is an identity among the goroutines that are alive, not a number to keep: it may be used again once its goroutine has
// ended.
package goroutine

// ID identifies a live goroutine. Zero is none.
type ID uintptr
