// Package demo shows what the database promises, on real data: it loads a tree of source files, every file with all
// its words in one atomic batch, in a child process that is killed in the middle; reopens the database, and compares
// every entry with the source. What was acknowledged must be there, what was not must be wholly there or wholly
// absent, and nothing else may exist. The numbers it prints are counted, none is assumed.
//
// # Data
//
//	f/<path>          the file's content
//	m/<path>          its metadata, JSON: size, modification time, mode, SHA-256, number of words
//	w/<word>/<path>   how often the word occurs in the file, in decimal; one entry per distinct word of the file
//
// Paths are relative to the source directory, with slashes. A word is a run of at most 64 ASCII letters, digits and
// underscores, case kept, as identifiers are.
//
// # Processes
//
// The parent starts the child (Load in a second process of the same program), reads one line per acknowledged file
// from its standard output, and kills it with SIGKILL. The rest of the load runs in the parent. The parent's
// goroutines are the loaders and checkers of one stage; each stage waits for its own.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"lightningdb"
	"lightningdb/cmd/internal/progress"
	"lightningdb/cmd/internal/scratch"
)

// ErrNotWhole says that a check found lost or torn files. It is the one result this program exists to rule out.
var ErrNotWhole = errors.New("the database does not hold what was acknowledged")

// Config says what to run. Child and Out are required.
type Config struct {
	Source      string // directory to load; empty means the Go standard library
	Dir         string // database directory, absent or empty; empty means a temporary one
	Keep        bool   // leave a temporary directory where it is
	MemoryLimit int64  // of the database, in bytes; 0 means its default

	// Child returns the command that runs Load(ctx, dir, source, memoryLimit) with its standard output as acks.
	Child func(dir, source string, memoryLimit int64) (*exec.Cmd, error)

	Out      io.Writer        // what is said, all but the verdict
	Terminal *progress.Screen // where progress is drawn; nil for nowhere
	Bold     func(string) string

	// AfterKill, if not nil, is called with the recovered database and the paths of the acknowledged files, which it only
	// reads, before the first check. Tests damage the database here to prove that the checks notice.
	AfterKill func(db *lightningdb.DB, acked map[string]bool) error
}

// Report is the outcome of a run. Times are in seconds, sizes in bytes.
type Report struct {
	Source          string  `json:"source"`
	Dir             string  `json:"database"`
	Files           int     `json:"files"`
	SourceBytes     int64   `json:"source_bytes"`
	Entries         int64   `json:"entries"`
	EntryBytes      int64   `json:"entry_bytes"`
	DiskBytes       int64   `json:"disk_bytes"`
	Killed          bool    `json:"killed"`
	AckedBeforeKill int     `json:"acked_before_kill"`
	InFlight        int     `json:"in_flight"`
	TornLogBytes    int64   `json:"torn_log_bytes"`
	RecoverySeconds float64 `json:"recovery_seconds"`
	LoadSeconds     float64 `json:"load_seconds"`
	CheckSeconds    float64 `json:"check_seconds"`
	TotalSeconds    float64 `json:"total_seconds"`

	Acked int `json:"acked"` // files whose commit returned nil
	Lost  int `json:"lost"`  // acknowledged files that were not wholly right in a check
	Torn  int `json:"torn"`  // files half there, and entries that belong to no file
}

// Run plays the whole demonstration. The report is filled as far as it came. With ErrNotWhole it is
// complete; a cancelled ctx returns its error, with the child gone and the temporary directory removed.
func Run(ctx context.Context, c Config) (report Report, err error) {
	r := &run{Config: c, say: printer{out: c.Out, bold: c.Bold}, report: &report,
		acked: map[string]bool{}, lost: map[string]bool{}, torn: map[string]bool{}}
	defer func(start time.Time) { report.TotalSeconds = time.Since(start).Seconds() }(time.Now())
	if r.Source, err = sourceDir(ctx, c.Source); err != nil {
		return report, err
	}
	if r.tree, err = walk(ctx, r.Source); err != nil {
		return report, err
	}
	dir, err := scratch.Choose("demo", r.Dir, r.Keep)
	if err != nil {
		return report, err
	}
	defer dir.Remove()
	r.Dir, r.Keep = dir.Path, dir.Kept
	report.Source, report.Dir, report.Files, report.SourceBytes = r.Source, r.Dir, len(r.tree.files), r.tree.bytes
	r.say.opening(r)
	if err = r.crash(ctx); err == nil {
		err = r.recoverAndFinish(ctx)
	}
	if err == nil {
		err = r.checkAgain(ctx)
	}
	return report, err
}

// run is the state of one demonstration.
type run struct {
	Config
	tree   *tree
	say    printer
	report *Report
	acked  map[string]bool // files acknowledged so far, by path
	lost   map[string]bool // acknowledged files that a check did not find whole
	torn   map[string]bool // files that a check found half there
	strays int             // most entries without a file that a check found
}

func (r *run) open() (*lightningdb.DB, error) {
	return lightningdb.Open(r.Dir, &lightningdb.Options{Durability: lightningdb.Sync, MemoryLimit: r.MemoryLimit})
}

// recoverAndFinish is the life of the database between the kill and its first orderly end.
func (r *run) recoverAndFinish(ctx context.Context) (err error) {
	db, err := r.open()
	if err != nil {
		return fmt.Errorf("reopen after the kill: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	r.say.recovery(r, db.Recovery())
	if r.AfterKill != nil {
		if err := r.AfterKill(db, r.acked); err != nil {
			return err
		}
	}
	r.say.stage("Check every entry against the source")
	found, err := r.check(ctx, db, everyFile)
	if err != nil {
		return err
	}
	r.report.InFlight = found.unacknowledged
	r.say.checked(found, len(r.acked))
	return r.loadRest(ctx, db)
}

// checkAgain reopens the complete database and compares everything with the source once more.
func (r *run) checkAgain(ctx context.Context) (err error) {
	r.say.stage("Close, open again, check everything again")
	db, err := r.open()
	if err != nil {
		return fmt.Errorf("reopen after the load: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	found, err := r.check(ctx, db, everyEighthFile)
	if err != nil {
		return err
	}
	r.report.Entries, r.report.EntryBytes = found.entries, found.bytes
	r.say.checked(found, len(r.acked))
	if err := r.query(ctx, db, found); err != nil {
		return err
	}
	r.say.sizes(r, db.Metrics())
	if err := r.verdict(); err != nil {
		return err
	}
	return r.tally(ctx, db)
}

// Verdict is the last line of the demo. Its form is fixed.
func (r Report) Verdict() string {
	return fmt.Sprintf("acked %d, lost %d, torn %d", r.Acked, r.Lost, r.Torn)
}

// verdict counts, and returns an error for every outcome but the promised one.
func (r *run) verdict() error {
	report := r.report
	report.Acked, report.Lost, report.Torn = len(r.acked), len(r.lost), len(r.torn)+r.strays
	switch {
	case report.Lost != 0 || report.Torn != 0:
		return fmt.Errorf("%w: lost %d, torn %d", ErrNotWhole, report.Lost, report.Torn)
	case report.Acked != report.Files:
		return fmt.Errorf("%w: acknowledged %d of %d files", ErrNotWhole, report.Acked, report.Files)
	case report.InFlight > loaders:
		return fmt.Errorf("%w: %d unacknowledged files survived, but only %d were in flight", ErrNotWhole, report.InFlight,
			loaders)
	}
	return nil
}
