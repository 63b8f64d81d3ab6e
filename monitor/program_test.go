package monitor_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb"
	"lightningdb/monitor"
)

// A full disk calls the one who replaces disks, and a failed disk the one who makes room.
func TestMetrics_tellTheClassOfAFailure(t *testing.T) {
	classes := []string{"closed", "read_only", "no_space", "corrupt", "taken_over", "other"}
	for _, c := range []struct {
		failure error
		of      []string
	}{
		{nil, nil},
		{lightningdb.ErrClosed, []string{"closed"}},
		{fmt.Errorf("sync: %w", lightningdb.ErrReadOnly), []string{"read_only"}},
		{errors.Join(lightningdb.ErrReadOnly, lightningdb.ErrNoSpace), []string{"read_only", "no_space"}},
		{lightningdb.ErrCorrupt, []string{"corrupt"}},
		{lightningdb.ErrTakenOver, []string{"taken_over"}},
		{errors.New("too many open files"), []string{"other"}},
	} {
		e := scrape(t, newMonitor(t, &fake{metrics: lightningdb.Metrics{BackgroundError: c.failure}}, nil), false)
		want := make(map[string]float64)
		for _, class := range c.of {
			want[class] = 1
		}
		for _, class := range classes {
			if got, ok := e.samples["lightning_failure class="+class]; !ok || got != want[class] {
				t.Errorf("%v: class %s is %v (there: %v), not %v", c.failure, class, got, ok, want[class])
			}
		}
	}
}

// A program that is restarted every minute would look healthy at each scrape.
func TestMetrics_tellWhenTheProgramBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMonitor(t, &fake{}, nil)
		began := float64(time.Now().UnixMilli()) / 1e3
		time.Sleep(time.Minute)
		if got := scrape(t, m, false).samples["lightning_start_time_seconds"]; math.Abs(got-began) > .01 {
			t.Errorf("it began at %v, not %v", got, began)
		}
	})
}

// A backup that has failed for a month, and nobody is told.
func TestMetrics_tellTheAgeOfTheNewestBackup(t *testing.T) {
	var told time.Time
	m := newMonitor(t, &fake{}, &monitor.Options{BackupEvery: time.Hour, LastBackup: func() time.Time { return told }})
	for _, last := range []time.Time{{}, time.Unix(1_700_000_000, 0)} {
		told = last
		e, want := scrape(t, m, true), 0.0
		if !last.IsZero() {
			want = 1_700_000_000
		}
		if got := e.samples["lightning_backup_time_seconds"]; got != want {
			t.Errorf("the backup of %v is of %v", last, got)
		}
		if got := e.samples["lightning_backup_interval_seconds"]; got != 3600 {
			t.Errorf("an interval of %v seconds", got)
		}
	}
	if _, err := monitor.New(&fake{}, &monitor.Options{BackupEvery: -1}); err == nil {
		t.Error("a negative interval is taken")
	}
}

// A gap of the archive that is told as one of another cause, or as one of now because there was none, or not before the
// second: a count that is 1 when it is first seen has not risen.
func TestMetrics_tellWhenTheArchiveHadAGap(t *testing.T) {
	f := &fake{}
	f.metrics.Archive.LastGap.Transaction = time.Unix(1_700_000_000, 500_000_000)
	e := scrape(t, newMonitor(t, f, nil), false)
	for cause, want := range map[string]float64{"gap": 0, "transaction": 1_700_000_000.5, "fork": 0} {
		if got, ok := e.samples["lightning_archive_gap_time_seconds cause="+cause]; !ok || got != want {
			t.Errorf("cause %s is of %v (there: %v), not %v", cause, got, ok, want)
		}
	}
}

// A scrape that hangs in a function of the program leaves a goroutine each time, and shows nothing for ever.
func TestMetrics_ofALastBackupThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until, calls := make(chan struct{}), 0
		m := newMonitor(t, &fake{}, &monitor.Options{LastBackup: func() time.Time { calls++; <-until; return time.Now() }})
		for range 3 {
			if w := ask(m, http.MethodGet, "/metrics"); w.Code != http.StatusServiceUnavailable {
				t.Error(w.Code)
			}
		}
		close(until)
		synctest.Wait()
		if calls != 1 {
			t.Errorf("%d calls", calls)
		}
	})
}
