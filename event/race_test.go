//go:build race

package event_test

// raceDetector says whether this binary runs under the race detector, which makes a sync.Pool forget at random
// and takes memory of its own.
const raceDetector = true
