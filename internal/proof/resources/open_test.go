package resources

import "testing"

// A large database would be out of service for long after a crash.
func TestOpen_takesAsLongAsTheEndOfTheLog(t *testing.T) { measure(t, "open") }
