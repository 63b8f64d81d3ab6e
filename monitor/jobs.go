package monitor

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// Job is a check or a backup: the newest one since New.
type Job struct {
	Running bool      `json:"running"`
	OK      bool      `json:"ok"` // it has ended, and well
	Error   string    `json:"error,omitempty"`
	Done    int64     `json:"done_bytes"`
	Total   int64     `json:"total_bytes"`
	Began   time.Time `json:"began,omitzero"` // zero before the first
	Ended   time.Time `json:"ended,omitzero"`
}

// job is what a request may begin, once at a time.
type job struct {
	run func(ctx context.Context, progress func(done, total int64)) error

	mu    sync.Mutex
	state Job
	whole time.Time // when the newest one began that ended well; zero before that
}

// allowJobs makes what the options allow. It fails if the database cannot do that.
func (m *Monitor) allowJobs() error {
	if m.o.Check {
		v, ok := m.db.(verifier)
		if !ok {
			return errors.New("monitor: Options.Check is set, and this Source has no Verify")
		}
		m.check = &job{run: v.Verify}
	}
	if m.o.Backup != nil {
		b, ok := m.db.(backuper)
		if !ok {
			return errors.New("monitor: Options.Backup is set, and this Source has no Backup")
		}
		m.backup = &job{run: func(ctx context.Context, progress func(done, total int64)) error {
			return m.backUp(ctx, b, progress)
		}}
	}
	return nil
}

// backUp writes a backup to what Options.Backup opens.
func (m *Monitor) backUp(ctx context.Context, db backuper, progress func(done, total int64)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var to io.WriteCloser
	to, err := m.o.Backup(ctx)
	if err != nil {
		return err
	}
	if _, err = db.Backup(ctx, to, progress); err != nil {
		cancel() // tells Close that this is no backup
	}
	return errors.Join(err, to.Close())
}

// begin answers a request that is to begin a job.
func (m *Monitor) begin(w http.ResponseWriter, r *http.Request, j *job) {
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", "POST")
		http.Error(w, "only POST", http.StatusMethodNotAllowed)
	case !m.hasToken(r):
		http.Error(w, "the header "+tokenHeader+" has to be what is in the page", http.StatusForbidden)
	case !m.start(j):
		http.Error(w, "it is in progress, or the monitor is closed", http.StatusConflict)
	default:
		writeJSON(w, http.StatusAccepted, j.now())
	}
}

// start begins j, and reports whether it did: not if it is in progress, or if m is closed.
func (m *Monitor) start(j *job) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || !j.take() {
		return false
	}
	m.jobs.Add(1)
	go func() {
		defer m.jobs.Done()
		var err error = errEnded // where a function of the program ends the goroutine
		defer func() { j.end(m.text(err)) }()
		err = j.run(m.ctx, j.progress)
	}()
	return true
}

const errEnded = plain("it ended without a result")

// take makes j the one that is in progress, unless it is.
func (j *job) take() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state.Running {
		return false
	}
	j.state = Job{Running: true, Began: time.Now()}
	return true
}

func (j *job) progress(done, total int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Done, j.state.Total = done, total
}

// end notes how j has ended: failure is empty if well.
func (j *job) end(failure string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Running, j.state.OK, j.state.Error, j.state.Ended = false, failure == "", failure, time.Now()
	if j.state.OK {
		j.whole = j.state.Began
	}
}

// lastWhole is when the newest one of j began that ended well, and zero if there is none. j may be nil.
func (j *job) lastWhole() time.Time {
	if j == nil {
		return time.Time{}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.whole
}

// now is the state of j, which may be nil: it is not allowed then.
func (j *job) now() *Job {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	state := j.state
	return &state
}
