package engine

import (
	"slices"
	"sync"

	"lightningdb/internal/key"
)

// Snapshot keeps the state at one sequence number readable until Close.
type Snapshot struct {
	engine *Engine
	seq    key.SeqNum
	once   sync.Once
}

// snapshots is the sequence numbers that live snapshots and iterators read at, ascending, one entry for each.
type snapshots struct {
	mu   sync.Mutex
	seqs []key.SeqNum
}

// add registers the newest visible sequence number and returns it. Registration and reading are one step, so that a
// compaction that looks at the list afterwards keeps what the reader needs; one that looked before keeps everything
// newer than what was visible then.
func (s *snapshots) add(e *Engine) key.SeqNum {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq := key.SeqNum(e.visible.Load())
	s.seqs = append(s.seqs, seq) // ascending: the visible sequence number never falls
	return seq
}

// addAt registers seq, which another live registration holds already.
func (s *snapshots) addAt(seq key.SeqNum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := slices.BinarySearch(s.seqs, seq)
	s.seqs = slices.Insert(s.seqs, i, seq)
}

func (s *snapshots) remove(seq key.SeqNum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := slices.BinarySearch(s.seqs, seq); ok {
		s.seqs = slices.Delete(s.seqs, i, i+1)
	}
}

// held returns the distinct sequence numbers that must stay readable: those registered and the newest visible one.
func (s *snapshots) held(e *Engine) []key.SeqNum {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := append(slices.Clone(s.seqs), key.SeqNum(e.visible.Load()))
	return slices.Compact(held)
}

// Snapshot returns a snapshot of the newest published state. It must be closed.
func (e *Engine) Snapshot() *Snapshot {
	e.openSnapshots.Add(1)
	return &Snapshot{engine: e, seq: e.snapshots.add(e)}
}

// Seq is the sequence number that s reads at.
func (s *Snapshot) Seq() key.SeqNum { return s.seq }

// Close lets the versions that only s needs be dropped. Further calls do nothing.
func (s *Snapshot) Close() {
	s.once.Do(func() {
		s.engine.snapshots.remove(s.seq)
		s.engine.openSnapshots.Add(-1)
		s.engine.wake(s.engine.wakeCompactor)
	})
}
