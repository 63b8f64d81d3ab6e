// Package scrub reads all tables of a database again and again, slowly, so that damage is found before somebody needs
// what is damaged. It owns one goroutine, what it has found, and nothing else.
package scrub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"lightningdb/internal/format/corrupt"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/clock"
	"lightningdb/metrics"
)

// Interval is the least time from the beginning of one pass to that of the next.
const Interval = 24 * time.Hour

// shown is how many of the tables that were found are kept with what is wrong.
const shown = 4

// Table is a table to read.
type Table struct {
	Num   filename.Num
	Bytes int64 // of its file, and of what it refers to in value files
}

// Env is what the scrub asks of the database.
type Env interface {
	// Tables returns the tables that there are.
	Tables() []Table

	// Verify reads a table to its end, with its values in other files, and returns what is wrong with it. It calls pace
	// before each read, with the number of bytes, and returns its error. A table that is no more is not there.
	Verify(ctx context.Context, num filename.Num, pace func(bytes int) error) (there bool, err error)
}

// Options configures a scrub. All of it is required.
type Options struct {
	Env    Env
	Rate   int64 // bytes a second
	Clock  clock.Monotonic
	Wall   func() time.Time
	Random func() uint64

	Damaged func(file string, err error) // is told of each file with damage, once
	Changed func()                       // a pass has ended, or damage was found

	// Sleep returns after d, or the error of ctx once that is done.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Scrub is the scrub of one database. A nil Scrub does nothing.
type Scrub struct {
	opts Options
	free clock.Instant // from when on the next read is within the rate; for Run

	mu    sync.Mutex // guards what is below
	state metrics.Scrub
	told  map[string]bool // files that were found
}

// New returns a scrub, which Run starts.
func New(o Options) *Scrub { return &Scrub{opts: o, told: make(map[string]bool)} }

// State returns what the scrub has done so far.
func (s *Scrub) State() metrics.Scrub {
	if s == nil {
		return metrics.Scrub{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state
	state.Found = append([]metrics.ScrubDamage(nil), state.Found...)
	return state
}

// Run makes one pass after the other until ctx is done.
func (s *Scrub) Run(ctx context.Context) {
	for {
		begun := s.opts.Clock.Now()
		if s.pass(ctx) != nil {
			return
		}
		if left := Interval - s.opts.Clock.Now().Since(begun); left > 0 && s.opts.Sleep(ctx, left) != nil {
			return
		}
	}
}

// pass reads all tables once. It returns an error only if ctx is done.
func (s *Scrub) pass(ctx context.Context) error {
	tables := s.opts.Env.Tables()
	if n := len(tables); n > 0 {
		first := int(s.opts.Random() % uint64(n))
		tables = append(tables[first:n:n], tables[:first]...)
	}
	s.begin(tables)
	for _, t := range tables {
		left := t.Bytes // of the table; some of it is read twice
		there, err := s.opts.Env.Verify(ctx, t.Num, func(bytes int) error {
			part := min(int64(bytes), left)
			left -= part
			s.read(part)
			return s.pace(ctx, bytes)
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if there && err != nil {
			damage := byFile(filename.Make(filename.Table, t.Num), err)
			for _, file := range slices.Sorted(maps.Keys(damage)) {
				s.found(file, damage[file])
			}
		}
		s.read(left)
	}
	s.end()
	return nil
}

// pace waits until a number of bytes may be read.
func (s *Scrub) pace(ctx context.Context, bytes int) error {
	now := s.opts.Clock.Now()
	s.free = max(s.free, now)
	if wait := s.free.Since(now); wait > 0 {
		if err := s.opts.Sleep(ctx, wait); err != nil {
			return err
		}
	}
	s.free = s.free.Plus(time.Duration(float64(bytes) / float64(s.opts.Rate) * float64(time.Second)))
	return ctx.Err()
}

func (s *Scrub) begin(tables []Table) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Done, s.state.Total = 0, 0
	for _, t := range tables {
		s.state.Total += t.Bytes
	}
}

func (s *Scrub) read(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Done += bytes
}

func (s *Scrub) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Passes++
	s.opts.Changed()
}

// byFile divides err, which was met in a table, by the files that are damaged.
func byFile(table string, err error) map[string]error {
	files := map[string]error{}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, inner := range joined.Unwrap() {
			for file, one := range byFile(table, inner) {
				files[file] = errors.Join(files[file], one)
			}
		}
		return files
	}
	var damage *corrupt.Error
	if errors.As(err, &damage) && damage.File != "" {
		table = damage.File // perhaps a value file, to which several tables refer
	}
	files[table] = err
	return files
}

// found tells people of damage, once for each file.
func (s *Scrub) found(file string, err error) {
	s.mu.Lock()
	again := s.told[file]
	if !again {
		s.told[file] = true
		s.state.Damaged++
		if len(s.state.Found) < shown {
			s.state.Found = append(s.state.Found, metrics.ScrubDamage{
				File: file, Damage: err.Error(), At: s.opts.Wall(),
			})
		}
	}
	s.mu.Unlock()
	if !again {
		s.opts.Damaged(file, err)
		s.opts.Changed()
	}
}
