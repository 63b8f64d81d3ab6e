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

func machine() string { return runtime.GOOS + "/" + runtime.GOARCH }

func load() string { return "unknown" }
