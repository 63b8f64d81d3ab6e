package goroutine

import "sync"

// Nesting knows which goroutines are inside Update, so that an Update inside another is refused instead of waiting for
// itself. It is spread over shards, by goroutine.
type Nesting [32]struct {
	mu     sync.Mutex
	inside map[ID]struct{}
	_      [48]byte // a cache line for each
}

// Add notes that id is inside Update. It reports false if it is already.
func (n *Nesting) Add(id ID) bool {
	s := &n[shard(id)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, nested := s.inside[id]; nested {
		return false
	}
	if s.inside == nil {
		s.inside = make(map[ID]struct{})
	}
	s.inside[id] = struct{}{}
	return true
}

// Remove notes that id has left Update.
func (n *Nesting) Remove(id ID) {
	s := &n[shard(id)]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inside, id)
}

// shard spreads addresses, whose low bits are equal.
func shard(id ID) int { return int(uint64(id) * 0x9e3779b97f4a7c15 >> 59) }
