package monitor

import (
	"errors"
	"time"

	"lightningdb"
	"lightningdb/event"
	"lightningdb/metrics"
)

// failures are the classes of Metrics.BackgroundError, each with what it makes of the label class. An error may be of
// several: a full disk that has stopped writes for good is no_space and read_only.
var failures = []struct {
	class string
	err   error
}{
	{"closed", lightningdb.ErrClosed},
	{"read_only", lightningdb.ErrReadOnly},
	{"no_space", lightningdb.ErrNoSpace},
	{"corrupt", lightningdb.ErrCorrupt},
	{"taken_over", lightningdb.ErrTakenOver},
}

// running is what alarms need of the program, and Metrics has no figure for.
type running struct {
	failure     error         // Metrics.BackgroundError
	began       time.Time     // when it began to show the database
	lastBackup  time.Time     // when it was begun; zero if there is none
	backupEvery time.Duration // 0 if that is not said
}

// families are the metrics of p.
func (p running) families() []Family {
	classes := Family{Name: "failure", Kind: Gauge, Labels: []string{"class"},
		Help: "1 for each class of the background error; other is none of them."}
	one := func(class string, is bool) {
		s := Sample{Labels: []string{class}}
		if is {
			s.Value = 1
		}
		classes.Samples = append(classes.Samples, s)
	}
	known := false
	for _, f := range failures {
		found := errors.Is(p.failure, f.err)
		known = known || found
		one(f.class, found)
	}
	one("other", p.failure != nil && !known)
	all := []Family{classes}
	for _, f := range []struct {
		name, help string
		value      float64
	}{
		{"start_time_seconds", "When the program began to show the database, in seconds since 1970.", seconds(p.began)},
		{"backup_time_seconds", "When the newest whole backup was begun, in seconds since 1970; 0 if there is none.",
			seconds(p.lastBackup)},
		{"backup_interval_seconds", "How often a backup is to be made; 0 if that is not said.", p.backupEvery.Seconds()},
	} {
		all = append(all, Family{Name: f.name, Kind: Gauge, Help: f.help, Samples: []Sample{{Value: f.value}}})
	}
	return all
}

// gaps has a sample for each cause of a gap of the archive. It is a time and not a count, because a gap may be found at
// once after a start: what nobody has seen at 0 has not risen.
func gaps(m *metrics.Metrics) Family {
	f := Family{Name: "archive_gap_time_seconds", Kind: Gauge, Labels: []string{"cause"},
		Help: "When the archive last began anew, by the cause, in seconds since 1970; 0 if it did not since Open."}
	last := &m.Archive.LastGap
	for _, c := range []struct {
		cause string
		at    time.Time
	}{{"gap", last.Lost}, {"transaction", last.Transaction}, {"fork", last.Fork}} {
		f.Samples = append(f.Samples, Sample{Labels: []string{c.cause}, Value: seconds(c.at)})
	}
	return f
}

// seconds is t in seconds since 1970, and 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}

// lastBackup is when the newest whole backup was begun that m knows of, and zero if there is none. made are those of
// the database.
func (m *Monitor) lastBackup(made event.Backups) time.Time {
	last := m.backup.lastWhole()
	if begun := made.Last.Add(-made.LastTook); !made.Last.IsZero() && begun.After(last) {
		last = begun
	}
	if m.o.LastBackup != nil {
		if told := m.o.LastBackup(); told.After(last) {
			return told
		}
	}
	return last
}
