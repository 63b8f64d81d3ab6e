package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A workload whose row nobody prints, or a row that nobody measures, goes unnoticed.
func TestMeasureAll_fillsEveryRow(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the program for each set")
	}
	tiny := settings{Rows: 3000, Each: 2 * time.Millisecond, Sustained: time.Second, Memory: 32 << 20,
		LargeMemory: 10 << 20, ValueBytes: 1_000_000, FillLimit: 100 * time.Millisecond, Limit: time.Minute}
	c := &invocation{settings: tiny, repetitions: 1, dir: t.TempDir()}
	chosen, err := chooseKinds([]string{"lightning", "bbolt"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := c.measureAll(chosen, sets())
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]bool{}
	for _, s := range sections() {
		for _, line := range s.lines {
			printed[line.name] = true
			if _, ok := m.median("lightning", line.name); !ok {
				t.Errorf("%s: %q has no figure", s.title, line.name)
			}
		}
	}
	for name := range m.Values["lightning"] {
		if !printed[name] {
			t.Errorf("%q is measured and not printed", name)
		}
	}
	r := &report{measurements: m}
	text := string(r.markdown("charts"))
	for name, svg := range r.charts {
		if !strings.Contains(text, "(charts/"+name+")") {
			t.Errorf("%s is not in the report", name)
		}
		wellFormed(t, name, svg)
	}
	if want := len(sections()); len(r.charts) != want { // two for sustained writes, none for sizes
		t.Errorf("%d charts, want %d", len(r.charts), want)
	}
}

