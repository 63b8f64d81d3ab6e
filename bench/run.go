package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"time"
)

// settings are the same for all engines of a run.
type settings struct {
	Rows        int           // loaded before reads
	Each        time.Duration // of a timed row of the table
	Sustained   time.Duration // of sustained writes
	Memory      int64         // bytes: the budget of each engine
	LargeMemory int64         // bytes: the budget with the large data set, which is largeFactor times as large
	Compress    bool          // values to half their size, where the engine can
	ValueBytes  int64         // of large values of each size
	FillLimit   time.Duration // for the fill of the large data set, and again for background work after it
	Limit       time.Duration // for one set of one engine; what takes longer is ended and left out
	Profiles    string        // directory for CPU profiles; empty for none
}

// results are what one set of one engine has measured.
type results struct {
	Values map[string]float64   // by the names in rows
	Series map[string][]float64 // by second
	Notes  []string             // for the report
}

// run is one engine going through a set of workloads.
type run struct {
	settings
	results
	kind    kind
	dir     string
	data    *data
	engine  Engine
	opened  options
	present rowSet // what the database must hold
}

func newRun(s settings, k kind, dir string) *run {
	return &run{
		settings: s,
		results:  results{Values: make(map[string]float64), Series: make(map[string][]float64)},
		kind:     k,
		dir:      dir,
		data:     newData(uint64(s.Rows/hotShare), valueSize, s.Compress),
		opened:   options{writers: 1, memory: s.Memory, compress: s.Compress},
	}
}

// hotShare is the share of rows, the first ones, that "hot" reads touch, and whose values are shorter.
const hotShare = 10

const loadBatch = 1000

// timed runs fn, with a profile if wanted, and returns how long it took.
func (r *run) timed(name string, fn func() error) (time.Duration, error) {
	if r.Profiles != "" {
		if err := os.MkdirAll(r.Profiles, 0o777); err != nil {
			return 0, err
		}
		f, err := os.Create(filepath.Join(r.Profiles, r.kind.name+"-"+name+".pprof"))
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return 0, err
		}
		defer pprof.StopCPUProfile()
	}
	start := time.Now()
	err := fn()
	return time.Since(start), err
}

// steps runs fns one after the other.
func steps(fns ...func() error) error {
	for _, fn := range fns {
		if err := fn(); err != nil {
			return err
		}
	}
	return nil
}

// open closes the engine if it is open, and opens it with o. What is not on disk stays as it is.
func (r *run) open(o options) error {
	switch {
	case r.kind.volatile && o.sync:
		return errUnsupported
	case r.kind.volatile && r.engine != nil:
		return nil
	}
	if err := r.close(); err != nil {
		return err
	}
	e, err := r.kind.open(r.dir, o)
	if err != nil {
		return err
	}
	r.engine, r.opened = e, o
	return nil
}

// unsynced are the options for everything but durable writes.
func (r *run) unsynced(writers int) options {
	return options{writers: writers, memory: r.opened.memory, compress: r.Compress, apart: r.opened.apart}
}

func (r *run) close() error {
	if r.engine == nil {
		return nil
	}
	err := r.engine.Close()
	r.engine = nil
	return err
}

// load writes the rows, unsynced, then syncs.
func (r *run) load() error {
	if err := r.open(r.unsynced(1)); err != nil {
		return err
	}
	took, err := r.timed("load", func() error { return r.bulkLoad(uint64(r.Rows)) })
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	r.Values["load"] = float64(r.Rows) / took.Seconds()
	r.present.add(rowRange{to: uint64(r.Rows)})
	return nil
}

// bulkLoad loads n rows in the engine's best way.
func (r *run) bulkLoad(n uint64) error {
	b, from := newBatch(loadBatch), uint64(0)
	next := func() (keys, values [][]byte) {
		b.fill(r.data, from, int(min(loadBatch, n-from)))
		from += uint64(len(b.keys))
		return b.keys, b.values
	}
	if e, ok := r.engine.(bulkLoader); ok {
		if err := e.BulkLoad(next); err != nil {
			return err
		}
		return r.engine.Sync()
	}
	for keys, values := next(); len(keys) > 0; keys, values = next() {
		if err := r.engine.Write(keys, values); err != nil {
			return err
		}
	}
	return r.engine.Sync()
}

