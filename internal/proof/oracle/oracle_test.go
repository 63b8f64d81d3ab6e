package oracle

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
)

// puts is a batch that sets each key to the value given.
func puts(value string, keys ...string) *batch.Batch {
	b := new(batch.Batch)
	for _, k := range keys {
		b.Put([]byte(k), []byte(value))
	}
	return b
}

// history is three commits: two keys at Sync (1, 2), one of them again at Process (3), two others at Process (4, 5), of
// which the last is not acknowledged.
func history() *History {
	h := new(History)
	h.Issue(puts("1", "a", "b"), true)
	h.Acknowledge()
	h.Issue(puts("2", "a"), false)
	h.Acknowledge()
	h.Issue(puts("3", "c", "d"), false)
	return h
}

// found is a database with the given content.
func found(content map[string]string) []Entry {
	var entries []Entry
	for _, k := range slices.Sorted(maps.Keys(content)) {
		entries = append(entries, Entry{[]byte(k), []byte(content[k])})
	}
	return entries
}

// Every crash test would pass whatever it finds if the oracle overlooked a kind of loss.
func TestJudge_countsEachKindOfLoss(t *testing.T) {
	for _, c := range []struct {
		name    string
		loss    Loss
		last    key.SeqNum
		read    key.SeqNum
		content map[string]string
		want    Counts
	}{
		{"all", PowerCut, 5, 0, map[string]string{"a": "2", "b": "1", "c": "3", "d": "3"}, Counts{}},
		{"without the last", Killed, 3, 0, map[string]string{"a": "2", "b": "1"}, Counts{}},
		{"synced only", PowerCut, 2, 0, map[string]string{"a": "1", "b": "1"}, Counts{}},
		{"process commit gone with the process", Killed, 2, 0, map[string]string{"a": "1", "b": "1"}, Counts{AckedLost: 1}},
		{"sync commit gone", PowerCut, 0, 0, nil, Counts{AckedLost: 1}},
		{"read process commit gone with the power", PowerCut, 2, 3, map[string]string{"a": "1", "b": "1"}, Counts{}},
		{"read commit gone", Killed, 3, 5, map[string]string{"a": "2", "b": "1"}, Counts{VanishedReads: 1}},
		{"cut within a commit", Killed, 4, 0, map[string]string{"a": "2", "b": "1", "c": "3"}, Counts{TornTxns: 1}},
		{"half a commit", Killed, 5, 0, map[string]string{"a": "2", "b": "1", "c": "3"}, Counts{TornTxns: 1}},
		{"hole", Killed, 5, 0, map[string]string{"a": "1", "b": "1", "c": "3", "d": "3"}, Counts{Holes: 1}},
		{"value nobody wrote", Killed, 3, 0, map[string]string{"a": "2", "b": "x"}, Counts{WrongData: 1, Holes: 1}},
		{"key nobody wrote", Killed, 3, 0, map[string]string{"a": "2", "b": "1", "x": "1"}, Counts{WrongData: 1}},
		{"ends behind the last commit", Killed, 6, 0,
			map[string]string{"a": "2", "b": "1", "c": "3", "d": "3"}, Counts{WrongData: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := history()
			h.Read(c.read)
			got, err := h.Judge(c.loss, c.last, found(c.content))
			if got != c.want || (err == nil) != got.Zero() {
				t.Errorf("%v (%v), want %v", got, err, c.want)
			}
		})
	}
}

// A recovery that served a state would be allowed to lose it again.
func TestRecovered_makesTheServedStateCertain(t *testing.T) {
	h := history()
	h.Recovered(3)
	if h.Last() != 3 || h.Durable() != 3 {
		t.Errorf("the history ends at %d and is durable up to %d, both should be 3", h.Last(), h.Durable())
	}
	if got, _ := h.Judge(PowerCut, 2, found(map[string]string{"a": "1", "b": "1"})); got.AckedLost != 1 {
		t.Errorf("losing the recovered commit counts as %v", got)
	}
	if _, exists := h.Get([]byte("c"), 5); exists {
		t.Error("what the crash took is still expected")
	}
}

// States that a held snapshot shows would be compared with the wrong values.
func TestForget_keepsEveryStateFromTheOldestOn(t *testing.T) {
	h, whole := history(), history()
	h.Acknowledge()
	h.Forget(2)
	for seq := key.SeqNum(2); seq <= 5; seq++ {
		want := fmt.Sprint(slices.Collect(whole.Entries(nil, nil, seq)))
		if got := fmt.Sprint(slices.Collect(h.Entries(nil, nil, seq))); got != want {
			t.Errorf("at %d: %s, want %s", seq, got, want)
		}
	}
	if h.Last() != 5 {
		t.Errorf("the history ends at %d", h.Last())
	}
}

// A commit that certainly failed would be expected, and the next one at the wrong number.
func TestRefuse_takesTheCommitBack(t *testing.T) {
	h := history()
	h.Refuse()
	if got := h.Issue(puts("4", "e"), true); got != 4 {
		t.Errorf("the next commit ends at %d instead of 4", got)
	}
	if _, exists := h.Get([]byte("c"), 9); exists {
		t.Error("a refused commit is still expected")
	}
}
