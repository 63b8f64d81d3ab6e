package monitor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb"
	"lightningdb/backup"
	"lightningdb/event"
	"lightningdb/metrics"
	"lightningdb/monitor"
)

// open opens a new database in a directory.
func open(t *testing.T, o *lightningdb.Options) *lightningdb.DB {
	t.Helper()
	db, err := lightningdb.Open(filepath.Join(t.TempDir(), "db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func newMonitor(t *testing.T, db monitor.Source, o *monitor.Options) *monitor.Monitor {
	t.Helper()
	m, err := monitor.New(db, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// request is one from this machine, with headers: names and values in turn.
func request(method, path string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://localhost:6060"+path, nil)
	r.RemoteAddr = "127.0.0.1:40000"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// ask returns the answer of m to such a request.
func ask(m http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, request(method, path, headers...))
	return w
}

// decode takes an answer as JSON.
func decode[T any](t *testing.T, w *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%v: %d %s", err, w.Code, w.Body)
	}
	return v
}

// Somebody else's page, or machine, reads and starts what it likes.
func TestAccess_isForThisMachine(t *testing.T) {
	for _, c := range []struct {
		name, host, peer string
		o                monitor.Options
		allowed          bool
	}{
		{"a name of the loopback", "localhost:6060", "127.0.0.1:4", monitor.Options{}, true},
		{"a name with a dot", "LocalHost.", "127.0.0.1:4", monitor.Options{}, true},
		{"an address", "127.0.0.1", "[::1]:4", monitor.Options{}, true},
		{"an address of version 6", "[::1]:6060", "[::ffff:127.0.0.1]:4", monitor.Options{}, true},
		{"a socket of Unix", "localhost", "@", monitor.Options{}, true},
		{"a name that was turned here", "evil.example:6060", "127.0.0.1:4", monitor.Options{}, false},
		{"one that looks like ours", "localhost.evil.example", "127.0.0.1:4", monitor.Options{}, false},
		{"one that begins with an address", "127.0.0.1.evil.example", "127.0.0.1:4", monitor.Options{}, false},
		{"the address of all", "0.0.0.0:6060", "127.0.0.1:4", monitor.Options{}, false},
		{"another machine", "localhost", "192.0.2.1:4", monitor.Options{}, false},
		{"another machine that may", "10.0.0.1", "192.0.2.1:4", monitor.Options{AllowRemote: true}, true},
		{"a name that may", "db.example", "127.0.0.1:4", monitor.Options{Hosts: []string{"DB.example"}}, true},
		{"a name does not bring machines", "db.example", "192.0.2.1:4",
			monitor.Options{Hosts: []string{"db.example"}}, false},
		{"another name where some may", "evil.example", "192.0.2.1:4",
			monitor.Options{AllowRemote: true, Hosts: []string{"db.example"}}, false},
	} {
		m := newMonitor(t, &fake{}, &c.o)
		for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/debug/lightning", "/check"} {
			r := request(http.MethodGet, path)
			r.Host, r.RemoteAddr = c.host, c.peer
			w := httptest.NewRecorder()
			m.ServeHTTP(w, r)
			if refused := w.Code == http.StatusForbidden; refused == c.allowed {
				t.Errorf("%s: %s gives %d", c.name, path, w.Code)
			}
		}
	}
}

// elsewhere is a listener that claims to listen to all.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero, Port: 1} }

// A typing error in an address opens the database's state to the network.
func TestServe_refusesOtherAddresses(t *testing.T) {
	m := newMonitor(t, &fake{}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // for one that serves
	defer cancel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0"} {
		if err := monitor.ListenAndServe(ctx, addr, m); !errors.Is(err, monitor.ErrNotLoopback) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := monitor.Serve(ctx, elsewhere{l}, m); !errors.Is(err, monitor.ErrNotLoopback) {
		t.Error(err)
	}
	if err := monitor.ListenAndServe(ctx, "127.0.0.1:none", m); err == nil {
		t.Error("a port that is none")
	}
}

// A server that does not end keeps the program from ending.
func TestServe_untilItsContextEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	m := newMonitor(t, open(t, nil), nil)
	go func() { ended <- monitor.Serve(ctx, l, m) }()
	answer, err := http.Get("http://" + l.Addr().String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), `"ok":true`) {
		t.Errorf("%v, %s: %s", err, answer.Status, text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An option that does not go, or a database that cannot do what is offered, would be found by the first who clicks.
func TestNew_refuses(t *testing.T) {
	for name, o := range map[string]*monitor.Options{
		"a negative timeout":               {HealthTimeout: -1},
		"a negative interval":              {HealthEvery: -1},
		"a check of what has none":         {Check: true},
		"a backup of what cannot make one": {Backup: func(context.Context) (io.WriteCloser, error) { return nil, nil }},
	} {
		if m, err := monitor.New(&fake{}, o); err == nil {
			m.Close()
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := monitor.New(nil, nil); err == nil {
		t.Error("no database is taken")
	}
}

// Under a prefix the page would ask the program for what the monitor has.
func TestServeHTTP_underAPrefix(t *testing.T) {
	m := newMonitor(t, &fake{}, nil)
	for _, prefix := range []string{"/a/database", "/a/database/"} {
		h := http.StripPrefix(prefix, m)
		for _, path := range []string{"/a/database/", "/a/database/metrics", "/a/database/debug/lightning"} {
			if w := ask(h, http.MethodGet, path); w.Code != http.StatusOK {
				t.Errorf("%s under %s: %d", path, prefix, w.Code)
			}
		}
	}
	w := ask(http.StripPrefix("/a/database", m), http.MethodGet, "/a/database?x=/")
	if got := w.Header().Get("Location"); w.Code != http.StatusMovedPermanently || got != "./database/" {
		t.Errorf("%d to %q", w.Code, got)
	}
	if w := ask(m, http.MethodGet, "/nothing"); w.Code != http.StatusNotFound {
		t.Error(w.Code)
	}
	if w := ask(m, http.MethodPost, "/metrics"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") == "" {
		t.Error(w.Code)
	}
}

// A page that loads something from elsewhere tells others who looks at which database, and is blank without a network.
func TestPage_hasEverythingItself(t *testing.T) {
	w := ask(newMonitor(t, &fake{}, nil), http.MethodGet, "/")
	text := w.Body.String()
	for what, none := range map[string]string{
		"an address":             `(?:https?:)?//[a-z]+\.[a-z]`,
		"a source":               `(?i)\ssrc\s*=|@import|url\(`,
		"a style at an element":  `(?i)\sstyle\s*=`,
		"a script at an element": `(?i)\son[a-z]+\s*=\s*["']`,
		"markup made by script":  `innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(`,
		"a place for the token":  `\{\{`,
	} {
		found := regexp.MustCompile(none).FindAllString(text, -1)
		if what == "an address" && len(found) == 1 && strings.Contains(text, `"http://www.w3.org/2000/svg"`) {
			continue // a name, of which nothing is loaded
		}
		if len(found) > 0 {
			t.Errorf("the page has %s: %q", what, found)
		}
	}
	for _, has := range []string{"prefers-color-scheme: dark", `name="viewport"`, `fetch("debug/lightning"`} {
		if !strings.Contains(text, has) {
			t.Errorf("the page lacks %s", has)
		}
	}
	if strings.Count(text, "<script>") != 1 || strings.Count(text, "<style>") != 1 {
		t.Error("the policy has one digest for each")
	}
}

// Without the policy, a key that somebody chose well is a script in the browser of whoever is on call.
func TestPage_policyAllowsThisPageAlone(t *testing.T) {
	w := ask(newMonitor(t, &fake{}, nil), http.MethodGet, "/")
	policy := make(map[string]string)
	for part := range strings.SplitSeq(w.Header().Get("Content-Security-Policy"), "; ") {
		name, value, _ := strings.Cut(part, " ")
		policy[name] = value
	}
	for element, name := range map[string]string{"script": "script-src", "style": "style-src"} {
		if want := digest(w.Body.String(), element); policy[name] != want {
			t.Errorf("%s is %q, not %q", name, policy[name], want)
		}
		delete(policy, name)
	}
	want := map[string]string{"default-src": "'none'", "connect-src": "'self'", "img-src": "data:",
		"base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
	if fmt.Sprint(policy) != fmt.Sprint(want) {
		t.Errorf("%q", policy)
	}
	if h := w.Header(); h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%q", h)
	}
}

// A key in an error text is shown to everybody who may look at the state.
func TestState_showsNoKeysUnlessAllowed(t *testing.T) {
	f := &fake{}
	f.metrics.BackgroundError = fmt.Errorf("compact: key %q: %w", "secret", errors.Join(lightningdb.ErrReadOnly,
		&lightningdb.CorruptionError{File: "000007.tbl", Offset: 4096, What: `the value of key "secret"`}))
	f.metrics.Scrub.Found = []metrics.ScrubDamage{{File: "000007.tbl", Damage: `the value of key "secret"`}}
	f.metrics.Events.Recent = []event.SlowOperation{{Operation: event.Get, Key: []byte("of somebody")}}
	for _, show := range []bool{false, true} {
		m := newMonitor(t, f, &monitor.Options{ShowKeys: show})
		var all bytes.Buffer
		for _, path := range []string{"/healthz", "/readyz", "/metrics", "/", "/debug/lightning"} {
			all.Write(ask(m, http.MethodGet, path).Body.Bytes())
		}
		if got := strings.Contains(all.String(), "secret"); got != show {
			t.Errorf("ShowKeys %v: the key is shown: %v", show, got)
		}
		s := decode[monitor.State](t, ask(m, http.MethodGet, "/debug/lightning"))
		if !show && (!strings.Contains(s.BackgroundError, "ErrReadOnly") || !strings.Contains(s.BackgroundError,
			"000007.tbl, offset 4096") || len(s.Metrics.Scrub.Found) != 1) {
			t.Errorf("%q, %v", s.BackgroundError, s.Metrics.Scrub.Found)
		}
		if got := string(s.Metrics.Events.Recent[0].Key); got == "of somebody" != show {
			t.Errorf("ShowKeys %v: the key of a slow operation is %q", show, got)
		}
	}
	if f.metrics.Scrub.Found[0].Damage == "" || !strings.Contains(f.metrics.Scrub.Found[0].Damage, "secret") {
		t.Error("what the database holds was changed")
	}
}

// A program that reads the state breaks when a name changes.
func TestState_namesStay(t *testing.T) {
	db := open(t, &lightningdb.Options{TraceReaders: true})
	defer db.Snapshot().Close()
	m := newMonitor(t, db, &monitor.Options{Check: true})
	ask(m, http.MethodGet, "/healthz")
	ask(m, http.MethodGet, "/readyz")
	w := ask(m, http.MethodGet, "/debug/lightning")
	state := decode[map[string]any](t, w)
	for name, value := range map[string]any{"path": db.Path(), "background_error": "", "backup": nil} {
		if got, ok := state[name]; !ok || got != value {
			t.Errorf("%s is %v", name, got)
		}
	}
	for name, fields := range map[string][]string{
		"alive": {"ok", "proof", "at", "seconds"}, "ready": {"ok", "proof", "at", "seconds"},
		"check":   {"running", "ok", "done_bytes", "total_bytes"},
		"metrics": {"Sequence", "Commits", "Levels", "Readers", "DiskBytes", "Log", "Latency", "Stall", "Transactions"},
	} {
		for _, field := range fields {
			if inner, ok := state[name].(map[string]any); !ok || inner[field] == nil {
				t.Errorf("%s has no %s: %v", name, field, state[name])
			}
		}
	}
	s := decode[monitor.State](t, w)
	if now := db.Metrics(); s.Metrics.Sequence != now.Sequence || s.Metrics.Commits != 1 || len(s.Metrics.Readers) != 1 ||
		!strings.Contains(s.Metrics.Readers[0].Stack, "TestState_namesStay") || s.Now.IsZero() {
		t.Errorf("%+v", s)
	}
}

// token takes the token out of the page, as its script does.
func token(t *testing.T, m http.Handler) string {
	t.Helper()
	found := regexp.MustCompile(`<meta name="token" content="([0-9a-f]{32})">`).FindStringSubmatch(
		ask(m, http.MethodGet, "/").Body.String())
	if found == nil {
		t.Fatal("there is no token in the page")
	}
	return found[1]
}

// A page of elsewhere that has a form for it would have this machine read all its disk, over and over.
func TestJobs_beginWithTheTokenAlone(t *testing.T) {
	db := open(t, nil)
	m := newMonitor(t, db, &monitor.Options{Check: true})
	for _, headers := range [][]string{nil, {"X-Lightning-Token", ""}, {"X-Lightning-Token", strings.Repeat("0", 32)},
		{"X-Lightning-Token", token(t, newMonitor(t, db, nil))}} {
		if w := ask(m, http.MethodPost, "/check", headers...); w.Code != http.StatusForbidden {
			t.Errorf("%q: %d", headers, w.Code)
		}
	}
	if w := ask(m, http.MethodGet, "/check", "X-Lightning-Token", token(t, m)); w.Code != http.StatusMethodNotAllowed {
		t.Error(w.Code)
	}
	if w := ask(m, http.MethodPost, "/backup", "X-Lightning-Token", token(t, m)); w.Code != http.StatusNotFound {
		t.Errorf("a backup that the program does not allow: %d", w.Code)
	}
	if s := m.State(); s.Check.Running || !s.Check.Began.IsZero() || s.Backup != nil {
		t.Errorf("%+v", s.Check)
	}
}

// target is what a backup is written to.
type target struct {
	bytes.Buffer
	ctx    context.Context
	whole  bool
	wait   chan struct{}
	refuse error
}

func (f *target) Write(p []byte) (int, error) {
	if f.wait != nil {
		<-f.wait
	}
	if f.refuse != nil {
		return 0, f.refuse
	}
	return f.Buffer.Write(p)
}

func (f *target) Close() error { f.whole = f.ctx.Err() == nil; return nil }

// finished waits until a job has ended.
func finished(m *monitor.Monitor, of func(monitor.State) *monitor.Job) monitor.Job {
	for {
		if j := of(m.State()); !j.Running {
			return *j
		}
		time.Sleep(time.Millisecond)
	}
}

func checkOf(s monitor.State) *monitor.Job  { return s.Check }
func backupOf(s monitor.State) *monitor.Job { return s.Backup }

// A backup that nobody can restore, or a bad one in place of a good one, is found on the day it is needed.
func TestJobs_checkAndBackUp(t *testing.T) {
	db := open(t, nil)
	work(t, db)
	to := &target{wait: make(chan struct{})}
	m := newMonitor(t, db, &monitor.Options{Check: true, Backup: func(ctx context.Context) (io.WriteCloser, error) {
		to.ctx = ctx
		return to, nil
	}})
	header := []string{"X-Lightning-Token", token(t, m)}
	if w := ask(m, http.MethodPost, "/check", header...); w.Code != http.StatusAccepted {
		t.Fatal(w.Code, w.Body)
	}
	if j := finished(m, checkOf); !j.OK || j.Error != "" || j.Done == 0 || j.Done != j.Total || j.Ended.Before(j.Began) {
		t.Errorf("check: %+v", j)
	}
	if w := ask(m, http.MethodPost, "/backup", header...); w.Code != http.StatusAccepted {
		t.Fatal(w.Code, w.Body)
	}
	if w := ask(m, http.MethodPost, "/backup", header...); w.Code != http.StatusConflict {
		t.Errorf("a second one: %d", w.Code)
	}
	close(to.wait)
	if j := finished(m, backupOf); !j.OK || !to.whole || j.Done == 0 {
		t.Fatalf("backup: %+v, whole %v", j, to.whole)
	}
	if _, err := backup.Restore(t.Context(), &to.Buffer, filepath.Join(t.TempDir(), "again"), nil); err != nil {
		t.Error(err)
	}
	// The database says itself when it began, a moment later than the job.
	began, ended := float64(finished(m, backupOf).Began.UnixMilli())/1e3, float64(time.Now().UnixMilli())/1e3
	time.Sleep(2 * time.Millisecond)
	to = &target{refuse: errors.New("the tape is torn")}
	ask(m, http.MethodPost, "/backup", header...)
	if j := finished(m, backupOf); j.OK || j.Error == "" || to.whole {
		t.Errorf("a backup that failed: %+v, whole %v", j, to.whole)
	}
	if got := scrape(t, m, false).samples["lightning_backup_time_seconds"]; got < began || got > ended {
		t.Errorf("the newest whole backup is of %v, not of %v to %v", got, began, ended)
	}
}

// A program that ends while somebody backs up would wait for hours, or leave a goroutine in a closed database.
func TestClose_endsWhatWasBegun(t *testing.T) {
	db := open(t, nil)
	work(t, db)
	to := &target{}
	started := make(chan struct{})
	m := newMonitor(t, db, &monitor.Options{Backup: func(ctx context.Context) (io.WriteCloser, error) {
		to.ctx = ctx
		close(started)
		<-ctx.Done()
		return to, nil
	}})
	header := []string{"X-Lightning-Token", token(t, m)}
	ask(m, http.MethodPost, "/backup", header...)
	<-started
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if j := m.State().Backup; j.Running || j.OK || to.whole || !strings.Contains(j.Error, "context.Canceled") {
		t.Errorf("%+v, whole %v", j, to.whole)
	}
	if w := ask(m, http.MethodPost, "/backup", header...); w.Code != http.StatusConflict {
		t.Errorf("begun after Close: %d", w.Code)
	}
}

// inBubble runs a test with a clock of its own.
func inBubble(t *testing.T, test func(t *testing.T, db *lightningdb.DB)) {
	synctest.Test(t, func(t *testing.T) {
		db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, LockTimeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		test(t, db)
	})
}
