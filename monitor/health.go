package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"lightningdb"
)

// Health is the result of one check: the answer of /healthz and /readyz.
type Health struct {
	OK      bool      `json:"ok"`
	Proof   string    `json:"proof,omitempty"`   // what was seen to work, if it is healthy
	Reason  string    `json:"reason,omitempty"`  // why not
	Warning string    `json:"warning,omitempty"` // what has to be mended though it is healthy
	At      time.Time `json:"at"`                // when the check ended, or was given up
	Seconds float64   `json:"seconds"`           // what it took
}

func showHealth(w http.ResponseWriter, h Health) {
	status := http.StatusOK
	if !h.OK {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, h)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "monitor: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(text, '\n')) // whoever has gone does not want it
}

// probe makes a check for all who ask. At most one is in progress; its result is the answer until every has passed
// since its end. A check that does not end is given up by those who wait, and no other one is begun until it does.
type probe struct {
	check          func(ctx context.Context, h *Health) error
	text           func(error) string
	ctx            context.Context
	timeout, every time.Duration

	mu    sync.Mutex
	last  *attempt // the newest; nil before the first
	ended *attempt // the newest that has ended; nil before that
}

// attempt is one check.
type attempt struct {
	began time.Time
	done  chan struct{}
	// result and late are set before done is closed.
	result Health
	late   bool // it took longer than the timeout, so those who waited were told another result
}

func (m *Monitor) newProbe(check func(ctx context.Context, h *Health) error) *probe {
	return &probe{check: check, text: m.text, ctx: m.ctx, timeout: m.o.HealthTimeout, every: m.o.HealthEvery}
}

// ask returns the result of a check, at the latest when the check is over its timeout, or ctx is done.
func (p *probe) ask(ctx context.Context) Health {
	a := p.join()
	left := time.NewTimer(time.Until(a.began.Add(p.timeout)))
	defer left.Stop()
	why := fmt.Sprintf("the check has not ended within %v, and no other one begins until it does", p.timeout)
	select {
	case <-a.done:
	case <-ctx.Done():
		why = "the check is not over, and the caller has gone"
	case <-left.C:
	}
	select {
	case <-a.done: // perhaps long before, so that its time is over too
		return a.result
	default:
	}
	return Health{Reason: why, At: time.Now(), Seconds: time.Since(a.began).Seconds()}
}

// join returns the check that answers now: the newest, if it is in progress or ended a moment ago, or else a new one.
func (p *probe) join() *attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && p.last.answers(p.every) {
		return p.last
	}
	a := &attempt{began: time.Now(), done: make(chan struct{})}
	p.last = a
	go p.run(a)
	return a
}

// answers reports whether the result of a, which may be to come, is good for those who ask now.
func (a *attempt) answers(every time.Duration) bool {
	select {
	case <-a.done:
		return !a.late && time.Since(a.result.At) < every
	default:
		return true
	}
}

// run makes the check. It is given a little less time than those who wait for it have, so that it can still say what it
// was waiting for.
func (p *probe) run(a *attempt) {
	defer close(a.done)
	ctx, cancel := context.WithTimeout(p.ctx, p.timeout-p.timeout/10)
	defer cancel()
	err := p.check(ctx, &a.result)
	a.result.At = time.Now()
	took := a.result.At.Sub(a.began)
	a.result.Seconds, a.late = took.Seconds(), took > p.timeout
	if err == nil && a.late {
		err = plain(fmt.Sprintf("the check took %v; at most %v are healthy", took, p.timeout))
	}
	a.result.OK, a.result.Reason = err == nil, p.text(err)
	if !a.result.OK {
		a.result.Proof = ""
	}
	p.mu.Lock()
	p.ended = a
	p.mu.Unlock()
}

// newest is the result of the newest check that has ended, or nil.
func (p *probe) newest() *Health {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		return nil
	}
	h := p.ended.result
	return &h
}

