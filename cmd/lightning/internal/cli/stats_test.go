package cli

import (
	"strings"
	"testing"

	"lightningdb"
	"lightningdb/metrics"
)

// Who looks for the space of long values finds it in no level.
func TestStats_sayWhatValueFilesHold(t *testing.T) {
	m := lightningdb.Metrics{Values: metrics.Values{Files: 2, Bytes: 10 << 20, Garbage: 1 << 20}}
	got := strings.Join(databaseLines("dir", m), "\n")
	if want := "value files: 2 files, 10.0 MiB, 1.00 MiB of them garbage (10%)"; !strings.Contains(got, want) {
		t.Errorf("%q does not contain %q", got, want)
	}
}

// Space that only a reader holds would look like that of the data.
func TestStats_sayWhatReadersHold(t *testing.T) {
	m := lightningdb.Metrics{DiskBytes: 3 << 20, ObsoleteFiles: 4, PinnedFiles: 3, PinnedBytes: 2 << 20}
	got := strings.Join(databaseLines("dir", m), "\n")
	if want := "4 obsolete files, 3 of them held by readers: 2.00 MiB"; !strings.Contains(got, want) {
		t.Errorf("%q does not contain %q", got, want)
	}
	if got := databaseLines("dir", lightningdb.Metrics{}); len(got) != 2 {
		t.Errorf("without any: %q", got)
	}
}