// calmTime is how long an engine must be without background work to count as quiet.
const calmTime = 50 * time.Millisecond

// settle waits until background work is done, and returns how long that took; quiet is false if it was not done within
// FillLimit.
func (r *run) settle() (took time.Duration, quiet bool, err error) {
	const interval = calmTime / 5
	start, calm := time.Now(), time.Duration(0)
	for calm < calmTime {
		if time.Since(start) > r.FillLimit {
			return time.Since(start), false, nil
		}
		time.Sleep(interval)
		busy, err := r.engine.Busy()
		if err != nil {
			return 0, false, err
		}
		calm += interval
		if busy {
			calm = 0
		}
	}
	return max(0, time.Since(start)-calmTime), true, nil
}

// calm is settle for those who do not look at the time.
func (r *run) calm() error {
	_, _, err := r.settle()
	return err
}

// warmTimes is for how many times the time of a row warmUp works before it lets the engine come to rest.
const warmTimes = 4

// warmUp does the work of a row before the clock runs, has the engine end what it makes of that, and does some more:
// so that the row is neither that of a cold cache and of fresh memory, nor that of a database which has just found
// out what it is used for.
func (r *run) warmUp(work func(each time.Duration) error) error {
	return steps(func() error { return work(warmTimes * r.Each) }, r.calm, func() error { return work(r.Each) })
}

// readers opens a reader for each goroutine.
func (r *run) readers(n int, shared bool) (all []Reader, end func() error, err error) {
	for range n {
		var reader Reader
		if reader, err = r.engine.Reader(shared); err != nil {
			break
		}
		all = append(all, reader)
	}
	end = func() error {
		var errs []error
		for _, reader := range all {
			errs = append(errs, reader.Close())
		}
		return errors.Join(errs...)
	}
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return all, end, nil
}

// parallel runs fn(0) … fn(n-1) at once and joins their errors.
func parallel(n int, fn func(g int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { errs[g] = fn(g) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// seeded is a source of random numbers, the same for all engines.
func seeded(n uint64) *rand.Rand { return rand.New(rand.NewPCG(n, n)) }

// zipfian draws from [0, n), small numbers most often.
func zipfian(random *rand.Rand, n int) func() uint64 {
	const exponent = 1.1
	return rand.NewZipf(random, exponent, 1, uint64(n-1)).Uint64
}

// scattered spreads small numbers over the rows [0, n), so that the most popular rows are not those with shorter
// values.
func scattered(draw uint64, n int) uint64 { return draw * golden % uint64(n) }

// memory notes the highest resident memory of the process so far, in MiB.
func (r *run) memory(name string) func() error {
	return func() error {
		bytes, err := peakMemory()
		r.Values[name] = float64(bytes) / (1 << 20)
		return err
	}
}

// size notes the space that the database takes, in MiB.
func (r *run) size(name string) func() error {
	return func() error {
		bytes, err := stillSize(r.dir)
		r.Values[name] = float64(bytes) / (1 << 20)
		return err
	}
}

// stillSize is dirSize once that no longer changes: engines remove files in the background, which takes its time.
func stillSize(dir string) (size int64, err error) {
	const looks, interval, still = 50, 100 * time.Millisecond, 3
	same := 0
	for range looks {
		before := size
		if size, err = dirSize(dir); err != nil {
			return 0, err
		}
		if same++; size != before {
			same = 0
		}
		if same == still {
			break
		}
		time.Sleep(interval)
	}
	return size, nil
}

// dirSize is the space that the files take, holes not counted as far as the file system tells.
func dirSize(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile, in the background
			return nil
		}
		if err == nil {
			total += allocated(info)
		}
		return err
	})
	return total, err
}
