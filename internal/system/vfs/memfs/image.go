package memfs

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// Policy chooses one of the states that a power cut may leave behind.
type Policy uint8

const (
	// None keeps only what was synced.
	None Policy = iota
	// All keeps everything.
	All
	// Prefix keeps the first seed mod (Unsynced+1) of the unsynced changes.
	Prefix
	// AllButOne loses only the unsynced change number seed mod Unsynced.
	AllButOne
	// OnlyOne keeps only the unsynced change number seed mod Unsynced.
	OnlyOne
	// AllButOneSector loses only one sector of one write: number seed mod UnsyncedSectors.
	AllButOneSector
	// MetadataFirst keeps names and lengths but no contents: new sectors hold zeros, with odd seeds garbage.
	MetadataFirst
	// DataFirst keeps contents but no names, and lengths only with even seeds.
	DataFirst
	// RemovalsFirst keeps removals and contents, but neither creations nor renamings.
	RemovalsFirst
	// Random decides separately for every name, length and sector, with odds that depend on the seed.
	Random
)

// Policies are all policies.
var Policies = [...]Policy{None, All, Prefix, AllButOne, OnlyOne, AllButOneSector, MetadataFirst, DataFirst,
	RemovalsFirst, Random}

var policyNames = [...]string{"none", "all", "prefix", "all-but-one", "only-one", "all-but-one-sector",
	"metadata-first", "data-first", "removals-first", "random"}

func (p Policy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("policy(%d)", uint8(p))
}

// fate is what a power cut does to a sector or to a change of a name.
type fate uint8

const (
	lost    fate = iota // it is as before the change
	kept                // it is as after the change
	zeroed              // for sectors: the bytes written since the last sync are zeros
	garbage             // for sectors that the file did not reach at the last sync: they hold anything
	both                // for renamings: both names lead to the file
)

// Image returns the directory that a power cut at this moment leaves behind: one of those that the package comment
// allows, chosen by policy and seed. Everything in it is durable. The same history, policy and seed give the same
// image. f goes on. The image of a volatile directory is empty.
func (f *FS) Image(policy Policy, seed uint64) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	img := New()
	img.capacity = f.capacity
	if f.volatile {
		return img
	}
	cut := newPowerCutLocked(f, policy, seed)
	names := cut.names(f)
	files := make(map[*inode]*inode)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := names[name]
		if files[n] == nil {
			img.nextID++
			files[n] = &inode{fs: img, id: img.nextID, now: cut.content(n)}
			files[n].durable = files[n].now.clone()
			img.used.Add(files[n].now.size)
		}
		files[n].links++
		img.names[name] = files[n]
	}
	img.durable = maps.Clone(img.names)
	img.trash = slices.Clone(f.trash)
	return img
}

// Kill returns the directory as the next process finds it if this one is killed now: everything that was written is
// there, but the kill has made nothing durable, and locks are gone. f crashes if it has not crashed yet. Kill also
// reopens a directory after Close.
func (f *FS) Kill() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.crashed.Store(true)
	next := newFS()
	next.volatile, next.capacity, next.nextID = f.volatile, f.capacity, f.nextID
	next.trash = slices.Clone(f.trash)
	files := make(map[*inode]*inode)
	survive := func(n *inode) *inode {
		if n != nil && files[n] == nil {
			files[n] = n.survive(next)
		}
		return files[n]
	}
	for name, n := range f.names {
		next.names[name] = survive(n)
		next.names[name].links++
	}
	for _, n := range files {
		next.used.Add(n.now.size)
	}
	if f.volatile {
		return next
	}
	next.durable = make(map[string]*inode, len(f.durable))
	for name, n := range f.durable {
		next.durable[name] = survive(n)
	}
	for _, c := range f.changes {
		c.inode = survive(c.inode)
		next.changes = append(next.changes, c)
	}
	next.renumber()
	return next
}

// survive returns n without names and handles, for the directory of the next process.
func (n *inode) survive(next *FS) *inode {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := &inode{fs: next, id: n.id, lost: n.lost, now: n.now.clone(), pending: slices.Clone(n.pending)}
	s.durable = n.durable.clone()
	return s
}

