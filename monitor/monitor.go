package monitor

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb"
)

// Source is what a Monitor shows: a *lightningdb.DB, or a *lightningdb.Follower. What else it can do, such as to write,
// to refresh, to verify or to back up, is found by its methods.
type Source interface {
	Metrics() lightningdb.Metrics
	Path() string
	Get(key []byte) ([]byte, error)
}

// These are the methods that a Source may have.
type (
	writer interface {
		Update(ctx context.Context, fn func(tx *lightningdb.Tx) error) error
		Write(b *lightningdb.Batch) error
		WaitDurable(ctx context.Context, seq uint64) error
	}
	refresher interface {
		Refresh(ctx context.Context) error
	}
	verifier interface {
		Verify(ctx context.Context, progress func(done, total int64)) error
	}
	backuper interface {
		Backup(ctx context.Context, w io.Writer, progress func(done, total int64)) (uint64, error)
	}
)

var (
	_ writer    = (*lightningdb.DB)(nil)
	_ verifier  = (*lightningdb.DB)(nil)
	_ backuper  = (*lightningdb.DB)(nil)
	_ Source    = (*lightningdb.Follower)(nil)
	_ refresher = (*lightningdb.Follower)(nil)
	_ verifier  = (*lightningdb.Follower)(nil)
	_ backuper  = (*lightningdb.Follower)(nil)
)

// DefaultHealthKey is what /readyz writes to. It sorts before all keys that do not begin with a NUL.
const DefaultHealthKey = "\x00lightning/health"

const (
	defaultHealthTimeout = 2 * time.Second
	defaultHealthEvery   = 5 * time.Second
)

// Options configures New. The zero value, and nil, is a good monitor.
type Options struct {
	// AllowRemote answers other machines too. There is no password: put something in front that asks for one.
	AllowRemote bool

	// Hosts are names, without ports, by which requests may ask for the monitor, besides localhost and the addresses of
	// the loopback. Default: none; with AllowRemote any name, unless there are Hosts.
	Hosts []string

	// ShowKeys shows the whole text of errors and damage, which may quote keys of the database, and the keys of slow
	// operations, if the database tells them (event.Options.Keys). Default: the names of the errors, the file and the
	// offset, and no keys.
	ShowKeys bool

	// HealthKey is the key that /readyz writes to, at Sync durability, and reads back: one that nothing else uses. A loop
	// over all keys meets it. Default: DefaultHealthKey.
	HealthKey []byte

	// HealthTimeout bounds how long an answer takes, of /healthz and /readyz first of all: then it is 503. Default: 2 s.
	HealthTimeout time.Duration

	// HealthEvery is for how long the result of a check is the answer to all who ask. Default: 5 s.
	HealthEvery time.Duration

	// Check lets the page, and POST /check, begin a DB.Verify, which reads every table.
	Check bool

	// Backup lets the page, and POST /backup, begin a DB.Backup: it opens what the backup is written to, a new file, say.
	// Close is called in any case. The backup is whole, and may take the place of an earlier one, if ctx is not done then;
	// after a failure ctx is done before Close is called. Default: nil, no backup.
	Backup func(ctx context.Context) (io.WriteCloser, error)

	// BackupEvery is how often the program makes a backup: an alarm compares the age of the newest one with it. Default:
	// 0, no alarm.
	BackupEvery time.Duration

	// LastBackup tells when the newest whole backup was begun, and the zero time if there is none: for programs that make
	// backups other than by Options.Backup. It is called for every scrape, so it has to know the time and not to look for
	// it. Default: nil; the newest backup is the one that POST /backup made last.
	LastBackup func() time.Time
}

// Monitor shows a database over HTTP. Any number of goroutines may call its methods at once.
type Monitor struct {
	db       Source
	o        Options
	instance string // tells its health writes from those of another monitor
	token    string // is in the page, and has to come with what begins something
	began    time.Time
	writes   atomic.Uint64
	levels   atomic.Int64 // how many /metrics has shown

	alive, ready  *probe
	check, backup *job // nil if it is not allowed

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu        sync.Mutex
	closed    bool       // no job begins any more
	gathering *gathering // in progress, or nil
	jobs      sync.WaitGroup
}

// New returns a monitor of db, which has to stay open for as long as anything but errors is to be shown. o may be nil.
func New(db Source, o *Options) (*Monitor, error) {
	m := &Monitor{db: db, o: *cmp.Or(o, &Options{}), instance: randomText(8), token: randomText(16), began: time.Now()}
	if db == nil {
		return nil, errors.New("monitor: there is no database to show: the Source is nil")
	}
	if m.o.HealthTimeout < 0 || m.o.HealthEvery < 0 || m.o.BackupEvery < 0 {
		return nil, errors.New("monitor: Options.HealthTimeout, HealthEvery and BackupEvery must not be negative")
	}
	m.o.HealthTimeout = cmp.Or(m.o.HealthTimeout, defaultHealthTimeout)
	m.o.HealthEvery = cmp.Or(m.o.HealthEvery, defaultHealthEvery)
	m.o.Hosts, m.o.HealthKey = slices.Clone(m.o.Hosts), slices.Clone(m.o.HealthKey)
	if len(m.o.HealthKey) == 0 {
		m.o.HealthKey = []byte(DefaultHealthKey)
	}
	if err := m.allowJobs(); err != nil {
		return nil, err
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.alive, m.ready = m.newProbe(m.checkAlive), m.newProbe(m.checkReady)
	return m, nil
}

// Began is when New has made m. It does not ask the database.
func (m *Monitor) Began() time.Time { return m.began }

// randomText is n random bytes, in hexadecimal.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// Close ends a check and a backup that are in progress, and waits for them. Nothing can be begun after it; everything
// else is shown as before. The database is the caller's. Close it after this.
func (m *Monitor) Close() error {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cancel()
	m.jobs.Wait()
	return nil
}

// ServeHTTP answers a request: see the paths in the comment of the package.
func (m *Monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if err := m.admit(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	at := "/" + strings.TrimLeft(r.URL.Path, "/")
	if job := map[string]*job{"/check": m.check, "/backup": m.backup}[at]; job != nil {
		m.begin(w, r, job)
		return
	}
	show, ok := map[string]http.HandlerFunc{
		"/": m.showPage, "/metrics": m.showMetrics, "/debug/lightning": m.showState,
		"/healthz": func(w http.ResponseWriter, r *http.Request) { showHealth(w, m.alive.ask(r.Context())) },
		"/readyz":  func(w http.ResponseWriter, r *http.Request) { showHealth(w, m.ready.ask(r.Context())) },
	}[at]
	asked, _, _ := strings.Cut(r.RequestURI, "?")
	switch {
	case !ok:
		http.Error(w, fmt.Sprintf("there is no %s here, or the program does not allow it", at), http.StatusNotFound)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
	case r.URL.Path == "" && !strings.HasSuffix(asked, "/"): // a prefix was cut off: the page would ask next to it
		h.Set("Location", "./"+path.Base(asked)+"/")
		w.WriteHeader(http.StatusMovedPermanently)
	default:
		show(w, r)
	}
}
