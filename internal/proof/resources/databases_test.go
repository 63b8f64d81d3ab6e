package resources

import "testing"

// A program with a database for each of its users would run out of memory, descriptors or processors.
func TestDatabases_manyAreOpenInOneProcess(t *testing.T) { measure(t, "databases") }
