package memtable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"lightningdb/internal/format/batch"
	"lightningdb/internal/format/key"
)

// A history is a writer's plan that readers can check: operation s puts the value s to the user key of s.
type history struct {
	userKey func(s key.SeqNum) []byte
	size    key.SeqNum
}

func scramble(s key.SeqNum) uint64 { return uint64(s) * 0x9e3779b97f4a7c15 }

var histories = map[string]history{
	"random":     {func(s key.SeqNum) []byte { return binary.BigEndian.AppendUint64(nil, scramble(s)) }, 6_000},
	"ascending":  {func(s key.SeqNum) []byte { return fmt.Appendf(nil, "sensor/%010d", s) }, 6_000},
	"descending": {func(s key.SeqNum) []byte { return fmt.Appendf(nil, "sensor/%010d", 1<<20-s) }, 6_000},
	"hot": {func(s key.SeqNum) []byte {
		return fmt.Appendf(nil, "counter/%d", scramble(s)>>32%[]uint64{3, 300, 30_000}[s%3])
	}, 6_000},
}

// write applies the history in batches and publishes each.
func (h *history) write(table *Table, visible *atomic.Uint64, random *rand.Rand) {
	var b batch.Batch
	var value [8]byte
	for s := key.SeqNum(1); s <= h.size; {
		b.Reset()
		first := s
		for n := 1 + random.IntN(40); n > 0 && s <= h.size; n-- {
			binary.LittleEndian.PutUint64(value[:], uint64(s))
			b.Put(h.userKey(s), value[:])
			s++
		}
		table.Apply(&b, first)
		visible.Store(uint64(s - 1))
	}
}

// checkEntry checks one entry that a scan found.
func (h *history) checkEntry(it *Iterator) error {
	k := it.Key()
	value, _ := it.Value()
	s := k.Trailer.Seq()
	if string(k.User) != string(h.userKey(s)) || binary.LittleEndian.Uint64(value) != uint64(s) {
		return fmt.Errorf("entry %v holds %x", k, value)
	}
	return nil
}

// scan goes through the table from a start and counts what was visible: strictly in order, so nothing twice.
func (h *history) scan(it *Iterator, ok bool, move func() bool, order int, visible uint64) (seen uint64, err error) {
	var last key.Internal
	for ; ok; ok = move() {
		if last.User != nil && key.Compare(last, it.Key()) != order {
			return seen, fmt.Errorf("%v comes after %v", it.Key(), last)
		}
		last = it.Key()
		if err := h.checkEntry(it); err != nil {
			return seen, err
		}
		if uint64(last.Trailer.Seq()) <= visible {
			seen++
		}
	}
	return seen, nil
}

// read checks that a reader finds everything that was published before it began, exactly once, both ways.
func (h *history) read(table *Table, visible *atomic.Uint64, random *rand.Rand) error {
	it := table.NewIterator()
	v := visible.Load()
	forward, err := h.scan(it, it.First(), it.Next, -1, v)
	if err != nil || forward != v {
		return errors.Join(err, fmt.Errorf("forward: %d of %d entries", forward, v))
	}
	v = visible.Load()
	backward, err := h.scan(it, it.Last(), it.Prev, 1, v)
	if err != nil || backward != v {
		return errors.Join(err, fmt.Errorf("backward: %d of %d entries", backward, v))
	}
	return h.readFromTheMiddle(table, visible.Load(), random)
}

// readFromTheMiddle looks up entries that are visible, seeks to them, and scans from there.
func (h *history) readFromTheMiddle(table *Table, visible uint64, random *rand.Rand) error {
	it := table.NewIterator()
	for range min(visible, 50) {
		s := key.SeqNum(1 + random.Uint64N(visible))
		user := h.userKey(s)
		out, shown := getAt(table, user, s)
		if !shown || binary.LittleEndian.Uint64(out) != uint64(s) {
			return fmt.Errorf("get %q at %d: %x, %v", user, s, out, shown)
		}
		target := key.SeekTo(user, s)
		if !it.SeekGE(target) || it.Key().Trailer.Seq() != s {
			return fmt.Errorf("seek to %v", target)
		}
		if !it.Prev() && it.SeekLT(target) && uint64(it.Key().Trailer.Seq()) <= visible {
			return fmt.Errorf("nothing before %v, then %v", target, it.Key())
		}
	}
	target := key.SeekTo(h.userKey(1+key.SeqNum(random.Uint64N(uint64(h.size)))), 1)
	after, err := h.scan(it, it.SeekGE(target), it.Next, -1, visible)
	if err != nil {
		return err
	}
	before, err := h.scan(it, it.SeekLT(target), it.Prev, 1, visible)
	if err != nil || before+after != visible {
		return errors.Join(err, fmt.Errorf("%d entries before %v and %d after: want %d", before, target, after, visible))
	}
	return nil
}

// Readers run while the writer splits nodes under them. One entry missed or met twice is a wrong query result.
func TestTable_readersMissNothingWhileTheWriterWrites(t *testing.T) {
	for name, h := range histories {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			table := newTable(t, 4<<20)
			var visible atomic.Uint64
			var wait sync.WaitGroup
			for reader := range uint64(3) {
				wait.Go(func() {
					random := rand.New(rand.NewPCG(seed, reader))
					for done := false; !done; {
						done = visible.Load() == uint64(h.size)
						if err := h.read(table, &visible, random); err != nil {
							t.Errorf("seed %d: %v", seed, err)
							return
						}
					}
				})
			}
			h.write(table, &visible, rand.New(rand.NewPCG(seed, 99)))
			wait.Wait()
		})
	}
}
