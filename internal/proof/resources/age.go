package resources

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/crew"
	"lightningdb/internal/proof/noise"
)

// ageBound is the bound of how long a forgotten snapshot keeps what it sees.
var ageBound = Bound{
	Name:   "age",
	Says:   "with MaxSnapshotAge a held snapshot expires and keeps nothing; without, the metrics show what it keeps",
	Option: "MaxSnapshotAge",
	Metric: "OldestReader, PinnedBytes",
	Takes:  2 * time.Minute,

	measure: measureAge,
}

// The load at scale 1: keys are overwritten while a snapshot and a cursor are held.
const (
	ageBytes = 256 << 20
	ageLoad  = 30 * time.Second
	ageLimit = time.Second
)

func measureAge(r *run) error {
	s := spec{Role: "age", Bytes: r.bytes(ageBytes, 16<<20), MemoryLimit: diskMemoryLimit,
		For: r.time(ageLoad, 4*time.Second)}
	if err := r.needSpace(8 * s.Bytes); err != nil {
		return err
	}
	s.Dir, s.MaxSnapshotAge = r.path("bounded"), ageLimit
	if err := r.ageOf(s, "MaxSnapshotAge "+timeText(ageLimit)); err != nil {
		return err
	}
	s.Dir, s.MaxSnapshotAge = r.path("unbounded"), 0
	return r.ageOf(s, "no MaxSnapshotAge")
}

// ageOf judges what a held snapshot sees and keeps.
func (r *run) ageOf(s spec, what string) error {
	p, err := r.start(s, nil)
	if err != nil {
		return err
	}
	defer p.kill()
	m, err := p.until("overwritten")
	if err != nil {
		return err
	}
	n := m.Numbers
	r.show(what+": highest on disk", sizeText(p.peaks.Disk))
	if s.MaxSnapshotAge > 0 {
		r.check(what+": reads of the snapshot and the cursor", fmt.Sprintf("%d of 2 expired", n["expired"]), "2",
			n["expired"] == 2)
		r.check(what+": PinnedBytes while both are open", sizeText(n["pinned"]), "0", n["pinned"] == 0)
		return r.judgeQuiet(p, what+", both still open")
	}
	r.check(what+": reads of the snapshot and the cursor", fmt.Sprintf("%d of 2 right", n["right"]), "2", n["right"] == 2)
	r.check(what+": PinnedBytes of the cursor", sizeText(n["pinned"]), "> 0", n["pinned"] > 0)
	r.check(what+": OldestReader", timeText(time.Duration(n["oldest"])), ">= "+timeText(s.For-time.Second),
		n["oldest"] >= int64(s.For-time.Second))
	if _, err := p.next("closed"); err != nil {
		return err
	}
	return r.judgeQuiet(p, what+", both closed")
}

// holdSnapshot overwrites keys while it holds a snapshot and a cursor that stands still, and says what they still read.
func holdSnapshot(c *child) error {
	db, err := c.open()
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := c.fill(db, 0, c.Bytes, diskLeast, diskMost)
	if err != nil {
		return err
	}
	if err := db.Flush(); err != nil { // so that tables hold what is read
		return err
	}
	held := db.Snapshot()
	defer held.Close()
	cursor := held.Range(nil, nil).Cursor()
	defer cursor.Close()
	cursor.First()
	if err := c.overwriteFor(db, keys); err != nil {
		return err
	}
	if c.MaxSnapshotAge == 0 { // so that the tables of the cursor have gone but for the cursor, however busy the machine
		if err := db.Compact(context.Background(), nil, nil); err != nil {
			return err
		}
	}
	numbers := map[string]int64{}
	value, err := held.Get(noise.Key(nil, 0))
	count(numbers, err, string(value) == string(c.noise.Value(nil, 0, 0, diskLeast, diskMost)))
	m := db.Metrics()
	if c.MaxSnapshotAge > 0 {
		m = metricsAtRest(db)
	}
	numbers["pinned"], numbers["oldest"] = m.PinnedBytes, int64(m.OldestReader)
	count(numbers, nil, cursor.Next())
	if err := cursor.Err(); err != nil {
		count(numbers, err, false)
	}
	if err := c.stop(message{Phase: "overwritten", Numbers: numbers}); err != nil {
		return err
	}
	if c.MaxSnapshotAge == 0 {
		if err := errors.Join(cursor.Close(), held.Close()); err != nil {
			return err
		}
		if err := c.stop(message{Phase: "closed"}); err != nil {
			return err
		}
	}
	if err := db.Close(); !errors.Is(err, lightningdb.ErrOpenReaders) {
		return err
	}
	return nil
}

// metricsAtRest waits until nothing is pinned, for a few seconds at most: a job that has just ended has held its input.
func metricsAtRest(db *lightningdb.DB) (m lightningdb.Metrics) {
	for range 100 {
		if m = db.Metrics(); m.PinnedBytes == 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return m
}

// count counts what a read came to: the right answer, or that its snapshot has expired.
func count(numbers map[string]int64, err error, right bool) {
	if errors.Is(err, lightningdb.ErrSnapshotExpired) {
		numbers["expired"]++
	} else if err == nil && right {
		numbers["right"]++
	}
}

// overwriteFor overwrites keys in random order for the time of the spec.
func (c *child) overwriteFor(db *lightningdb.DB, keys uint64) error {
	w := crew.New(c.For)
	for range 2 {
		var k, v []byte
		w.Repeat(func(rng *rand.Rand) error {
			n := rng.Uint64N(keys)
			k, v = noise.Key(k[:0], n), c.noise.Value(v[:0], n, 1+rng.Uint64N(1<<20), diskLeast, diskMost)
			return db.Put(k, v)
		})
	}
	c.watch(w, "overwrite", new(atomic.Int64), 0)
	return w.Wait()
}
