package key

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lightningdb/internal/format/key/keytest"
)

// drawPair draws two keys, of which one often begins as the other does, for up to 64 KiB.
func drawPair(t *rapid.T) (a, b []byte) {
	a, b = keytest.Key(keytest.From(t, "a")), keytest.Key(keytest.From(t, "b"))
	if rapid.Bool().Draw(t, "alike") {
		same := rapid.IntRange(0, min(len(a), MaxUserKeySize-len(b))).Draw(t, "same")
		b = slices.Concat(a[:same], b)
	}
	return a, b
}

// If newer versions did not sort first, a read would return an overwritten value.
func TestCompare_ordersNewestVersionFirst(t *testing.T) {
	want := []Internal{
		Make([]byte("a"), 9, KindPut),
		Make([]byte("a"), 7, KindDelete),
		Make([]byte("a\x00"), 1, KindPut),
		Make([]byte("b"), MaxSeqNum, KindPut),
		Make([]byte("b"), 1, KindPut),
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Compare)
	for i := range want {
		if Compare(got[i], want[i]) != 0 {
			t.Fatalf("position %d: got %v, want %v", i, got[i], want[i])
		}
	}
}

// A seek target must land between the versions that are too new and those that are visible.
func TestSeekTo_separatesVisibleFromNewer(t *testing.T) {
	target := SeekTo([]byte("k"), 5)
	if Compare(target, Make([]byte("k"), 6, KindDelete)) <= 0 {
		t.Error("a version newer than the target's sequence number sorts after the target")
	}
	if Compare(target, Make([]byte("k"), 5, KindPut)) > 0 {
		t.Error("the version at the target's sequence number sorts before the target")
	}
}

// A wrong separator would send a search into the wrong page: a key that silently went missing.
func TestSeparator_liesBetweenItsNeighbours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPair(t)
		switch bytes.Compare(a, b) {
		case 0:
			return
		case 1:
			a, b = b, a
		}
		s := Separator(nil, a, b)
		if bytes.Compare(a, s) >= 0 || bytes.Compare(s, b) > 0 {
			t.Fatalf("separator %x of %x and %x is outside (a, b]", s, a, b)
		}
	})
}

// Heads decide searches inside pages: where they differ they must agree with the keys.
func TestHead_agreesWithKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPair(t)
		skip := rapid.IntRange(0, CommonPrefix(a, b)).Draw(t, "skip")
		ha, hb := Head(a, skip), Head(b, skip)
		if c := bytes.Compare(a, b); (ha < hb && c >= 0) || (ha > hb && c <= 0) {
			t.Fatalf("heads %x %x of %x %x disagree with their order", ha, hb, a, b)
		}
	})
}
