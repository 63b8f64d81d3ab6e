package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lightningdb"
	"lightningdb/cmd/lightning/internal/watch"
	"lightningdb/monitor"
)

// A request to another place than was meant, or with lines in it that nobody wrote.
func TestParse_readsAddresses(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:6060":                     "127.0.0.1:6060 127.0.0.1:6060 /debug/lightning",
		"http://127.0.0.1:6060/":                    "127.0.0.1:6060 127.0.0.1:6060 /debug/lightning",
		"HTTP://shop":                               "shop:80 shop /debug/lightning",
		"http://[::1]:6060/database/":               "[::1]:6060 [::1]:6060 /database/debug/lightning",
		"http://[::1]/database":                     "[::1]:80 [::1] /database/debug/lightning",
		"http://shop:8080/a/b/debug/lightning":      "shop:8080 shop:8080 /a/b/debug/lightning",
		"https://shop":                              "https is not spoken",
		"ftp://shop":                                "only http",
		"http://":                                   "no host",
		"http://:80/":                               "no host",
		"http://shop:":                              "no host",
		"http://me:secret@shop/":                    "may not be",
		"http://shop/?a=b":                          "may not be",
		"http://shop/\r\nX-Lightning-Token: 0":      "may not be",
		"http://shop/caf\u00e9":                     "may not be",
		"http://shop/a b":                           "may not be",
		"http://127.0.0.1:6060/database/debug/else": "127.0.0.1:6060 127.0.0.1:6060 /database/debug/else/debug/lightning",
	} {
		m, err := Parse(url)
		got := fmt.Sprint(err)
		if err == nil {
			got = m.address + " " + m.host + " " + m.path
		}
		if err == nil && got != want || err != nil && !strings.Contains(got, want) {
			t.Errorf("%q: %s, not %s", url, got, want)
		}
	}
	if IsURL("/srv/db") || IsURL("http:") || !IsURL("http://shop") {
		t.Error("a directory is taken for an address, or the other way around")
	}
}

// The picture of another program, or figures that are not those that it tells.
func TestLook_showsWhatTheProgramTells(t *testing.T) {
	db, err := lightningdb.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	m, err := monitor.New(db, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	mux := http.NewServeMux()
	mux.Handle("/database/", http.StripPrefix("/database", m))
	server := httptest.NewServer(mux)
	defer server.Close()
	from, err := Parse(server.URL + "/database")
	if err != nil {
		t.Fatal(err)
	}
	w := new(watch.Watch)
	var now time.Time
	for i := range 2 { // rates need two
		if err := db.Put(fmt.Appendf(nil, "%d", i), nil); err != nil {
			t.Fatal(err)
		}
		if now, err = from.Look(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	o, want := w.Object(now), m.State()
	if o.Path != db.Path() || o.URL != from.URL || o.Ended != nil || o.Told == nil || o.Rates == nil || o.Latency == nil {
		t.Fatalf("%+v", o)
	}
	if o.Told.Sequence != 2 || o.Told.Commits != 2 || o.Told.Pid != want.Pid || o.Told.Program != want.Program ||
		!o.Told.Opened.Equal(want.Began) || o.Told.Memory.Limit != want.Metrics.MemoryLimit ||
		o.Told.Latency.Commit.Count != 2 || o.Latency.Commit.Count != 1 || o.Rates.Commits == 0 || o.Told.Age > 60 {
		t.Errorf("%+v", o.Told)
	}
	// The database is closed: that is an error of it, and no end.
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	now, err = from.Look(t.Context(), w)
	if told := w.Object(now).Told; err != nil || !strings.Contains(told.BackgroundError, "ErrClosed") {
		t.Errorf("%v, %+v", err, told)
	}
	// The program has gone: what is shown is old, and is said to be.
	server.Close()
	now, err = from.Look(t.Context(), w)
	o = w.Object(now)
	if err != nil || o.Ended == nil || !strings.Contains(*o.Ended, "no answer: dial") || o.Told == nil {
		t.Errorf("%v, %+v", err, o)
	}
	if lines := w.Picture(now, 100, 24); !strings.Contains(lines[0].Text, "shown for") ||
		!strings.HasPrefix(lines[1].Text, "THE PROGRAM GIVES no answer: dial") || lines[1].Look != watch.Alarm {
		t.Errorf("%v", lines)
	}
}

// A clock of another machine that goes wrong would make a program that works look dead.
func TestLook_comparesTimesOfOneClock(t *testing.T) {
	for _, ahead := range []time.Duration{3 * time.Hour, -3 * time.Hour} {
		there := time.Now().Add(ahead)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(state{Pid: 1, Began: there.Add(-time.Minute), Now: there})
		}))
		from, err := Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		w := new(watch.Watch)
		now, err := from.Look(t.Context(), w)
		if age := w.Object(now).Told.Age; err != nil || w.Quiet(now) || age > 60 || now.Sub(there).Abs() > time.Minute {
			t.Errorf("a clock that is ahead by %v: %v, told %v s ago, it is %v there", ahead, err, age, now)
		}
		server.Close()
	}
}

