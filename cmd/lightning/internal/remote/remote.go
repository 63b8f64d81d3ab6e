// Package remote asks a program over HTTP what it tells about its database, where package monitor shows that. It has
// the little of HTTP/1.1 that one GET takes: package net/http would nearly double the program, which has a budget
// (docs/decisions/0007). There is no TLS; for another machine there are tunnels.
package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/watch"
)

// ErrNoAnswer is what asking fails with, whatever the reason. Use errors.Is.
var ErrNoAnswer = errors.New("no answer")

// statePath is where package monitor shows its State, below its page.
const statePath = "debug/lightning"

// Monitor is a place where package monitor shows a database.
type Monitor struct {
	URL string // as it was given

	address string // to dial
	host    string // as the header says it
	path    string // of the State

	skew time.Duration // by which the program's clock was ahead of this one's, at its newest answer
}

// IsURL reports whether an argument means a place like that, not a directory.
func IsURL(argument string) bool { return strings.Contains(argument, "://") }

// Parse reads the address of a monitor's page, such as http://127.0.0.1:6060/ or http://shop:8080/database/.
func Parse(url string) (*Monitor, error) {
	scheme, rest, _ := strings.Cut(url, "://")
	switch {
	case strings.EqualFold(scheme, "https"):
		return nil, fmt.Errorf("%q: https is not spoken here: use http, through a tunnel if it is another machine's", url)
	case !strings.EqualFold(scheme, "http"):
		return nil, fmt.Errorf("%q: only http is spoken here", url)
	}
	for _, c := range []byte(rest) { // as they are sent; none of them may end a line of the request
		if c <= ' ' || c >= 0x7f || strings.ContainsRune(`"<>@?#\`, rune(c)) {
			return nil, fmt.Errorf("%q: %q may not be in the address of a monitor", url, c)
		}
	}
	m := &Monitor{URL: url}
	var path string
	m.host, path, _ = strings.Cut(rest, "/")
	path = strings.TrimSuffix(strings.TrimSuffix(path, statePath), "/")
	if path != "" {
		path += "/"
	}
	m.path = "/" + path + statePath
	m.address = m.host
	if _, _, err := net.SplitHostPort(m.host); err != nil {
		m.address = net.JoinHostPort(strings.Trim(m.host, "[]"), "80")
	}
	if host, port, err := net.SplitHostPort(m.address); err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("%q: there is no host in it", url)
	}
	return m, nil
}

// state is what of monitor.State is read here.
type state struct {
	Path            string              `json:"path"`
	Pid             int                 `json:"pid"`
	Program         string              `json:"program"`
	Began           time.Time           `json:"began"`
	Now             time.Time           `json:"now"`
	Metrics         lightningdb.Metrics `json:"metrics"`
	BackgroundError string              `json:"background_error"`
}

// Look asks, and gives the answer to w. It returns the time as the program's clock has it, which is what w compares
// with. The error is ErrNoAnswer, and only before the first answer: after that w says that there is none.
func (m *Monitor) Look(ctx context.Context, w *watch.Watch) (now time.Time, err error) {
	w.URL = m.URL
	s, err := m.ask(ctx)
	now = time.Now()
	_, told := w.Pid()
	switch {
	case err == nil:
		m.skew = s.Now.Sub(now)
		w.Path = s.Path
		w.Take(lightningdb.WriterStatus{Pid: s.Pid, Program: s.Program, Opened: s.Began, At: s.Now, Metrics: s.Metrics})
	case ctx.Err() != nil:
		return now, context.Cause(ctx)
	case !told:
		return now, fmt.Errorf("%s: %w", m.URL, err)
	default:
		w.Ended = err.Error()
	}
	return now.Add(m.skew), nil
}

// ask returns what the program tells at this moment.
func (m *Monitor) ask(ctx context.Context) (*state, error) {
	body, err := get(ctx, m.address, m.host, m.path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	s := new(state)
	if err := json.Unmarshal(body, s); err != nil || s.Now.IsZero() || s.Began.IsZero() {
		return nil, fmt.Errorf("%w that package monitor would give", ErrNoAnswer)
	}
	if s.BackgroundError != "" {
		s.Metrics.BackgroundError = errors.New(s.BackgroundError)
	}
	return s, nil
}