// renumber gives what an earlier process left unsynced negative numbers in the same order, so that the changes of
// this process, which are numbered from 0, come later. Nobody else may know f yet.
func (f *FS) renumber() {
	h := f.historyLocked()
	for _, n := range h.files {
		for i := range n.pending {
			n.pending[i].op = h.rank(n.pending[i].op) - len(h.ops)
		}
	}
	for i := range f.changes {
		f.changes[i].op = h.rank(f.changes[i].op) - len(h.ops)
	}
}

// powerCut decides, for one policy and seed, what becomes of everything that was not durable.
type powerCut struct {
	policy  Policy
	seed    uint64
	history history
	trash   []*content
	pick    int // the change or sector that Prefix, AllButOne, OnlyOne or AllButOneSector picks

	keepName, keepSector, odd float64 // the odds of Random
	sector                    int     // for AllButOneSector: how many sectors have been decided, in order of files
	firstSector               map[*inode]int
}

// pickOdds are the odds from which Random chooses. The extremes make whole classes of changes vanish or stay.
var pickOdds = [...]float64{0, 0.1, 0.5, 0.9, 1}

func newPowerCutLocked(f *FS, policy Policy, seed uint64) *powerCut {
	cut := &powerCut{policy: policy, seed: seed, history: f.historyLocked(), trash: f.trash}
	choices := uint64(len(cut.history.ops))
	switch policy {
	case Prefix:
		choices++
	case AllButOneSector:
		choices = uint64(cut.history.sectors)
		cut.numberSectors()
	case Random:
		r := rand.New(rand.NewPCG(seed, 0))
		cut.keepName = pickOdds[r.IntN(len(pickOdds))]
		cut.keepSector = pickOdds[r.IntN(len(pickOdds))]
		cut.odd = [...]float64{0, 0.02, 0.3}[r.IntN(3)]
	}
	if choices > 0 {
		cut.pick = int(seed % choices)
	}
	return cut
}

// numberSectors counts for each file the sectors of the files before it.
func (c *powerCut) numberSectors() {
	c.firstSector = make(map[*inode]int)
	at := 0
	for _, n := range c.history.files {
		c.firstSector[n] = at
		for i := range n.pending {
			at += int(roundUp(n.pending[i].end-n.pending[i].first, sectorSize) / sectorSize)
		}
	}
}

// names returns the directory after the cut. A change that is kept sets the names that it touches, whatever happened
// to earlier ones: the last kept change of a name decides.
func (c *powerCut) names(f *FS) map[string]*inode {
	names := maps.Clone(f.durable)
	for _, ch := range f.changes {
		what := c.nameFate(ch)
		if what == lost {
			continue
		}
		if ch.kind == removed || ch.kind == renamed && what == kept {
			delete(names, ch.oldNameOrName())
		}
		if ch.kind != removed {
			names[ch.name] = ch.inode
		}
	}
	return names
}

// apply does to names what the change has done.
func (ch *nameChange) apply(names map[string]*inode) {
	if ch.kind != created {
		delete(names, ch.oldNameOrName())
	}
	if ch.kind != removed {
		names[ch.name] = ch.inode
	}
}

// oldNameOrName is the name that a removal or renaming takes away.
func (ch *nameChange) oldNameOrName() string {
	if ch.kind == renamed {
		return ch.oldName
	}
	return ch.name
}

func (c *powerCut) nameFate(ch nameChange) fate {
	switch c.policy {
	case MetadataFirst, AllButOneSector:
		return kept
	case DataFirst:
		return lost
	case RemovalsFirst:
		return keptIf(ch.kind == removed)
	case Random:
		r := c.rand(uint64(int64(ch.op)), 1)
		if ch.kind == renamed && r.IntN(4) == 0 {
			return both
		}
		return keptIf(r.Float64() < c.keepName)
	}
	return c.opFate(ch.op)
}

// opFate returns the fate under the policies that decide about whole changes.
func (c *powerCut) opFate(op int) fate {
	rank := c.history.rank(op)
	switch c.policy {
	case All:
		return kept
	case Prefix:
		return keptIf(rank < c.pick)
	case AllButOne:
		return keptIf(rank != c.pick)
	case OnlyOne:
		return keptIf(rank == c.pick)
	}
	return lost
}

