// Package mutants proves that the tests can fail. A mutant is the source with one promise broken on purpose, in a
// line or a few, and the check that must notice. Run builds the changed source in place of the real one, by the
// overlay of the go command, and runs the check; a mutant that survives shows a promise that no test holds.
//
// The list is in log.go, tree.go, visible.go, readers.go, merge.go, transactions.go, clocks.go, close.go, locks.go,
// gaps.go, spans.go, own_ranges.go, range_reads.go, range_tables.go, followers.go, room.go, latency.go, values.go,
// files.go, copies.go, repository.go, archive.go, buckets.go, catalog.go, monitor.go, views.go, tuple.go and typed.go.
// The package is for tests; nothing in the product imports it, and nothing in the working tree is ever changed.
//
// # What has no mutant yet
//
// A nonce that is used again after a crash waits for encryption.
package mutants

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Mutant is one broken promise.
type Mutant struct {
	Name    string
	Breaks  string   // what would be lost if this were the code
	Changes []Change // at least one
	Killer  Check

	// Hangs says that a check that never ends has noticed, too. Otherwise its end by timeout is an error.
	Hangs bool
	// Quick is for mutants whose check takes a few seconds, building included.
	Quick bool
}

// Change replaces text of a file.
type Change struct {
	File string // from the root of the module, with slashes
	Old  string // occurs exactly once in File
	New  string
}

// Check is tests that pass on the real source.
type Check struct {
	Package string // as the go command takes it, from the root of the module
	Run     string // as -run takes it
	Flags   string // further flags of the test binary, separated by spaces
}

// checkTimeout bounds one check, building excluded.
const checkTimeout = 3 * time.Minute

func (c Check) String() string { return strings.TrimSpace(c.Package + " " + c.Run + " " + c.Flags) }

// module is the directory of the module that the package of c is in, and the package as the go command takes it there:
// some have a module of their own.
func (c Check) module(root string) (dir, pkg string) {
	for dir = filepath.Join(root, filepath.FromSlash(c.Package)); len(dir) > len(root); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			rel, _ := filepath.Rel(dir, filepath.Join(root, filepath.FromSlash(c.Package)))
			return dir, "./" + filepath.ToSlash(rel)
		}
	}
	return root, c.Package
}

// args are the arguments of the go command that run c, whose package is pkg, under overlay, a file; empty for the real
// source.
func (c Check) args(pkg, overlay string) []string {
	args := []string{"test", "-vet=off", "-failfast", "-timeout", checkTimeout.String(), "-run", c.Run}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	return append(append(args, pkg), strings.Fields(c.Flags)...)
}

// All returns every mutant.
func All() []Mutant {
	return slices.Concat(logMutants, salvageMutants, treeMutants, visibleMutants, readerMutants, mergeMutants,
		transactionMutants,
		clockMutants, closeMutants, lockMutants, gapMutants, spanMutants, followerMutants, roomMutants, diskMutants,
		catalogMutants,
		ownRangeMutants, keyMutants, rangeTableMutants,
		latencyMutants, scrubMutants, fileMutants, valueMutants, copyMutants, repositoryMutants, bucketMutants,
		archiveMutants, monitorMutants, viewMutants, eventMutants, tupleMutants, typedMutants, rangeReadMutants,
		endMutants, pageMutants())
}

// Apply returns the changed files of m, by their path from root. It fails if a text to be replaced is not there exactly
// once: the source has moved on, and the mutant must follow.
func (m Mutant) Apply(root string) (map[string]string, error) {
	if m.Name == "" || m.Breaks == "" || m.Killer.Package == "" || m.Killer.Run == "" || len(m.Changes) == 0 {
		return nil, fmt.Errorf("mutant %q is incomplete", m.Name)
	}
	changed := make(map[string]string)
	for _, c := range m.Changes {
		text, ok := changed[c.File]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(c.File)))
			if err != nil {
				return nil, fmt.Errorf("mutant %s: %w", m.Name, err)
			}
			text = string(b)
		}
		if n := strings.Count(text, c.Old); n != 1 || c.Old == c.New {
			return nil, fmt.Errorf("mutant %s: the text to be replaced occurs %d times in %s:\n%s", m.Name, n, c.File, c.Old)
		}
		changed[c.File] = strings.Replace(text, c.Old, c.New, 1)
	}
	return changed, nil
}
