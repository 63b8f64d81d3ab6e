//go:build !race

package lightningdb

const raceDetector = false
