package validate

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync/atomic"
	"time"

	"lightningdb/cmd/lightning-proof/internal/content"
)

// The commits of Crash. A writer commits its numbers from 1 upwards, one after the other. A commit is a plain put of
// one entry or, every tenth, a transaction that writes several and adds to registers (registers.go). Keys are
//
//	<round, 4 digits>/<writer, 2>/<number, 10>/<part, 1>
//
// so the entries of a commit, and the commits of a writer, lie side by side. Values are 16 to 400 bytes that follow
// from the key. Those of a transaction end with the checksum of the whole group (CRC-32C of the payloads of all parts,
// little endian), so it proves itself.
const (
	transactionEvery = 10
	maxParts         = 8
	keySize          = 4 + 1 + 2 + 1 + 10 + 1 + 1
	maxWriters       = 64
	maxRounds        = 9999
	sumSize          = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// commitID names a commit.
type commitID struct {
	round, writer int
	n             uint64
}

func (c commitID) String() string { return fmt.Sprintf("%d/%d/%d", c.round, c.writer, c.n) }

func (c commitID) isTransaction() bool { return c.n%transactionEvery == 0 }

// parts is the number of entries of the commit.
func (c commitID) parts(seed uint64) int {
	if !c.isTransaction() {
		return 1
	}
	return 3 + int(content.Mix(seed, uint64(c.round), uint64(c.writer), c.n)%(maxParts-2))
}

func (c commitID) appendKey(dst []byte, part int) []byte {
	return fmt.Appendf(dst, "%04d/%02d/%010d/%d", c.round, c.writer, c.n, part)
}

// parseKey is the inverse of appendKey; ok is false for any other key.
func parseKey(key []byte) (c commitID, part int, ok bool) {
	if len(key) != keySize || key[4] != '/' || key[7] != '/' || key[18] != '/' {
		return c, 0, false
	}
	var numbers [4]uint64
	for i, digits := range [][]byte{key[:4], key[5:7], key[8:18], key[19:]} {
		for _, d := range digits {
			if d < '0' || d > '9' {
				return c, 0, false
			}
			numbers[i] = numbers[i]*10 + uint64(d-'0')
		}
	}
	return commitID{int(numbers[0]), int(numbers[1]), numbers[2]}, int(numbers[3]), true
}

// appendEntries appends the entries of the commit.
func (c commitID) appendEntries(dst []entry, seed uint64) []entry {
	first := len(dst)
	var sum uint32
	for part := range c.parts(seed) {
		id := []uint64{uint64(c.round), uint64(c.writer), c.n, uint64(part)}
		payload := content.Append(nil, 16+int(content.Mix(seed^1, id...)%380), seed, id...)
		sum = crc32.Update(sum, castagnoli, payload)
		dst = append(dst, entry{c.appendKey(nil, part), payload})
	}
	for i := range dst[first:] {
		if c.isTransaction() {
			e := &dst[first+i]
			e.value = binary.LittleEndian.AppendUint32(e.value, sum)
		}
	}
	return dst
}

// Workload is what the process to be killed runs. All of it is needed to tell what must be in the database.
type Workload struct {
	Seed    uint64
	Round   int // from 1
	Writers int
	Sync    bool // durability of the commits, or else Process
}

// syncEvery is how often a writer at Process durability asks for Sync: at every commit whose number this divides, so
// that there is something that a power cut may not take.
const syncEvery = 50

func (w Workload) syncs(n uint64) bool { return w.Sync || n%syncEvery == 0 }

// reporter hears how far a workload is, from several goroutines at once. An error that it returns ends the workload.
type reporter interface {
	// begins is called when a writer's commit n-1 is acknowledged (n = 1: there is none), with its sequence number, and
	// commit n begins.
	begins(writer int, n, lastOfPrevious uint64) error
	// saw is called when a reader has seen commit n before it was acknowledged.
	saw(writer int, n uint64) error
	// read is called with the number of acknowledged entries that were read and were right.
	read(entries int) error
}

// store is a database, through the public API or not.
type store interface {
	commit(reads [][]byte, write writeFunc, sync bool) (last uint64, err error) // see commitFunc
	get(key []byte) (value []byte, found bool, err error)
	each(visit func(key, value []byte)) error
}

// run writes, and reads back, until something fails or ctx ends. At the end of ctx it returns nil.
func (w Workload) run(ctx context.Context, s store, tell reporter) error {
	c := newCrew(ctx, 0)
	acked := make([]atomic.Uint64, w.Writers)
	for writer := range w.Writers {
		c.start(w.writer(s, writer, &acked[writer], tell))
	}
	pause := time.NewTicker(2 * time.Millisecond) // readers shall not take the processor from the writers
	defer pause.Stop()
	turn := 0
	c.start(func() error {
		select {
		case <-c.ctx.Done():
			return nil
		case <-pause.C:
		}
		turn++
		return w.readBack(s, turn, acked, tell)
	})
	c.running.Wait()
	defer c.end(nil)
	if ctx.Err() != nil {
		return nil
	}
	return context.Cause(c.ctx)
}

// writer returns the function that makes the next commit of a writer.
func (w Workload) writer(s store, writer int, acked *atomic.Uint64, tell reporter) func() error {
	id := commitID{w.Round, writer, 1}
	var last uint64
	var entries []entry
	return func() (err error) {
		if err := tell.begins(writer, id.n, last); err != nil {
			return err
		}
		entries = id.appendEntries(entries[:0], w.Seed)
		reads, write := id.transaction(w.Seed, entries)
		if last, err = s.commit(reads, write, w.syncs(id.n)); err != nil {
			return fmt.Errorf("commit %v: %w", id, err)
		}
		acked.Store(id.n)
		id.n++
		return nil
	}
}

// readBack looks, for each writer, for its commit in flight and for one that is acknowledged.
func (w Workload) readBack(s store, turn int, acked []atomic.Uint64, tell reporter) error {
	for writer := range acked {
		n := acked[writer].Load()
		if seen, err := w.readCommit(s, commitID{w.Round, writer, n + 1}); err != nil {
			return err
		} else if seen > 0 {
			if err := tell.saw(writer, n+1); err != nil {
				return err
			}
		}
		if n == 0 {
			continue
		}
		id := commitID{w.Round, writer, 1 + content.Mix(w.Seed, uint64(turn), uint64(writer))%n}
		right, err := w.readCommit(s, id)
		switch {
		case err != nil:
			return err
		case right < id.parts(w.Seed):
			return broken("commit %v was acknowledged, and %d of its entries can be read", id, right)
		}
		if err := tell.read(right); err != nil {
			return err
		}
	}
	return nil
}

// readCommit reads every entry of a commit by its key, last part first, so that a part that is there proves that all
// that are read after it must be. It returns how many are there and right; anything but all or none is an error.
func (w Workload) readCommit(s store, id commitID) (right int, err error) {
	want := id.appendEntries(nil, w.Seed)
	for i := len(want) - 1; i >= 0; i-- {
		value, found, err := s.get(want[i].key)
		switch {
		case err != nil:
			return 0, err
		case !found && right == 0:
			continue // a commit of the future, or one that became visible between two reads
		case !found:
			return 0, broken("part %d of commit %v is missing, a later part is there", i, id)
		case !bytes.Equal(value, want[i].value):
			return 0, broken("part %d of commit %v has a wrong value", i, id)
		}
		right++
	}
	return right, nil
}
