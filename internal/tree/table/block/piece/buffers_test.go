package piece

import "testing"

// A merge of forty tables would take 10 MiB in addition to a limit of 10 MiB, and a program gets killed for it.
func TestBuffers_boundWhatAMergeTakes(t *testing.T) {
	const budget = 640 << 10
	b := NewBuffers(budget)
	var lent [][]byte
	for range 40 {
		lent = append(lent, b.ForReading(8<<10))
	}
	lent = append(lent, b.ForWriting())
	if got := b.Bytes(); got > budget+40*minBytes {
		t.Errorf("40 inputs and an output take %d bytes of a budget of %d", got, budget)
	}
	if first, last := len(lent[0]), len(lent[39]); first < 2*minBytes || last != minBytes {
		t.Errorf("the first input reads %d bytes at a time, the last %d", first, last)
	}
	for _, piece := range lent {
		b.TakeBack(piece)
	}
	if got := b.Bytes(); got > budget || got == 0 {
		t.Errorf("%d bytes are kept when nothing is lent, of %d", got, budget)
	}
	if n := testing.AllocsPerRun(100, func() { b.TakeBack(b.ForReading(8 << 10)) }); n != 0 {
		t.Errorf("%v allocations for a piece that is there", n)
	}
	late := b.ForWriting()
	b.Close()
	b.TakeBack(late)
	if got := b.Bytes(); got != 0 {
		t.Errorf("%d bytes are left after Close", got)
	}
}
