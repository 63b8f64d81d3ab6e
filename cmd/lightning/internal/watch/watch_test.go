package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lightningdb"
	"lightningdb/metrics"
)

var opened = time.Date(2026, 3, 1, 22, 0, 0, 0, time.UTC)

// at is a report of a busy writer, some time after its Open.
func at(since time.Duration) lightningdb.WriterStatus {
	n := uint64(since / time.Millisecond)
	return lightningdb.WriterStatus{Pid: 4711, Program: "shop", Opened: opened, At: opened.Add(since),
		Metrics: lightningdb.Metrics{
			Sequence: 30 * n, DurableSequence: 30*n - 8, Commits: 10 * n, Operations: 30 * n,
			Snapshots: 2, Iterators: 1, OldestReader: 3*time.Minute + 4*time.Second,
			Levels: []metrics.Level{{Level: 0, Tables: 3, Bytes: 12 << 20, Entries: 54321, Target: 24 << 20},
				{Level: 5, Tables: 12, Bytes: 96 << 20, Entries: 400000, Tombstones: 77, Target: 128 << 20},
				{Level: 6, Tables: 90, Bytes: 960 << 20, Entries: 4000000, Target: 1 << 30}},
			DiskBytes: 1200 << 20, LiveBytes: 960 << 20, MemoryUsed: 96 << 20, MemoryLimit: 256 << 20, TablesOpen: 105,
			Memtable: metrics.Memtables{Active: 1, Frozen: 2, Entries: 12345, Bytes: 20 << 20, HeldBytes: 32 << 20},
			Cache:    metrics.Cache{UsedBytes: 60 << 20, LimitBytes: 120 << 20, Misses: 2 * n},
			Transactions: metrics.Transactions{Conflicts: n / 100, LockWaits: n / 250, Deadlocks: 1, Waiting: 2,
				OldestLock: 3400 * time.Millisecond},
			Log:                metrics.Log{Segments: 4, Bytes: 64 << 20, Syncs: n / 4, BytesWritten: 4096 * n},
			Latency:            latencies(n),
			Flush:              metrics.Work{Count: 123, BytesWritten: 2 << 30, Duration: 42 * time.Second},
			Compaction:         metrics.Work{Count: 17, Running: 1, Done: 45 << 20, Total: 100 << 20},
			Stall:              metrics.Stall{Count: n / 500, Duration: since / 8, Cause: "level 0 is long"},
			WriteAmplification: 4.52, ObsoleteFiles: 3, PinnedFiles: 2, PinnedBytes: 20 << 20,
		}}
}

// latencies are those of n milliseconds of a busy writer. In its first second it was slower.
func latencies(n uint64) metrics.Latencies {
	return metrics.Latencies{
		Commit: metrics.Latency{Count: 10 * n, Mean: 336 * time.Microsecond, P50: 245759, P99: 4718591,
			P999: 4718591, Max: 3 * time.Second, Buckets: []metrics.LatencyBucket{{UpTo: 245759, Count: 10*n - n/5},
				{UpTo: 4718591, Count: n/5 - n/1000}, {UpTo: 125829119, Count: n/1000 - 1}, {UpTo: 3087007743, Count: 1}}},
		Sync: metrics.Latency{Count: n / 4, P50: 212991, P99: 4456447, P999: 4456447, Max: 2900 * time.Millisecond,
			Buckets: []metrics.LatencyBucket{{UpTo: 212991, Count: n/4 - n/100 - 1}, {UpTo: 4456447, Count: n / 100},
				{UpTo: 3087007743, Count: 1}}},
		Get: metrics.Latency{Count: 256 * n, P50: 87, P99: 1663, P999: 1663, Max: 90 * time.Microsecond,
			Buckets: []metrics.LatencyBucket{{UpTo: 87, Count: 246 * n}, {UpTo: 1663, Count: 10 * n}}},
	}
}

// watching is a Watch after reports of the seconds given.
func watching(seconds ...int) *Watch {
	w := &Watch{Path: "/srv/shop/db"}
	for _, s := range seconds {
		w.Take(at(time.Duration(s) * time.Second))
	}
	return w
}

