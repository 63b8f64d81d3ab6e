package visible

import (
	"math"
	"testing"

	"lightningdb/internal/format/key"
)

// A reader would see what was committed after it, or what was deleted, or an operand in place of a value.
func TestOf_everyKindAtEveryPosition(t *testing.T) {
	const at = 100 // of the reader
	positions := []struct {
		name string
		seq  key.SeqNum
	}{
		{"the newest of all", key.MaxSeqNum},
		{"one newer", at + 1},
		{"its own", at},
		{"one older", at - 1},
		{"the oldest", 1},
		{"a write without a number", 0},
	}
	for _, row := range []struct {
		kind key.Kind
		want [6]Effect // at the positions
	}{
		{key.KindDelete, [6]Effect{Skip, Skip, Hide, Hide, Hide, Hide}},
		{key.KindPut, [6]Effect{Skip, Skip, Show, Show, Show, Show}},
		{key.KindMerge, [6]Effect{Skip, Skip, Fold, Fold, Fold, Fold}},
		{key.KindPutUntil, [6]Effect{Skip, Skip, Until, Until, Until, Until}},
		{key.KindRangeDelete, [6]Effect{Skip, Skip, Unknown, Unknown, Unknown, Unknown}},
		{key.KindPutUntil + 1, [6]Effect{Skip, Skip, Unknown, Unknown, Unknown, Unknown}},
		{key.KindMax, [6]Effect{Skip, Skip, Unknown, Unknown, Unknown, Unknown}},
	} {
		for i, p := range positions {
			if got := (Reader{Seq: at}).Of(key.MakeTrailer(p.seq, row.kind)); got != row.want[i] {
				t.Errorf("%v, %s: effect %d, want %d", row.kind, p.name, got, row.want[i])
			}
		}
		// The ends of the range: before the first commit nothing is visible, and to the last reader everything is.
		if got := (Reader{}).Of(key.MakeTrailer(1, row.kind)); got != Skip {
			t.Errorf("%v, before the first commit: effect %d, want %d", row.kind, got, Skip)
		}
		if got := (Reader{Seq: key.MaxSeqNum}).Of(key.MakeTrailer(key.MaxSeqNum, row.kind)); got != row.want[2] {
			t.Errorf("%v, to the last reader: effect %d, want %d", row.kind, got, row.want[2])
		}
	}
}

// What a delete of a range is over would still be there, or what was written since would be gone.
func TestOf_rangeTombstoneHidesWhatIsOlder(t *testing.T) {
	const at, deleted = 100, 50
	for _, kind := range []key.Kind{key.KindDelete, key.KindPut, key.KindMerge, key.KindPutUntil} {
		for _, row := range []struct {
			seq  key.SeqNum
			want Effect
		}{
			{at + 1, Skip},
			{at, OfKind(kind)},
			{deleted + 1, OfKind(kind)},
			{deleted, OfKind(kind)}, // of a commit that is one operation for all of its entries
			{deleted - 1, Hide},
			{1, Hide},
		} {
			if got := (Reader{Seq: at, Deleted: deleted}).Of(key.MakeTrailer(row.seq, kind)); got != row.want {
				t.Errorf("%v at %d: effect %d, want %d", kind, row.seq, got, row.want)
			}
		}
	}
}

// An entry would end a moment early or late: a lease would have two holders, or none.
func TestUntilEnd_toTheNanosecond(t *testing.T) {
	const end = 100
	for _, row := range []struct {
		now  key.Time
		want Effect
	}{
		{0, Show}, {1, Show}, {end - 1, Show}, {end, Hide}, {end + 1, Hide}, {math.MaxInt64, Hide},
	} {
		r := Reader{Seq: 5, Now: row.now}
		if got := r.UntilEnd(end); got != row.want {
			t.Errorf("at %d: effect %d, want %d", row.now, got, row.want)
		}
		for seq, want := range map[key.SeqNum]Effect{5: row.want, 6: Skip} {
			got, value := r.OfValue(key.MakeTrailer(seq, key.KindPutUntil), key.WithEnd(nil, end, []byte("v")))
			if got != want || got == Show && string(value) != "v" {
				t.Errorf("at %d, sequence number %d: effect %d of %q, want %d", row.now, seq, got, value, want)
			}
		}
	}
	if got, value := (Reader{Seq: 5}).OfValue(key.MakeTrailer(5, key.KindPut), []byte("12345678")); got != Show ||
		string(value) != "12345678" {
		t.Errorf("a put: effect %d of %q", got, value)
	}
}

// A transaction would rest on what has ended: of all that it was shown it must know the earliest end, and of what it
// was not shown none, or it would be refused for nothing.
func TestEarliest_isThatOfAllThatIsShown(t *testing.T) {
	var seen Earliest
	r := Reader{Seq: 5, Now: 100, Seen: &seen}
	for _, step := range []struct{ end, want key.Time }{
		{100, 0}, {50, 0}, {300, 300}, {200, 200}, {250, 200}, {101, 101},
	} {
		effect, _ := r.Part(key.WithEnd(nil, step.end, []byte("v")))
		if shown := effect == Show; shown != (step.end > 100) || seen.End() != step.want {
			t.Errorf("an end at %d: effect %d, the earliest is %d, want %d", step.end, effect, seen.End(), step.want)
		}
	}
	if !seen.Passed(101) || seen.Passed(100) {
		t.Error("an end is reached at another moment")
	}
	if seen.Reset(); seen.End() != 0 || seen.Passed(101) {
		t.Error("an end was not forgotten")
	}
}

// A kind that the formats know and that has no meaning here would be corruption to every reader. One that they do not
// know and that has a meaning here would be guessed at.
func TestOfKind_everyKnownKindMeansSomething(t *testing.T) {
	for k := range 256 {
		kind := key.Kind(k)
		if effect := OfKind(kind); (effect != Unknown) != kind.Known() || effect == Skip {
			t.Errorf("%v: effect %d, known to the formats: %v", kind, effect, kind.Known())
		}
	}
}