// Somebody who waits for a picture has to be told why there is none, and soon.
func TestLook_saysWhyThereIsNoAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		says   string
	}{
		"nothing":     {"", "unexpected EOF"},
		"no HTTP":     {"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"},
		"refused":     {"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnot\n you!", "status 403: not you!"},
		"another one": {"HTTP/1.1 200 OK\r\n\r\n{\"hello\":\"world\"}", "that package monitor would give"},
		"a page":      {"HTTP/1.1 200 OK\r\n\r\n<html>", "that package monitor would give"},
		"half of it":  {"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"path\":", "unexpected EOF"},
		"half chunk":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"path\":", "unexpected EOF"},
		"no last one": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", "unexpected EOF"},
		"bad chunk":   {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n", "the length of a chunk"},
		"compressed":  {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "its encoding"},
		"no length":   {"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", "its length"},
		"a long line": {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxLineBytes), "too large"},
		"many lines":  {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: x\r\n", maxHeaderLines), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := replying(t, c.answer)
			_, err := from.Look(t.Context(), new(watch.Watch))
			if !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v; want %q", err, c.says)
			}
		})
	}
}

// An answer without an end would fill the memory of whoever looks. A slow machine does not read that much in the time
// that an answer may take, so it comes over no line.
func TestAnswer_isBounded(t *testing.T) {
	text := "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat(" ", maxBodyBytes+1)
	if _, err := answer(bufio.NewReader(strings.NewReader(text))); !errors.Is(err, errTooLarge) {
		t.Errorf("%d bytes: %v", len(text), err)
	}
	body, err := answer(bufio.NewReader(strings.NewReader(text[:len(text)-1])))
	if len(body) != maxBodyBytes || err != nil {
		t.Errorf("%d bytes: %v", len(body), err)
	}
}

// replying is a monitor in whose place somebody says answer to whoever comes.
func replying(t *testing.T, answer string) *Monitor {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(conn)
			for text := ""; text != "\r\n" && err == nil; { // or the answer is lost with what was not read
				text, err = in.ReadString('\n')
			}
			_, _ = io.WriteString(conn, answer) // it may have been refused in the middle
			conn.Close()
		}
	}()
	from, err := Parse("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return from
}

// Who types q or Ctrl-C while a program hangs would have to wait for it.
func TestLook_endsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes what comes, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	from, err := Parse("http://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("somebody has had enough")
	time.AfterFunc(10*time.Millisecond, func() { cancel(why) })
	if _, err := from.Look(ctx, new(watch.Watch)); !errors.Is(err, why) {
		t.Error(err)
	}
	begun := time.Now()
	_, err = from.Look(t.Context(), new(watch.Watch))
	if !errors.Is(err, ErrNoAnswer) || time.Since(begun) > time.Minute {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

// The ways in which servers and proxies say how long a body is.
var bodies = map[string]string{
	"with a length": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}\r\nmore",
	"to the end":    "HTTP/1.0 200 OK\n\n{}",
	"in chunks":     "HTTP/1.1 200 OK\r\nTRANSFER-encoding:Chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n",
	"in both ways":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
}

// A body with something of its framing in it, or without its end, is no answer.
func TestAnswer_readsBodies(t *testing.T) {
	for name, text := range bodies {
		got, err := answer(bufio.NewReaderSize(strings.NewReader(text), maxLineBytes))
		if err != nil || string(got) != "{}" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// An answer that somebody made up must not panic, hang, or take the memory.
func FuzzAnswer(f *testing.F) {
	for _, text := range bodies {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := answer(bufio.NewReaderSize(strings.NewReader(text), maxLineBytes))
		if len(got) > len(text) {
			t.Fatalf("%d bytes of %d", len(got), len(text))
		}
		if err != nil {
			return
		}
		again := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(got), got)
		if same, err := answer(bufio.NewReader(strings.NewReader(again))); err != nil || string(same) != string(got) {
			t.Errorf("%q, %v; not %q", same, err, got)
		}
	})
}
