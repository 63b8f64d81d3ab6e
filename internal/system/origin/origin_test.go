package origin

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

func open() *Origin { return Here(Snapshot, time.Unix(1_000_000_000, 0).UTC()) }

// Whoever looks for a forgotten reader must be led to the line that opened it, and not into the database.
func TestOrigin_namesTheLine(t *testing.T) {
	o := open()
	want := "begun 2001-09-09T01:46:40Z by "
	if got := o.String(); !strings.HasPrefix(got, want) || !strings.Contains(got, "origin_test.go:") {
		t.Errorf("%q does not begin with %q and name this file and line", got, want)
	}
	lines := strings.Split(o.Stack(), "\n")
	if len(lines) < 3 || !strings.Contains(lines[1], "TestOrigin_namesTheLine") {
		t.Errorf("the callers are %q", lines)
	}
}

// With tracing off there is none, and whoever shows it must not fail.
func TestOrigin_nilIsUnknown(t *testing.T) {
	var o *Origin
	if o.String() != "" || o.Stack() != "" {
		t.Errorf("%q, %q", o.String(), o.Stack())
	}
}

// Frames of the library itself would hide the caller.
func TestOrigin_tellsTheLibraryFromItsUsers(t *testing.T) {
	for function, want := range map[string]bool{
		module + ".(*DB).Snapshot":            true,
		module + "/internal/engine.Open":      true,
		module + "/cmd/lightning/internal.go": false,
		"main.main":                           false,
		"other.com/" + module + ".Open":       false,
		module + "2.Open":                     false,
	} {
		got := ours(runtime.Frame{Function: function, File: "db.go"})
		if got != want {
			t.Errorf("%s: %v", function, got)
		}
	}
	if test := (runtime.Frame{Function: module + ".TestOpen", File: "db_test.go"}); ours(test) {
		t.Error("a test is taken for the library")
	}
}
