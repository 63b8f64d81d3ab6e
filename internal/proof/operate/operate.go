// Package operate proves the alerts of ops/prometheus/rules.yml by the real thing. A Campaign starts Prometheus and
// Alertmanager, programs that show a database with package monitor, and a pager, all on the loopback of this machine;
// it makes something happen to each database, waits until the pager rings, mends it, and waits until the pager is
// told that it is over.
//
// # What is real
//
// The causes are: a process that is killed, a sync for which the kernel returns an error, a byte that is changed in a
// file, a file system that is full. The rules are those that are shipped, but for the length of a minute, which is
// Campaign.Minute (see shorten). What an alert must not do is held as well: a database at which something happens may
// set off the alerts that its cause names, and no other one; and examples/monitored, to which nothing happens, none.
//
// # Parts
//
// cause.go lists what happens, and what is expected of it. A scene (scene.go) is one database of a cause: its
// directory, its process, which is this program again (subject.go), and the orders that it is given by lines.
// servers.go runs Prometheus and Alertmanager, pager.go is what Alertmanager calls.
//
// Everything that a Campaign starts is its child, and is gone when Run returns. Subjects end by themselves with the
// program that started them.
package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultMinute is what a minute of the rules takes in a run.
const DefaultMinute = 3 * time.Second

// Campaign is a run of several causes.
type Campaign struct {
	Dir          string        // an empty directory, for databases, configurations and logs
	Rules        string        // the file of rules
	Prometheus   string        // the program
	Alertmanager string        // the program
	Example      string        // the program examples/monitored, built
	Minute       time.Duration // see DefaultMinute
	Only         []string      // names of causes; none is all

	// Child returns a process that calls RunChild with spec, its own standard input and its own standard output.
	Child func(spec string) (*exec.Cmd, error)

	// Progress is told what happens. It may be nil.
	Progress func(text string)
}

// Outcome is what became of one cause.
type Outcome struct {
	Cause   string        `json:"cause"`
	Alert   string        `json:"alert"`
	Fired   time.Duration `json:"fired_ns"`   // after the beginning of the cause
	Cleared time.Duration `json:"cleared_ns"` // after it was mended
	Skipped string        `json:"skipped,omitempty"`
	Err     error         `json:"-"`
}

// OK reports whether the alert fired and cleared.
func (o Outcome) OK() bool { return o.Err == nil && o.Skipped == "" }

// run is a Campaign in progress.
type run struct {
	*Campaign
	ctx     context.Context
	pager   *pager
	targets []string // addresses of the subjects and the example
	ended   sync.WaitGroup
}

