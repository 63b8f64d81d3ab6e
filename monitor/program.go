package monitor

import (
	"errors"
	"time"

	"lightningdb"
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

// exposeProgram writes what alarms need and Metrics has no figure for: what kind of failure there is, when the program
// began to show the database, and its backups.
func (m *Monitor) exposeProgram(e *exposition, now *gathering) {
	e.family("lightning_failure", gauge, "1 for each class of the background error; other is none of them.")
	failure, known := now.metrics.BackgroundError, false
	for _, f := range failures {
		found := errors.Is(failure, f.err)
		known = known || found
		e.sample("lightning_failure", is(found), label{"class", f.class})
	}
	e.sample("lightning_failure", is(failure != nil && !known), label{"class", "other"})

	for _, f := range []struct {
		name, help string
		value      float64
	}{
		{"start_time_seconds", "When the program began to show the database, in seconds since 1970.", seconds(m.started)},
		{"backup_time_seconds", "When the newest whole backup was begun, in seconds since 1970; 0 if there is none.",
			seconds(now.lastBackup)},
		{"backup_interval_seconds", "How often a backup is to be made; 0 if that is not said.",
			m.o.BackupEvery.Seconds()},
	} {
		e.family("lightning_"+f.name, gauge, f.help)
		e.sample("lightning_"+f.name, f.value)
	}
}

// seconds is t in seconds since 1970, and 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}

// lastBackup is when the newest whole backup was begun that m knows of, and zero if there is none.
func (m *Monitor) lastBackup() time.Time {
	last := m.backup.lastWhole()
	if m.o.LastBackup != nil {
		if told := m.o.LastBackup(); told.After(last) {
			return told
		}
	}
	return last
}
