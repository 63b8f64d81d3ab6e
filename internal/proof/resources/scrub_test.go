package resources

import "testing"

// A scrub that reads faster than it was told would take the medium from the program.
func TestScrub_staysWithinItsRateUnderLoad(t *testing.T) { measure(t, "scrub") }