func keptIf(keep bool) fate {
	if keep {
		return kept
	}
	return lost
}

// content returns what n holds after the cut.
func (c *powerCut) content(n *inode) content {
	img := n.durable.clone()
	allocated := roundUp(n.durable.size, sectorSize)
	c.sector = c.firstSector[n]
	for i := range n.pending {
		w := &n.pending[i]
		w.sectors(func(at int64, after []byte) {
			switch c.sectorFate(n, w, at, at >= allocated) {
			case kept:
				img.writeAt(after, at)
			case zeroed:
				from := max(at, w.off)
				img.zero(from, min(at+sectorSize, w.end)-from)
			case garbage:
				img.writeAt(c.garbage(n, at), at)
			}
		})
	}
	img.setSize(c.size(n))
	return img
}

// sectorFate says what becomes of the sector at offset at, as the write w left it. isNew says that the file did not
// reach the sector at the last sync.
func (c *powerCut) sectorFate(n *inode, w *write, at int64, isNew bool) fate {
	switch c.policy {
	case AllButOneSector:
		c.sector++
		return keptIf(c.sector-1 != c.pick)
	case MetadataFirst:
		if isNew && c.seed%2 == 1 {
			return garbage
		}
		return lost
	case DataFirst, RemovalsFirst:
		return kept
	case Random:
		return c.randomSector(n, w, at, isNew)
	}
	return c.opFate(w.op)
}

// randomSector makes a sector zeros or garbage in all its writes or in none, because only then nothing else is in
// it. Otherwise it decides for each write, so that any version may be the last one kept.
func (c *powerCut) randomSector(n *inode, w *write, at int64, isNew bool) fate {
	h := c.hash(n.id, uint64(at), 2)
	if unit(h) < c.odd {
		if isNew && h&1 == 0 {
			return garbage
		}
		return zeroed
	}
	return keptIf(unit(c.hash(n.id, uint64(at), uint64(int64(w.op))+3)) < c.keepSector)
}

// size returns the length of n after the cut.
func (c *powerCut) size(n *inode) int64 {
	last := n.durable.size
	if len(n.pending) > 0 {
		last = n.pending[len(n.pending)-1].size
	}
	switch c.policy {
	case AllButOneSector, MetadataFirst, RemovalsFirst:
		return last
	case DataFirst:
		if c.seed%2 == 1 {
			return n.durable.size
		}
		return last
	case Random:
		return c.randomSize(n, last)
	}
	size := n.durable.size
	for i := range n.pending {
		if c.opFate(n.pending[i].op) == kept {
			size = n.pending[i].size
		}
	}
	return size
}

func (c *powerCut) randomSize(n *inode, last int64) int64 {
	r := c.rand(n.id, 4)
	switch r.IntN(4) {
	case 0:
		return n.durable.size
	case 1:
		return last
	case 2:
		if len(n.pending) > 0 {
			return n.pending[r.IntN(len(n.pending))].size
		}
	}
	size := n.durable.size + r.Int64N(last-n.durable.size+1)
	return max(n.durable.size, size/sectorSize*sectorSize)
}

// garbage returns what a newly allocated sector shows if it was never written: noise, or what a removed file had
// there.
func (c *powerCut) garbage(n *inode, at int64) []byte {
	sector := make([]byte, sectorSize)
	h := c.hash(n.id, uint64(at), 5)
	if len(c.trash) > 0 && h&1 == 0 {
		old := c.trash[h>>1%uint64(len(c.trash))]
		if at < old.size {
			old.readAt(sector, at)
			return sector
		}
	}
	for i := 0; i < sectorSize; i += 8 {
		h = mix(h)
		binary.LittleEndian.PutUint64(sector[i:], h)
	}
	return sector
}

// rand returns random numbers that depend on the seed and on their use, not on the order of the calls.
func (c *powerCut) rand(what, use uint64) *rand.Rand {
	return rand.New(rand.NewPCG(c.hash(what, use, 0), use))
}

func (c *powerCut) hash(a, b, d uint64) uint64 { return mix(mix(mix(mix(c.seed)^a)^b) ^ d) }

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit maps a hash to [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }
