package memfs

import (
	"slices"
	"sort"
)

// nameChange is a change of the directory that is not durable. It is immutable.
type nameChange struct {
	op      int // the number of the change
	kind    nameChangeKind
	name    string
	oldName string // the old name, for a renaming
	inode   *inode // nil for a removal
}

type nameChangeKind uint8

const (
	created nameChangeKind = iota
	removed
	renamed
)

// changeLocked records a change of names as not durable.
func (f *FS) changeLocked(c nameChange) {
	if f.volatile {
		return
	}
	c.op = f.ops
	f.changes = append(f.changes, c)
}

// history is what a power cut at one moment may take away.
type history struct {
	files   []*inode // all files that have, had or may have a name, by id
	ops     []int    // the numbers of the changes that are not durable, ascending
	sectors int      // the number of pairs of a write and a sector that it touched
}

func (f *FS) historyLocked() history {
	var h history
	seen := make(map[*inode]bool)
	add := func(n *inode) {
		if n == nil || seen[n] {
			return
		}
		seen[n] = true
		h.files = append(h.files, n)
		for i := range n.pending {
			h.ops = append(h.ops, n.pending[i].op)
			h.sectors += int(roundUp(n.pending[i].end-n.pending[i].first, sectorSize) / sectorSize)
		}
	}
	for _, n := range f.durable {
		add(n)
	}
	for _, c := range f.changes {
		add(c.inode)
		h.ops = append(h.ops, c.op)
	}
	slices.SortFunc(h.files, func(a, b *inode) int { return int(a.id) - int(b.id) })
	slices.Sort(h.ops)
	return h
}

// rank returns the position of a change among those that are not durable.
func (h *history) rank(op int) int { return sort.SearchInts(h.ops, op) }

// Unsynced is the number of changes that a power cut may take away. The seeds below it enumerate the images of
// AllButOne and OnlyOne; together with the number itself, they enumerate those of Prefix.
func (f *FS) Unsynced() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.historyLocked().ops)
}

// UnsyncedSectors is the number of sectors in all unsynced writes. The seeds below it enumerate the images of
// AllButOneSector. A sector counts once for every write that touched it.
func (f *FS) UnsyncedSectors() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.historyLocked().sectors
}
