//go:build race

package validate

// raceDetector says that this test binary takes many times the memory of the program.
const raceDetector = true
