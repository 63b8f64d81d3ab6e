package resources

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"lightningdb"
	"lightningdb/internal/format/filename"
	"lightningdb/internal/proof/noise"
	"lightningdb/internal/proof/probe"
)

// databasesBound is the bound of what one of many open databases takes.
var databasesBound = Bound{
	Name:   "databases",
	Says:   "1,000 databases open in one process: each takes little, an idle one no processor, and nothing is left behind",
	Option: "MemoryLimit",
	Metric: "MemoryUsed",
	Takes:  time.Minute,

	measure: measureDatabases,
}

// What one open database with one entry may take.
const (
	databasesCount      = 1000
	databasesIdle       = 10 * time.Second
	databaseMemory      = 300 << 10 // bytes, on the heap and outside
	databaseFiles       = 10        // descriptors, before it reads a table
	databaseGoroutines  = 4
	databaseIdle        = 10 * time.Microsecond // of a processor, in a second
	clockTick           = 10 * time.Millisecond // of what the system counts a process's time in
	databasesRest       = 5 * time.Second       // until each has synced what it was given, and has come to rest
	databasesLeftMemory = 16 << 20              // after all are closed, and the heap of Go has returned what is free
)

func measureDatabases(r *run) error {
	s := spec{Role: "databases", Dir: r.path("databases"), Count: int(r.bytes(databasesCount, 100)),
		For: r.time(databasesIdle, 3*time.Second)}
	if err := r.needSpace(int64(s.Count) * 8 << 20); err != nil {
		return err
	}
	p, err := r.start(s, nil)
	if err != nil {
		return err
	}
	defer p.kill()
	begin, err := p.until("begin")
	if err != nil {
		return err
	}
	before, mapped := probe.Of(p.pid), probe.Mappings(p.pid)
	open, err := p.next("open")
	if err != nil {
		return err
	}
	full, fullMapped := probe.Of(p.pid), probe.Mappings(p.pid)
	count := int64(s.Count)
	at := fmt.Sprintf("%d databases, each: ", count)
	r.show(at+"time of Open, a put and a get", timeText(time.Duration(open.Numbers["took"]/count)))
	judge(r, at+"memory", (full.Private-before.Private)/count, databaseMemory, sizeText)
	judge(r, at+"goroutines", (open.Numbers["goroutines"]-begin.Numbers["goroutines"])/count, databaseGoroutines, number)
	judge(r, at+"descriptors", (full.Files-before.Files+count-1)/count, databaseFiles, number)
	r.show(at+"mappings", fmt.Sprintf("%.1f", float64(fullMapped-mapped)/float64(count)))
	r.show(at+"on disk", sizeText(p.peaks.Disk/count))
	if _, err := p.next("rest"); err != nil {
		return err
	}
	rest := probe.Of(p.pid)
	if _, err := p.next("idle"); err != nil {
		return err
	}
	// One tick says that there was something, and not how long.
	ticks := max(probe.Of(p.pid).Processor-rest.Processor-clockTick, 0)
	used := float64(ticks) / s.For.Seconds() / float64(count)
	judge(r, at+"processor time in an idle second", time.Duration(used), databaseIdle, timeText)
	closed, err := p.next("closed")
	if err != nil {
		return err
	}
	left := probe.Of(p.pid)
	r.show(at+"time of Close", timeText(time.Duration(closed.Numbers["took"]/count)))
	r.leftBehind("goroutines", closed.Numbers["goroutines"], begin.Numbers["goroutines"])
	r.leftBehind("descriptors", left.Files, before.Files)
	r.leftBehind("files of no database", closed.Numbers["foreign"], 0)
	r.show("closed: memory, before the heap of Go returns what is free", sizeText(left.Private-before.Private))
	if _, err := p.next("returned"); err != nil {
		return err
	}
	judge(r, "closed: memory", probe.Of(p.pid).Private-before.Private, databasesLeftMemory, sizeText)
	return p.end()
}

func number(n int64) string { return fmt.Sprint(n) }

// leftBehind judges what there is after all are closed next to what there was before.
func (r *run) leftBehind(what string, after, before int64) {
	r.check("closed: "+what, fmt.Sprint(after), fmt.Sprintf("<= %d", before), after <= before)
}

// openMany opens many databases, uses each once, leaves them alone, and closes them.
func openMany(c *child) error {
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		return err
	}
	first, err := lightningdb.Open(c.Dir+"-first", c.options()) // what the first one takes stays: it is the program's
	if err == nil {
		err = first.Close()
	}
	if err != nil {
		return err
	}
	if err := c.stopAt("begin", time.Now(), nil); err != nil {
		return err
	}
	start := time.Now()
	all := make([]*lightningdb.DB, c.Count)
	for i := range all {
		db, err := lightningdb.Open(c.database(i), c.options())
		if err != nil {
			return fmt.Errorf("open database %d: %w", i, err)
		}
		all[i] = db
		if err := db.Put(noise.Key(nil, uint64(i)), c.noise.Value(nil, uint64(i), 0, 100, 100)); err != nil {
			return fmt.Errorf("put into database %d: %w", i, err)
		}
		v, err := db.Get(noise.Key(nil, uint64(i)))
		if err != nil {
			return fmt.Errorf("get from database %d: %w", i, err)
		}
		if err := noise.Check(uint64(i), v); err != nil {
			return err
		}
		c.tell("open", int64(i+1), int64(c.Count))
	}
	if err := c.stopAt("open", start, nil); err != nil {
		return err
	}
	time.Sleep(databasesRest)
	if err := c.stopAt("rest", start, nil); err != nil {
		return err
	}
	time.Sleep(c.For)
	if err := c.stopAt("idle", start, nil); err != nil {
		return err
	}
	return c.closeDatabases(all)
}

// closeDatabases closes all, and stops when they are closed, and when the heap of Go has returned what is free.
func (c *child) closeDatabases(all []*lightningdb.DB) error {
	start := time.Now()
	for i, db := range all {
		if err := db.Close(); err != nil {
			return fmt.Errorf("close database %d: %w", i, err)
		}
		c.tell("close", int64(i+1), int64(c.Count))
	}
	foreign, err := c.foreignFiles()
	if err != nil {
		return err
	}
	clear(all)
	runtime.GC()
	if err := c.stopAt("closed", start, map[string]int64{"foreign": foreign}); err != nil {
		return err
	}
	debug.FreeOSMemory() // which Go does by itself, in minutes
	return c.stopAt("returned", start, nil)
}

func (c *child) database(i int) string { return filepath.Join(c.Dir, fmt.Sprintf("%04d", i)) }

// stopAt stops at a phase that began at start, and says how many goroutines there are.
func (c *child) stopAt(phase string, start time.Time, numbers map[string]int64) error {
	if numbers == nil {
		numbers = make(map[string]int64)
	}
	numbers["took"], numbers["goroutines"] = int64(time.Since(start)), int64(runtime.NumGoroutine())
	return c.stop(message{Phase: phase, Numbers: numbers})
}

// foreignFiles counts the files that are none of a closed database.
func (c *child) foreignFiles() (foreign int64, err error) {
	for i := range c.Count {
		names, err := os.ReadDir(c.database(i))
		if err != nil {
			return foreign, err
		}
		for _, name := range names {
			if kind, _ := filename.Parse(name.Name()); kind == filename.Unknown || kind == filename.NextCurrent {
				foreign++
			}
		}
	}
	return foreign, nil
}
