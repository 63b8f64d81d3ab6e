package validate

import (
	"fmt"
	"io"

	"lightningdb/cmd/lightning/internal/units"
)

// What the ancestor of this database reported of the same test: four writers for three seconds, and a crash.
const (
	ancestorWritten   = 85_055
	ancestorRecovered = 40
)

// Print writes the outcome as a table, with the ancestor's beside it where it is known.
func (r CrashReport) Print(out io.Writer) {
	row := func(what string, n int64, ancestor string) {
		fmt.Fprintf(out, "   %-26s %14s %14s\n", what, units.Count(n), ancestor)
	}
	fmt.Fprintf(out, "\n   %-26s %14s %14s\n", "entries", "here", "ancestor")
	row("written", r.Written, units.Count(ancestorWritten))
	row("acknowledged", r.Acknowledged, "-")
	row("read back before the kill", r.Readable, "-")
	row("recovered plain entries", r.Plain, "-")
	row("recovered batch entries", r.Batch, "-")
	row("recovered", r.Plain+r.Batch, units.Count(ancestorRecovered))
	row("corrupted", r.Corrupted, "-")
	row("lost", r.Lost, units.Count(ancestorWritten-ancestorRecovered))
	fmt.Fprintf(out, "\n   written counts what was begun: at a kill each writer has one commit that is not acknowledged\n")
	fmt.Fprintf(out, "   %v\n", r.Counts)
	if r.Images > 0 {
		fmt.Fprintf(out, "   cuts=%d images=%d policies=%d; recovered is what the last image held\n", r.Kills, r.Images,
			r.Policies)
	} else {
		fmt.Fprintf(out, "   kills=%d seen_in_flight=%d\n", r.Kills, r.Seen)
	}
	if r.Problem != "" {
		fmt.Fprintf(out, "   first: %s\n", r.Problem)
	}
}
