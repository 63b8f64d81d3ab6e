package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// task is one set of one engine in one repetition.
type task struct {
	kind       kind
	set        set
	repetition int
}

// plan is the tasks in their order: repetitions are interleaved, so that a disturbance meets all engines; the long sets
// come in the first one.
func plan(chosen []kind, workloads []set, repetitions int) (tasks []task) {
	for repetition := range repetitions {
		for _, s := range workloads {
			if s.once && repetition > 0 {
				continue
			}
			for _, k := range chosen {
				if s.measures(k) {
					tasks = append(tasks, task{k, s, repetition})
				}
			}
		}
	}
	return tasks
}

// progress estimates the time that is left, from the steps done, and from guesses for steps never done.
type progress struct {
	settings settings
	tasks    []task
	took     map[string][]time.Duration // of sets, and of sets and engines
	start    time.Time
}

// left is an estimate for the tasks from number at on.
func (p *progress) left(at int) (total time.Duration) {
	for _, t := range p.tasks[at:] {
		switch own, others := p.took[t.set.name+" "+t.kind.name], p.took[t.set.name]; {
		case len(own) > 0:
			total += mean(own)
		case len(others) > 0:
			total += mean(others)
		default:
			total += t.set.plan(p.settings)
		}
	}
	return total
}

func mean(all []time.Duration) (m time.Duration) {
	for _, d := range all {
		m += d / time.Duration(len(all))
	}
	return m
}

func (p *progress) done(t task, took time.Duration) {
	for _, name := range []string{t.set.name, t.set.name + " " + t.kind.name} {
		p.took[name] = append(p.took[name], took)
	}
}

// maxOtherWork is the share of the processors that others may use when a report for -out is measured.
const maxOtherWork = 0.05

// measureAll does all tasks, each in a process of its own. One that fails is left out and noted. The error says that
// the run was interrupted, or that the machine was too busy to begin one for publication.
func (c *invocation) measureAll(chosen []kind, workloads []set) (*measurements, error) {
	interruptible, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	m := newMeasurements(c.settings, chosen, c.repetitions)
	if c.out != "" && m.OtherWork > maxOtherWork {
		return nil, fmt.Errorf("others use %s of the processors: what is published is measured on a quiet machine; "+
			"wait, or print the report without -out", percent(m.OtherWork))
	}
	if missing := missingKinds(); len(missing) > 0 && len(c.engines) == 0 {
		m.note("this build has no driver for " + strings.Join(missing, ", ") + ": their rows are left out")
	}
	p := &progress{
		settings: c.settings,
		tasks:    plan(chosen, workloads, c.repetitions),
		took:     make(map[string][]time.Duration),
		start:    time.Now(),
	}
	for at, t := range p.tasks {
		fmt.Fprintf(os.Stderr, "[%d of %d, %v, about %v left] repetition %d: %s %s\n", at+1, len(p.tasks),
			time.Since(p.start).Round(time.Second), p.left(at).Round(time.Second), t.repetition+1, t.set.name, t.kind.name)
		begin := time.Now()
		results, err := c.measureChild(interruptible, t)
		if err := interruptible.Err(); err != nil {
			return nil, err
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "left out:", err)
			m.LeftOut++
			m.note("left out: " + err.Error())
			continue
		}
		m.add(t.kind.name, results)
		p.done(t, time.Since(begin))
		m.Took = time.Since(p.start)
		if c.save != "" { // also in between: what was measured outlives an interruption
			if err := m.save(c.save); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// measureChild does a task in a new process, in a new directory that it removes.
func (c *invocation) measureChild(interruptible context.Context, t task) (*results, error) {
	dir, err := os.MkdirTemp(c.dir, "bench-"+t.kind.name+"-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(job{Engine: t.kind.name, Set: t.set.name, Dir: dir, Settings: c.settings})
	if err != nil {
		return nil, err
	}
	limit, cancel := context.WithTimeout(interruptible, c.Limit)
	defer cancel()
	cmd := exec.CommandContext(limit, self, "-job", string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if limit.Err() != nil {
		err = errors.Join(fmt.Errorf("not done after %v", c.Limit), err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", t.kind.name, t.set.name, err)
	}
	r := new(results)
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(r); err != nil {
		return nil, fmt.Errorf("results of %s, %s: %w", t.kind.name, t.set.name, err)
	}
	return r, nil
}
