package torture

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	events "lightningdb/event" // event is a line of a journal here
	"lightningdb/internal/format/filename"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/tree/compaction"
	"lightningdb/internal/tree/manifest"
)

// ValueStats count what became of the value files of a session. A test of them asserts that there were some.
type ValueStats struct {
	Made    int // tables that became value files
	Emptied int // compactions for the sake of their garbage
	Removed int // value files that are gone from the directory
}

// Add adds o to s.
func (s *ValueStats) Add(o ValueStats) {
	s.Made += o.Made
	s.Emptied += o.Emptied
	s.Removed += o.Removed
}

func (s ValueStats) String() string {
	return fmt.Sprintf("value_files_made=%d emptied=%d removed=%d", s.Made, s.Emptied, s.Removed)
}

// some says that there was some of each.
func (s ValueStats) some() bool { return s.Made > 0 && s.Emptied > 0 && s.Removed > 0 }

// valueWatch follows the value files of a directory through the lives of a session. As the listener of its
// engines it counts the compactions that empty value files.
type valueWatch struct {
	made, removed int
	emptied       atomic.Int64
	known         map[filename.Num]bool // value files that are not known to be gone; true while a version names them
}

func newValueWatch() *valueWatch { return &valueWatch{known: make(map[filename.Num]bool)} }

func (w *valueWatch) stats() ValueStats { return ValueStats{w.made, int(w.emptied.Load()), w.removed} }

// hear counts the compactions that r tells of.
func (w *valueWatch) hear(r events.Record) {
	if c, ok := r.Event.(events.Compacted); ok && c.Reason == string(compaction.ReasonValues) {
		w.emptied.Add(1)
	}
}

// version is the version in force; nil if the engine is closed.
func (s *Session) version() *manifest.Version {
	if s.Engine == nil {
		return nil
	}
	return s.Engine.Metrics().Version
}

// valueFiles is the number of value files of the version in force.
func (s *Session) valueFiles() int {
	if v := s.version(); v != nil {
		return len(v.Values)
	}
	return 0
}

// lookAtValues counts what became of value files since the last look.
func (s *Session) lookAtValues() {
	fs := s.opts.FS
	if s.medium != nil {
		fs = s.medium
	}
	s.values.look(s.version(), fs)
}

// look counts what became of value files since the last look, up to v, the version in force of an engine in fs.
func (w *valueWatch) look(v *manifest.Version, fs vfs.FS) {
	if v == nil { // the engine is closed
		return
	}
	for num := range w.known {
		w.known[num] = false
	}
	for _, f := range v.Values {
		if _, known := w.known[f.Num]; !known {
			w.made++
		}
		w.known[f.Num] = true
	}
	names, err := fs.List()
	if err != nil {
		return // the directory has crashed
	}
	for num, named := range w.known {
		if !named && !slices.Contains(names, filename.Make(filename.Table, num)) {
			w.removed++
			delete(w.known, num)
		}
	}
}

// thresholds are those that tests draw: extents of the smallest pages, of larger ones, the default, and never.
var thresholds = []int{1, 150, 400, 1500, 6000, 0, math.MaxInt}

// drawThreshold is from how many bytes on values stay where they are, in the next life of a directory.
func drawThreshold(r *rand.Rand) int { return thresholds[r.IntN(len(thresholds))] }
