package operate

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// pager is what Alertmanager tells of alerts: one that fires, and one that is over.
type pager struct {
	address string

	mu     sync.Mutex
	firing map[ring]bool // false: it has rung before
}

// ring is an alert at one instance.
type ring struct{ instance, alert string }

// call is the body of a request of Alertmanager's webhook, as far as it is needed.
type call struct {
	Alerts []struct {
		Status string
		Labels map[string]string
	}
}

const maxCallBytes = 1 << 20

// startPager starts a pager, which ends with the run.
func (r *run) startPager() (*pager, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &pager{address: l.Addr().String(), firing: make(map[ring]bool)}
	server := &http.Server{Handler: p, ReadTimeout: 10 * time.Second}
	r.ended.Go(func() { _ = server.Serve(l) }) // until it is closed
	r.ended.Go(func() { <-r.ctx.Done(); _ = server.Close() })
	return p, nil
}

// ServeHTTP takes a call.
func (p *pager) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxCallBytes))
	var c call
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range c.Alerts {
		p.firing[ring{a.Labels["instance"], a.Labels["alertname"]}] = a.Status == "firing"
	}
}

// rings reports whether an alert fires at an instance.
func (p *pager) rings(instance, alert string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.firing[ring{instance, alert}]
}

// silent reports whether no alert fires.
func (p *pager) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rings := range p.firing {
		if rings {
			return false
		}
	}
	return true
}

// rung are the alerts that have rung at an instance, or at any one if it is empty.
func (p *pager) rung(instance string) (alerts []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := range p.firing {
		if instance == "" || r.instance == instance {
			alerts = append(alerts, r.alert)
		}
	}
	slices.Sort(alerts)
	return slices.Compact(alerts)
}
