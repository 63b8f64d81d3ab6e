package resources

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/crew"
	"lightningdb/internal/proof/noise"
	"lightningdb/internal/proof/probe"
)

// memoryBound is the bound of what a process takes of memory while its database grows far beyond it.
var memoryBound = Bound{
	Name:   "memory",
	Says:   "the process stays under MemoryLimit + 32 MiB, and lives in a cgroup of MemoryLimit + 64 MiB",
	Option: "MemoryLimit",
	Metric: "MemoryUsed",
	Takes:  12 * time.Minute,

	measure: measureMemory,
}

// What is promised, and the load at scale 1.
const (
	memoryAllowance = 32 << 20
	cgroupAllowance = 64 << 20

	memoryBytes = 10_000_000_000 // of keys and values that are there at the end of the first load
	memoryMixed = 75 * time.Second
)

// measureMemory fills one database under the larger limit, and then puts it under a mixed load at each limit, in a
// cgroup and outside. So every process has all of the data below it. Nine tenths of it come in the order of their keys,
// which needs no compaction; all else is in no order.
func measureMemory(r *run) error {
	bytes := r.bytes(memoryBytes, 100e6)
	if err := r.needSpace(bytes * 3 / 2); err != nil {
		return err
	}
	s := spec{Role: "memory", Dir: r.path("mixed"), MemoryLimit: 64 << 20, Bytes: bytes,
		Count: int(bytes * 9 / 10 / ((mixedLeast + mixedMost) / 2))}
	if err := r.memoryOf(s, nil, "while it grows to "+sizeText(bytes)); err != nil {
		return err
	}
	for _, limit := range []int64{64 << 20, 16 << 20} {
		s.MemoryLimit, s.Bytes, s.For = limit, 0, r.time(memoryMixed, 2*time.Second)
		if err := r.memoryOf(s, nil, "mixed load on "+sizeText(bytes)); err != nil {
			return err
		}
		if err := r.memoryInGroup(s, "mixed load in a cgroup"); err != nil {
			return err
		}
	}
	return nil
}

// memoryOf runs a child and judges what it took.
func (r *run) memoryOf(s spec, prepare func(*exec.Cmd), what string) error {
	p, err := r.start(s, prepare)
	if err != nil {
		return err
	}
	defer p.kill()
	m, err := p.until("loaded")
	if err != nil {
		return err
	}
	at := fmt.Sprintf("limit %s, %s: ", sizeText(s.MemoryLimit), what)
	judge(r, at+"resident set", p.peaks.Resident, s.MemoryLimit+memoryAllowance, sizeText)
	r.show(at+"without what is of files", sizeText(p.peaks.Private))
	r.show(at+"highest MemoryUsed", sizeText(m.Numbers["used"]))
	r.show(at+"operations", fmt.Sprintf("%d, %s on disk", m.Numbers["operations"], sizeText(p.peaks.Disk)))
	return p.end()
}

// memoryInGroup is memoryOf in a memory cgroup that kills what takes too much. What the system keeps of the files in
// memory counts there, too, and has to make room.
func (r *run) memoryInGroup(s spec, what string) error {
	limit := s.MemoryLimit + cgroupAllowance
	at := fmt.Sprintf("limit %s, %s of %s: ", sizeText(s.MemoryLimit), what, sizeText(limit))
	group, err := probe.NewGroup(limit)
	if err != nil {
		r.skip(at+"kills", err.Error())
		return nil
	}
	err = r.memoryOf(s, group.Enter, what)
	kills, highest := group.Kills(), group.Highest()
	if err != nil && kills > 0 {
		err = nil // that it was killed is the finding
	}
	r.check(at+"kills", fmt.Sprint(kills), "0", kills == 0)
	r.show(at+"highest, with files", sizeText(highest))
	return errors.Join(err, group.Remove())
}

// loadMixed is the child of this bound: it does a bit of everything until there are the bytes of the spec, or for its
// time.
func loadMixed(c *child) error {
	db, err := c.open()
	if err != nil {
		return err
	}
	defer db.Close()
	l := &mixed{child: c, db: db}
	if err := l.begin(); err != nil {
		return err
	}
	w := crew.New(c.For)
	for range 3 {
		w.Repeat(l.write(w))
	}
	w.Repeat(l.read)
	w.Repeat(l.hold(w))
	c.watch(w, "load", &l.live, c.Bytes)
	var used atomic.Int64
	w.Repeat(func(*rand.Rand) error {
		raise(&used, db.Metrics().MemoryUsed)
		time.Sleep(20 * time.Millisecond)
		return nil
	})
	if err := w.Wait(); err != nil {
		return err
	}
	numbers := map[string]int64{"used": used.Load(), "operations": l.operations.Load()}
	if err := c.stop(message{Phase: "loaded", Numbers: numbers}); err != nil {
		return err
	}
	return db.Close()
}

// mixed is a database under a mixed load. Keys are numbered as they are put for the first time; the first ones, as many
// as the spec says, are in the order of their numbers.
type mixed struct {
	*child
	db         *lightningdb.DB
	next       atomic.Uint64 // number of the next new key
	live       atomic.Int64  // bytes of keys and values put for the first time, less those deleted
	operations atomic.Int64
}

