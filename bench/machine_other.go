//go:build !linux

package main

import (
	"io/fs"
	"runtime"
)

func allocated(info fs.FileInfo) int64 { return info.Size() }

// peakMemory is what the Go runtime took from the operating system: less than the process has.
func peakMemory() (int64, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys), nil
}

// bytesWritten is not known here.
func bytesWritten() (n int64, ok bool) { return 0, false }

// dropFromMemory does nothing: reads that should find nothing in memory find what the system has.
func dropFromMemory(string) error { return nil }

func machine() string { return runtime.GOOS + "/" + runtime.GOARCH }

// otherWork is not known here.
func otherWork() float64 { return -1 }
