package resources

import "testing"

// A database that outgrows its limit fills the disk of others; one that is full and stays so can be thrown away.
func TestLimit_holdsAndLetsDeletesBringWritesBack(t *testing.T) { measure(t, "limit") }
