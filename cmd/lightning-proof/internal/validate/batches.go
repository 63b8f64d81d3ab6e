package validate

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"lightningdb/cmd/lightning-proof/internal/content"
)

// Sizes of the test of large batches.
const (
	batchEntries     = 1000
	batchWriters     = 3
	batchGenerations = 40
	batchReaders     = 2
)

// batchSet is 1,000 keys that one writer sets again and again, all of them in one batch.
type batchSet struct {
	writer       int
	begun, acked atomic.Uint64 // generations; 0 is before the first
}

func (b *batchSet) prefix() []byte { return fmt.Appendf(nil, "set%d/", b.writer) }

func (b *batchSet) entry(seed uint64, generation uint64, i int) entry {
	value := binary.BigEndian.AppendUint64(nil, generation)
	return entry{fmt.Appendf(b.prefix(), "%04d", i),
		content.Append(value, 100, seed, uint64(b.writer), generation, uint64(i))}
}

// runBatches writes generations while others read the sets in snapshots. A check is one set in one snapshot.
func runBatches(ctx context.Context, s *stress) error {
	generations := s.generations
	if generations == 0 {
		generations = batchGenerations
	}
	sets := make([]*batchSet, batchWriters)
	writing, reading := newCrew(ctx, 0), newCrew(ctx, 0)
	for w := range sets {
		set := &batchSet{writer: w}
		sets[w] = set
		writing.running.Go(func() {
			for range generations {
				if err := s.writeSet(set); err != nil {
					writing.end(err)
				}
				if writing.ctx.Err() != nil {
					return
				}
			}
		})
	}
	for range batchReaders {
		reading.start(func() error { return s.readSets(sets) })
	}
	writeErr := writing.wait()
	reading.end(errTimeUp)
	if err := reading.wait(); err != nil {
		return err
	}
	if writeErr != nil {
		return writeErr
	}
	return s.readSets(sets)
}

func (s *stress) writeSet(set *batchSet) error {
	generation := set.begun.Add(1)
	entries := make([]entry, batchEntries)
	for i := range entries {
		entries[i] = set.entry(s.Seed, generation, i)
	}
	if err := s.commit(entries...); err != nil {
		return err
	}
	set.acked.Store(generation)
	return nil
}

// readSets reads all sets in one snapshot.
func (s *stress) readSets(sets []*batchSet) error {
	var floors [batchWriters]uint64
	for i, set := range sets {
		floors[i] = set.acked.Load()
	}
	snapshot := s.db.Snapshot()
	defer snapshot.Close()
	for i, set := range sets {
		n, generation := 0, uint64(0)
		all := snapshot.Prefix(set.prefix())
		for key, value := range all.All() {
			if n == 0 && len(value) >= 8 {
				generation = binary.BigEndian.Uint64(value)
			}
			want := set.entry(s.Seed, generation, n)
			if !bytes.Equal(key, want.key) || !bytes.Equal(value, want.value) {
				return broken("entry %d of set %d is %q and not of generation %d like the first", n, i, key, generation)
			}
			n++
		}
		if err := all.Err(); err != nil {
			return err
		}
		if n != batchEntries && (n != 0 || floors[i] > 0) || generation < floors[i] || generation > set.begun.Load() {
			return broken("set %d has %d entries of generation %d; %d was acknowledged before", i, n, generation, floors[i])
		}
		s.checks.Add(1)
	}
	return nil
}
