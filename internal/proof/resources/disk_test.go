package resources

import "testing"

// A database whose entries are replaced would grow until the disk is full.
func TestDisk_shrinksWhenQuiet(t *testing.T) { measure(t, "disk") }
