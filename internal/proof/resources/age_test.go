package resources

import "testing"

// A snapshot that was forgotten would keep all that was ever overwritten, or wrong data would be read.
func TestAge_ofAHeldSnapshotIsBounded(t *testing.T) { measure(t, "age") }