// checkAlive fails if nothing but opening the database again helps.
func (m *Monitor) checkAlive(_ context.Context, h *Health) error {
	h.Proof = "the database is open"
	if _, ok := m.db.(writer); ok {
		h.Proof += " and takes writes"
	}
	failure := m.db.Metrics().BackgroundError
	if failure == nil || errors.Is(failure, lightningdb.ErrClosed) {
		return failure
	}
	// Writes have stopped, or wait for space, which the next one is told.
	if w, ok := m.db.(writer); ok {
		var nothing lightningdb.Batch
		nothing.SetDurability(lightningdb.Process)
		err := w.Write(&nothing)
		if errors.Is(err, lightningdb.ErrReadOnly) || errors.Is(err, lightningdb.ErrClosed) {
			return err
		}
	}
	h.Warning = m.text(failure)
	return nil
}

// checkReady fails unless the database does what it is for: it takes a write, makes it durable and gives it back. What
// cannot write has to read.
func (m *Monitor) checkReady(ctx context.Context, h *Health) error {
	if w, ok := m.db.(writer); ok {
		h.Proof = "a key was written, synced and read back"
		err := m.writeAndRead(ctx, w)
		if !errors.Is(err, lightningdb.ErrReadOnly) {
			return err
		}
		if failure := m.db.Metrics().BackgroundError; failure != nil {
			return err
		}
	}
	h.Proof = "a key was looked up"
	if r, ok := m.db.(refresher); ok {
		h.Proof = "the newest state was taken over, and a key looked up"
		if err := r.Refresh(ctx); err != nil {
			return err
		}
	}
	if _, err := m.db.Get(m.o.HealthKey); !errors.Is(err, lightningdb.ErrNotFound) {
		return err
	}
	return nil
}

// maxHealthWrites bounds how often a write is made again because somebody came between it and the read: another
// monitor, or the program, which deletes everything.
const maxHealthWrites = 3

// writeAndRead writes the health key and reads it back.
func (m *Monitor) writeAndRead(ctx context.Context, w writer) error {
	missing := 0
	for range maxHealthWrites {
		stalled := m.db.Metrics().Stall.Duration
		value := fmt.Appendf(nil, "lightning health %s %d", m.instance, m.writes.Add(1))
		if err := m.writeDurably(ctx, w, value); err != nil {
			return m.whyNot(err, stalled)
		}
		got, err := m.db.Get(m.o.HealthKey)
		switch {
		case errors.Is(err, lightningdb.ErrNotFound):
			missing++
		case err != nil:
			return err
		case bytes.Equal(got, value):
			return nil
		case bytes.HasPrefix(got, []byte("lightning health "+m.instance+" ")):
			return plain("the health key has an earlier value than the one that was written")
		}
	}
	if missing == maxHealthWrites {
		return plain("the health key was written and is not there")
	}
	return plain("the health key has a value that was not written here: is it used by others?")
}

// writeDurably puts value at the health key, and returns once it survives a power cut.
func (m *Monitor) writeDurably(ctx context.Context, w writer, value []byte) error {
	var seq uint64
	err := w.Update(ctx, func(tx *lightningdb.Tx) error {
		return errors.Join(tx.SetDurability(lightningdb.Sync), tx.OnCommit(func(s uint64) { seq = s }),
			tx.Put(m.o.HealthKey, value))
	})
	if err != nil {
		return err
	}
	return w.WaitDurable(ctx, seq)
}

// whyNot adds to the error of a write what the database says of itself. stalled is how long writes had waited when it
// began: a wait that was over by then is not why.
func (m *Monitor) whyNot(err error, stalled time.Duration) error {
	switch now := m.db.Metrics(); {
	case now.Disk.Refusing != "":
		return errors.Join(err, plain("writes are refused: "+now.Disk.Refusing))
	case errors.Is(err, context.DeadlineExceeded) && now.Stall.Duration > stalled:
		return errors.Join(err, plain("writes wait: "+now.Stall.Cause))
	}
	return err
}
