package validate

import (
	"fmt"
	"io"
	"time"

	"lightningdb/cmd/internal/units"
)

// What the ancestor of this database reported for the same test: four writers for three seconds, and a crash.
const (
	ancestorWritten   = 85_055
	ancestorRecovered = 40
)

// Print writes the outcome as a table, next to the ancestor's where that is known.
func (r CrashReport) Print(out io.Writer) {
	fmt.Fprintf(out, "\n   %-26s %14s %14s\n", "entries", "here", "ancestor")
	for _, row := range []struct {
		what           string
		here, ancestor int64 // 0 where the ancestor did not say
	}{
		{"written", r.Written, ancestorWritten},
		{"acknowledged", r.Acknowledged, 0},
		{"read back before the kill", r.Readable, 0},
		{"recovered plain entries", r.Plain, 0},
		{"recovered in transactions", r.Transactional, 0},
		{"recovered", r.Plain + r.Transactional, ancestorRecovered},
		{"corrupted", r.Corrupted, 0},
		{"lost", r.Lost, ancestorWritten - ancestorRecovered},
	} {
		ancestor := "-"
		if row.ancestor > 0 {
			ancestor = units.Count(row.ancestor)
		}
		fmt.Fprintf(out, "   %-26s %14s %14s\n", row.what, units.Count(row.here), ancestor)
	}
	fmt.Fprintf(out, "\n   written counts what was begun: at a kill each writer has one commit that is not acknowledged\n")
	fmt.Fprintf(out, "   %v\n", r.Counts)
	if r.Images > 0 {
		fmt.Fprintf(out, "   cuts=%d unsynced_changes=%d images=%d policies=%d; recovered is what the last image held\n",
			r.Kills, r.Unsynced, r.Images, r.Policies)
	} else {
		fmt.Fprintf(out, "   kills=%d seen_in_flight=%d\n", r.Kills, r.Seen)
	}
	if r.Problem != "" {
		fmt.Fprintf(out, "   first: %s\n", r.Problem)
	}
}

// Print writes the outcome as two tables.
func (r TransactionsReport) Print(out io.Writer) {
	fmt.Fprintf(out, "\n   %-16s %9s %9s %7s %9s %9s %8s %9s %8s %9s\n", "mode", "attempts", "commits", "failed", "value",
		"expected", "success", "accuracy", "retries", "time")
	for _, m := range r.Modes {
		fmt.Fprintf(out, "   %-16s %9s %9s %7s %9s %9s %6.1f %% %7.1f %% %8s %9s\n", m.Mode, units.Count(m.Attempts),
			units.Count(m.Commits), units.Count(m.Failed), units.Count(m.Value), units.Count(m.Expected), m.SuccessRate,
			m.Accuracy, units.Count(m.Retries), units.Duration(time.Duration(m.Seconds*float64(time.Second))))
	}
	fmt.Fprintf(out, "   of the ancestor's transactions 70 to 92 %% failed, and 1 to 2 %% of the others were lost\n")
	fmt.Fprintf(out, "\n   %-16s %9s %9s %9s\n", "with a kill", "killed at", "recovered", "completed")
	for _, m := range r.Modes {
		fmt.Fprintf(out, "   %-16s %9s %9s %9s\n", m.Mode, units.Count(m.KilledAfter), units.Count(m.Recovered),
			units.Count(m.Completed))
	}
}
