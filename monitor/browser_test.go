package monitor_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/event"
	"lightningdb/internal/proof/browser"
	"lightningdb/metrics"
	"lightningdb/monitor"
)

// pictures is where these tests leave pictures of what they have looked at:
//
//	go test ./monitor -run Browser -pictures DIRECTORY
var pictures = flag.String("pictures", "", "`DIRECTORY` for pictures of the page, as PNG")

// pageTime is how long a page may take to show something, on a machine that has other things to do.
const pageTime = 4 * time.Minute

// chromium starts a browser, or skips the test where there is none.
func chromium(t *testing.T) *browser.Browser {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	program, ok := browser.Find()
	if !ok {
		t.Skip("NOT TESTED: the page in a browser, because there is no Chromium here: apt-get install chromium")
	}
	b, err := browser.Start(program, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// shown is a page of a monitor.
type shown struct {
	*testing.T
	*browser.Page
	ctx    context.Context
	origin string
}

// show opens the page at address and waits until it has drawn rates.
func show(t *testing.T, b *browser.Browser, address string, v browser.View) *shown {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pageTime)
	t.Cleanup(cancel)
	page, err := b.Open(ctx, address, v)
	if err != nil {
		t.Fatal(err)
	}
	s := &shown{T: t, Page: page, ctx: ctx, origin: address}
	s.wait(`drawn[0].points.length >= 2`)
	return s
}

func (s *shown) wait(condition string) {
	s.Helper()
	if err := s.Wait(s.ctx, condition); err != nil {
		var text string
		_ = s.Eval(s.ctx, "document.body.innerText", &text) // what is there instead, if anything
		s.Fatalf("%v\n%q\n%s", err, s.Problems(), text)
	}
}

func (s *shown) eval(expression string, result any) {
	s.Helper()
	if err := s.Eval(s.ctx, expression, result); err != nil {
		s.Fatal(err)
	}
}

// text is what an element shows.
func (s *shown) text(selector string) (text string) {
	s.Helper()
	s.eval(fmt.Sprintf("document.querySelector(%q).innerText", selector), &text)
	return text
}

// tileComesTo waits until a tile shows a figure, at most 5 % off. One answer that came late has a rate that is off, and
// background work goes on: what is right once stays right.
func (s *shown) tileComesTo(tile int, want func() float64) {
	s.Helper()
	for {
		text, exact := s.text(fmt.Sprintf(".tile:nth-child(%d) .value", tile)), want()
		if got := figureIn(text); got >= 0.95*exact && got <= 1.05*exact {
			return
		}
		select {
		case <-s.ctx.Done():
			s.Errorf("tile %d shows %s, not %v", tile, text, exact)
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// mustBeWhole checks what holds in every state, and keeps a picture.
func (s *shown) mustBeWhole(name string) {
	s.Helper()
	if problems := s.Problems(); len(problems) > 0 {
		s.Errorf("%s: the console says %q", name, problems)
	}
	for _, address := range s.Requests() {
		if !strings.HasPrefix(address, s.origin) && !strings.HasPrefix(address, "data:") {
			s.Errorf("%s: it asks for %s", name, address)
		}
	}
	var wide, window int
	s.eval("document.documentElement.scrollWidth", &wide)
	s.eval("innerWidth", &window)
	if wide > window {
		s.Errorf("%s: it is %d pixels wide, in a window of %d", name, wide, window)
	}
	var faint, cut []string
	s.eval(tooFaint, &faint)
	if len(faint) > 0 {
		s.Errorf("%s: hard to read are %q", name, faint)
	}
	s.eval(cutOff, &cut)
	if len(cut) > 0 {
		s.Errorf("%s: cut off are %q", name, cut)
	}
	s.picture(name)
}

func (s *shown) picture(name string) {
	s.Helper()
	if *pictures == "" {
		return
	}
	png, err := s.Screenshot(s.ctx, true)
	if err == nil {
		err = os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o600)
	}
	if err != nil {
		s.Error(err)
	}
}

// tooFaint finds texts whose contrast with what is behind them is below 4.5, as WCAG 2 computes it.
const tooFaint = `(() => {
	const light = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
	const parse = text => text.match(/[\d.]+/g).map(Number);
	const luminance = c => 0.2126 * light(c[0]) + 0.7152 * light(c[1]) + 0.0722 * light(c[2]);
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = parse(getComputedStyle(e).backgroundColor);
			if (c.length < 4 || c[3] > 0) return c;
		}
		return [255, 255, 255];
	};
	const faint = [];
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim() !== "");
		if (!own || ["SCRIPT", "STYLE", "title"].includes(e.tagName) || e.closest("[hidden], :disabled")) continue;
		const style = getComputedStyle(e);
		const [a, b] = [luminance(parse(e.closest("svg") ? style.fill : style.color)), luminance(behind(e))];
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) faint.push(e.textContent.slice(0, 40) + " " + contrast.toFixed(1));
	}
	return faint;
})()`

// cutOff finds texts that reach out of their chart, tile or heading.
const cutOff = `[...document.querySelectorAll(".plot text, .tile *, h3 *")].filter(e => {
	const own = e.getBoundingClientRect(), box = e.closest(".plot, .tile, section").getBoundingClientRect();
	return own.width > 0 && (own.left < box.left - 1 || own.right > box.right + 1);
}).map(e => e.textContent)`

// scripted is a database that does what a test says, for as long as it is watched.
type scripted struct {
	*fake
	began  time.Time
	change func(m *lightningdb.Metrics, since time.Duration) // may be nil
}

func (s *scripted) Metrics() lightningdb.Metrics {
	since := time.Since(s.began)
	m := busy(since)
	if s.change != nil {
		s.change(&m, since)
	}
	return m
}

// busy is what a database tells that has made 1,000 commits of 3 operations and 50,000 reads each second.
func busy(since time.Duration) lightningdb.Metrics {
	n := uint64(since / time.Millisecond)
	bucket := func(upTo time.Duration, count uint64) metrics.LatencyBucket {
		return metrics.LatencyBucket{UpTo: upTo, Count: count}
	}
	return lightningdb.Metrics{
		Sequence: 3_000_000, DurableSequence: 2_999_990, Commits: n, Operations: 3 * n, Snapshots: 2, Iterators: 1,
		OldestReader: 184 * time.Second, DiskBytes: 1200 << 20, LiveBytes: 960 << 20,
		Levels: []metrics.Level{{Level: 0, Tables: 3, Bytes: 12 << 20, Target: 24 << 20, Score: 1.5},
			{Level: 5, Tables: 12, Bytes: 96 << 20, Target: 128 << 20, Score: 0.75},
			{Level: 6, Tables: 90, Bytes: 960 << 20, Target: 1 << 30}},
		Readers: []metrics.Reader{{Kind: "snapshot", Age: 184 * time.Second, Sequence: 2_900_000,
			Opened: time.Unix(1_700_000_000, 0), Stack: "shop.(*Orders).Report /srv/shop/orders.go:118\n" +
				"shop.Serve /srv/shop/serve.go:40\n"}},
		MemoryUsed: 96 << 20, MemoryLimit: 256 << 20,
		Memtable: metrics.Memtables{Active: 1, Frozen: 1, HeldBytes: 32 << 20},
		Cache:    metrics.Cache{UsedBytes: 60 << 20, LimitBytes: 120 << 20, RowBytes: 8 << 20, Misses: 2 * n},
		Transactions: metrics.Transactions{Conflicts: 7, LockWaits: 12, Deadlocks: 1, Waiting: 2,
			OldestLock: 3400 * time.Millisecond},
		Log:   metrics.Log{Segments: 4, Bytes: 64 << 20, Syncs: n / 4, BytesWritten: 4096 * n},
		Flush: metrics.Work{Count: 123, BytesWritten: 2<<30 + int64(n)<<10, Duration: 42 * time.Second},
		Compaction: metrics.Work{Count: 17, BytesWritten: 4<<30 + int64(n)<<11, Duration: 3 * time.Minute,
			Running: 1, Done: 45 << 20, Total: 100 << 20},
		Latency: metrics.Latencies{
			Commit: metrics.Latency{Count: n, Buckets: []metrics.LatencyBucket{bucket(245759, n-n/50),
				bucket(4718591, n/50-n/1000), bucket(125829119, n/1000)}},
			Sync: metrics.Latency{Count: n / 4, Buckets: []metrics.LatencyBucket{bucket(212991, n/4-n/100),
				bucket(4456447, n/100)}},
			Get: metrics.Latency{Count: 50 * n, Buckets: []metrics.LatencyBucket{bucket(87, 48*n),
				bucket(1663, 2*n)}},
		},
	}
}

// slowed is busy with operations that took long, of which the database tells the keys, and with latencies of scans,
// flushes and compactions.
func slowed(m *lightningdb.Metrics, since time.Duration) {
	at, n := time.Unix(1_700_000_000, 0), m.Commits
	m.Events = event.Counts{Told: 40, Slow: 31, Recent: []event.SlowOperation{
		{Operation: event.Get, At: at, Duration: 180 * time.Millisecond, Key: []byte("user:ada\x00\xff"),
			Parts: event.Parts{Read: 170 * time.Millisecond, Reads: 4}},
		{Operation: event.Update, At: at.Add(time.Minute), Duration: 2 * time.Second, Key: []byte("user:bob"),
			Parts: event.Parts{Lock: 1500 * time.Millisecond, Sync: 400 * time.Millisecond, Log: 99 * time.Millisecond}},
	}}
	one := func(count uint64, upTo time.Duration) metrics.Latency {
		return metrics.Latency{Count: count, Buckets: []metrics.LatencyBucket{{UpTo: upTo, Count: count}}}
	}
	m.Latency.Scan, m.Latency.Flush = one(7*n, 41*time.Microsecond), one(n/500, 310*time.Millisecond)
	m.Latency.Compaction = one(n/500, 42*time.Second)
}

// Who is told that something took long asks first what it waited for. Keys are data: who looks at the page sees them
// only if the program says so twice, to the database and to the monitor.
func TestBrowser_saysWhereTheTimeOfSlowOperationsWent(t *testing.T) {
	b := chromium(t)
	for name, c := range map[string]struct {
		view browser.View
		keys bool
	}{
		"slow-light": {browser.View{Width: 1280, Height: 900}, true},
		"slow-dark":  {browser.View{Width: 1280, Height: 900, Dark: true}, false},
		"slow-phone": {browser.View{Width: 390, Height: 844, Phone: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := show(t, b, serveWith(t, slowed, &monitor.Options{ShowKeys: c.keys}), c.view)
			s.mustBeWhole(name)
			var rows [][]string
			s.eval(`[...document.querySelectorAll("#operations tr")].map(r => [...r.cells].map(c => c.textContent))`, &rows)
			want := [][]string{{"what", "took", "where its time went", "key"},
				{"update", "2 s", "locks 1.5 s, sync 400 ms, log 99 ms", "user:bob"},
				{"get", "180 ms", "files 170 ms, computing 10 ms", `user:ada\x00\xff`}}
			for i := range rows {
				rows[i] = rows[i][1:] // without the time of day, which goes by the zone
				if !c.keys && i < len(want) {
					want[i] = want[i][:3]
				}
			}
			if !reflect.DeepEqual(rows, want) {
				t.Errorf("it shows %q, not %q", rows, want)
			}
			if got := s.text("#told"); got != "31 operations so far; the newest are" {
				t.Errorf("it says %q", got)
			}
			for n, want := range map[int]string{4: "p50 41 µs", 5: "p50 310 ms", 6: "p50 42 s"} {
				s.wait(fmt.Sprintf(`document.querySelector("#histograms section:nth-child(%d) .note").textContent.includes(%q)`,
					n, want))
			}
		})
	}
}

// serve serves a monitor of a scripted database, and returns the address of its page.
func serve(t *testing.T, change func(m *lightningdb.Metrics, since time.Duration)) string {
	t.Helper()
	return serveWith(t, change, nil)
}

func serveWith(t *testing.T, change func(m *lightningdb.Metrics, since time.Duration), o *monitor.Options) string {
	t.Helper()
	db := &scripted{fake: &fake{path: "/srv/shop/db"}, began: time.Now().Add(-time.Hour), change: change}
	m := newMonitor(t, db, o)
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return server.URL + "/"
}

// figureIn is the number in a text such as "1.2 k/s" or "12 KiB", without its unit.
func figureIn(text string) float64 {
	number, unit, _ := strings.Cut(strings.TrimSpace(text), " ")
	value, err := strconv.ParseFloat(strings.TrimSuffix(number, "/s"), 64)
	for prefix, factor := range map[string]float64{"k/": 1e3, "M/": 1e6, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if err == nil && strings.HasPrefix(unit, prefix) {
			value *= factor
		}
	}
	return value
}

// Whoever is called at night looks at a telephone, in the dark: what cannot be read there is not there.
func TestBrowser_showsTheFiguresEverywhere(t *testing.T) {
	b := chromium(t)
	for name, v := range map[string]browser.View{
		"desktop-light": {Width: 1280, Height: 900}, "desktop-dark": {Width: 1280, Height: 900, Dark: true},
		"telephone-light": {Width: 390, Height: 844, Phone: true},
		"telephone-dark":  {Width: 390, Height: 844, Phone: true, Dark: true},
		"narrow":          {Width: 360, Height: 640, Phone: true}, "wide": {Width: 2560, Height: 1300},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := show(t, b, serve(t, nil), v)
			s.mustBeWhole(name)
			for selector, want := range map[string]string{
				"#verdict": "running", "#path": "/srv/shop/db", "#status": "sequence number 3000000, durable up to 2999990",
				"#tiles": "1.17 GiB", "#levels": "960 MiB", "#readers": "shop.(*Orders).Report /srv/shop/orders.go:118",
				"#oldest": "the oldest is 3 min old", "#locks": "3.4 s", "#work": "45 % of 100 MiB", "#slow": "commit",
				"#ready": "nobody has asked yet", "#alerts": "",
			} {
				if got := s.text(selector); !strings.Contains(got, want) {
					t.Errorf("%s shows %q, not %q", selector, got, want)
				}
			}
			for tile, want := range map[int]float64{1: 1000, 2: 50_000, 5: 1200 << 20, 6: 96 << 20} {
				s.tileComesTo(tile, func() float64 { return want })
			}
			var scheme string
			s.eval("getComputedStyle(document.body).backgroundColor", &scheme)
			if dark := scheme == "rgb(16, 20, 26)"; dark != v.Dark {
				t.Errorf("it is %s", scheme)
			}
		})
	}
}

// Figures that are not those of the database send people after what has never happened.
func TestBrowser_figuresAreThoseOfTheState(t *testing.T) {
	b := chromium(t)
	db := open(t, &lightningdb.Options{MemoryLimit: 10 << 20, TraceReaders: true})
	work(t, db)
	defer db.Snapshot().Close()
	m := newMonitor(t, db, &monitor.Options{Check: true})
	server := httptest.NewServer(m)
	defer server.Close()
	s := show(t, b, server.URL+"/", browser.View{Width: 1280, Height: 900})
	now := m.State()
	for selector, want := range map[string]string{
		"#path": now.Path, "#levels": "1", "#readers": "TestBrowser_figuresAreThoseOfTheState",
		"#status": fmt.Sprintf("process %d (%s) · sequence number %d", os.Getpid(), now.Program, now.Metrics.Sequence),
		"#locks":  fmt.Sprintf("conflicts so far\t%d", now.Metrics.Transactions.Conflicts),
		"#oldest": "1 snapshot and transactions, 0 cursors",
	} {
		if got := s.text(selector); !strings.Contains(got, want) {
			t.Errorf("%s shows %q, not %q", selector, got, want)
		}
	}
	s.tileComesTo(5, func() float64 { return float64(m.State().Metrics.DiskBytes) })
	s.tileComesTo(6, func() float64 { return float64(m.State().Metrics.MemoryUsed) })
	// A check is begun by its button, and the page says how it ended. A second look shows what the health says.
	s.eval(`document.querySelector("#check button").click() ?? true`, new(bool))
	s.wait(`document.querySelector("#check .said").textContent.startsWith("done")`)
	if w := ask(m, http.MethodGet, "/readyz"); w.Code != http.StatusOK {
		t.Error(w.Code)
	}
	s.wait(`document.getElementById("ready").textContent.startsWith("Ready: yes")`)
	s.mustBeWhole("database")
	// What the pointer is at is told below the chart, with its time.
	var at struct{ X, Y float64 }
	s.eval(`(() => { const r = drawn[0].svg.getBoundingClientRect(); return { X: r.right - 11, Y: r.top + 30 }; })()`, &at)
	if err := s.Point(s.ctx, at.X, at.Y); err != nil {
		t.Fatal(err)
	}
	s.wait(`drawn[0].at.textContent !== "" && document.querySelector(".pointer")`)
}

// A page that looks well while the database does not is worse than none.
func TestBrowser_saysWhatIsWrong(t *testing.T) {
	b := chromium(t)
	for name, c := range map[string]struct {
		change func(m *lightningdb.Metrics, since time.Duration)
		word   string
		says   map[string]string
	}{
		"empty": {
			change: func(m *lightningdb.Metrics, _ time.Duration) { *m = lightningdb.Metrics{MemoryLimit: 256 << 20} },
			word:   "running",
			says: map[string]string{"#levels": "no tables yet", "#readers": "none", "#histograms": "none in this time",
				"#locks": "none is held", "#slow": "none", "#charts": "nothing in this time"},
		},
		"stalled": {
			change: func(m *lightningdb.Metrics, since time.Duration) {
				m.Stall = metrics.Stall{Count: 40, Duration: since / 4, Cause: "level 0 is long"}
			},
			word: "stalled", says: map[string]string{"#alerts": "level 0 is long", "#tiles": "25"},
		},
		"damaged": {
			change: func(m *lightningdb.Metrics, _ time.Duration) {
				m.Scrub = metrics.Scrub{Damaged: 2, Found: []metrics.ScrubDamage{{File: "000007.tbl",
					Damage: `value of key "secret"`, At: time.Unix(1_700_000_000, 0)}}}
			},
			word: "damaged", says: map[string]string{"#alerts": "Damage in 2 tables\n000007.tbl"},
		},
		"full": {
			change: func(m *lightningdb.Metrics, _ time.Duration) {
				m.Disk = metrics.Disk{Limit: 1201 << 20, Refusing: "the disk limit is reached", Refused: 9}
			},
			word: "refusing writes", says: map[string]string{"#alerts": "the disk limit is reached"},
		},
		"failed": {
			change: func(m *lightningdb.Metrics, _ time.Duration) {
				m.BackgroundError = fmt.Errorf("key %q: %w", "secret", lightningdb.ErrReadOnly)
			},
			word: "error", says: map[string]string{"#alerts": "ErrReadOnly"},
		},
		"closed": {
			change: func(m *lightningdb.Metrics, _ time.Duration) { m.BackgroundError = lightningdb.ErrClosed },
			word:   "closed", says: map[string]string{"#alerts": "The database is closed"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := show(t, b, serve(t, c.change), browser.View{Width: 390, Height: 844, Phone: true, Dark: name > "e"})
			if got := s.text("#verdict"); got != c.word {
				t.Errorf("it is %q, not %q", got, c.word)
			}
			for selector, want := range c.says {
				if got := s.text(selector); !strings.Contains(got, want) || strings.Contains(got, "secret") {
					t.Errorf("%s shows %q, not %q", selector, got, want)
				}
			}
			s.mustBeWhole(name)
		})
	}
}

// Old figures that look like new ones hide that the program has died.
func TestBrowser_saysThatThereIsNoAnswer(t *testing.T) {
	b := chromium(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	var silent atomic.Bool
	m := newMonitor(t, &scripted{fake: &fake{path: "/srv/shop/db"}, began: time.Now()}, nil)
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() {
			http.Error(w, "monitor: the database has not told its metrics", http.StatusServiceUnavailable)
			return
		}
		m.ServeHTTP(w, r)
	})
	server := &http.Server{Handler: answer}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	s := show(t, b, "http://"+address+"/", browser.View{Width: 390, Height: 844, Phone: true})

	silent.Store(true)
	s.wait(`document.getElementById("alerts").textContent.includes("has not told its metrics")`)
	silent.Store(false)
	s.wait(`document.getElementById("verdict").textContent === "running" && figures.className === ""`)

	server.Close()
	serving.Wait()
	s.wait(`document.getElementById("alerts").textContent.includes("cannot be reached")`)
	if got := s.text("#alerts"); !strings.Contains(got, "What is below is of ") || s.text("#verdict") != "no answer" {
		t.Errorf("%q", got)
	}
	var old string
	s.eval("figures.className", &old)
	if old != "old" {
		t.Error("the old figures look like new ones")
	}
	s.picture("lost")

	// Another program at the same address begins anew.
	if l, err = net.Listen("tcp", address); err != nil {
		t.Skipf("somebody else has taken the address: %v", err)
	}
	server = &http.Server{Handler: newMonitor(t, &scripted{fake: &fake{path: "/srv/shop/db"}, began: time.Now()}, nil)}
	serving.Go(func() { _ = server.Serve(l) })
	s.wait(`document.getElementById("verdict").textContent === "running"`)
	var points int
	s.eval("drawn[0].points.length", &points)
	if points > 1 {
		t.Errorf("%d points are of the program before", points)
	}
	server.Close()
	serving.Wait()
}