// uneven is a Watch of a writer that does more and less, and nothing for a while.
func uneven() *Watch {
	w, commits := watching(), uint64(0)
	for i, more := range []uint64{0, 500, 4000, 8000, 12000, 16000, 20000, 15000, 0, 0, 0, 0, 0, 9000, 9500, 10000} {
		s := at(time.Duration(i+1) * 2 * time.Second)
		commits += 2 * more
		s.Metrics.Commits = commits
		w.Take(s)
	}
	return w
}

func text(lines []Line) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimRight(line.Text, " ") + "\n")
	}
	return b.String()
}

const narrow = `
/srv/shop/db  process 4711 (shop), open for 32 s, told 0.4 s ago
commits      10,000/s    operations 30,000/s     log 3.91 MiB/s, 250/s syncs
last minute                 ▂▂▄▅▇█▆▁▁▁▁▁▄▄▅ at most 20,000/s
p50/p99/max  commit 246µs/4.7ms/126ms sync 213µs/4.5ms/4.5ms get 87ns/1.7µs/1.7…
stalls       12.5% of the time, 2.0/s; latest: level 0 is long; 64 so far, 4.00…
flush        idle; 123 done, 2.00 GiB written in 42.0 s
compaction   ██████████▊░░░░░░░░░░░░░  45% of 100 MiB; 17 done before
memory        96.0 MiB of   256 MiB █████████░░░░░░░░░░░░░░░ 105 open tables
page cache    60.0 MiB of   120 MiB ████████████░░░░░░░░░░░░ 2,000/s misses
memtables    1 active, 2 frozen: 20.0 MiB in 12,345 entries, holding 32.0 MiB
log          4 segments, 64.0 MiB; 4.5 written for each byte committed
transactions 10/s conflicts, 4.0/s lock waits; 2 waiting, the oldest lock 3.4 s
readers      2 snapshots, 1 cursor; the oldest 3m4s; holding 20.0 MiB (2 files)
disk         1.17 GiB, about 960 MiB of them live; 3 obsolete files

level tables       size        entries   tombstones     target
L0         3   12.0 MiB         54,321            0   24.0 MiB  ▎
L5        12   96.0 MiB        400,000           77    128 MiB  █▋
L6        90    960 MiB      4,000,000            0   1.00 GiB  ████████████████
q ends
`

const wide = `
/srv/shop/db  process 4711 (shop), open for 14 s, told 0.4 s ago
commits      10,000/s    operations 30,000/s     log 3.91 MiB/s, 250/s syncs
last minute                                                           ███ at most 10,000/s
p50/p99/max  commit 246µs/4.7ms/126ms sync 213µs/4.5ms/4.5ms get 87ns/1.7µs/1.7µs
stalls       12.5% of the time, 2.0/s; latest: level 0 is long; 28 so far, 1.75 s
flush        idle; 123 done, 2.00 GiB written in 42.0 s
compaction   ██████████▊░░░░░░░░░░░░░  45% of 100 MiB; 17 done before
memory        96.0 MiB of   256 MiB █████████░░░░░░░░░░░░░░░ 105 open tables
page cache    60.0 MiB of   120 MiB ████████████░░░░░░░░░░░░ 2,000/s misses
memtables    1 active, 2 frozen: 20.0 MiB in 12,345 entries, holding 32.0 MiB
log          4 segments, 64.0 MiB; 4.5 written for each byte committed
transactions 10/s conflicts, 4.0/s lock waits; 2 waiting, the oldest lock 3.4 s
readers      2 snapshots, 1 cursor; the oldest 3m4s; holding 20.0 MiB (2 files)
disk         1.17 GiB, about 960 MiB of them live; 3 obsolete files

level tables       size        entries   tombstones     target
L0         3   12.0 MiB         54,321            0   24.0 MiB  ▎
L5        12   96.0 MiB        400,000           77    128 MiB  ██▍
L6        90    960 MiB      4,000,000            0   1.00 GiB  ████████████████████████

readers, the oldest first
  transaction     3m4s  commit 12,345  main.checkout /src/shop/checkout.go:42
q ends
`