// Run makes the causes, those that need the processors after the others, and tells each outcome in their order. It
// fails if something else went wrong: an alert that rang without its cause, or one that no cause has set off.
func (c *Campaign) Run(ctx context.Context, tell func(Outcome)) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &run{Campaign: c, ctx: ctx}
	defer r.ended.Wait()
	defer cancel()
	text, err := os.ReadFile(c.Rules)
	if err != nil {
		return err
	}
	scenes, err := r.prepare(string(text))
	defer func() {
		for _, s := range scenes {
			s.kill()
		}
	}()
	if err != nil {
		return err
	}
	var seen []string
	for _, heavy := range []bool{false, true} {
		for _, o := range r.play(scenes, heavy) {
			tell(o)
			if o.OK() {
				seen = append(seen, o.Alert)
			}
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// One that cleared because a scrape failed rings again.
	if err := r.until(time.Minute, "every alert is over", r.pager.silent); err != nil {
		return err
	}
	return errors.Join(r.strays(scenes), c.unseen(parseRules(string(text)), seen))
}

// prepare starts everything, and waits until all is scraped and no alert rings.
func (r *run) prepare(rules string) ([]*scene, error) {
	var scenes []*scene
	for _, c := range Causes() {
		if len(r.Only) == 0 || slices.Contains(r.Only, c.Name) {
			s, err := r.newScene(c)
			scenes = append(scenes, s)
			if err != nil {
				return scenes, fmt.Errorf("%s: %w", c.Name, err)
			}
			if s.skipped == "" {
				r.targets = append(r.targets, s.spec.Address)
			}
		}
	}
	example, err := r.startExample()
	if err != nil {
		return scenes, err
	}
	r.targets = append(r.targets, example)
	if r.pager, err = r.startPager(); err != nil {
		return scenes, err
	}
	if err := os.WriteFile(filepath.Join(r.Dir, "rules.yml"), []byte(shorten(rules, r.Minute)), 0o600); err != nil {
		return scenes, err
	}
	if err := r.startServers(); err != nil {
		return scenes, err
	}
	r.say("all %d programs are scraped; no alert may ring yet", len(r.targets))
	if err := r.sleep(5 * r.Minute); err != nil {
		return scenes, err
	}
	if rung := r.pager.rung(""); len(rung) > 0 {
		return scenes, fmt.Errorf("alerts ring though nothing has happened: %s", strings.Join(rung, ", "))
	}
	return scenes, nil
}

// play makes the causes of some scenes at once, and returns their outcomes.
func (r *run) play(scenes []*scene, heavy bool) []Outcome {
	outcomes := make([]Outcome, len(scenes))
	var all sync.WaitGroup
	for i, s := range scenes {
		if s.cause.heavy == heavy {
			all.Go(func() { outcomes[i] = s.play() })
		}
	}
	all.Wait()
	return slices.DeleteFunc(outcomes, func(o Outcome) bool { return o.Cause == "" })
}

// strays returns an error if an alert rang that nothing has caused.
func (r *run) strays(scenes []*scene) error {
	allowed := make(map[string][]string)
	for _, s := range scenes {
		allowed[s.spec.Address] = append([]string{s.cause.Alert}, s.cause.with...)
	}
	var wrong []error
	for _, target := range r.targets {
		for _, alert := range r.pager.rung(target) {
			if !slices.Contains(allowed[target], alert) {
				wrong = append(wrong, fmt.Errorf("%s rang at %s without a cause", alert, r.nameOf(scenes, target)))
			}
		}
	}
	return errors.Join(wrong...)
}

// nameOf is what a target is for people.
func (r *run) nameOf(scenes []*scene, target string) string {
	for _, s := range scenes {
		if s.spec.Address == target {
			return "the database of " + s.cause.Name
		}
	}
	return "examples/monitored"
}

// unseen returns an error if there is an alert that was not seen to fire and clear, in a run of all causes.
func (c *Campaign) unseen(rules []rule, seen []string) error {
	var wrong []error
	for _, r := range rules {
		if len(c.Only) == 0 && !slices.Contains(seen, r.Alert) {
			wrong = append(wrong, fmt.Errorf("%s was not seen to fire and clear", r.Alert))
		}
	}
	return errors.Join(wrong...)
}

func (r *run) say(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

// sleep waits, or returns the error of the run's context.
func (r *run) sleep(d time.Duration) error {
	select {
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	case <-time.After(d):
		return nil
	}
}

// lookEvery is how often something that is waited for is looked at.
const lookEvery = 50 * time.Millisecond

// until waits until done reports true, or fails after limit with what was waited for.
func (r *run) until(limit time.Duration, what string, done func() bool) error {
	for deadline := time.Now().Add(limit); !done(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %v", what, limit)
		}
		if err := r.sleep(lookEvery); err != nil {
			return err
		}
	}
	return nil
}

// Check says what is missing for a run.
func (c *Campaign) Check() error {
	c.Minute = cmp.Or(c.Minute, DefaultMinute)
	if c.Minute < time.Second {
		return fmt.Errorf("a minute of %v is too short: scrapes and evaluations take up to a second", c.Minute)
	}
	for _, name := range c.Only {
		if !slices.ContainsFunc(Causes(), func(k Cause) bool { return k.Name == name }) {
			return fmt.Errorf("there is no cause %q; the causes are %s", name, strings.Join(names(), ", "))
		}
	}
	for _, program := range []string{c.Prometheus, c.Alertmanager, c.Example} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: see scripts/operate, which installs and builds what is needed", err)
		}
	}
	return nil
}

func names() (all []string) {
	for _, c := range Causes() {
		all = append(all, c.Name)
	}
	return all
}
