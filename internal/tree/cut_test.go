package tree

import (
	"context"
	"testing"
	"time"

	"lightningdb/internal/format/key"
	"lightningdb/internal/tree/manifest"
)

// A commit that goes to tables at once (an ingest) is in them a moment before it is published. A copy made at that
// moment would have a commit that nobody has seen, and may be told that it failed.
func TestCut_waitsForWhatIsInTheTables(t *testing.T) {
	h := newHarness(t, Options{})
	defer h.close()
	h.put("key", "value")
	h.newView(t)
	old := h.Current()
	h.Install(&manifest.Version{NextNum: 2, LastSeq: 2}, old.mems[0])
	cut := cutLater(t, h)
	h.Publish(2)
	if seq := <-cut; seq != 2 {
		t.Errorf("it was cut at %d", seq)
	}
}

// A follower is told of the tables of an ingest a moment before it is published: its copy would be one that cannot be,
// whose tables are newer than it is.
func TestCut_ofAFollowerWaitsForTheNextView(t *testing.T) {
	h := newHarness(t, Options{Follow: true})
	defer h.close()
	h.Show(nil, &manifest.Version{NextNum: 2, LastSeq: 2}, 1)
	cut := cutLater(t, h)
	h.Show(nil, &manifest.Version{NextNum: 2, LastSeq: 2}, 2)
	if seq := <-cut; seq != 2 {
		t.Errorf("it was cut at %d", seq)
	}
}

// cutLater cuts a tree whose tables have a commit at 2, which the tree does not show yet, and checks that it waits.
func cutLater(t *testing.T, h *harness) <-chan key.SeqNum {
	t.Helper()
	cut := make(chan key.SeqNum, 1)
	go func() {
		err := h.Cut(context.Background(), func(_ context.Context, _ *View, seq key.SeqNum) error {
			cut <- seq
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	select {
	case seq := <-cut:
		t.Fatalf("it was cut at %d, and the tables have a commit at 2", seq)
	case <-time.After(50 * time.Millisecond):
	}
	return cut
}
