package event_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lightningdb"
	"lightningdb/event"
)

// openFor opens a database in memory for a listener.
func openFor(t *testing.T, listen func(event.Record)) *lightningdb.DB {
	t.Helper()
	db, err := lightningdb.Open("", &lightningdb.Options{InMemory: true, Events: event.Options{Listener: listen}})
	check(t, err)
	return db
}

// happen makes n events, which have their sequence numbers, from one on.
func happen(t *testing.T, db *lightningdb.DB, n int) {
	t.Helper()
	for range n {
		check(t, db.Put([]byte("k"), []byte("v")))
		if _, err := db.Backup(t.Context(), io.Discard, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// backups is a listener that keeps the sequence numbers of happen, after what else it does.
type backups struct {
	mu   sync.Mutex
	told []uint64
	do   func(e event.BackedUp)
}

func (b *backups) hear(r event.Record) {
	e, ok := r.Event.(event.BackedUp)
	if !ok {
		return
	}
	b.mu.Lock()
	b.told = append(b.told, e.Sequence)
	b.mu.Unlock()
	if b.do != nil {
		b.do(e)
	}
}

// mustBe checks that the first n events were told of, in order.
func (b *backups) mustBe(t *testing.T, n int) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.told) != n {
		t.Fatalf("told of %v; want %d", b.told, n)
	}
	for i, seq := range b.told {
		if seq != uint64(i+1) {
			t.Fatalf("told of %v", b.told)
		}
	}
}

// A listener that writes to a slow disk, or ends its goroutine, would hold up commits, or turn ends into beginnings.
func TestListener_thatIsSlowHoldsUpNothing(t *testing.T) {
	for name, do := range map[string]func(event.BackedUp){
		"slow": func(event.BackedUp) { time.Sleep(3 * time.Second) },
		"ends": func(event.BackedUp) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &backups{do: do}
				db := openFor(t, l.hear)
				start := time.Now()
				happen(t, db, 20)
				if took := time.Since(start); took > 0 {
					t.Errorf("the calls took %v", took)
				}
				time.Sleep(time.Minute + time.Millisecond)
				l.mustBe(t, 20)
				check(t, db.Close())
				if e := db.Metrics().Events; e.Dropped != 0 {
					t.Errorf("%+v", e)
				}
			})
		})
	}
}

// Close would hang with a listener that does, or drop without a word what waits.
func TestListener_thatHangsKeepsCloseForASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		l := &backups{do: func(event.BackedUp) { <-hang }}
		db := openFor(t, l.hear)
		happen(t, db, 5)
		synctest.Wait()
		before := db.Metrics().Events
		start := time.Now()
		check(t, db.Close())
		if took := time.Since(start); took != event.CloseWait {
			t.Errorf("Close took %v", took)
		}
		close(hang)
		synctest.Wait()
		l.mustBe(t, 1)
		flushes := db.Metrics().Flush.Count
		if e := db.Metrics().Events; e.Told != before.Told || e.Told+e.Dropped != 1+5+flushes {
			t.Errorf("%+v, before %+v, with %d flushes", e, before, flushes)
		}
	})
}

// A program that looks at its database when something has happened would hang, for ever and with it.
func TestListener_mayCallTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var db *lightningdb.DB
		var failed error
		l := new(backups)
		l.do = func(e event.BackedUp) {
			ctx := t.Context()
			_, got := db.Get([]byte("k"))
			failed = errors.Join(failed, got, db.Put([]byte("of the listener"), nil), db.Delete([]byte("of the listener")),
				db.Flush(), db.Compact(ctx, nil, nil), db.Verify(ctx, nil), db.Sync(),
				db.View(ctx, func(tx *lightningdb.Tx) error { return tx.Prefix(nil).Err() }),
				db.Update(ctx, func(tx *lightningdb.Tx) error { return tx.Add([]byte("n"), 1) }))
			if m := db.Metrics(); m.Events.Told == 0 {
				failed = errors.Join(failed, fmt.Errorf("%+v", m.Events))
			}
			if e.Sequence == 1 {
				_, err := db.Backup(ctx, io.Discard, nil) // an event in an event
				failed = errors.Join(failed, err)
			}
		}
		db = openFor(t, l.hear)
		happen(t, db, 1)
		synctest.Wait()
		if failed != nil {
			t.Error(failed)
		}
		if len(l.told) != 2 || l.told[1] <= 1 {
			t.Errorf("told of %v", l.told)
		}
		check(t, db.Close())
	})
}

