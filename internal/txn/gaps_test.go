package txn

import (
	"encoding/binary"
	"fmt"
	"testing"
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

// A transaction that takes entry after entry from a queue would walk at each look at its head over all that it has
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
				source := &counted{contents: newContents(base, nil, nil)}
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
	spilled.Reset(source, 1, w, nil, nil)
	defer spilled.Close()
	var o Overlay
	o.Reset(&spilled, 1, w, nil, nil)
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
