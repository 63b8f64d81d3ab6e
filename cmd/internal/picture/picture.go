// Package picture draws the state of a database as lines of text: what stats and the demo show. It reads metrics and
// reports, and knows neither terminals nor files.
package picture

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"lightningdb"
	"lightningdb/cmd/internal/units"
	"lightningdb/metrics"
)

// barWidth is the width of a bar in characters.
const barWidth = 24

// levelColumns is the width of a line of Levels in front of its bar; valueColumns is what the values add to it.
const (
	levelColumns = 64
	valueColumns = 11
)

// Levels draws one line per level that has tables, with bars in proportion to the largest.
func Levels(m lightningdb.Metrics) []string { return levels(m, barWidth) }

// LevelsWithin is Levels with bars that fit into a window of that width.
func LevelsWithin(m lightningdb.Metrics, columns int) []string {
	if hasValues(m) {
		columns -= valueColumns
	}
	return levels(m, max(0, min(barWidth, columns-levelColumns)))
}

// hasValues reports whether some level has values in value files.
func hasValues(m lightningdb.Metrics) bool {
	return slices.ContainsFunc(m.Levels, func(l metrics.Level) bool { return l.Values > 0 })
}

func levels(m lightningdb.Metrics, bar int) []string {
	column := func(string) string { return "" } // of the values
	if hasValues(m) {
		column = func(text string) string { return fmt.Sprintf(" %10s", text) }
	}
	lines := []string{fmt.Sprintf("%-5s %6s %10s%s %14s %12s %10s", "level", "tables", "size", column("values"), "entries",
		"tombstones", "target")}
	var largest int64
	for _, level := range m.Levels {
		largest = max(largest, level.Bytes)
	}
	for _, level := range m.Levels {
		if level.Tables > 0 {
			lines = append(lines, levelLine(level, column(units.Bytes(level.Values)),
				units.Bar(bar, share(level.Bytes, largest))))
		}
	}
	if len(lines) == 1 {
		return []string{"no tables yet: everything is in the log and in memory"}
	}
	return lines
}

func levelLine(level metrics.Level, values, bar string) string {
	target := "-"
	if level.Target > 0 {
		target = units.Bytes(level.Target)
	}
	return fmt.Sprintf("L%-4d %6d %10s%s %14s %12s %10s  %s", level.Level, level.Tables, units.Bytes(level.Bytes), values,
		units.Count(level.Entries), units.Count(level.Tombstones), target, bar)
}

// Values says what value files hold; empty if there are none.
func Values(m lightningdb.Metrics) string {
	v := &m.Values
	if v.Files == 0 {
		return ""
	}
	return fmt.Sprintf("%s, %s, %s of them garbage (%.0f%%)", units.Plural(v.Files, "file"), units.Bytes(v.Bytes),
		units.Bytes(v.Garbage), 100*share(v.Garbage, v.Bytes))
}

func share(part, of int64) float64 {
	if of <= 0 {
		return 0
	}
	return float64(part) / float64(of)
}

// Gauge is a bar with its background, for a used part of a limit.
func Gauge(used, limit int64) string {
	bar := units.Bar(barWidth, share(used, limit))
	return bar + strings.Repeat("░", barWidth-utf8.RuneCountInString(bar))
}

// Recovery says what opening the database found.
func Recovery(r lightningdb.RecoveryReport) []string {
	if r.Created {
		return []string{"created, nothing to recover"}
	}
	lines := []string{
		fmt.Sprintf("%s with %s replayed from %s (%s) in %s", units.Plural(r.Records, "record"),
			units.Plural(r.Operations, "operation"),
			units.Plural(r.Segments, "log segment"), units.Bytes(r.LogBytes), units.Duration(r.Duration)),
		fmt.Sprintf("last sequence number %s, %s of a torn tail dropped", units.Count(r.LastSequence),
			units.Bytes(r.TornBytes)),
	}
	if n := len(r.FilesRemoved); n > 0 {
		lines = append(lines, fmt.Sprintf("%s removed that nothing refers to", units.Plural(n, "leftover file")))
	}
	return lines
}
