package main

import (
	"strings"
	"testing"
)

// An example that does not run teaches nothing.
func TestRun_printsWhatBothHave(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); got != "Prometheus: lightning_commits_total 1\nOpenTelemetry: lightning_commits 1\n" {
		t.Errorf("%q", got)
	}
}
