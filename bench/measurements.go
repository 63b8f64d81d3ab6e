package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// measurements are the results of a run, as they are kept in a file and made into a report.
type measurements struct {
	Settings    settings
	Repetitions int
	Command     string
	Began       time.Time
	Took        time.Duration
	Machine     string
	OtherWork   float64                         // share of the processors that others used before it began; -1: unknown
	Engines     []engineInfo                    // in the order of the report, ours first
	Values      map[string]map[string][]float64 // engine, row: of each repetition
	Series      map[string]map[string][]float64 // engine, series: of each second
	LeftOut     int                             // sets of engines that failed
	Notes       []string
}

// engineInfo is what the report says of an engine.
type engineInfo struct {
	Name, Config, Version string
	Peer                  bool
}

func newMeasurements(s settings, chosen []kind, repetitions int) *measurements {
	m := &measurements{
		Settings:    s,
		Repetitions: repetitions,
		Command:     strings.Join(append([]string{"go run ."}, os.Args[1:]...), " "),
		Began:       time.Now().UTC(),
		Machine:     fmt.Sprintf("%s, %d cores, %s", machine(), runtime.NumCPU(), runtime.Version()),
		OtherWork:   otherWork(),
		Values:      make(map[string]map[string][]float64),
		Series:      make(map[string]map[string][]float64),
	}
	for _, k := range chosen {
		m.Engines = append(m.Engines, engineInfo{k.name, k.config, k.version(), k.peer})
	}
	return m
}

func (m *measurements) add(engine string, r *results) {
	if m.Values[engine] == nil {
		m.Values[engine], m.Series[engine] = make(map[string][]float64), make(map[string][]float64)
	}
	for name, v := range r.Values {
		m.Values[engine][name] = append(m.Values[engine][name], v)
	}
	for name, s := range r.Series {
		m.Series[engine][name] = s
	}
	for _, note := range r.Notes {
		m.note(engine + ": " + note)
	}
}

// note adds a note once.
func (m *measurements) note(text string) {
	if !slices.Contains(m.Notes, text) {
		m.Notes = append(m.Notes, text)
	}
}

// median is the middle of the repetitions; ok is false if the engine has no such row.
func (m *measurements) median(engine, name string) (v float64, ok bool) {
	all := slices.Sorted(slices.Values(m.Values[engine][name]))
	if len(all) == 0 {
		return 0, false
	}
	return (all[len(all)/2] + all[(len(all)-1)/2]) / 2, true
}

// save writes the measurements to a file.
func (m *measurements) save(file string) error {
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o666)
}

// loadMeasurements reads files that save has written, and puts them together. They must be of the same settings.
func loadMeasurements(files []string) (*measurements, error) {
	var all *measurements
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m := new(measurements)
		if err := json.Unmarshal(text, m); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if all == nil {
			all = m
			continue
		}
		if err := all.join(m); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return all, nil
}

// join adds what other has.
func (m *measurements) join(other *measurements) error {
	if m.Settings != other.Settings || m.Repetitions != other.Repetitions {
		return errors.New("other settings")
	}
	m.note(m.piece())
	m.note(other.piece())
	m.Took += other.Took
	m.LeftOut += other.LeftOut
	for _, e := range other.Engines {
		if !slices.ContainsFunc(m.Engines, func(have engineInfo) bool { return have.Name == e.Name }) {
			m.Engines = append(m.Engines, e)
		}
	}
	for engine, values := range other.Values {
		r := &results{Series: other.Series[engine]}
		m.add(engine, r)
		for name, v := range values {
			m.Values[engine][name] = append(m.Values[engine][name], v...)
		}
	}
	for _, note := range other.Notes {
		m.note(note)
	}
	return nil
}

// piece is the note on measurements that were put together with others.
func (m *measurements) piece() string {
	return fmt.Sprintf("put together of several runs: `%s`, processors in use by others before it began: %s", m.Command,
		percent(m.OtherWork))
}

// comparison is one row of all engines against the best peer.
type comparison struct {
	line   row
	best   string             // the peer
	ratios map[string]float64 // by engine: above 1 is better than the best peer, by that factor
}

// lost reports whether the first engine is behind.
func (c comparison) lost(ours string) bool { return c.ratios[ours] < 1 }

// compare compares the engines' medians in a row; ok is false if there is nothing to compare.
func (m *measurements) compare(line row) (c comparison, ok bool) {
	if line.plain || len(m.Engines) == 0 {
		return c, false
	}
	ours := m.Engines[0].Name
	values, best := make(map[string]float64), 0.0
	for at, e := range m.Engines {
		name := line.name
		if at > 0 && line.peers != "" {
			name = line.peers
		}
		v, has := m.median(e.Name, name)
		if !has {
			continue
		}
		values[e.Name] = v
		if e.Peer && (c.best == "" || line.less && v < best || !line.less && v > best) {
			c.best, best = e.Name, v
		}
	}
	if _, has := values[ours]; !has || c.best == "" {
		return c, false
	}
	c.line, c.ratios = line, make(map[string]float64)
	for name, v := range values {
		c.ratios[name] = ratio(v, best, line.less)
	}
	return c, true
}

// ratio is by how much v is better than best. Nothing at all is as good as nothing at all.
func ratio(v, best float64, less bool) float64 {
	if less {
		v, best = best, v
	}
	if v == best {
		return 1
	}
	const most = 1e4 // instead of infinity, which JSON and charts do not know
	if best == 0 {
		return most
	}
	return min(most, v/best)
}
