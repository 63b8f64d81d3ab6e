package directory

import (
	"errors"
	"testing"

	"lightningdb/internal/format/corrupt"
)

const trailer = 16

// small is a layout of blocks of 62 entries.
func small(pages, leaves int, limit int64) Layout {
	return Layout{Pages: pages, Leaves: leaves, PageSize: 512, Trailer: trailer, MaxLength: 1 << 19, Limit: limit}
}

// pages returns the entries of n pages of various lengths, with something before each leaf, and where they end.
func pages(n, leaves int) (l List, end int64) {
	for i := range n {
		if i < leaves {
			end += int64(i % 3 * 100)
		}
		l.Add(end, 100+i)
		end += int64(100 + i)
	}
	return l, end
}

// blocks cuts a directory as a file has it, without trailers.
func blocks(l Layout, entries List) (all [][]byte) {
	for len(entries) > 0 {
		n := min(l.PerBlock(), len(entries))
		all, entries = append(all, entries[:n].Encode(nil)), entries[n:]
	}
	return all
}

// A page that is looked for in the wrong block, or at the wrong place of one, cannot be read.
func TestCursor_findsEveryPageInAnyOrder(t *testing.T) {
	for _, n := range []int{1, 2, 61, 62, 63, 124, 125, 1000} {
		leaves := max(1, n*2/3)
		entries, end := pages(n, leaves)
		l := small(n, leaves, end)
		stored := blocks(l, entries)
		reads := 0
		c := NewCursor(l, nil, func(i int, memory []byte) ([]byte, error) {
			reads++
			if len(memory) != len(stored[i])+trailer {
				t.Fatalf("block %d of %d pages has %d bytes, and is read as %d", i, n, len(stored[i]), len(memory)-trailer)
			}
			return memory[:copy(memory, stored[i])], l.Check(i, stored[i])
		})
		check := func(i int) {
			offset, length, err := c.At(i)
			wantOffset, wantLength := entries.At(i)
			if err != nil || offset != wantOffset || length != wantLength {
				t.Fatalf("page %d of %d is at %d, %d bytes, %v; want %d, %d", i, n, offset, length, err, wantOffset, wantLength)
			}
		}
		for i := range n {
			check(i)
		}
		if reads != len(stored) || l.Blocks() != len(stored) {
			t.Errorf("%d reads of %d blocks, and a layout of %d", reads, len(stored), l.Blocks())
		}
		size := int64(0)
		for i, b := range stored {
			offset, length := l.Block(i)
			if offset != size || length != len(b)+trailer {
				t.Errorf("block %d of %d pages is at %d, %d bytes", i, n, offset, length)
			}
			size += int64(length)
		}
		if l.Size() != size {
			t.Errorf("a directory of %d pages has %d bytes, and says %d", n, size, l.Size())
		}
		for i := range n {
			check(n - 1 - i)
			check(i * 7 % n)
		}
	}
}

// Whoever reads ahead must not read what no leaf ends, nor stop where further leaves are at hand.
func TestCursor_runsEndWithTheBlockOrTheLeaves(t *testing.T) {
	entries, end := pages(150, 100)
	l := small(150, 100, end)
	stored := blocks(l, entries)
	c := NewCursor(l, nil, func(i int, memory []byte) ([]byte, error) { return stored[i], nil })
	for leaf, last := range map[int]int{0: 61, 61: 61, 62: 99, 99: 99} {
		want, _ := c.End(last)
		if got, err := c.EndOfRun(leaf); got != want || err != nil {
			t.Errorf("the run of leaf %d ends at %d, %v; want %d", leaf, got, err, want)
		}
	}
	if first, err := c.End(-1); first != 0 || err != nil {
		t.Errorf("pages begin at %d, %v", first, err)
	}
}

// A block that cannot be read must not leave the one before in its place.
func TestCursor_failsForAllPagesOfABlock(t *testing.T) {
	entries, end := pages(150, 100)
	l := small(150, 100, end)
	stored, broken := blocks(l, entries), errors.New("broken")
	c := NewCursor(l, nil, func(i int, memory []byte) ([]byte, error) {
		if i == 1 {
			return nil, broken
		}
		return stored[i], nil
	})
	for n := range l.Pages {
		if _, _, err := c.At(n); (err != nil) != (n/62 == 1) || err != nil && err != broken {
			t.Errorf("page %d: %v", n, err)
		}
	}
}

// Each entry leads to a read and to memory for what is read.
func TestCheck_refusesImpossibleEntries(t *testing.T) {
	const n, leaves = 100, 70
	entries, end := pages(n, leaves)
	l := small(n, leaves, end)
	for name, change := range map[string]func(){
		"no payload":                 func() { entries[3] = entries[3]>>lengthBits<<lengthBits | trailer },
		"too long":                   func() { entries[3] |= 1<<lengthBits - 1 },
		"before the page before":     func() { entries[3] = entries[2] },
		"over the page before":       func() { entries[3] -= 201 << lengthBits },
		"behind the limit":           func() { entries[61] |= 1 << 63 },
		"a gap behind the leaves":    func() { entries[75]-- },
		"a gap behind the last leaf": func() { entries[leaves-1]-- },
		"a gap behind the last page": func() { entries[n-1]-- },
	} {
		kept := append(List{}, entries...)
		change()
		var err error
		for i, b := range blocks(l, entries) {
			err = errors.Join(err, l.Check(i, b))
		}
		if !errors.Is(err, corrupt.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		copy(entries, kept)
	}
	for i, b := range blocks(l, entries) {
		if err := l.Check(i, b); err != nil {
			t.Errorf("block %d as it was: %v", i, err)
		}
	}
}

func FuzzDirectory(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte, i uint8, leaves, others uint8, limit int64) {
		l := small(int(leaves)+int(others), int(leaves), limit)
		if err := l.Check(int(i), b); err != nil {
			if !errors.Is(err, corrupt.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		end := int64(0)
		for n := range len(b) / EntrySize {
			offset, length := At(b, n)
			if offset < end || length > l.MaxLength || offset+int64(length) > limit {
				t.Fatalf("a page at %d of %d bytes, between %d and %d", offset, length, end, limit)
			}
			end = offset + int64(length)
		}
	})
}
