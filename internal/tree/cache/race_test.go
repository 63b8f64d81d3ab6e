//go:build race

package cache

// raceDetector says whether this binary runs under the race detector, which keeps regions on the Go heap.
const raceDetector = true
