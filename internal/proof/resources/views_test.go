package resources

import "testing"

// Among many readers each would wait for the others.
func TestViews_areShortAmongAThousand(t *testing.T) { measure(t, "views") }