func wellFormed(t *testing.T, name string, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// sample is two peers and us, with a row in which more is better, and one in which less is.
func sample() *measurements {
	return &measurements{
		Repetitions: 3,
		Engines: []engineInfo{
			{Name: "lightning"}, {Name: "bbolt", Peer: true}, {Name: "pebble", Peer: true}, {Name: "gomap"},
		},
		Values: map[string]map[string][]float64{
			"lightning": {
				"load": {300, 100, 200}, "disk": {50}, "kill_lost": {1}, "bank10_durable_locking": {40}, "sustained": {30},
			},
			"bbolt":  {"load": {100, 100, 100}, "disk": {25}, "kill_lost": {0}, "bank10_durable": {10}},
			"pebble": {"load": {400, 400, 400}, "disk": {100}, "kill_lost": {3}, "bank10_durable": {20}},
			"gomap":  {"load": {900}},
		},
		Series: map[string]map[string][]float64{"bbolt": {"rate": {10, 0, 1000}}, "lightning": {"rate": {20, 30, 40}}},
	}
}

// A ratio that is upside down turns a loss into a win.
func TestCompare_againstTheBestPeer(t *testing.T) {
	m := sample()
	for _, want := range []struct {
		line row
		best string
		ours float64
	}{
		{row{name: "load"}, "pebble", 0.5},
		{row{name: "disk", less: true}, "bbolt", 0.5},
		{row{name: "kill_lost", less: true}, "bbolt", 0},
		{row{name: "bank10_durable_locking", peers: "bank10_durable"}, "pebble", 2},
	} {
		c, ok := m.compare(want.line)
		if !ok || c.best != want.best || c.ratios["lightning"] != want.ours {
			t.Errorf("%s: %v of %s (%v), want %v of %s", want.line.name, c.ratios["lightning"], c.best, ok, want.ours, want.best)
		}
	}
	if _, ok := m.compare(row{name: "load", plain: true}); ok {
		t.Error("a plain row was compared")
	}
	if _, ok := m.compare(row{name: "durable1"}); ok {
		t.Error("a row that nobody has was compared")
	}
}

// Rows that are lost must not look like those that are won.
func TestReport_marksWhatIsLost(t *testing.T) {
	r := &report{measurements: sample()}
	text := string(r.markdown("charts"))
	for _, want := range []string{
		"**0.50 pebble ▼**", "| 200 | 100 | 400 | 900 |", "It loses:", "of bbolt", "](charts/writes.svg)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "![Scans") {
		t.Error("the report has a chart of nothing")
	}
	for name, svg := range r.charts {
		wellFormed(t, name, svg)
	}
	if svg := string(r.charts["writes.svg"]); !strings.Contains(svg, behind) || !strings.Contains(svg, "0.50×") {
		t.Errorf("the chart does not show the loss:\n%s", svg)
	}
	svg := string(r.charts["sustained-rate.svg"])
	if strings.Count(svg, "<polyline") != 2 || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Errorf("the chart of rates:\n%s", svg)
	}
}

// Pieces of a run that were measured apart make one report; those of other settings must not.
func TestLoadMeasurements_joinsPieces(t *testing.T) {
	dir := t.TempDir()
	var files []string
	for name, change := range map[string]func(m *measurements){
		"a": func(m *measurements) { delete(m.Values, "pebble"); m.Engines = m.Engines[:2] },
		"b": func(m *measurements) {
			m.Values = map[string]map[string][]float64{"pebble": m.Values["pebble"]}
			m.Engines, m.Series = m.Engines[2:], nil
		},
		"c": func(m *measurements) { m.Settings.Rows = 1 },
	} {
		m := sample()
		change(m)
		file := filepath.Join(dir, name)
		if err := m.save(file); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	m, err := loadMeasurements([]string{a, b})
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := m.median("pebble", "load"); !ok || v != 400 || len(m.Engines) != 4 || m.Engines[0].Name != "lightning" {
		t.Errorf("pebble's load is %v, %v; engines %v", v, ok, m.Engines)
	}
	if _, err := loadMeasurements([]string{a, c}); err == nil {
		t.Errorf("joined other settings: %v", files)
	}
}

// A ratio that fell must be seen, and one that did not must not be.
func TestReportRatios_marksWhatFell(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ratios.json")
	m := sample()
	if err := reportRatios(io.Discard, m, file, true); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"load": 0.5`) {
		t.Fatalf("%s, %v", text, err)
	}
	for _, c := range []struct {
		ours   float64
		marked bool
	}{{200, false}, {195, false}, {180, true}} {
		m.Values["lightning"]["load"] = []float64{c.ours}
		var out bytes.Buffer
		if err := reportRatios(&out, m, file, false); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "LOWER") != c.marked {
			t.Errorf("%v instead of 200:\n%s", c.ours, &out)
		}
	}
}

// A bucket that is too wide, or a rank that is off, makes a stall look like noise.
func TestHistogram_quantiles(t *testing.T) {
	var h, other histogram
	for i := 1; i <= 10_000; i++ {
		d := time.Duration(i) * time.Microsecond
		if i%2 == 0 {
			h.record(d)
		} else {
			other.record(d)
		}
	}
	h.add(&other)
	for share, want := range map[float64]time.Duration{
		0.5: 5 * time.Millisecond, 0.99: 9900 * time.Microsecond, 0.999: 9990 * time.Microsecond, 1: 10 * time.Millisecond,
	} {
		if got := h.quantile(share); got < want || got > want+want/32+1 {
			t.Errorf("%v: %v, want %v", share, got, want)
		}
	}
	for _, d := range []time.Duration{0, 1, 31, 32, 33, 1000, 123_456_789, time.Hour} {
		if top := ceiling(bucketOf(d)); top < d || top > d+d/32 || bucketOf(top) != bucketOf(d) {
			t.Errorf("%d is in a bucket up to %d", d, top)
		}
	}
}

// A check that passes anything is none.
func TestCheck_seesWhatIsWrong(t *testing.T) {
	for name, spoil := range map[string]func(r *run, b *batch) error{
		"nothing": func(*run, *batch) error { return nil },
		"lost":    func(r *run, b *batch) error { return r.engine.Write(b.keys, nil) },
		"other value": func(r *run, b *batch) error {
			b.values[0] = r.data.value(nil, 6)
			return r.engine.Write(b.keys, b.values)
		},
		"one bit": func(r *run, b *batch) error {
			b.values[0][60] ^= 1
			return r.engine.Write(b.keys, b.values)
		},
		"never written": func(r *run, b *batch) error {
			b.fill(r.data, 5000, 1)
			return r.engine.Write(b.keys, b.values)
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, k := range []kind{bboltKind(), mapKind()} {
				if k.volatile && name == "never written" {
					continue // what cannot be scanned is not found
				}
				r := newRun(settings{Rows: 1000, Memory: 32 << 20, FillLimit: time.Second}, k, t.TempDir())
				if err := r.load(); err != nil {
					t.Fatal(err)
				}
				b := newBatch(1)
				b.fill(r.data, 500, 1)
				if err := spoil(r, b); err != nil {
					t.Fatal(err)
				}
				if err := r.check(); (err != nil) != (name != "nothing") {
					t.Errorf("%s: %v", k.name, err)
				}
				if err := r.close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A setting that does not reach the engine makes a comparison of nothing.
func TestRun_compressesIfAsked(t *testing.T) {
	var sizes [2]int64 // of tables: the log has a size of its own
	for at, compress := range []bool{false, true} {
		s := settings{Rows: 20_000, Memory: 32 << 20, FillLimit: time.Minute, Compress: compress}
		r := newRun(s, lightningKind(), t.TempDir())
		if err := steps(r.load, func() error { return r.engine.Compact() }, r.check, r.close); err != nil {
			t.Fatal(err)
		}
		tables, err := filepath.Glob(filepath.Join(r.dir, "*.tbl"))
		if err != nil || len(tables) == 0 {
			t.Fatalf("tables %v, %v", tables, err)
		}
		for _, table := range tables {
			info, err := os.Stat(table)
			if err != nil {
				t.Fatal(err)
			}
			sizes[at] += info.Size()
		}
	}
	if sizes[1] > sizes[0]*85/100 {
		t.Errorf("%d bytes compressed, %d as they are", sizes[1], sizes[0])
	}
}

// A summary that begins with what is lost, or counts a win for a loss, misleads.
func TestReport_saysWhatItWinsFirst(t *testing.T) {
	r := &report{measurements: sample()}
	text := string(r.markdown("charts"))
	won, lost := strings.Index(text, "* Transactions: 1 of 1"), strings.Index(text, "It loses:")
	if won < 0 || lost < won {
		t.Errorf("wins at %d, losses at %d:\n%s", won, lost, text)
	}
}

// A chart would say nothing to readers who cannot see it, or show engines that differ only in colour.
func TestCharts_canBeReadWithoutColours(t *testing.T) {
	shapes, dashes := make(map[string]string), make(map[string]string)
	for engine, s := range styles {
		if other, ok := shapes[s.shape]; ok {
			t.Errorf("%s and %s have one shape", engine, other)
		}
		if other, ok := dashes[s.dashes]; ok {
			t.Errorf("%s and %s have the same dashes", engine, other)
		}
		shapes[s.shape], dashes[s.dashes] = engine, engine
	}
	for _, k := range kinds() {
		if styles[k.name].shape == "" {
			t.Errorf("%s has no style", k.name)
		}
	}
	r := &report{measurements: sample()}
	r.markdown("charts")
	for name, svg := range r.charts {
		for _, want := range []string{`role="img"`, `<title id="title">`, `<desc id="description">`} {
			if !strings.Contains(string(svg), want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
	}
	if svg := string(r.charts["writes.svg"]); !strings.Contains(svg, "0.50 times pebble") {
		t.Errorf("the description does not tell the ratio:\n%s", svg)
	}
}
