// Package bench measures what this database does on the machine at hand: one workload after the other, on data that
// follows from a seed. What the disk does without a database comes first, so that the durable figures can be judged.
//
// # What is checked
//
// Everything that is read. A value ends with a sum of its key and of all of its other bytes, so that a reader knows,
// of every version, that it was written under that key. The run fails with ErrWrong if a key is missing, or there
// though it must not be, if a scan is out of order, if a walk over everything does not find as many entries as were
// committed, or if an account does not hold what the transfers leave in it.
//
// # Goroutines
//
// The goroutines of a workload are its workers. Each has counters of its own, which the progress line reads. The first
// failure and the end of the context end them all, and the workload waits for them.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/command"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/scratch"
)

// ErrWrong says that something was read that is not what was written, or was not found.
var ErrWrong = errors.New("the database returned something wrong")

// Config says what to measure.
type Config struct {
	Dir                string // absent or empty, which is kept; empty means a temporary one
	Rows               int    // loaded before other workloads use them
	KeySize, ValueSize int
	Time               time.Duration // of each workload that ends with the time
	MemoryLimit        int64         // of the database; 0 means its default
	Only               string        // names of workloads, separated by commas, or their first words; empty for all
	Seed               uint64

	Out      io.Writer           // gets the table, line by line
	Terminal *progress.Screen    // where progress is drawn, or nil
	Bold     func(string) string // makes a title stand out

	// loaded, if not nil, is called once the rows are there, to prove that what is wrong is found.
	loaded func(*lightningdb.DB) error
}

// Bounds of what Config may ask for.
const (
	minKeySize   = 8
	minValueSize = 16
	maxSize      = 1 << 16
	minRows      = 1000
)

func (c Config) check() error {
	switch {
	case c.Rows < minRows:
		return wrongUse("want at least %d rows", minRows)
	case c.KeySize < minKeySize || c.KeySize > maxSize || c.ValueSize < minValueSize || c.ValueSize > maxSize:
		return wrongUse("want keys of %d and values of %d bytes at least, and of %d at most", minKeySize, minValueSize,
			maxSize)
	case c.Time <= 0:
		return wrongUse("want a time above 0")
	}
	return nil
}

// wrongUse says that a Config makes no sense.
func wrongUse(format string, args ...any) error {
	return &command.UsageError{Problem: fmt.Sprintf(format, args...), Hint: "see `lightning-proof help bench`"}
}

// run is all workloads in progress.
type run struct {
	Config
	ctx    context.Context
	dir    string
	db     *lightningdb.DB // with the rows; nil before they are loaded
	rows   rows            // in it
	report Report
}

// rows are those of a database.
type rows struct {
	next    atomic.Uint64 // every row before this number was inserted, once no workload is in progress
	removed atomic.Int64  // how many of them are not there any more
}

func (r *rows) entries() int64 { return int64(r.next.Load()) - r.removed.Load() }

// Run measures. The error is ErrWrong if anything that was read was not right, and a *command.UsageError if c makes
// no sense.
func Run(ctx context.Context, c Config) (report Report, err error) {
	chosen, err := choose(c.Only)
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return report, err
	}
	dir, err := scratch.Choose("bench", c.Dir, false)
	if err != nil {
		return report, err
	}
	defer dir.Remove()
	r := &run{Config: c, ctx: ctx, dir: dir.Path}
	r.report = Report{Seed: c.Seed, Rows: c.Rows, KeySize: c.KeySize, ValueSize: c.ValueSize, Time: c.Time.Seconds(),
		MemoryLimit: c.MemoryLimit, Processors: runtime.GOMAXPROCS(0)}
	r.opening()
	for _, w := range chosen {
		if err = r.play(w); err != nil {
			err = fmt.Errorf("%s: %w", w.name, err)
			break
		}
	}
	if r.db != nil {
		err = errors.Join(err, r.db.Close())
	}
	return r.report, err
}

// choose returns the workloads that only names, and those that belong to the rows where one of them needs these.
func choose(only string) (chosen []*workload, err error) {
	words := strings.Split(only, ",")
	needRows := false
	for _, word := range words {
		known := false
		for i := range workloads {
			if w := &workloads[i]; w.named(word) {
				known, needRows = true, needRows || w.needsRows()
			}
		}
		if !known {
			return nil, wrongUse("there is no workload %q; the workloads are %s", word, strings.Join(Names(), ", "))
		}
	}
	for i := range workloads {
		w := &workloads[i]
		if slices.ContainsFunc(words, w.named) || needRows && (w.name == loadName || w.name == checkName) {
			chosen = append(chosen, w)
		}
	}
	return chosen, nil
}

// play runs one workload and reports it.
func (r *run) play(w *workload) error {
	s := &session{run: r, workload: w, db: r.db, rows: &r.rows}
	err := s.prepare()
	if err == nil {
		err = s.work()
	}
	if err == nil {
		err = s.check()
	}
	if err = errors.Join(err, s.close()); err != nil {
		return err
	}
	if err = s.settle(); err != nil {
		return err
	}
	return r.tell(s)
}

// open opens a database in a directory of that name. Commits are at Process durability unless they ask for more.
func (r *run) open(name string) (*lightningdb.DB, error) {
	return lightningdb.Open(filepath.Join(r.dir, name),
		&lightningdb.Options{MemoryLimit: r.MemoryLimit, Durability: lightningdb.Process})
}
