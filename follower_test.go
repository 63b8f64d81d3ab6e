package lightningdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newFollower(t *testing.T, dir string) *Follower {
	t.Helper()
	f, err := OpenFollower(dir, &FollowerOptions{Interval: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// An operator who asks a running database for a key would be sent away.
func TestFollower_showsWhatWasCommitted(t *testing.T) {
	db := openTemp(t, nil)
	f := newFollower(t, db.Path())
	for n := range 200 {
		key := fmt.Appendf(nil, "key %d", n%37)
		err := db.Put(key, fmt.Append(nil, n))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case n%50 == 20:
			err = db.Flush()
		case n%50 == 40:
			err = db.Compact(context.Background(), nil, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		before := f.Snapshot()
		if err := f.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Get(key); err != nil || string(got) != fmt.Sprint(n) {
			t.Fatalf("commit %d: the follower has %q, %v", n, got, err)
		}
		if f.Sequence() != uint64(n+1) || before.Sequence() != uint64(n) {
			t.Fatalf("commit %d: it stands at %d, its snapshot at %d", n, f.Sequence(), before.Sequence())
		}
		if got, err := before.Get(key); n < 37 && !errors.Is(err, ErrNotFound) ||
			n >= 37 && string(got) != fmt.Sprint(n-37) {
			t.Fatalf("commit %d: the snapshot from before has %q, %v", n, got, err)
		}
		before.Close()
	}
	count := 0
	err := f.View(context.Background(), func(tx *Tx) error {
		for range tx.Range(nil, nil).All() {
			count++
		}
		return nil
	})
	if count != 37 || err != nil {
		t.Fatalf("%d keys, %v", count, err)
	}
}

const followedEnv = "LIGHTNING_FOLLOWED"

// writeForFollowers is the writer that TestFollower_throughKillsOfTheWriter kills: each commit, the n-th, sets both
// ends of the key space and a row in between to n; then n is printed.
func writeForFollowers(dir string) error {
	db, err := Open(dir, &Options{MemoryLimit: 10 << 20, LogLimit: 1 << 20, Durability: Process})
	if err != nil {
		return err
	}
	first, err := db.Get([]byte{0})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	n, _ := strconv.Atoi(string(first))
	for {
		n++
		var b Batch
		b.Put([]byte{0}, fmt.Append(nil, n))
		b.Put([]byte{0xff, 0xff}, fmt.Append(nil, n))
		b.Put(fmt.Appendf(nil, "row %d", n%5000), bytes.Repeat(fmt.Append(nil, n, " "), 40))
		if err := db.Write(&b); err != nil {
			return err
		}
		if n%20000 == 0 { // past the log
			err := db.Update(context.Background(), func(tx *Tx) error {
				for i := range 8 {
					if err := tx.Put(fmt.Appendf(nil, "large %d", i), make([]byte, 100<<10)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		fmt.Println(n)
	}
}

// acknowledged is what the writer has printed.
type acknowledged struct{ n atomic.Int64 }

func (a *acknowledged) Write(p []byte) (int, error) {
	lines := bytes.Split(bytes.TrimSuffix(p, []byte("\n")), []byte("\n"))
	if n, err := strconv.ParseInt(string(lines[len(lines)-1]), 10, 64); err == nil && bytes.HasSuffix(p, []byte("\n")) {
		a.n.Store(max(n, a.n.Load())) // a line in two pieces is a smaller number, or none
	}
	return len(p), nil
}

// A follower of a real process, through its kills, restarts, flushes, compactions and log segments that are used again,
// shows whole commits, all that were acknowledged, and never goes back.
func TestFollower_throughKillsOfTheWriter(t *testing.T) {
	if dir := os.Getenv(followedEnv); dir != "" {
		t.Fatal(writeForFollowers(dir))
	}
	dir := t.TempDir()
	if err := openSmall(t, dir, 10<<20).Close(); err != nil {
		t.Fatal(err)
	}
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	var acked acknowledged
	var followers sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	refreshes := new(atomic.Int64)
	for n := range 3 {
		f := newFollower(t, dir)
		followers.Go(func() { followKilled(ctx, t, f, &acked, refreshes, n == 0) })
	}
	for range rounds {
		child := exec.Command(os.Args[0], "-test.run", "^TestFollower_throughKillsOfTheWriter$")
		child.Env = append(os.Environ(), followedEnv+"="+dir)
		child.Stdout = &acked
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		before := acked.n.Load()
		for start := time.Now(); acked.n.Load() < before+4000 && time.Since(start) < 20*time.Second; {
			time.Sleep(time.Millisecond)
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait() // it was killed
	}
	stop()
	followers.Wait()
	if acked.n.Load() < 4000 || refreshes.Load() < 20 {
		t.Errorf("%d commits, %d refreshes", acked.n.Load(), refreshes.Load())
	}
	t.Logf("%d commits, %d refreshes", acked.n.Load(), refreshes.Load())
}

// followKilled refreshes f again and again, and checks what it shows.
func followKilled(ctx context.Context, t *testing.T, f *Follower, acked *acknowledged, refreshes *atomic.Int64,
	scan bool) {
	newest := int64(0)
	for ctx.Err() == nil && !t.Failed() {
		least := max(newest, acked.n.Load())
		if err := f.Refresh(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("refresh: %v", err)
		}
		refreshes.Add(1)
		snapshot := f.Snapshot()
		err := checkFollowed(snapshot, scan, &newest)
		if err != nil || newest < least {
			t.Errorf("at %d: the follower shows commit %d of at least %d, %v", snapshot.Sequence(), newest, least, err)
		}
		snapshot.Close()
	}
}

// checkFollowed demands one commit at both ends of the key space, and nothing newer in between.
func checkFollowed(s *Snapshot, scan bool, newest *int64) error {
	first, err := s.Get([]byte{0})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	last, err2 := s.Get([]byte{0xff, 0xff})
	if err := errors.Join(err, err2); err != nil || !bytes.Equal(first, last) {
		return fmt.Errorf("one end shows %q, the other %q: %w", first, last, err)
	}
	*newest, err = strconv.ParseInt(string(first), 10, 64)
	if err != nil || !scan {
		return err
	}
	r := s.Prefix([]byte("row "))
	rows := 0
	for _, v := range r.All() {
		rows++
		if n, err := strconv.ParseInt(string(v[:bytes.IndexByte(v, ' ')]), 10, 64); err != nil || n > *newest {
			return fmt.Errorf("a row of commit %d in the state of %d: %w", n, *newest, err)
		}
	}
	if want := min(*newest, 5000); r.Err() == nil && int64(rows) != want {
		return fmt.Errorf("%d rows instead of %d", rows, want)
	}
	return r.Err()
}

// What an operator reads of a running database would be out of date, or of nobody.
func TestFollower_tellsWhatItsWriterDoes(t *testing.T) {
	db := openTemp(t, nil)
	f := newFollower(t, db.Path())
	for n := range 3 {
		if err := db.Put([]byte("key"), []byte("value")); err != nil {
			t.Fatal(err)
		}
		for start := time.Now(); ; {
			w, err := f.Writer()
			if err == nil && w.Metrics.Sequence == uint64(n+1) { // counted before it is visible, never the other way round
				if w.Pid != os.Getpid() || w.Program == "" || w.At.Before(w.Opened) || w.Metrics.Commits != uint64(n+1) {
					t.Fatalf("the writer says %+v", w)
				}
				break
			}
			if time.Since(start) > 20*time.Second {
				t.Fatalf("after commit %d the writer says %+v, %v", n+1, w, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// Damage that is taken for a writer at work is waited for, and then blamed on nobody.
func TestFollower_saysWhatIsDamaged(t *testing.T) {
	db := openTemp(t, nil)
	dir := db.Path()
	mustPut(t, db, "table", "value")
	if err := db.Compact(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	f := newFollower(t, dir)
	tables, err := filepath.Glob(filepath.Join(dir, "*.tbl"))
	if err != nil || len(tables) != 1 {
		t.Fatalf("tables: %v, %v", tables, err)
	}
	if err := os.Rename(tables[0], tables[0]+".away"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Get([]byte("table")); !errors.Is(err, ErrCorrupt) {
		t.Errorf("of a table that is missing: %v", err)
	}
	if err := os.Rename(tables[0]+".away", tables[0]); err != nil {
		t.Fatal(err)
	}
	if v, err := f.Get([]byte("table")); err != nil || string(v) != "value" {
		t.Errorf("of the table that is back: %q, %v", v, err)
	}
	for n := range 9 {
		mustPut(t, db, fmt.Sprint("log ", n), "value to be damaged")
	}
	logs, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range logs {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(data, []byte("log 4value to be damaged")); at >= 0 {
			data[at+8] ^= 1
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Refresh(context.Background()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("of a damaged log: %v", err)
	}
	if v, err := f.Get([]byte("table")); err != nil || string(v) != "value" || f.Sequence() != 1 {
		t.Errorf("after that, at %d: %q, %v", f.Sequence(), v, err)
	}
}

// A page that changes all the time, and never leads to what is there, would be followed for ever.
func TestFollower_givesUpThoughTheWriterGoesOn(t *testing.T) {
	for name, spoil := range map[string]struct {
		manifest func(path string) error
		want     error
	}{
		"gone":    {os.Remove, ErrNoWriter},
		"damaged": {damageMiddle, ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := Open(t.TempDir(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close() // may say that the manifest is gone
			for n := range 3 {
				mustPut(t, db, fmt.Sprint("key ", n), "value")
				if err := db.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			manifests, err := filepath.Glob(filepath.Join(db.Path(), "MANIFEST-*"))
			if err != nil || len(manifests) != 1 {
				t.Fatalf("manifests: %v, %v", manifests, err)
			}
			if err := spoil.manifest(manifests[0]); err != nil {
				t.Fatal(err)
			}
			var writing sync.WaitGroup
			end := make(chan struct{})
			writing.Go(func() {
				for {
					select {
					case <-end:
						return
					case <-time.After(time.Millisecond):
						mustPut(t, db, "key", "value")
					}
				}
			})
			opened := make(chan error, 1)
			go func() {
				_, err := OpenFollower(db.Path(), nil)
				opened <- err
			}()
			select {
			case err := <-opened:
				if !errors.Is(err, spoil.want) {
					t.Errorf("OpenFollower: %v", err)
				}
			case <-time.After(time.Minute):
				t.Error("OpenFollower goes on for ever")
			}
			close(end)
			writing.Wait()
		})
	}
}

// damageMiddle overwrites the first edit of a manifest that has several.
func damageMiddle(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt([]byte{0xff, 0xff, 0xff, 0xff}, info.Size()/2)
	}
	return errors.Join(err, f.Close())
}

// What stops a database is told: a lock that everybody waits for, when nobody commits, and a sync that comes after the
// last commit.
func TestFollower_tellsWhoWaitsAndWhatIsDurable(t *testing.T) {
	db := openTemp(t, &Options{Durability: Process, SyncInterval: 10 * time.Millisecond})
	f := newFollower(t, db.Path())
	mustPut(t, db, "key", "value")
	told(t, f, "the sync", func(m Metrics) bool { return m.DurableSequence == 1 })
	tx, err := db.Begin(context.Background(), TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.GetForUpdate([]byte("key")); err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() { mustPut(t, db, "key", "later") })
	told(t, f, "the wait", func(m Metrics) bool { return m.Transactions.Waiting == 1 && m.Transactions.OldestLock > 0 })
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	waiting.Wait()
	told(t, f, "its end", func(m Metrics) bool { return m.Transactions.Waiting == 0 && m.DurableSequence == 2 })
}

// told waits until the writer has told what is wanted.
func told(t *testing.T, f *Follower, what string, wanted func(m Metrics) bool) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		w, err := f.Writer()
		if err == nil && wanted(w.Metrics) {
			return
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("%s is not told: %+v, %v", what, w.Metrics, err)
		}
	}
}