const gone = `
/srv/shop/db  process 4711 (shop), open for 14 s, told 20 s ago
THE WRITER HAS ENDED: there is no process 4711 here; waiting for the next
FAILED: sync 000012.log: input/output error
commits      0/s         operations 0/s          log 0 B/s, 0/s syncs
last minute                      ▁▁▁▁▁▁▁▁▁▁ at most 0/s
p50/p99/max  commit 246µs/4.7ms/3.0s sync 213µs/4.5ms/2.9s get 87ns/1.7µs/90µs …
stalls       0.0% of the time, 0/s; latest: level 0 is long; 28 so far, 1.75 s
flush        idle; 123 done, 2.00 GiB written in 42.0 s
compaction   ██████████▊░░░░░░░░░░░░░  45% of 100 MiB; 17 done before
memory        96.0 MiB of   256 MiB █████████░░░░░░░░░░░░░░░ 105 open tables
page cache    60.0 MiB of   120 MiB ████████████░░░░░░░░░░░░ 0/s misses
memtables    1 active, 2 frozen: 20.0 MiB in 12,345 entries, holding 32.0 MiB
`

// The picture is read at night: a line that has moved, or does not fit, costs the minute that counts.
func TestPicture_asPeopleSeeIt(t *testing.T) {
	traced, ended := watching(11, 12, 13, 14), watching(13, 14)
	traced.last.Metrics.Readers = []metrics.Reader{{Kind: "transaction", Age: 184 * time.Second,
		Sequence: 12345, Stack: "main.checkout /src/shop/checkout.go:42\nmain.main /src/shop/main.go:7"}}
	ended.Ended = "there is no process 4711 here"
	ended.last.Metrics.BackgroundError = errors.New("sync 000012.log:\ninput/output error")
	for _, c := range []struct {
		name          string
		w             *Watch
		after         time.Duration
		columns, rows int
		want          string
	}{
		{"narrow", uneven(), 400 * time.Millisecond, 80, 24, narrow},
		{"wide", traced, 400 * time.Millisecond, 120, 30, wide},
		{"gone", ended, 20 * time.Second, 80, 12, gone},
	} {
		got := "\n" + text(c.w.Picture(c.w.last.At.Add(c.after), c.columns, c.rows))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s\n%s", c.name, diff, got)
		}
	}
}

// A line too many or too long makes the terminal scroll, and the picture is a flicker.
func TestPicture_fitsIntoEveryWindow(t *testing.T) {
	w := watching(1, 2)
	w.Path = strings.Repeat("/päth", 60) + "\n\x1b[2J"
	w.last.Metrics.BackgroundError = errors.New(strings.Repeat("much ", 100))
	w.last.Metrics.Levels = nil
	for l := range 7 {
		w.last.Metrics.Levels = append(w.last.Metrics.Levels, metrics.Level{Level: l, Tables: 1, Bytes: 1 << 50})
	}
	for _, w := range []*Watch{w, {Path: "x"}} {
		for columns := range 130 {
			for _, rows := range []int{0, 1, 5, 24, 70} {
				lines := w.Picture(opened, columns, rows)
				if len(lines) > rows {
					t.Fatalf("%d lines in %d rows", len(lines), rows)
				}
				for _, line := range lines {
					if n := utf8.RuneCountInString(line.Text); n > columns || strings.ContainsAny(line.Text, "\n\x1b") {
						t.Fatalf("%d characters in %d columns: %q", n, columns, line.Text)
					}
				}
			}
		}
	}
	w.Ended = "gone"
	if lines := w.Picture(opened, 80, 24); !strings.HasPrefix(lines[len(lines)-1].Text, "L6 ") {
		t.Errorf("levels are missing in the usual window:\n%s", text(lines))
	}
}

// A restart of the writer sets its counters back. A rate below nothing, or one of a whole life in one second, would
// send somebody looking for what is not there.
func TestRates_acrossWriters(t *testing.T) {
	w := watching(100, 102)
	if r := w.between; r.Period != 2*time.Second || r.Commits != 10000 || r.Operations != 30000 || r.Syncs != 250 ||
		r.LogBytes != 4096000 || r.Stalled != 0.125 || r.Conflicts != 10 {
		t.Errorf("of one writer: %+v", r)
	}
	next := at(4 * time.Second)
	next.Pid, next.Opened = 4712, opened.Add(110*time.Second)
	next.At = next.Opened.Add(2 * time.Second)
	w.Take(next)
	if r := w.between; r.Period != 2*time.Second || r.Commits != 20000 {
		t.Errorf("of the next writer, since its Open: %+v", r)
	}
	if got := w.history(next.At, 60); got[59] != 20000 || got[50] != -1 {
		t.Errorf("the last minute: %v", got)
	}
	back := at(time.Second)
	back.Pid, back.Opened = next.Pid, next.Opened
	back.At = next.At.Add(time.Second)
	w.Take(back) // of the same writer, which cannot be
	if r := w.between; r.Commits != 0 || r.Stalled != 0 || r.Misses != 0 {
		t.Errorf("counters that fall: %+v", r)
	}
	back.At = next.At.Add(-time.Hour) // the machine's clock was set back
	w.Take(back)
	if r := w.between; r != (Rates{}) {
		t.Errorf("in no time: %+v", r)
	}
}