// A listener that closes the database would wait for itself, or go on being called.
func TestListener_mayCloseTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var db *lightningdb.DB
		goOn, closed, took := make(chan struct{}), error(nil), time.Duration(-1)
		l := &backups{do: func(event.BackedUp) {
			<-goOn
			start := time.Now()
			closed = db.Close()
			took = time.Since(start)
		}}
		db = openFor(t, l.hear)
		happen(t, db, 5)
		close(goOn)
		synctest.Wait()
		if closed != nil || took != 0 {
			t.Errorf("Close: %v, after %v", closed, took)
		}
		l.mustBe(t, 1)
		if e, m := db.Metrics().Events, db.Metrics(); e.Told+e.Dropped != 1+5+m.Flush.Count || e.Dropped < 4 {
			t.Errorf("%+v, with %d flushes", e, m.Flush.Count)
		}
		if err := db.Close(); !errors.Is(err, lightningdb.ErrClosed) {
			t.Errorf("a second Close: %v", err)
		}
	})
}

// Of two Closes, one in the listener, each would wait for the other.
func TestListener_mayCloseWhileTheProgramDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var db *lightningdb.DB
		closing, inner := make(chan struct{}), error(nil)
		l := &backups{do: func(event.BackedUp) {
			<-closing
			inner = db.Close()
		}}
		db = openFor(t, l.hear)
		happen(t, db, 3)
		synctest.Wait()
		time.AfterFunc(event.CloseWait/2, func() { close(closing) })
		start := time.Now()
		check(t, db.Close())
		if took := time.Since(start); took != event.CloseWait/2 || !errors.Is(inner, lightningdb.ErrClosed) {
			t.Errorf("Close took %v, that of the listener gave %v", took, inner)
		}
		l.mustBe(t, 3)
	})
}

// panicking has a child of the test panic in its listener.
const panicking = "LIGHTNING_EVENT_PANIC"

// A panic that is lost leaves a program without the one who is to be told; one that loses commits is worse.
func TestListener_thatPanicsEndsTheProgram(t *testing.T) {
	if dir := os.Getenv(panicking); dir != "" {
		db, err := lightningdb.Open(dir, &lightningdb.Options{Events: event.Options{Listener: func(r event.Record) {
			if _, ok := r.Event.(event.BackedUp); ok {
				panic("of the listener")
			}
		}}})
		check(t, err)
		happen(t, db, 1)
		time.Sleep(time.Minute)
		fmt.Println("it goes on")
		os.Exit(0)
	}
	dir := filepath.Join(t.TempDir(), "db")
	child := exec.Command(os.Args[0], "-test.run", "^TestListener_thatPanicsEndsTheProgram$")
	child.Env = append(os.Environ(), panicking+"="+dir, "GORACE=atexit_sleep_ms=0")
	out, err := child.CombinedOutput()
	if ended := (*exec.ExitError)(nil); !errors.As(err, &ended) || ended.ExitCode() != 2 ||
		!strings.Contains(string(out), "panic: of the listener") {
		t.Fatalf("%v: %s", err, out)
	}
	db, err := lightningdb.Open(dir, nil)
	check(t, err)
	if v, err := db.Get([]byte("k")); string(v) != "v" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	check(t, db.Close())
}

// A program that goes on after a panic in Open would never open its database again.
func TestListener_thatPanicsDuringOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "db")
	panicked := func() (p any) {
		defer func() { p = recover() }()
		lightningdb.Open(dir, &lightningdb.Options{Events: event.Options{Listener: func(event.Record) {
			panic("of the listener")
		}}})
		return nil
	}()
	if panicked != "of the listener" {
		t.Errorf("Open panics with %v", panicked)
	}
	db, err := lightningdb.Open(dir, nil)
	check(t, err)
	check(t, db.Close())
}

// What is logged during Open, and by whom, decides whether a start that fails can be understood.
func TestListener_isToldBeforeOpenReturns(t *testing.T) {
	w, dir := new(witness), filepath.Join(t.TempDir(), "db")
	db, err := lightningdb.Open(dir, &lightningdb.Options{Logger: slog.New(w), Events: event.Options{Listener: w.hear}})
	check(t, err)
	one[event.Opened](t, w)
	check(t, db.Close())
	w.mustBe(t, db, "Opened")
}
