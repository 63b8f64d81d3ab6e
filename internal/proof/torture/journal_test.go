package torture

import (
	"bytes"
	"encoding/gob"
	"slices"
	"testing"

	"lightningdb/internal/proof/isolation"
)

// appendOnce enters a transaction that reads list 1 as seen and appends to it, and returns the appended value.
func (j *journal) appendOnce(seen []int64, seq uint64) int64 {
	e := j.begin(0, false)
	e.note(note{Kind: noteList, Key: 1, List: seen})
	v := e.appended(1)
	e.attempt()
	e.end(isolation.OK, seq)
	return v
}

// What a power cut took, and then brought back, would pass; or the loss of what was never promised would not.
func TestJournal_whatAPowerCutTookIsNotSeenAgain(t *testing.T) {
	for _, returns := range []bool{false, true} {
		var j journal
		kept := j.appendOnce(nil, 10)
		lost := j.appendOnce([]int64{kept}, 11)
		if n := j.lose(10); n != 1 {
			t.Fatalf("%d transactions were struck out", n)
		}
		seen := []int64{kept}
		if returns {
			seen = append(seen, lost)
		}
		j.appendOnce(seen, 12)
		var s IsolationStats
		if err := j.check(&s); (err != nil) != returns || returns && s.Anomalies[isolation.G1a] == 0 {
			t.Errorf("returns %v: %v %v", returns, s, err)
		}
	}
}

// A kill in the middle of an event would end the run, or lose the events before it.
func TestJournal_isReadUpToWhereItsWriterWasKilled(t *testing.T) {
	var pipe bytes.Buffer
	out := &journal{out: gob.NewEncoder(&pipe)}
	var ends []int // of the events in the pipe
	first := out.begin(3, true)
	ends = append(ends, pipe.Len())
	first.note(note{Kind: noteLists, Key: 4, Hi: 9, Found: []note{{Key: 5, List: []int64{7, 8}}}})
	value := first.appended(5)
	first.attempt()
	ends = append(ends, pipe.Len())
	first.end(isolation.OK, 99)
	ends = append(ends, pipe.Len())
	for length := range pipe.Len() + 1 {
		in := new(journal)
		heard := 0
		if err := in.readFrom(bytes.NewReader(pipe.Bytes()[:length]), func(event) { heard++ }); err != nil {
			t.Fatalf("the first %d bytes: %v", length, err)
		}
		whole := slices.IndexFunc(ends, func(end int) bool { return end > length })
		if whole < 0 {
			whole = len(ends)
		}
		if heard != whole || len(in.events) != whole || whole > 1 && in.values.Load() != value {
			t.Fatalf("the first %d bytes: %d of %d events", length, heard, whole)
		}
	}
}

// Write skew, which snapshot isolation allows, would be an alarm; or among serializable transactions it would be none.
func TestJournal_checksEachTransactionAtItsLevel(t *testing.T) {
	for _, weak := range []bool{false, true} {
		var j journal
		a, b := j.begin(1, weak), j.begin(2, weak)
		for n, e := range []*entry{a, b} {
			mine, other := isolation.Key(n), isolation.Key(1-n)
			e.note(note{Kind: noteList, Key: mine})
			e.note(note{Kind: noteList, Key: other})
			e.appended(mine)
		}
		a.attempt()
		b.attempt()
		a.end(isolation.OK, 1)
		b.end(isolation.OK, 2)
		e := j.begin(3, false)
		e.note(note{Kind: noteLists, Key: 0, Hi: 2, Found: []note{{Key: 0, List: []int64{1}}, {Key: 1, List: []int64{2}}}})
		e.attempt()
		e.end(isolation.OK, 2)
		var s IsolationStats
		if err := j.check(&s); (err == nil) != weak {
			t.Errorf("at snapshot isolation %v: %v", weak, err)
		}
	}
}
