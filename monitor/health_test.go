package monitor_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb"
	"lightningdb/metrics"
	"lightningdb/monitor"
)

// digest is that of an element of a page, as a policy has it.
func digest(page, element string) string {
	from, to := strings.Index(page, "<"+element+">")+len(element)+2, strings.Index(page, "</"+element+">")
	sum := sha256.Sum256([]byte(page[from:to]))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// mustBe asks for the health at path, and checks whether it is good and what the answer says of it.
func mustBe(t *testing.T, m *monitor.Monitor, path string, ok bool, says string) monitor.Health {
	t.Helper()
	w := ask(m, http.MethodGet, path)
	h := decode[monitor.Health](t, w)
	if h.OK != ok || (w.Code == http.StatusOK) != ok || !ok && w.Code != http.StatusServiceUnavailable ||
		!strings.Contains(h.Proof+h.Reason+h.Warning, says) || (h.Reason == "") != ok || h.At.IsZero() {
		t.Fatalf("%s: %d %+v; want ok %v, and %q", path, w.Code, h, ok, says)
	}
	return h
}

// A check that proves nothing about writing says healthy of a database that takes none.
func TestReady_writesSyncsAndReads(t *testing.T) {
	db := open(t, &lightningdb.Options{Durability: lightningdb.Process, SyncInterval: time.Hour})
	m := newMonitor(t, db, nil)
	mustBe(t, m, "/readyz", true, "written, synced and read back")
	mustBe(t, m, "/healthz", true, "open")
	value, err := db.Get([]byte("\x00lightning/health"))
	if now := db.Metrics(); err != nil || !strings.HasPrefix(string(value), "lightning health ") || now.Commits != 1 ||
		now.DurableSequence != now.Sequence {
		t.Errorf("%q, %v; %d commits, durable %d of %d", value, err, now.Commits, now.DurableSequence, now.Sequence)
	}
	m = newMonitor(t, db, &monitor.Options{HealthKey: []byte("mine")})
	mustBe(t, m, "/readyz", true, "")
	if _, err := db.Get([]byte("mine")); err != nil {
		t.Error(err)
	}
}

// A load balancer of a hundred machines would write a hundred times a second.
func TestReady_manyCallersWriteOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, db *lightningdb.DB) {
		m := newMonitor(t, db, &monitor.Options{HealthEvery: time.Minute})
		askAll := func() {
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					if w := ask(m, http.MethodGet, "/readyz"); w.Code != http.StatusOK {
						t.Error(w.Code, w.Body)
					}
				})
			}
			all.Wait()
		}
		for minute := range uint64(3) {
			askAll()
			time.Sleep(59 * time.Second)
			askAll()
			if n := db.Metrics().Commits; n != minute+1 {
				t.Errorf("%d commits in minute %d", n, minute)
			}
			time.Sleep(2 * time.Second)
		}
	})
}

// A result that is older than it may be is that of a database which has failed since.
func TestReady_isAskedAnewAfterAFailureToo(t *testing.T) {
	inBubble(t, func(t *testing.T, db *lightningdb.DB) {
		m := newMonitor(t, db, nil)
		mustBe(t, m, "/readyz", true, "")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		mustBe(t, m, "/readyz", false, "ErrClosed")
	})
}

// A program that cannot write any more is sent work until somebody looks.
func TestReady_ofAClosedDatabase(t *testing.T) {
	db := open(t, nil)
	m := newMonitor(t, db, nil)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	mustBe(t, m, "/readyz", false, "ErrClosed")
	mustBe(t, m, "/healthz", false, "ErrClosed")
}

// On a full disk a restart makes nothing better, and work sent there is lost time.
func TestReady_onAFullDisk(t *testing.T) {
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, DiskLimit: 64 << 20, MemoryLimit: 10 << 20,
		Compression: lightningdb.NoCompression, Durability: lightningdb.Process})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := newMonitor(t, db, &monitor.Options{HealthEvery: time.Nanosecond, HealthTimeout: time.Minute})
	mustBe(t, m, "/readyz", true, "")
	page, r, n := make([]byte, 32<<10), rand.New(rand.NewPCG(1, 2)), 0
	for ; n < 10_000 && err == nil; n++ {
		page[r.IntN(len(page))]++
		err = db.Put(fmt.Appendf(nil, "%05d", n), page)
	}
	if !errors.Is(err, lightningdb.ErrNoSpace) {
		t.Fatal(n, err)
	}
	for err = nil; err == nil; n++ { // what is left for small ones
		err = db.Put(fmt.Appendf(nil, "%05d", n), nil)
	}
	mustBe(t, m, "/readyz", false, "ErrNoSpace")
	mustBe(t, m, "/healthz", true, "")
	for i := range n {
		if err := db.Delete(fmt.Appendf(nil, "%05d", i)); err != nil {
			t.Fatal(err)
		}
	}
	for ready := false; !ready; time.Sleep(time.Millisecond) { // space returns by itself
		ready = ask(m, http.MethodGet, "/readyz").Code == http.StatusOK
	}
}