// The latencies of a whole life hide what is slow now, and those of the writer before are not this one's.
func TestLatency_isThatOfTheInterval(t *testing.T) {
	w := watching(10)
	if _, known := w.latency(w.last.At); known {
		t.Error("of one report an interval is known")
	}
	if o := w.Object(w.last.At); o.Latency != nil || o.Told.Latency.Commit.Max != 3 {
		t.Errorf("%+v", o)
	}
	if got := text(w.Picture(w.last.At, 100, 24)); !strings.Contains(got, "\np50/p99/max  commit 246µs/4.7ms/3.0s sync "+
		"213µs/4.5ms/2.9s get 87ns/1.7µs/90µs so far\n") {
		t.Errorf("of the first report:\n%s", got)
	}
	w.Take(at(12 * time.Second))
	now := w.last.At.Add(time.Second)
	took, known := w.latency(now)
	if !known || took.Commit.Count != 20_000 || took.Commit.Max != 125829119 || took.Sync.Count != 500 {
		t.Errorf("%v, %+v", known, took)
	}
	if o := w.Object(now); o.Latency == nil || o.Latency.Commit.Count != 20_000 || o.Latency.Commit.P99 != 4718591e-9 {
		t.Errorf("%+v", o.Latency)
	}
	now = w.last.At.Add(time.Minute)
	if _, known := w.latency(now); known || w.Object(now).Latency != nil {
		t.Error("a quiet writer tells what it does not tell")
	}
	next := at(2 * time.Second)
	next.Pid, next.Opened, next.At = 4712, now, now.Add(2*time.Second)
	w.Take(next)
	if took, _ := w.latency(next.At); took.Commit.Count != 20_000 || took.Commit.Max != 3*time.Second {
		t.Errorf("of the next writer, since its Open: %+v", took.Commit)
	}
	next.At, next.Metrics.Commits = next.At.Add(time.Second), next.Metrics.Commits+1
	w.Take(next)
	if got := text(w.Picture(next.At, 80, 24)); !strings.Contains(got, "\np50/p99/max  no calls were timed\n") {
		t.Errorf("an interval without calls:\n%s", got)
	}
}

// A writer that tells nothing does nothing. Its last rates shown on and on would be those of an hour ago.
func TestRates_ofAQuietWriter(t *testing.T) {
	w := watching(1, 2)
	if r := w.rates(w.last.At.Add(2 * time.Second)); r.Commits != 10000 {
		t.Errorf("a moment later: %+v", r)
	}
	now := w.last.At.Add(10 * time.Second)
	if r := w.rates(now); r.Commits != 0 || r.Period != 10*time.Second {
		t.Errorf("much later: %+v", r)
	}
	got := w.history(now, 60)
	if got[0] != -1 || got[49] != 10000 || got[50] != 0 || got[59] != 0 {
		t.Errorf("the last minute: %v", got)
	}
	if object := w.Object(now); object.Rates == nil || object.Rates.Commits != 0 {
		t.Errorf("as JSON: %+v", object.Rates)
	}
	w.Take(w.last)
	if len(w.past) != 1 {
		t.Errorf("a report that was known counts twice: %v", w.past)
	}
	for s := range 500 {
		w.Take(at(time.Duration(s) * time.Second))
	}
	if len(w.past) > 62 {
		t.Errorf("it remembers %d rates", len(w.past))
	}
}

