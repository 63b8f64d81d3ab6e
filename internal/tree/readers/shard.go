package readers

import (
	"cmp"
	"iter"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"lightningdb/internal/format/key"
	"lightningdb/internal/system/clock"
	"lightningdb/internal/system/goroutine"
)

// shard is some of the readers. A snapshot and the iterators on it are in the same one.
type shard struct {
	mu      sync.Mutex
	readers []*Registration // by sequence number
	oldest  atomic.Uint64   // the sequence number of the first of them, noReader for none; stored under mu

	_ [128 - 8 - 24 - 8]byte // the processors fetch lines of 64 bytes in pairs
}

// noReader is the oldest sequence number of a shard without readers.
const noReader = math.MaxUint64

// The number of shards is a power of two, at least 4 for each core, within these limits: few enough to look into all.
const (
	minShards = 4
	maxShards = 64
)

func newShards() []shard {
	want := min(max(4*runtime.GOMAXPROCS(0), minShards), maxShards)
	shards := make([]shard, 1<<bits.Len(uint(want-1)))
	for i := range shards {
		shards[i].oldest.Store(noReader)
	}
	return shards
}

// lockAny locks a shard and returns it: the goroutine's own if it is free, or else the next one that is.
func (r *Registry) lockAny() *shard {
	own := int(goroutine.StackHash() >> 32)
	for i := range r.shards {
		if s := &r.shards[(own+i)&(len(r.shards)-1)]; s.mu.TryLock() {
			return s
		}
	}
	s := &r.shards[own&(len(r.shards)-1)]
	s.mu.Lock()
	return s
}

// each is every shard in turn, none of them locked.
func (r *Registry) each() iter.Seq[*shard] {
	return func(yield func(*shard) bool) {
		for i := range r.shards {
			if !yield(&r.shards[i]) {
				return
			}
		}
	}
}

// oldest is the oldest sequence number that a reader stands at, the largest number if there is no reader.
func (r *Registry) oldest() key.SeqNum {
	oldest := uint64(noReader)
	for s := range r.each() {
		oldest = min(oldest, s.oldest.Load())
	}
	return key.SeqNum(oldest)
}

// findLocked returns where the registrations at seq begin, and whether there is one.
func (s *shard) findLocked(seq key.SeqNum) (int, bool) {
	return slices.BinarySearchFunc(s.readers, seq, func(reg *Registration, seq key.SeqNum) int {
		return cmp.Compare(reg.Seq(), seq)
	})
}

func (s *shard) insertLocked(reg *Registration) {
	i := len(s.readers)
	if i > 0 && s.readers[i-1].Seq() > reg.Seq() { // most belong at the end
		i, _ = s.findLocked(reg.Seq() + 1)
	}
	s.readers = slices.Insert(s.readers, i, reg)
	reg.shard = s
	s.noteOldestLocked()
}

func (s *shard) removeLocked(reg *Registration) {
	i, _ := s.findLocked(reg.Seq())
	for ; i < len(s.readers) && s.readers[i].Seq() == reg.Seq(); i++ {
		if s.readers[i] == reg {
			s.readers = slices.Delete(s.readers, i, i+1)
			break
		}
	}
	s.noteOldestLocked()
}

// removeSnapshotLocked removes of and ends the iterators on it. The caller drops those that it returns.
func (s *shard) removeSnapshotLocked(of *Registration) (unused []Ender) {
	i, _ := s.findLocked(of.Seq())
	kept := i
	for ; i < len(s.readers) && s.readers[i].Seq() == of.Seq(); i++ {
		reg := s.readers[i]
		switch {
		case reg == of:
		case reg.On == of && reg.Ends.Forbid():
			unused = append(unused, reg.Ends)
		default:
			s.readers[kept] = reg
			kept++
		}
	}
	s.readers = slices.Delete(s.readers, kept, i)
	s.noteOldestLocked()
	return unused
}

// endIteratorsLocked ends all iterators and returns how many there were. The caller drops those that it returns.
func (s *shard) endIteratorsLocked() (open int, unused []Ender) {
	s.removeIfLocked(func(reg *Registration) bool {
		if reg.Ends == nil {
			return false
		}
		open++
		if !reg.Ends.Forbid() {
			return false
		}
		unused = append(unused, reg.Ends)
		return true
	})
	return open, unused
}

// expireLocked ends the readers that were opened before a moment and returns how many there were. The caller drops the
// iterators that it returns.
func (s *shard) expireLocked(before clock.Instant) (expired int, unused []Ender) {
	s.removeIfLocked(func(reg *Registration) bool {
		if reg.since >= before {
			return false
		}
		expired++
		reg.expired.Store(true)
		if reg.Ends != nil && reg.Ends.Forbid() {
			unused = append(unused, reg.Ends)
		}
		return true
	})
	return expired, unused
}

func (s *shard) removeIfLocked(remove func(*Registration) bool) {
	s.readers = slices.DeleteFunc(s.readers, remove)
	s.noteOldestLocked()
}

// noteOldestLocked stores oldest if it has changed: a store takes longer than a look.
func (s *shard) noteOldestLocked() {
	oldest := uint64(noReader)
	if len(s.readers) > 0 {
		oldest = s.readers[0].seq.Load()
	}
	if s.oldest.Load() != oldest {
		s.oldest.Store(oldest)
	}
}
