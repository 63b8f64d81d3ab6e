// Package resources measures the bounds of docs/guarantees.md, section Resources, with a real process: what it takes of
// memory and disk, how long it is away, and how much of it stays behind. A Bound is one of them; it has a file of its
// own, named after it, with the load that its processes run and the judgement of what was measured.
//
// # How a bound is measured
//
// A Campaign starts this program again, as a child, and tells it by a spec what to be: a role and its sizes. The child
// opens databases by the public API and puts them under load. It speaks to the parent by lines (see child.go), and
// stops at each phase until the parent lets it go on. Between two phases the parent samples it from outside: /proc,
// the directory, the cgroup (see process.go and package probe). So nothing that is judged is the database's own word,
// except where the promise is about a metric.
//
// # Scale
//
// Sizes and times are those of the long form, times Campaign.Scale. The bounds themselves are the same at every scale.
//
// A Campaign belongs to one goroutine. What a platform cannot measure is skipped with the reason, and a run in which
// nothing was measured is a failure.
package resources

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"lightningdb/internal/system/vfs"
)

// Bound is one bound of what a database takes.
type Bound struct {
	Name    string
	Says    string        // the bound, in a few words
	Option  string        // what sets it; empty if nothing does
	Metric  string        // where a program sees it
	Takes   time.Duration // about, at scale 1
	measure func(r *run) error
}

// Bounds are all bounds, in the order in which they are measured.
func Bounds() []Bound {
	return []Bound{memoryBound, diskBound, limitBound, openBound, stallsBound, ageBound, viewsBound, databasesBound,
		scrubBound, transactionBound}
}

// Verdict is what became of a figure.
type Verdict string

// The verdicts. Only Exceeded is a failure.
const (
	Held     Verdict = "held"
	Exceeded Verdict = "EXCEEDED"
	Shown    Verdict = "shown"   // nothing is promised of it
	Skipped  Verdict = "skipped" // this machine cannot measure it
)

// Figure is one number, next to its bound.
type Figure struct {
	What     string  `json:"what"`
	Measured string  `json:"measured"`
	Bound    string  `json:"bound"`
	Verdict  Verdict `json:"verdict"`
}

// Outcome is what was measured of a bound.
type Outcome struct {
	Bound    Bound
	Figures  []Figure
	Notes    []string // what helps to find the cause where a figure exceeds its bound
	Duration time.Duration
	Err      error // why it could not be measured
}

// OK reports whether everything was measured and held.
func (o Outcome) OK() bool {
	measured := slices.ContainsFunc(o.Figures, func(f Figure) bool { return f.Verdict != Skipped })
	exceeded := slices.ContainsFunc(o.Figures, func(f Figure) bool { return f.Verdict == Exceeded })
	return o.Err == nil && measured && !exceeded
}

// Campaign is a run of several bounds.
type Campaign struct {
	Dir   string   // an empty directory, for the databases
	Scale float64  // of sizes and times; 1 is the long form
	Only  []string // names of bounds; none is all
	Seed  uint64   // from which keys and values follow
	Busy  bool     // something else uses the processors: how long calls take is shown, and not judged

	// Child returns a process that calls RunChild with spec, its own standard input and its own standard output.
	Child func(spec string) (*exec.Cmd, error)

	// Progress is told how far a bound is. It may be nil.
	Progress func(bound, step string, done, total int64)
}

// Run measures the bounds one after the other, and tells each outcome. When ctx is done it ends soon.
func (c *Campaign) Run(ctx context.Context, tell func(Outcome)) {
	for _, b := range Bounds() {
		if len(c.Only) == 0 || slices.Contains(c.Only, b.Name) {
			tell(c.measure(ctx, b))
		}
	}
}

// measure measures one bound in a directory of its own, which it removes.
func (c *Campaign) measure(ctx context.Context, b Bound) Outcome {
	r := &run{Campaign: c, ctx: ctx, dir: filepath.Join(c.Dir, b.Name), outcome: Outcome{Bound: b}}
	start := time.Now()
	err := os.Mkdir(r.dir, 0o700)
	if err == nil {
		err = b.measure(r)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	r.outcome.Err = errors.Join(err, os.RemoveAll(r.dir))
	r.outcome.Duration = time.Since(start)
	return r.outcome
}

// run is a bound that is being measured.
type run struct {
	*Campaign
	ctx     context.Context
	dir     string // of this bound
	outcome Outcome
}

// path names a database of the bound.
func (r *run) path(name string) string { return filepath.Join(r.dir, name) }

// bytes is a size at the scale of the run, and at least so much.
func (r *run) bytes(long, least int64) int64 { return max(int64(float64(long)*r.Scale), least) }

// time is a time at the scale of the run, and at least so long.
func (r *run) time(long, least time.Duration) time.Duration {
	return max(time.Duration(float64(long)*r.Scale), least)
}

// judge adds a figure that must not be larger than bound.
func judge[N int64 | float64 | time.Duration](r *run, what string, measured, bound N, text func(N) string) {
	verdict := Held
	if measured > bound {
		verdict = Exceeded
	}
	r.add(Figure{what, text(measured), "<= " + text(bound), verdict})
}

// judgeTime is judge of how long something takes, which says nothing of the database where others have the processors.
func (r *run) judgeTime(what string, measured, bound time.Duration) {
	if r.Busy {
		r.show(what, timeText(measured))
		return
	}
	judge(r, what, measured, bound, timeText)
}

// check adds a figure that is right or wrong.
func (r *run) check(what, measured, bound string, ok bool) {
	verdict := Held
	if !ok {
		verdict = Exceeded
	}
	r.add(Figure{what, measured, bound, verdict})
}

// show adds a figure of which nothing is promised.
func (r *run) show(what, measured string) { r.add(Figure{what, measured, "", Shown}) }

// skip says what this machine cannot measure.
func (r *run) skip(what, reason string) { r.add(Figure{what, reason, "", Skipped}) }

func (r *run) add(f Figure) { r.outcome.Figures = append(r.outcome.Figures, f) }

// note adds lines for those who look for the cause.
func (r *run) note(lines ...string) { r.outcome.Notes = append(r.outcome.Notes, lines...) }

// needSpace returns an error if the file system of the databases has fewer bytes left.
func (r *run) needSpace(bytes int64) error {
	fs, err := vfs.OpenDir(r.dir, vfs.OpenDirOptions{})
	if err != nil {
		return err
	}
	defer fs.Close()
	free, err := fs.FreeBytes()
	if err != nil {
		return err
	}
	if free < uint64(bytes) {
		return fmt.Errorf("it needs %s of disk in %s, where %s are left: name another directory, or a smaller scale",
			sizeText(bytes), r.dir, sizeText(int64(free)))
	}
	return nil
}

// sizeText is a size for people.
func sizeText(n int64) string {
	if n < 10<<10 {
		return fmt.Sprintf("%d B", n)
	}
	if n < 10<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// timeText is a time for people.
func timeText(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second / 10).String()
}