// Somebody holds the lock, and whoever asks waits with those who want it.
func TestReady_ofABlockedWriter(t *testing.T) {
	inBubble(t, func(t *testing.T, db *lightningdb.DB) {
		m := newMonitor(t, db, &monitor.Options{HealthEvery: time.Second})
		tx, err := db.Begin(t.Context(), lightningdb.TxOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.GetForUpdate([]byte(monitor.DefaultHealthKey)); !errors.Is(err, lightningdb.ErrNotFound) {
			t.Fatal(err)
		}
		began := time.Now()
		mustBe(t, m, "/readyz", false, "context.DeadlineExceeded")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		mustBe(t, m, "/readyz", true, "written")
	})
}

// hung is a database whose writes do not return: those of a disk that has gone.
type hung struct {
	*lightningdb.DB
	until chan struct{}
	calls atomic.Int64
}

func (h *hung) Update(ctx context.Context, fn func(tx *lightningdb.Tx) error) error {
	h.calls.Add(1)
	<-h.until
	return h.DB.Update(context.WithoutCancel(ctx), fn)
}

// The kernel does not return from a sync, and with each caller another goroutine stands still.
func TestReady_ofAWriterThatHangs(t *testing.T) {
	inBubble(t, func(t *testing.T, db *lightningdb.DB) {
		h := &hung{DB: db, until: make(chan struct{})}
		m := newMonitor(t, h, nil)
		began := time.Now()
		mustBe(t, m, "/readyz", false, "has not ended within 2s")
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Hour)
		began = time.Now()
		for range 100 {
			mustBe(t, m, "/readyz", false, "has not ended")
		}
		if took := time.Since(began); took != 0 || h.calls.Load() != 1 {
			t.Errorf("it took %v, and %d writes", took, h.calls.Load())
		}
		close(h.until)
		synctest.Wait()
		mustBe(t, m, "/readyz", true, "written") // asked anew: what took an hour is no answer
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		h.until = make(chan struct{})
		defer close(h.until)
		time.Sleep(time.Minute)
		w := httptest.NewRecorder()
		m.ServeHTTP(w, request(http.MethodGet, "/readyz").WithContext(ctx))
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("a caller that has gone is told %d", w.Code)
		}
	})
}

// forgetful is a database that acknowledges writes and does not keep them.
type forgetful struct {
	*lightningdb.DB
	value []byte
	err   error
}

func (f *forgetful) Get([]byte) ([]byte, error) { return f.value, f.err }

// A write that is not read back is not known to be there.
func TestReady_readsBackWhatItWrote(t *testing.T) {
	db := open(t, nil)
	for says, f := range map[string]*forgetful{
		"is not there": {DB: db, err: lightningdb.ErrNotFound},
		"ErrCorrupt":   {DB: db, err: fmt.Errorf("read: %w", lightningdb.ErrCorrupt)},
		"used by":      {DB: db, value: []byte("lightning health 0123456789abcdef 1")},
	} {
		mustBe(t, newMonitor(t, f, nil), "/readyz", false, says)
	}
	first := newMonitor(t, db, nil)
	mustBe(t, first, "/readyz", true, "")
	old := &forgetful{DB: db}
	m := newMonitor(t, old, &monitor.Options{HealthEvery: time.Nanosecond})
	ask(m, http.MethodGet, "/readyz")
	var err error
	if old.value, err = db.Get([]byte(monitor.DefaultHealthKey)); err != nil {
		t.Fatal(err)
	}
	mustBe(t, m, "/readyz", false, "an earlier value")
}

// deletesAll is a database whose program deletes everything in the moment after the first write.
type deletesAll struct {
	*lightningdb.DB
	writes int
}

func (d *deletesAll) WaitDurable(ctx context.Context, seq uint64) error {
	if d.writes++; d.writes > 1 {
		return d.DB.WaitDurable(ctx, seq)
	}
	return errors.Join(d.DB.WaitDurable(ctx, seq), d.DB.DeleteRange(nil, nil))
}

