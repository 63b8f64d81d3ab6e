package compaction

import (
	"fmt"
	"testing"

	"lightningdb/internal/format/span"
)

// spread is a world of twenty keys, with a table for each in the last level. Two value files have the values of the
// even and of the odd ones; all but those of every third key have become garbage.
func spread(t *testing.T) *world {
	t.Helper()
	w := newWorld(smallParams())
	w.inPage, w.params.ValueThreshold, w.params.TargetTableBytes = 12, 16, 1
	for half := range 2 {
		for i := half; i < 20; i += 2 {
			w.put(fmt.Sprintf("k%02d", i), make([]byte, 50))
		}
		mustDo(t, w.flush())
	}
	mustDo(t, w.settle(w.lowered))
	for i := range 20 {
		if i%3 != 0 {
			w.put(fmt.Sprintf("k%02d", i), nil)
		}
	}
	mustDo(t, w.flush())
	mustDo(t, w.settle(w.lowered))
	total, garbage := valueGarbage(w.v.Values)
	if len(w.v.Levels[lastLevel]) != 20 || len(w.v.Values) != 2 || garbage*2 < total {
		t.Fatalf("%d tables, %d value files, %d of %d bytes are garbage", len(w.v.Levels[lastLevel]), len(w.v.Values),
			garbage, total)
	}
	return w
}

// lowered picks the next job that takes tables to the last level, and empties nothing.
func (w *world) lowered() *Job { return w.pickForScans(1 << 40) }

// Whoever compacts before making a copy would copy all the garbage of value files; a range would leave the files that
// other ranges refer to as they are, with copies next to them.
func TestPickRange_emptiesTheFilesThatTheRangeRefersTo(t *testing.T) {
	for name, s := range map[string]span.Span{
		"everything":        {},
		"a key of one file": {Lo: []byte("k09"), Hi: []byte("k10")},
	} {
		t.Run(name, func(t *testing.T) {
			w := spread(t)
			left := 0
			if s.Lo != nil {
				left = 1
			}
			mustDo(t, w.settle(func() *Job {
				job, _ := w.pickRange(s)
				return job
			}))
			mustDo(t, w.check())
			if len(w.v.Values) != left {
				t.Errorf("%d value files are left, want %d", len(w.v.Values), left)
			}
			if _, done := w.pickRange(s); !done {
				t.Error("it is not done")
			}
		})
	}
}

// A range whose values are in no file, or in good ones, would pay for the garbage of others.
func TestPickRange_leavesTheFilesOfOtherRanges(t *testing.T) {
	w := spread(t)
	s := span.Span{Lo: []byte("k10"), Hi: []byte("k11")} // a value within a page
	if job, done := w.pickRange(s); !done {
		t.Errorf("%s job into level %d", job.Reason, job.OutputLevel)
	}
}

// A job that needs what another has would never come, and a caller be told that all is done.
func TestPickRange_isNotDoneWhileAFileCannotBeEmptied(t *testing.T) {
	w := spread(t)
	w.params.MaxBytes = 1
	if job, done := w.pickRange(span.Span{}); job != nil || done {
		t.Errorf("job %v, done %v, where there is no space", job, done)
	}
}

// What comes after the call, and what it hides, is not part of it: there would be more of it each time.
func TestPickRange_leavesWhatComesLater(t *testing.T) {
	w := spread(t)
	asked := Asked{Seq: w.seq, Num: w.nextNum}
	pick := func(a Asked) (*Job, bool) {
		p := w.params
		p.OldestSnapshot = w.oldest()
		return PickRange(w.v, p, w.busy, a)
	}
	mustDo(t, w.settle(func() *Job {
		job, _ := pick(asked)
		return job
	}))
	write := func(value []byte, but int) {
		for i := but; i < 20; i++ {
			w.put(fmt.Sprintf("k%02d", i), value)
		}
		mustDo(t, w.flush())
	}
	check := func(what string) {
		t.Helper()
		if _, done := w.pickRange(span.Span{}); done {
			t.Errorf("%s: nothing is to be done at all", what)
		}
		if job, done := pick(asked); !done {
			t.Errorf("%s: job %v, not done", what, job)
		}
	}
	w.hold()
	write(nil, 0)
	mustDo(t, w.settle(w.lowered))
	w.live = nil
	check("garbage in the last level")

	write(make([]byte, 50), 0)
	check("a table above the last level")

	mustDo(t, w.settle(w.lowered))
	write(nil, 7)
	mustDo(t, w.settle(w.lowered))
	check("garbage of a value file")
}
