package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// ycsbKind is a workload of the Yahoo! Cloud Serving Benchmark: shares of operations, in percent.
type ycsbKind struct {
	name, title                        string
	read, update, insert, modify, scan int
	latest                             bool // reads prefer what was inserted last
}

var ycsbKinds = []ycsbKind{
	{name: "ycsb_a", title: "A: 50 % reads, 50 % updates", read: 50, update: 50},
	{name: "ycsb_b", title: "B: 95 % reads, 5 % updates", read: 95, update: 5},
	{name: "ycsb_c", title: "C: reads", read: 100},
	{name: "ycsb_d", title: "D: 95 % reads of the latest, 5 % inserts", read: 95, insert: 5, latest: true},
	{name: "ycsb_e", title: "E: 95 % scans of 1 to 100, 5 % inserts", scan: 95, insert: 5},
	{name: "ycsb_f", title: "F: 50 % reads, 50 % read-modify-writes", read: 50, modify: 50},
}

const ycsbGoroutines = 2

// ycsb measures the mixes on a loaded database, one after the other.
func (r *run) ycsb() error {
	if err := steps(r.load, r.calm, func() error { return r.open(r.unsynced(ycsbGoroutines)) }); err != nil {
		return err
	}
	delete(r.Values, "load") // table has it
	for at, w := range ycsbKinds {
		if err := r.mix(w, uint64(at+1)<<32); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return steps(r.memory("rss_ycsb"), r.check, r.close)
}

// mix measures one workload, whose inserts begin at row first. It meets what it has itself left behind, not what the
// one before has.
func (r *run) mix(w ycsbKind, first uint64) error {
	readers, end, err := r.readers(ycsbGoroutines, false)
	if err != nil {
		return err
	}
	var clients [ycsbGoroutines]*client
	for g := range clients {
		clients[g] = newClient(r, w, readers[g], first+uint64(g)*writerRows, uint64(g))
	}
	var total atomic.Int64
	work := func(each time.Duration) error {
		total.Store(0)
		return parallel(ycsbGoroutines, func(g int) error {
			n, err := clients[g].work(each)
			total.Add(int64(n))
			return err
		})
	}
	var took time.Duration
	err = steps(func() error { return r.warmUp(work) }, func() (err error) {
		took, err = r.timed(w.name, func() error { return work(r.Each) })
		return err
	})
	for _, c := range clients {
		r.present.add(rowRange{from: c.first, to: c.first + c.inserted})
	}
	if errors.Is(err, errUnsupported) {
		return end()
	}
	r.Values[w.name] = float64(total.Load()) / took.Seconds()
	return errors.Join(err, end())
}

// client is one goroutine of a mix.
type client struct {
	run             *run
	kind            ycsbKind
	reader          Reader
	random          *rand.Rand
	zipf            []uint32 // drawn before the clock runs
	drawn           int
	first, inserted uint64 // rows of its own
	versions        uint64 // of the values that it has written
	key             []byte
	row             uint64 // that key is of
	wrong           int    // values that are not of the row
	pair            *batch
	use             func(value []byte)
	visit           func(key, value []byte)
}

func newClient(r *run, w ycsbKind, reader Reader, first, seed uint64) *client {
	c := &client{run: r, kind: w, reader: reader, random: seeded(seed), first: first, pair: newBatch(1)}
	const draws = 1 << 17
	draw := zipfian(seeded(seed+100), r.Rows)
	for range draws {
		c.zipf = append(c.zipf, uint32(draw()))
	}
	c.use = func(value []byte) { c.look(c.row, value) }
	c.visit = func(_, value []byte) { sum(value) }
	return c
}

// look is the check that goes on under the clock; the rest comes at the end.
func (c *client) look(row uint64, value []byte) {
	if sum(value); rowOf(numberIn(value)) != row {
		c.wrong++
	}
}

func (c *client) work(each time.Duration) (n int, err error) {
	const steps = 16 // operations between looks at the clock
	for deadline := time.Now().Add(each); err == nil && time.Now().Before(deadline); n += steps {
		for range steps {
			if err = c.step(); err != nil {
				break
			}
		}
	}
	if err == nil && c.wrong > 0 {
		err = fmt.Errorf("%d values were not those of their rows", c.wrong)
	}
	return n, err
}

func (c *client) step() error {
	dice, k := c.random.IntN(100), &c.kind
	switch {
	case dice < k.read:
		return c.read()
	case dice < k.read+k.update:
		return c.update()
	case dice < k.read+k.update+k.insert:
		return c.insert()
	case dice < k.read+k.update+k.insert+k.modify:
		return c.modify()
	}
	return c.scan()
}

// choose draws a row: popular ones are most often the same, or those that were inserted last.
func (c *client) choose() uint64 {
	z := uint64(c.zipf[c.drawn%len(c.zipf)])
	c.drawn++
	if !c.kind.latest {
		return scattered(z, c.run.Rows)
	}
	if z < c.inserted {
		return c.first + c.inserted - 1 - z
	}
	return uint64(c.run.Rows) - 1 - min(z-c.inserted, uint64(c.run.Rows)-1)
}

func (c *client) read() error { return c.get(c.choose()) }

func (c *client) get(row uint64) error {
	c.row, c.key = row, c.run.data.key(c.key, row)
	found, err := c.reader.Get(c.key, c.use)
	if err == nil && !found {
		c.wrong++
	}
	return err
}

func (c *client) update() error { return c.put(c.choose()) }

// put gives a row a value that it did not have.
func (c *client) put(row uint64) error {
	c.versions++
	c.pair.set(c.run.data, 0, row|c.versions<<versionShift)
	return c.run.engine.Write(c.pair.keys, c.pair.values)
}

func (c *client) insert() error {
	if c.inserted == writerRows {
		return errors.New("too many inserts")
	}
	c.pair.set(c.run.data, 0, c.first+c.inserted)
	c.inserted++
	return c.run.engine.Write(c.pair.keys, c.pair.values)
}

func (c *client) modify() error {
	row := c.choose()
	if err := c.get(row); err != nil {
		return err
	}
	return c.put(row)
}

func (c *client) scan() error {
	const longest = 100
	c.key = c.run.data.key(c.key, c.choose())
	return c.reader.Scan(c.key, forward, 1+c.random.IntN(longest), c.visit)
}