// A figure under another's name is worse than none: each that JSON has must be the metric of that name.
func TestObject_hasWhatWasTold(t *testing.T) {
	w := watching(1, 2)
	out, err := json.Marshal(w.Object(w.last.At.Add(time.Second)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"path":"/srv/shop/db"`, `"writer_ended":null`, `"period_seconds":1,"commits":10000,` +
		`"operations":30000,"log_bytes":4096000,"syncs":250,"cache_misses":2000,"conflicts":10,"lock_waits":4,"stalls":2,` +
		`"stalled_share":0.125`, `"pid":4711,"program":"shop"`, `"age_seconds":1,`, `"sequence":60000,` +
		`"durable_sequence":59992`, `"oldest_lock_seconds":3.4`, `"running":1,"done_bytes":47185920,"total_bytes":104857600`,
		`"latency":{"commit":{"count":20000,"mean_seconds":0.000336,"p50_seconds":0.000245759,"p99_seconds":0.004718591,` +
			`"p999_seconds":0.004718591,"max_seconds":3},"sync":{"count":500,`, `"latency":{"commit":{"count":10000,`,
		`"score":0}`, `"pinned_files":2,"pinned_bytes":20971520`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if o := (&Watch{Path: "x"}).Object(opened); o.Told != nil || o.Rates != nil {
		t.Errorf("of nothing told: %+v", o)
	}
}

// What stats says of another process must be what that one told, and when.
func TestLines_sayWhatTheWriterTold(t *testing.T) {
	s := at(3 * time.Hour)
	s.Metrics.Readers = []metrics.Reader{{Kind: "snapshot", Age: time.Minute, Sequence: 5}}
	got := strings.Join(Lines(s), "\n")
	for _, want := range []string{"open since   2026-03-01 22:00:00, for 3h0m", "108,000,000 with 324,000,000 operations",
		"latency      commit  p50 246 µs, p99 4.72 ms, p99.9 4.72 ms, max 3.00 s\n             sync    p50 213 µs",
		"\n             get     p50 87 ns, p99 1.66 µs, p99.9 1.66 µs, max 90.0 µs\nstalls       latest",
		"stalls       latest: level 0 is long; 21,600 so far, 22m30s", "45% of 100 MiB; 17 done before",
		"misses: 21,600,000", "108,000 conflicts, 43,200 lock waits, 1 deadlock, 0 timeouts; 2 waiting",
		"2 snapshots, 1 cursor; the oldest 3m4s", "snapshot        1m0s  commit 5"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got := Age(s, s.At.Add(1200*time.Millisecond)); got != "1.2 s ago" {
		t.Errorf("%q", got)
	}
	for d, want := range map[time.Duration]string{-1: "0.0 s", 59900 * time.Millisecond: "60 s", 61 * time.Second: "1m1s",
		49 * time.Hour: "2 days", 3599900 * time.Millisecond: "1h0m0s", 25*time.Hour + 90*time.Second: "25h2m"} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0ns", 999: "999ns", 1000: "1.0µs", 9949: "9.9µs", 9951: "10µs",
		999_600: "1.0ms", 99_960_000: "100ms", 59400 * time.Millisecond: "59s", 61 * time.Second: "1m1s"} {
		if got := brief(d); got != want {
			t.Errorf("brief(%v) = %q, want %q", d, got, want)
		}
	}
	quiet := at(0)
	quiet.Metrics.Latency = metrics.Latencies{} // of an older program, too
	if got := strings.Join(Lines(quiet), "\n"); !strings.Contains(got, "\nlatency      no calls were timed\nstalls ") {
		t.Errorf("nothing timed:\n%s", got)
	}
	if got := fmt.Sprint(each(0), " ", each(0.04), " ", each(9.94), " ", each(1234.5)); got != "0/s 0.0/s 9.9/s 1,235/s" {
		t.Errorf("%q", got)
	}
}

// Damage that was found would be seen by nobody who does not read logs.
func TestScrubLines(t *testing.T) {
	m := at(time.Second).Metrics
	if lines := scrubLines(&m); lines != nil {
		t.Errorf("without a scrub: %q", lines)
	}
	m.Scrub = metrics.Scrub{Passes: 1, Done: 1 << 30, Total: 2 << 30}
	gauge := "scrub         1.00 GiB of  2.00 GiB ████████████░░░░░░░░░░░░ 1 full round, "
	if diff := cmp.Diff([]string{gauge + "no damage"}, scrubLines(&m)); diff != "" {
		t.Error(diff)
	}
	m.Scrub.Damaged, m.Scrub.Found = 5, []metrics.ScrubDamage{{File: "000007.tbl", Damage: "000007.tbl is damaged"}}
	want := []string{gauge + "DAMAGE in 5 tables", "             000007.tbl is damaged"}
	if diff := cmp.Diff(want, scrubLines(&m)); diff != "" {
		t.Error(diff)
	}
	s := at(time.Second)
	s.Metrics.Scrub = m.Scrub
	if told := ToldBy(s, opened).Scrub; told == nil || told.Damaged != 5 || len(told.Found) != 1 ||
		told.Found[0].File != "000007.tbl" {
		t.Errorf("as JSON: %+v", told)
	}
}

// An archive that has stood still for a week would be seen on the day of the restore.
func TestArchiveLines(t *testing.T) {
	s := at(time.Second)
	if lines := archiveLines(&s.Metrics); lines != nil {
		t.Errorf("without an archive: %q", lines)
	}
	s.Metrics.Archive = metrics.Archive{Sequence: 12_345, Lag: 90 * time.Second, LagOperations: 2, Pieces: 1,
		Bytes: 3 << 20, HeldBytes: 7, Branch: "b"}
	w := Watch{last: s, told: true}
	const head = "archive      up to 12,345, 1m30s behind with 2 operations; 3.00 MiB in 1 piece"
	if diff := cmp.Diff([]Line{{head, Plain}}, w.archive()); diff != "" {
		t.Error(diff)
	}
	m := &w.last.Metrics.Archive
	m.Failures, m.Gaps, m.LastError = 3, 1, "put it:\nno such host"
	want := []Line{{head + "; 3 failures; 1 GAP", Alarm}, {"             FAILS: put it: no such host", Alarm}}
	if diff := cmp.Diff(want, w.archive()); diff != "" {
		t.Error(diff)
	}
	if told := ToldBy(w.last, opened).Archive; told == nil || *told != (Archive{12_345, 90, 2, 1, 3 << 20, 3, 1, 7, "b",
		"put it:\nno such host"}) {
		t.Errorf("as JSON: %+v", told)
	}
}

// An operator would see that writes fail, and not that there is a limit, nor what is left of it.
func TestLimitLines(t *testing.T) {
	m := at(time.Second).Metrics
	if lines := limitLines(&m); lines != nil {
		t.Errorf("without a limit: %q", lines)
	}
	for _, c := range []struct {
		disk metrics.Disk
		want string
	}{
		{metrics.Disk{Limit: 2 << 30, Reserve: 256 << 20}, "reserve 256 MiB"},
		{metrics.Disk{Limit: 2 << 30}, "the reserve is spent"},
		{metrics.Disk{Limit: 2 << 30, Reserve: 256 << 20, Refusing: "the limit is reached", Refused: 1234},
			"only deletes: the limit is reached; 1,234 refused"},
	} {
		m.Disk = c.disk
		gauge := "██████████████▏░░░░░░░░░"
		want := "disk limit    1.17 GiB of  2.00 GiB " + gauge + " " + c.want
		if diff := cmp.Diff([]string{want}, limitLines(&m)); diff != "" {
			t.Error(diff)
		}
	}
	s := at(time.Second)
	s.Metrics.Disk = metrics.Disk{Limit: 2 << 30, Refused: 7}
	if told := ToldBy(s, opened); told.DiskLimit == nil || told.DiskLimit.Limit != 2<<30 || told.DiskLimit.Refused != 7 {
		t.Errorf("as JSON: %+v", told.DiskLimit)
	}
}

// Who looks for the space that long values take finds it in no level.
func TestLines_sayWhatValueFilesHold(t *testing.T) {
	s := lightningdb.WriterStatus{}
	if got := strings.Join(Lines(s), "\n"); strings.Contains(got, "value files") {
		t.Errorf("without any:\n%s", got)
	}
	s.Metrics.Values = metrics.Values{Files: 2, Bytes: 10 << 20, Garbage: 1 << 20}
	if got := strings.Join(Lines(s), "\n"); !strings.Contains(got, "value files  2 files, 10.0 MiB, 1.00 MiB of them") {
		t.Errorf("with two:\n%s", got)
	}
	if got := ToldBy(s, s.At).Values; got != (Values{2, 10 << 20, 1 << 20}) {
		t.Errorf("%+v", got)
	}
}
