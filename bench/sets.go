package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// set is workloads that one engine goes through in a process of its own.
type set struct {
	name     string
	once     bool // it takes long: not in every repetition
	measures func(k kind) bool
	run      func(r *run) error
	plan     func(s settings) time.Duration // a guess, for the estimate of what is left
}

// sets in the order of a run, those that are repeated first.
func sets() []set {
	all := []set{
		{
			name: "table", measures: reads, run: (*run).table,
			plan: func(s settings) time.Duration { return perRow(s, 20*time.Microsecond) + 45*s.Each },
		},
		{
			name: "ycsb", measures: reads, run: (*run).ycsb,
			plan: func(s settings) time.Duration { return perRow(s, 7*time.Microsecond) + 6*s.Each },
		},
		{
			name: "bank", measures: transfers, run: (*run).banks,
			plan: func(s settings) time.Duration { return time.Second + 7*s.Each },
		},
		{
			name: "kill", measures: persists, run: (*run).kill,
			plan: func(s settings) time.Duration { return perRow(s, 4*time.Microsecond) },
		},
		{
			name: "sustained", once: true, measures: persists, run: (*run).sustained,
			plan: func(s settings) time.Duration { return perRow(s, 7*time.Microsecond) + s.Sustained },
		},
		{
			name: "large", once: true, measures: reads, run: (*run).large,
			plan: func(s settings) time.Duration { return s.FillLimit + 10*s.Each },
		},
	}
	all = append(all, set{
		name: "model", once: true, measures: func(k kind) bool { return k.people != nil }, run: (*run).model,
		plan: func(s settings) time.Duration { return perRow(s, 5*time.Microsecond) + 25*s.Each },
	})
	for _, v := range largeValues {
		all = append(all, v.set())
	}
	return all
}

// briefSet is a few rows of table, for a look at the ratios between engines.
var briefSet = set{
	name: "brief", measures: reads, run: (*run).brief,
	plan: func(s settings) time.Duration { return perRow(s, 10*time.Microsecond) + 10*s.Each },
}

// writerToKill is started by kill.
var writerToKill = set{name: "kill_writer", run: (*run).writeAndWait}

func reads(k kind) bool     { return k.open != nil }
func persists(k kind) bool  { return k.open != nil && !k.volatile }
func transfers(k kind) bool { return k.bank != nil }

func perRow(s settings, d time.Duration) time.Duration { return time.Duration(s.Rows) * d }

func setByName(name string) (set, error) {
	for _, s := range append(sets(), briefSet, writerToKill) {
		if s.name == name {
			return s, nil
		}
	}
	return set{}, fmt.Errorf("no set %q", name)
}

// brief measures load, a few reads, scans and writes.
func (r *run) brief() error {
	return steps(r.load, r.calm,
		func() error {
			p := r.data.probes(r.Rows, below(r.Rows))
			return steps(
				func() error { return r.warm(p) },
				func() error { return r.readWith("uniform1", p, 1, true) },
				func() error { return r.readWith("uniform_own2", p, 2, false) })
		},
		func() error { return r.scans("", r.Rows) },
		func() error { return r.writes("durable64", "kernel1") },
		r.check, r.close)
}

// job is the task of a process that measures.
type job struct {
	Engine, Set, Dir string
	Settings         settings
}

// measure does a job in this process and writes the results as JSON.
func measure(text string, out io.Writer) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	k, err := kindByName(j.Engine)
	if err != nil {
		return err
	}
	s, err := setByName(j.Set)
	if err != nil {
		return err
	}
	r := newRun(j.Settings, k, j.Dir)
	if err := s.run(r); err != nil {
		return fmt.Errorf("%s, %s: %w", j.Engine, j.Set, err)
	}
	return json.NewEncoder(out).Encode(r.results)
}
