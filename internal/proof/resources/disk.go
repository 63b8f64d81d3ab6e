package resources

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/crew"
	"lightningdb/internal/proof/noise"
	"lightningdb/internal/proof/probe"
)

// diskBound is the bound of what is on the disk when all is quiet, after loads that leave much behind.
var diskBound = Bound{
	Name:   "disk",
	Says:   "when quiet, 1.25 times what a fresh compacted copy takes, and the log",
	Metric: "DiskBytes",
	Takes:  21 * time.Minute,

	measure: measureDisk,
}

// The loads at scale 1.
const (
	diskMemoryLimit = 64 << 20
	diskLoad        = 10 * time.Minute
	diskBytes       = 1 << 30 // live while it is overwritten
	queueBytes      = 256 << 20
	diskLeast       = 100 // bytes of a value
	diskMost        = 2000
)

// How long the database has to become quiet. When its directory has not changed for settled, it is.
const (
	settleTime = 3 * time.Minute
	settled    = 3 * time.Second
)

func measureDisk(r *run) error {
	for _, load := range []struct {
		role, what string
		bytes      int64
	}{
		{"overwrite", "overwriting", r.bytes(diskBytes, 32<<20)},
		{"queue", "a queue", r.bytes(queueBytes, 16<<20)},
	} {
		if err := r.needSpace(6 * load.bytes); err != nil {
			return err
		}
		s := spec{Role: load.role, Dir: r.path(load.role), MemoryLimit: diskMemoryLimit, Bytes: load.bytes,
			For: r.time(diskLoad, 4*time.Second)}
		if err := r.diskOf(s, load.what); err != nil {
			return err
		}
	}
	return nil
}

// diskOf judges what a load leaves on the disk.
func (r *run) diskOf(s spec, what string) error {
	p, err := r.start(s, nil)
	if err != nil {
		return err
	}
	defer p.kill()
	m, err := p.until("loaded")
	if err != nil {
		return err
	}
	if err := r.judgeQuiet(p, what); err != nil {
		return err
	}
	r.show(what+": highest during the load", fmt.Sprintf("%s, %d commits", sizeText(p.peaks.Disk), m.Numbers["commits"]))
	return nil
}

// judgeQuiet waits until a child that has stopped has a directory that does not change, ends it, and judges what was on
// the disk.
func (r *run) judgeQuiet(p *process, what string) error {
	all, log, took, err := r.settle(p.spec.Dir)
	if err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	fresh, err := r.freshCopy(p.spec.Dir)
	if err != nil {
		return err
	}
	judge(r, what+", then quiet: on disk", all, fresh*5/4+log, sizeText)
	r.show(what+": a fresh compacted copy, the log", sizeText(fresh)+", "+sizeText(log))
	r.show(what+": the last change of the directory after", timeText(took))
	return nil
}

// settle waits until the size of a directory does not change any more, and returns that, the size of the log in it, and
// how long it took.
func (r *run) settle(dir string) (all, log int64, took time.Duration, err error) {
	start := time.Now()
	changed := start
	for {
		a, l := probe.Usage(dir)
		if now := time.Now(); a != all || l != log {
			all, log, changed = a, l, now
		} else if now.Sub(changed) >= settled && now.Sub(start) >= 3*settled || now.Sub(start) > settleTime {
			return all, log, changed.Sub(start), nil
		}
		select {
		case <-r.ctx.Done():
			return 0, 0, 0, r.ctx.Err()
		case <-time.After(sampleInterval):
		}
	}
}

// freshCopy returns what the newest state of a closed database takes in a fresh one, once compacted and closed, without
// the log: this is the live data of the bound.
func (r *run) freshCopy(dir string) (bytes int64, err error) {
	p, err := r.start(spec{Role: "copy", Dir: dir, MemoryLimit: diskMemoryLimit}, nil)
	if err != nil {
		return 0, err
	}
	defer p.kill()
	if _, err := p.until("copied"); err != nil {
		return 0, err
	}
	if err := p.end(); err != nil {
		return 0, err
	}
	all, log := probe.Usage(dir + copySuffix)
	return all - log, os.RemoveAll(dir + copySuffix)
}

// copySuffix names the copy of a database.
const copySuffix = "-copy"

// copyCompacted copies a database, in the order of its keys, and compacts the copy.
func copyCompacted(c *child) error {
	from, err := lightningdb.Open(c.Dir, &lightningdb.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := lightningdb.Open(c.Dir+copySuffix, c.options())
	if err != nil {
		return err
	}
	defer to.Close()
	var b lightningdb.Batch
	entries := from.Range(nil, nil)
	copied := int64(0)
	for k, v := range entries.All() {
		b.Put(k, v)
		if b.Size() < 256<<10 {
			continue
		}
		copied += int64(b.Size())
		c.tell("copy", copied, from.Metrics().LiveBytes)
		if err := to.Write(&b); err != nil {
			return err
		}
		b.Reset()
	}
	if err := entries.Err(); err != nil {
		return err
	}
	if err := to.Write(&b); err != nil {
		return err
	}
	if err := to.Compact(context.Background(), nil, nil); err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	return c.stop(message{Phase: "copied"})
}

// overwrite puts the same keys again and again, in random order, with values of other sizes.
func overwrite(c *child) error {
	return c.loadAndRest(func(db *lightningdb.DB, w *crew.Crew, commits *atomic.Int64) error {
		keys, err := c.fill(db, 0, c.Bytes, diskLeast, diskMost)
		if err != nil {
			return err
		}
		for range 2 {
			var k, v []byte
			w.Repeat(func(rng *rand.Rand) error {
				n := rng.Uint64N(keys)
				k, v = noise.Key(k[:0], n), c.noise.Value(v[:0], n, rng.Uint64(), diskLeast, diskMost)
				commits.Add(1)
				return db.Put(k, v)
			})
		}
		return nil
	})
}

// queue puts at the end and deletes at the front, by one commit each.
func queue(c *child) error {
	return c.loadAndRest(func(db *lightningdb.DB, w *crew.Crew, commits *atomic.Int64) error {
		length := uint64(c.Bytes / ((diskLeast + diskMost) / 2))
		next := uint64(0)
		var b lightningdb.Batch
		w.Repeat(func(*rand.Rand) error {
			b.Reset()
			b.Put(place(next), c.noise.Value(nil, next, 0, diskLeast, diskMost))
			if next >= length {
				b.Delete(place(next - length))
			}
			next++
			commits.Add(1)
			return db.Write(&b)
		})
		return nil
	})
}

// place is a key of a queue: they are in the order of their numbers.
func place(n uint64) []byte { return fmt.Appendf(nil, "queue%016x", n) }

// loadAndRest starts a load and ends it after the time of the spec. The database stays open and is left alone until
// the parent has seen enough.
func (c *child) loadAndRest(start func(db *lightningdb.DB, w *crew.Crew, commits *atomic.Int64) error) error {
	db, err := c.open()
	if err != nil {
		return err
	}
	defer db.Close()
	var commits atomic.Int64
	w := crew.New(0)
	if err := start(db, w, &commits); err != nil {
		return err
	}
	time.AfterFunc(c.For, func() { w.End(crew.ErrTimeUp) })
	c.watch(w, c.Role, &commits, 0)
	if err := w.Wait(); err != nil {
		return err
	}
	if err := c.stop(message{Phase: "loaded", Numbers: map[string]int64{"commits": commits.Load()}}); err != nil {
		return err
	}
	return db.Close()
}
