package monitor

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"lightningdb"
)

// State is what /debug/lightning answers, as JSON. Names stay; new ones come. Within metrics the names are those of
// lightningdb.Metrics and its fields; there sizes are in bytes, and times, as a time.Duration is, in nanoseconds.
// Latencies are since Open: those of an interval are the difference of the counts of two answers.
type State struct {
	Path            string              `json:"path"`             // the directory
	Pid             int                 `json:"pid"`              // of the program that has it open
	Program         string              `json:"program"`          // its name
	Began           time.Time           `json:"began"`            // New; another one means another Monitor
	Now             time.Time           `json:"now"`              // of the metrics, by the clock of the program
	Metrics         lightningdb.Metrics `json:"metrics"`          // without BackgroundError
	BackgroundError string              `json:"background_error"` // its text; empty if there is none
	Alive           *Health             `json:"alive"`            // of the newest /healthz; null before the first
	Ready           *Health             `json:"ready"`            // of the newest /readyz; null before the first
	Check           *Job                `json:"check"`            // null if it is not allowed
	Backup          *Job                `json:"backup"`           // null if it is not allowed
}

// hidden takes the place of a text that may quote keys.
const hidden = "damage; its text may quote keys: Options.ShowKeys shows it"

// State returns what /debug/lightning shows at this moment. It makes no check.
func (m *Monitor) State() State {
	at := time.Now()
	return m.stateOf(m.db.Metrics(), at)
}

// stateOf is the state with metrics that were gathered at a time.
func (m *Monitor) stateOf(now lightningdb.Metrics, at time.Time) State {
	s := State{
		Path: m.db.Path(), Pid: os.Getpid(), Program: program(), Began: m.began, Now: at, Metrics: now,
		Alive: m.alive.newest(), Ready: m.ready.newest(), Check: m.check.now(), Backup: m.backup.now(),
	}
	s.BackgroundError, s.Metrics.BackgroundError = m.text(now.BackgroundError), nil
	if !m.o.ShowKeys {
		s.Metrics.Scrub.Found = slices.Clone(s.Metrics.Scrub.Found)
		for i := range s.Metrics.Scrub.Found {
			s.Metrics.Scrub.Found[i].Damage = hidden
		}
		s.Metrics.Events.Recent = slices.Clone(s.Metrics.Events.Recent)
		for i := range s.Metrics.Events.Recent {
			s.Metrics.Events.Recent[i].Key = nil
		}
	}
	return s
}

// program is the name of this program, without its directory; empty if the system does not tell it.
func program() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return filepath.Base(path)
}

func (m *Monitor) showState(w http.ResponseWriter, r *http.Request) {
	now, err := m.gather(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	writeJSON(w, http.StatusOK, m.stateOf(now.metrics, now.at))
}

// gathering is one call of Metrics, for all who ask while it is in progress.
type gathering struct {
	done chan struct{}
	at   time.Time // just before
	// These are set before done is closed; nobody changes what they refer to.
	metrics    lightningdb.Metrics
	lastBackup time.Time // when it was begun; zero if there is none
}

// gather returns the metrics, and of when they are, or an error after Options.HealthTimeout: they have sizes of files,
// for which the file system is asked, and if that hangs one goroutine stands there and not one for each who asks.
func (m *Monitor) gather(ctx context.Context) (*gathering, error) {
	ctx, cancel := context.WithTimeout(ctx, m.o.HealthTimeout)
	defer cancel()
	g := m.joinGathering()
	select {
	case <-g.done:
		return g, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("monitor: the database has not told its metrics: %w", ctx.Err())
	}
}

// joinGathering returns the call that is in progress, or begins one.
func (m *Monitor) joinGathering() *gathering {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gathering != nil {
		return m.gathering
	}
	g := &gathering{done: make(chan struct{}), at: time.Now()}
	m.gathering = g
	go func() {
		defer close(g.done)
		defer func() { // also if a function of the program ends the goroutine
			m.mu.Lock()
			defer m.mu.Unlock()
			m.gathering = nil
		}()
		g.metrics = m.db.Metrics()
		g.lastBackup = m.lastBackup(g.metrics.Backups)
	}()
	return g
}