// countKey is where a child leaves the number of keys to the next one.
var countKey = []byte("number of keys")

// begin finds out how many keys there are, or puts the first ones.
func (l *mixed) begin() error {
	n, err := l.db.Get(countKey)
	if errors.Is(err, lightningdb.ErrNotFound) {
		return l.putOrdered()
	}
	if err != nil {
		return err
	}
	count, err := lightningdb.Int64(n)
	l.next.Store(uint64(count))
	return err
}

// putOrdered puts the keys that are in order.
func (l *mixed) putOrdered() error {
	var b lightningdb.Batch
	for n := range uint64(l.Count) {
		b.Put(l.key(n), l.noise.Value(nil, n, 0, mixedLeast, mixedMost))
		if b.Len() < fillBatch && n+1 < uint64(l.Count) {
			continue
		}
		if err := l.db.Write(&b); err != nil {
			return err
		}
		l.live.Add(int64(b.Size()))
		l.tell("fill in order", l.live.Load(), l.Bytes)
		b.Reset()
	}
	l.next.Store(uint64(l.Count))
	return nil
}

// key is the n-th key. Those that are in order lie evenly among the others.
func (l *mixed) key(n uint64) []byte {
	if n < uint64(l.Count) {
		return binary.BigEndian.AppendUint64([]byte{'k'}, n*(math.MaxUint64/uint64(l.Count)))
	}
	return noise.Key(nil, n)
}

const (
	mixedLeast = 100 // bytes of a value
	mixedMost  = 2000
	mixedBatch = 20 // most operations of a batch or transaction
)

// write returns a step that writes: mostly new keys, in batches or transactions, or one put or delete.
func (l *mixed) write(w *crew.Crew) func(rng *rand.Rand) error {
	return func(rng *rand.Rand) error {
		defer l.operations.Add(1)
		if l.Bytes > 0 && l.live.Load() >= l.Bytes {
			w.End(crew.ErrTimeUp)
			return nil
		}
		switch rng.IntN(10) {
		case 0:
			n := rng.Uint64N(l.next.Load() + 1)
			return l.db.Put(l.key(n), l.noise.Value(nil, n, rng.Uint64(), mixedLeast, mixedMost))
		case 1:
			l.live.Add(-(mixedLeast + mixedMost) / 2)
			return l.db.Delete(l.key(rng.Uint64N(l.next.Load() + 1)))
		case 2, 3:
			return l.transact(rng)
		}
		var b lightningdb.Batch
		l.addNew(rng, func(k, v []byte) error { b.Put(k, v); return nil })
		b.Max(countKey, int64(l.next.Load()))
		return l.db.Write(&b)
	}
}

// addNew puts new keys by a function.
func (l *mixed) addNew(rng *rand.Rand, put func(k, v []byte) error) error {
	for range 1 + rng.IntN(mixedBatch) {
		n := l.next.Add(1) - 1
		k, v := l.key(n), l.noise.Value(nil, n, 0, mixedLeast, mixedMost)
		if err := put(k, v); err != nil {
			return err
		}
		l.live.Add(int64(len(k) + len(v)))
	}
	return nil
}

// transact reads some keys, overwrites one of them, and adds new ones.
func (l *mixed) transact(rng *rand.Rand) error {
	return l.db.Update(context.Background(), func(tx *lightningdb.Tx) error {
		n := rng.Uint64N(l.next.Load() + 1)
		v, err := tx.Get(l.key(n))
		if err == nil {
			err = noise.Check(n, v)
		}
		if err != nil && !errors.Is(err, lightningdb.ErrNotFound) {
			return err
		}
		if err := tx.Put(l.key(n), l.noise.Value(nil, n, rng.Uint64(), mixedLeast, mixedMost)); err != nil {
			return err
		}
		return l.addNew(rng, tx.Put)
	})
}

// read gets a key, or walks over some hundred entries.
func (l *mixed) read(rng *rand.Rand) error {
	defer l.operations.Add(1)
	n := rng.Uint64N(l.next.Load() + 1)
	if rng.IntN(20) > 0 {
		v, err := l.db.Get(l.key(n))
		if err != nil {
			return err
		}
		return noise.Check(n, v)
	}
	entries := l.db.Range(l.key(n), nil).Limit(500)
	for range entries.All() {
	}
	return entries.Err()
}

// hold returns a step that keeps a snapshot for some time, and reads in it at both ends of that.
func (l *mixed) hold(w *crew.Crew) func(rng *rand.Rand) error {
	return func(rng *rand.Rand) error {
		n := rng.Uint64N(l.next.Load() + 1)
		s := l.db.Snapshot()
		defer s.Close()
		before, err := s.Get(l.key(n))
		select {
		case <-w.Context().Done():
		case <-time.After(time.Duration(rng.IntN(3000)) * time.Millisecond):
		}
		after, errAfter := s.Get(l.key(n))
		wasThere, isThere := !errors.Is(err, lightningdb.ErrNotFound), !errors.Is(errAfter, lightningdb.ErrNotFound)
		if string(before) != string(after) || wasThere != isThere {
			return fmt.Errorf("key %d has changed within a snapshot", n)
		}
		return errors.Join(err, errAfter)
	}
}
