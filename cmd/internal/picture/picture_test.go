package picture

import (
	"strings"
	"testing"
	"unicode/utf8"

	"lightningdb"
	"lightningdb/metrics"
)

// A level that is not drawn, or a bar out of proportion, hides where the data is.
func TestLevels_drawsWhatHasTables(t *testing.T) {
	m := lightningdb.Metrics{Levels: []metrics.Level{
		{Level: 0, Tables: 2, Bytes: 1 << 20, Entries: 1234}, {Level: 1},
		{Level: 6, Tables: 9, Bytes: 4 << 20, Entries: 5678901, Tombstones: 3, Target: 8 << 20},
	}}
	lines := Levels(m)
	if len(lines) != 3 {
		t.Fatalf("%q", lines)
	}
	for i, wants := range [][]string{{"level", "tables"}, {"L0", "1.00 MiB", "1,234", " - "},
		{"L6", "4.00 MiB", "5,678,901", "8.00 MiB"}} {
		for _, want := range wants {
			if !strings.Contains(lines[i], want) {
				t.Errorf("no %q in %q", want, lines[i])
			}
		}
	}
	if small, large := strings.Count(lines[1], "█"), strings.Count(lines[2],
		"█"); small*4 != large || large != barWidth {
		t.Errorf("bars of %d and %d characters", small, large)
	}
	if lines := Levels(lightningdb.Metrics{}); len(lines) != 1 || !strings.Contains(lines[0], "no tables") {
		t.Errorf("an empty database: %q", lines)
	}
}

// Values that lie in value files would look like data that is gone.
func TestLevels_showValuesWhereThereAreAny(t *testing.T) {
	m := lightningdb.Metrics{Values: metrics.Values{Files: 3, Bytes: 4 << 20, Garbage: 1 << 20},
		Levels: []metrics.Level{{Level: 0, Tables: 1, Bytes: 1 << 20},
			{Level: 6, Tables: 2, Bytes: 2 << 20, Values: 3 << 20}}}
	lines := LevelsWithin(m, 80)
	if len(lines) != 3 || !strings.Contains(lines[0], "values") || !strings.Contains(lines[1], " 0 B ") ||
		!strings.Contains(lines[2], " 3.00 MiB ") {
		t.Errorf("%q", lines)
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	if want := "3 files, 4.00 MiB, 1.00 MiB of them garbage (25%)"; Values(m) != want {
		t.Errorf("%q, want %q", Values(m), want)
	}
	m.Levels[1].Values, m.Values = 0, metrics.Values{}
	if lines := Levels(m); strings.Contains(lines[0], "values") || Values(m) != "" {
		t.Errorf("without any: %q, %q", lines, Values(m))
	}
}

// A gauge must keep its width whatever the numbers, also without a limit.
func TestGauge_keepsItsWidth(t *testing.T) {
	for _, c := range [][2]int64{{0, 0}, {0, 10}, {5, 10}, {1, 1 << 40}, {20, 10}, {-1, 10}} {
		if n := utf8.RuneCountInString(Gauge(c[0], c[1])); n != barWidth {
			t.Errorf("%v: %d characters", c, n)
		}
	}
}

// The recovery report is what tells an operator whether a crash cost anything.
func TestRecovery_saysWhatWasReplayedAndDropped(t *testing.T) {
	text := strings.Join(Recovery(lightningdb.RecoveryReport{Segments: 2, Records: 3, Operations: 4000, LogBytes: 2048,
		TornBytes:    77,
		LastSequence: 5000, FilesRemoved: []string{"x"}}), "\n")
	for _, want := range []string{"3 records", "4,000 operations", "2 log segments", "2.00 KiB", "77 B", "5,000",
		"1 leftover file removed"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if text := Recovery(lightningdb.RecoveryReport{Created: true}); len(text) != 1 || !strings.Contains(text[0],
		"created") {
		t.Errorf("a new database: %q", text)
	}
}
