package resources

import "testing"

// Under more load than it takes, a program would stand still for seconds, or miss its deadlines.
func TestStalls_writesGoOnUnderTwiceTheLoad(t *testing.T) { measure(t, "stalls") }
