//go:build race

package resources

const raceDetector = true
