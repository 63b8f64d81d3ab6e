package cli

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/backup"
)

var drillTime = flag.Duration("drill", 4*time.Second, "how long the drill writes; 60s is the long form")

// diary is a writer that commits the time of the wall clock, again and again, and what it knows of that.
type diary struct {
	db *lightningdb.DB

	mu    sync.Mutex
	begun []time.Time // of each commit: the time in it
	acked []time.Time // when it had returned
}

// rest is how long before each full second nothing is committed, so that it is beyond doubt which commit is the last
// one before it: an archive notes the time ten times in each interval.
const rest = 400 * time.Millisecond

// write commits until stop is closed.
func (d *diary) write(stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		case <-time.After(time.Duration(rand.Int64N(int64(4 * time.Millisecond)))):
		}
		now := time.Now()
		if now.Nanosecond() > int(time.Second-rest) {
			continue
		}
		if err := d.db.Put(fmt.Appendf(nil, "%020d", now.UnixNano()), make([]byte, 1000)); err != nil {
			return err
		}
		d.mu.Lock()
		d.begun, d.acked = append(d.begun, now), append(d.acked, time.Now())
		d.mu.Unlock()
	}
}

// lastAt is the number of the last commit at or before a second, and of the first one that may be that as well, because
// it returned when the second was nearly over.
func (d *diary) lastAt(second time.Time) (first, last int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first, last = -1, -1
	for i := range d.begun {
		if !d.acked[i].After(second.Add(-rest / 4)) {
			first = i
		}
		if !d.begun[i].After(second) {
			last = i
		}
	}
	return first, last
}

// number is that of the commit with a time, or -1.
func (d *diary) number(nanos int64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, at := range d.begun {
		if at.UnixNano() == nanos {
			return i
		}
	}
	return -1
}

// archiving opens a database that archives to a repository, until the test ends. At Process a commit is noted when it
// is durable, up to SyncInterval later, and the state of a second would lack those of the end of it.
func archiving(t *testing.T, dir, repository string) *lightningdb.DB {
	t.Helper()
	repo, err := backup.OpenFolder(repository)
	if err != nil {
		t.Fatal(err)
	}
	db, err := lightningdb.Open(dir, &lightningdb.Options{MemoryLimit: 16 << 20,
		Archive: backup.NewArchive(repo), ArchiveInterval: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// restore restores a second to a directory, where the newest entry must be that of a commit from first to last, and
// returns a row of the table.
func (d *diary) restore(t *testing.T, to, repository string, second time.Time, first, last int) string {
	t.Helper()
	text, start := second.UTC().Format(time.RFC3339), time.Now()
	must(t, "restore", to, repository, "--to-time", text)
	took := time.Since(start)
	key, _, _ := strings.Cut(must(t, "scan", to, "--reverse", "--limit", "1"), "\t")
	nanos, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	got, at := d.number(nanos), time.Unix(0, nanos).UTC()
	if got < first || got > last || got < 0 {
		t.Errorf("%s: restored commit %d, of %v; the last one before is %d, or from %d on", text, got, at, last, first)
	}
	if n := strings.TrimSpace(must(t, "count", to)); n != strconv.Itoa(got+1) {
		t.Errorf("%s: %s entries, and the newest is commit %d", text, n, got)
	}
	return fmt.Sprintf("| %s | commit %d, of %s | commit %d | %.2f s |\n", text, got+1, at.Format("15:04:05.000000"),
		last+1, took.Seconds())
}

// The customer says at which second all was well, by the clock on the wall. A restore that gives another state, or a
// command line that reads the time otherwise, is found out on that day. It prints the table of docs/operations.md.
func TestDrill_restoresASecondByTheClock(t *testing.T) {
	tmp := t.TempDir()
	repository, to := filepath.Join(tmp, "backups"), filepath.Join(tmp, "to")
	db := archiving(t, filepath.Join(tmp, "db"), repository)
	d, stop, began := &diary{db: db}, make(chan struct{}), time.Now()
	var writing sync.WaitGroup
	writing.Go(func() {
		if err := d.write(stop); err != nil {
			t.Error(err)
		}
	})
	defer writing.Wait()
	defer close(stop)
	time.Sleep(*drillTime / 2)
	must(t, "backup", filepath.Join(tmp, "db"), repository) // from here on a restore has less to replay
	time.Sleep(*drillTime - *drillTime/2)
	end := time.Now()
	for before := db.Metrics().Sequence; db.Metrics().Archive.Sequence < before; { // all up to end is archived
		time.Sleep(10 * time.Millisecond)
	}
	var table strings.Builder
	from := began.Truncate(time.Second).Add(2 * time.Second)
	for range 3 { // while it goes on
		second := from.Add(time.Duration(rand.Int64N(int64(end.Sub(from)/time.Second)+1)) * time.Second)
		first, last := d.lastAt(second)
		fmt.Fprint(&table, d.restore(t, to, repository, second, first, last))
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
	}
	_, all := d.lastAt(time.Now())
	t.Logf("%d commits in %v:\n\n| second | the newest that came back | last before it | restore |\n"+
		"|---|---|---|---:|\n%s", all+1, time.Since(began).Round(time.Second), table.String())
}
