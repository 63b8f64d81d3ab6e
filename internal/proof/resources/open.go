package resources

import (
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"lightningdb"
	"lightningdb/internal/proof/noise"
	"lightningdb/internal/proof/probe"
)

// openBound is the bound of how long a program waits for Open after a kill.
var openBound = Bound{
	Name:   "open",
	Says:   "after a kill, in proportion to the end of the log that was not flushed, whatever the size of the database",
	Option: "LogLimit",
	Metric: "RecoveryReport.LogBytes",
	Takes:  3 * time.Minute,

	measure: measureOpen,
}

// The databases at scale 1: the memtable is larger than a segment, so that LogLimit bounds the log.
const (
	openSmall       = 300e6
	openFactor      = 10
	openMemoryLimit = 256 << 20
	openLogLimit    = 48 << 20
)

// What Open may take besides what it is in proportion to.
const (
	openReads = 2 << 20 // bytes: the manifest, CURRENT, headers and footers
	openTime  = 200 * time.Millisecond
)

// reopening is what an Open took.
type reopening struct {
	tail, read int64 // bytes
	took       time.Duration
}

func measureOpen(r *run) error {
	small := r.bytes(openSmall, 10e6)
	if err := r.needSpace(3 * small * openFactor / 2); err != nil {
		return err
	}
	var opened []reopening
	for _, bytes := range []int64{small, openFactor * small} {
		o, err := r.openAfterKill(bytes)
		if err != nil {
			return err
		}
		opened = append(opened, o)
		at := fmt.Sprintf("%s, killed: ", sizeText(bytes))
		r.show(at+"end of the log, time of Open", fmt.Sprintf("%s, %s", sizeText(o.tail), timeText(o.took)))
		judge(r, at+"bytes that Open reads", o.read, o.tail+r.openLogLimit()*2/3+openReads, sizeText)
	}
	longer := max(1, float64(opened[1].tail)/float64(max(opened[0].tail, 1)))
	r.judgeTime(fmt.Sprintf("time of Open with %d times as much data", openFactor), opened[1].took,
		2*time.Duration(longer*float64(opened[0].took))+openTime)
	return nil
}

func (r *run) openLogLimit() int64 { return r.bytes(openLogLimit, 12<<20) }

// openAfterKill has a child fill a database and leave as much log as it may, kills it, and opens the database in
// another one, with nothing of the files in memory.
func (r *run) openAfterKill(bytes int64) (o reopening, err error) {
	s := spec{Role: "tail", Dir: r.path(fmt.Sprint(bytes)), MemoryLimit: openMemoryLimit, LogLimit: r.openLogLimit(),
		Bytes: bytes}
	p, err := r.start(s, nil)
	if err != nil {
		return o, err
	}
	defer p.kill()
	if _, err := p.until("full log"); err != nil {
		return o, err
	}
	p.kill()
	if err := probe.Evict(s.Dir); err != nil {
		return o, err
	}
	s.Role = "reopen"
	if p, err = r.start(s, nil); err != nil {
		return o, err
	}
	defer p.kill()
	if _, err := p.until("begin"); err != nil {
		return o, err
	}
	before := probe.Of(p.pid)
	m, err := p.next("opened")
	if err != nil {
		return o, err
	}
	o = reopening{tail: m.Numbers["log"], read: probe.Of(p.pid).Read - before.Read, took: time.Duration(m.Numbers["took"])}
	if o.tail < s.LogLimit/4 {
		return o, fmt.Errorf("the kill left %s of log: too little to measure by", sizeText(o.tail))
	}
	if err := p.end(); err != nil {
		return o, err
	}
	return o, os.RemoveAll(s.Dir)
}

// leaveTail fills a database, and then writes until the log is nearly full.
func leaveTail(c *child) error {
	db, err := c.open()
	if err != nil {
		return err
	}
	defer db.Close()
	next, err := c.fill(db, 0, c.Bytes, 100, 2000)
	if err != nil {
		return err
	}
	if err := db.Flush(); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(c.Seed, 2))
	var b lightningdb.Batch
	for db.Metrics().Log.Bytes < c.LogLimit*6/10 {
		b.Reset()
		for range 200 {
			n := rng.Uint64N(next)
			b.Put(noise.Key(nil, n), c.noise.Value(nil, n, 1, 100, 2000))
		}
		if err := db.Write(&b); err != nil {
			return err
		}
	}
	return c.stop(message{Phase: "full log"}) // here it is killed
}

// reopen opens a database and says what that took.
func reopen(c *child) error {
	if err := c.stop(message{Phase: "begin"}); err != nil {
		return err
	}
	start := time.Now()
	db, err := c.open()
	if err != nil {
		return err
	}
	took := time.Since(start)
	defer db.Close()
	report := db.Recovery()
	numbers := map[string]int64{"log": report.LogBytes, "took": int64(took)}
	if err := c.stop(message{Phase: "opened", Numbers: numbers}); err != nil {
		return err
	}
	return db.Close()
}
