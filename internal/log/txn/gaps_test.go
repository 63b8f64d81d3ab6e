package txn

import (
	"encoding/binary"
	"fmt"
	"testing"

	"lightningdb/internal/format/key"
	"lightningdb/internal/format/span"
)

// counted is numbered keys as a Source that counts its moves.
type counted struct {
	*contents
	moves int
}

func (c *counted) Next() bool              { c.moves++; return c.contents.Next() }
func (c *counted) Prev() bool              { c.moves++; return c.contents.Prev() }
func (c *counted) SeekGE(user []byte) bool { c.moves++; return c.contents.SeekGE(user) }
func (c *counted) SeekLT(user []byte) bool { c.moves++; return c.contents.SeekLT(user) }

// A transaction that takes entry after entry from a queue would, at each look at its head, walk over all that it has
// taken.
func TestOverlay_popsPassFewDeletedKeys(t *testing.T) {
	for _, backward := range []bool{false, true} {
		for _, spill := range []bool{false, true} {
			t.Run(fmt.Sprintf("backward %v, spilled %v", backward, spill), func(t *testing.T) {
				const pops = 10_000
				base := make(map[string]string, pops)
				for n := range uint32(pops) {
					base[string(binary.BigEndian.AppendUint32(nil, n))] = ""
				}
				source := &counted{contents: newContents(base, span.Span{})}
				var w Writes
				var s shelf
				for n := range pops {
					head := n
					if backward {
						head = pops - 1 - n
					}
					pop(t, source, &w, backward, uint32(head))
					if spill && n%1000 == 999 {
						if err := w.Spill(&s); err != nil {
							t.Fatal(err)
						}
					}
				}
				t.Logf("a pop takes %.1f moves", float64(source.moves)/pops)
				if source.moves > 150*pops {
					t.Errorf("%d moves for %d pops", source.moves, pops)
				}
			})
		}
	}
}

// pop deletes the first key that is left, or the last, which must be head.
func pop(t *testing.T, source *counted, w *Writes, backward bool, head uint32) {
	var spilled OverSpilled
	spilled.Reset(source, 1, w, span.Span{})
	defer spilled.Close()
	var o Overlay
	o.Reset(&spilled, 1, w, span.Span{})
	ok := false
	if backward {
		ok = o.Last()
	} else {
		ok = o.First()
	}
	if !ok || binary.BigEndian.Uint32(o.Key()) != head {
		t.Fatalf("the head is %x, want %x", o.Key(), head)
	}
	w.Delete(o.Key())
}

// shows is the keys of base and w in order, walked there and back, which must show the same.
func shows(t *testing.T, base map[string]string, seq key.SeqNum, w *Writes) string {
	t.Helper()
	var spilled OverSpilled
	spilled.Reset(newContents(base, span.Span{}), seq, w, span.Span{})
	defer spilled.Close()
	var o Overlay
	o.Reset(&spilled, seq, w, span.Span{})
	forward, backward := "", ""
	for ok := o.First(); ok; ok = o.Next() {
		forward += string(o.Key()) + " "
	}
	for ok := o.Last(); ok; ok = o.Prev() {
		backward = string(o.Key()) + " " + backward
	}
	if forward != backward {
		t.Fatalf("forward %q, backward %q", forward, backward)
	}
	return forward
}

// What a walk has passed because it was deleted may come back: by a rollback, by a put, also by one that was spilled
// since, or because the snapshot has moved. A walk that jumps over it then misses it.
func TestOverlay_showsWhatComesBack(t *testing.T) {
	base := map[string]string{"a": "", "b": "", "c": "", "d": ""}
	w := Writes{Gaps: true}
	w.Delete([]byte("a")) // which stays so: it is where walks look for a gap
	w.Savepoint()
	for k := range base {
		w.Delete([]byte(k))
	}
	if got := shows(t, base, 1, &w); got != "" {
		t.Fatalf("after all was deleted %q is there", got)
	}
	if w.gaps == nil {
		t.Fatal("the walk has left no gap")
	}
	w.RollbackTo(0)
	if got := shows(t, base, 1, &w); got != "b c d " {
		t.Errorf("after a rollback %q is there", got)
	}
	for k := range base {
		w.Delete([]byte(k))
	}
	shows(t, base, 1, &w)
	w.Put([]byte("b"), nil)
	if got := shows(t, base, 1, &w); got != "b " {
		t.Errorf("after a put %q is there", got)
	}
	w.Delete([]byte("b"))
	shows(t, base, 1, &w)
	base["bb"] = ""
	if got := shows(t, base, 2, &w); got != "bb " {
		t.Errorf("in the next snapshot %q is there", got)
	}
	var disk shelf
	spillShows := func(want string) {
		t.Helper()
		if err := w.Spill(&disk); err != nil {
			t.Fatal(err)
		}
		if got := shows(t, base, 2, &w); got != want {
			t.Errorf("after a spill %q is there, want %q", got, want)
		}
	}
	w.Delete([]byte("bb"))
	spillShows("")
	w.Put([]byte("c"), nil)
	spillShows("c ")
}