// A program that empties its database would be sent no work for it.
func TestReady_whileEverythingIsDeleted(t *testing.T) {
	db := &deletesAll{DB: open(t, nil)}
	mustBe(t, newMonitor(t, db, nil), "/readyz", true, "read back")
	if db.writes != 2 {
		t.Errorf("%d writes", db.writes)
	}
}

// waits is a database in which a write once waited, and in which another one waits for something.
type waits struct {
	*lightningdb.DB
	waited time.Duration
	grow   time.Duration // by how much writes have waited longer at each look
}

func (w *waits) Metrics() lightningdb.Metrics {
	m := w.DB.Metrics()
	w.waited += w.grow
	m.Stall = metrics.Stall{Count: 1, Duration: w.waited, Cause: "level 0 is long"}
	return m
}

func (w *waits) Update(ctx context.Context, _ func(tx *lightningdb.Tx) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// Whoever is called looks at compactions, which have been done for hours, while somebody holds a lock.
func TestReady_namesNoWaitThatIsOver(t *testing.T) {
	inBubble(t, func(t *testing.T, db *lightningdb.DB) {
		over := &waits{DB: db, waited: time.Second}
		h := mustBe(t, newMonitor(t, over, nil), "/readyz", false, "context.DeadlineExceeded")
		if strings.Contains(h.Reason, "level 0") {
			t.Errorf("its reason is %q", h.Reason)
		}
		still := &waits{DB: db, waited: time.Second, grow: time.Second}
		mustBe(t, newMonitor(t, still, nil), "/readyz", false, "writes wait: level 0 is long")
	})
}

// Two programs share a database's process, and each takes the other's write for a lost one of its own.
func TestReady_ofTwoMonitorsAtOnce(t *testing.T) {
	db := open(t, nil)
	var all sync.WaitGroup
	for range 2 {
		m := newMonitor(t, db, nil)
		all.Go(func() {
			if w := ask(m, http.MethodGet, "/readyz"); w.Code != http.StatusOK {
				t.Error(w.Body)
			}
		})
	}
	all.Wait()
}

// What cannot write is judged by what it is for.
func TestReady_ofReaders(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db, err := lightningdb.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	follower, err := lightningdb.OpenFollower(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := newMonitor(t, follower, &monitor.Options{Check: true, HealthEvery: time.Nanosecond})
	mustBe(t, m, "/readyz", true, "taken over")
	mustBe(t, m, "/healthz", true, "")
	scrape(t, m, true)
	if err := errors.Join(follower.Close(), db.Close()); err != nil {
		t.Fatal(err)
	}
	mustBe(t, m, "/readyz", false, "ErrClosed")
	mustBe(t, m, "/healthz", false, "ErrClosed")

	reader, err := lightningdb.Open(dir, &lightningdb.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	m = newMonitor(t, reader, &monitor.Options{HealthEvery: time.Nanosecond})
	mustBe(t, m, "/readyz", true, "looked up")
	mustBe(t, m, "/healthz", true, "")
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	mustBe(t, m, "/readyz", false, "ErrClosed")
}

// A database that has stopped for good looks like one that waits for space, and nobody restarts it.
func TestHealth_ofADatabaseThatHasStopped(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	db, err := lightningdb.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m := newMonitor(t, db, &monitor.Options{HealthEvery: time.Nanosecond})
	mustBe(t, m, "/healthz", true, "")
	if err := os.WriteFile(filepath.Join(dir, "LOCK"), []byte("another writer"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustBe(t, m, "/readyz", false, "ErrTakenOver")
	mustBe(t, m, "/readyz", false, "ErrReadOnly")
	mustBe(t, m, "/healthz", false, "ErrReadOnly")
}

// waitsForSpace is a database whose flushes wait for space.
type waitsForSpace struct{ *lightningdb.DB }

func (h waitsForSpace) Metrics() lightningdb.Metrics {
	m := h.DB.Metrics()
	m.BackgroundError = fmt.Errorf("flush: %w", lightningdb.ErrNoSpace)
	return m
}

// A restart of a database that only waits for space takes it away from its users and gives them nothing.
func TestHealth_ofADatabaseThatWaits(t *testing.T) {
	m := newMonitor(t, waitsForSpace{open(t, nil)}, nil)
	if h := mustBe(t, m, "/healthz", true, "ErrNoSpace"); !strings.Contains(h.Warning, "ErrNoSpace") {
		t.Errorf("%+v", h)
	}
}
