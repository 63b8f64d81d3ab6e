package main

import (
	"encoding/binary"
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
	Rows     int           // loaded before everything else
	Each     time.Duration // of a timed row of the table
	Profiles string        // directory for CPU profiles; empty for none
	BankOnly bool          // leave out everything but transactions
}

// run is one engine going through all workloads. results are by the names in rows.
type run struct {
	settings
	kind    kind
	dir     string
	data    *data
	engine  Engine
	written uint64 // rows [0, written) are in the database
	results map[string]float64
}

// hotShare is the share of rows, the first ones, that "hot" reads touch.
const hotShare = 10

const loadBatch = 1000

// all goes through the workloads in the order of the report, each timed part followed by its check.
func (r *run) all() error {
	if r.kind.open != nil && !r.BankOnly {
		if err := r.readsAndWrites(); err != nil {
			return err
		}
	}
	if err := r.banks(); err != nil {
		return fmt.Errorf("%s: %w", r.kind.name, err)
	}
	return nil
}

func (r *run) readsAndWrites() error {
	steps := []func() error{
		func() error { return r.reopen(1) },
		r.load, r.restart,
		r.reads, r.scans, r.memory("rss_read"),
		func() error { return r.writes("durable1", 1, 1, true) },
		func() error { return r.writes("durable_batch", 1, loadBatch, true) },
		func() error { return r.writes("nosync1", 1, 1, false) },
		func() error { return r.writes("nosync2", 2, 1, false) },
		func() error { return r.reopen(64) },
		func() error { return r.writes("durable64", 64, 1, true) },
		r.verify, r.memory("rss_all"),
		r.close,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("%s: %w", r.kind.name, err)
		}
	}
	return nil
}

// timed runs fn, with a profile if wanted, and returns how long it took.
func (r *run) timed(name string, fn func() error) (time.Duration, error) {
	if r.Profiles != "" {
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

// reopen closes the engine if it is open, and opens it for so many writers.
func (r *run) reopen(writers int) error {
	if err := r.close(); err != nil {
		return err
	}
	if r.engine != nil { // it cannot be closed: a map
		return nil
	}
	e, err := r.kind.open(r.dir, writers)
	r.engine = e
	return err
}

func (r *run) close() error {
	if r.engine == nil {
		return nil
	}
	err := r.engine.Close()
	if errors.Is(err, errUnsupported) {
		return nil
	}
	r.engine = nil
	return err
}

// load writes the rows in batches, unsynced, then syncs.
func (r *run) load() error {
	b := newBatch(loadBatch)
	took, err := r.timed("load", func() error {
		for from := 0; from < r.Rows; from += loadBatch {
			b.fill(r.data, uint64(from), min(loadBatch, r.Rows-from))
			if err := r.engine.Write(b.keys, b.values, false); err != nil {
				return err
			}
		}
		return r.engine.Sync()
	})
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	r.written = uint64(r.Rows)
	r.results["load"] = float64(r.Rows) / took.Seconds()
	if err := r.memory("rss_load")(); err != nil {
		return err
	}
	start := time.Now()
	err = r.engine.Settle()
	r.results["settle"] = max(0, (time.Since(start) - calmTime).Seconds())
	return err
}

// batch is memory for the pairs of one write.
type batch struct{ keys, values [][]byte }

func newBatch(n int) *batch { return &batch{make([][]byte, n), make([][]byte, n)} }

func (b *batch) fill(d *data, from uint64, n int) {
	b.keys, b.values = b.keys[:n], b.values[:n]
	for i := range n {
		b.keys[i] = d.key(b.keys[i], from+uint64(i))
		b.values[i] = d.value(b.values[i], from+uint64(i))
	}
}

// restart measures close, the size on disk, and open with a first read.
func (r *run) restart() error {
	start := time.Now()
	if err := r.close(); err != nil || r.engine != nil {
		return err
	}
	r.results["close"] = time.Since(start).Seconds() * 1e3
	size, err := dirSize(r.dir)
	if err != nil {
		return err
	}
	r.results["disk"] = float64(size) / (1 << 20)
	probe := r.data.probes(1, func() uint64 { return uint64(r.Rows / 2) })
	took, err := r.timed("open", func() error {
		if err := r.reopen(1); err != nil {
			return err
		}
		reader, err := r.engine.Reader(false)
		if err != nil {
			return err
		}
		defer reader.Close()
		_, err = readProbes(reader, probe, 1)
		return err
	})
	r.results["open"] = took.Seconds() * 1e3
	return err
}

// dirSize is the space that the files take, holes not counted as far as the file system tells.
func dirSize(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += allocated(info)
		}
		return err
	})
	return total, err
}

// reads measures point reads by one and two goroutines.
func (r *run) reads() error {
	n := uint64(r.Rows)
	random := rand.New(rand.NewPCG(7, 7))
	zipf := rand.NewZipf(random, 1.1, 1, n-1)
	count := min(r.Rows, 1<<20)
	for _, w := range []struct {
		name   string
		shared bool
		row    func() uint64
	}{
		{"uniform", true, func() uint64 { return random.Uint64N(n) }},
		{"uniform_own", false, func() uint64 { return random.Uint64N(n) }},
		{"zipf", true, zipf.Uint64},
		{"hot", true, func() uint64 { return random.Uint64N(n / hotShare) }},
		{"absent", true, func() uint64 { return absentRows + random.Uint64N(n) }},
	} {
		p := r.data.probes(count, w.row)
		for goroutines := 1; goroutines <= 2; goroutines++ {
			name := fmt.Sprintf("%s%d", w.name, goroutines)
			if err := r.readWith(name, p, goroutines, w.shared); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// readWith has goroutines read the probes, each from a place of its own on, until the time is up.
func (r *run) readWith(name string, p *probes, goroutines int, shared bool) error {
	var total int
	var mu sync.Mutex
	took, err := r.timed(name, func() error {
		return parallel(goroutines, func(g int) error {
			reader, err := r.engine.Reader(shared)
			if err != nil {
				return err
			}
			defer reader.Close()
			n, err := r.readFor(reader, p, g*len(p.sums)/goroutines)
			mu.Lock()
			total += n
			mu.Unlock()
			return err
		})
	})
	r.results[name] = float64(total) / took.Seconds()
	return err
}

// readFor reads from probe start on until the time is up, and checks each stretch by its sum.
func (r *run) readFor(reader Reader, p *probes, start int) (n int, err error) {
	const stretch = 1000
	deadline := time.Now().Add(r.Each)
	for at := start; time.Now().Before(deadline); {
		end := min(at+stretch, len(p.sums))
		part := &probes{keys: p.keys[at*keySize : end*keySize], sums: p.sums[at:end]}
		done, err := readProbes(reader, part, end-at)
		if err != nil {
			return n, err
		}
		n += done
		at = end % len(p.sums)
	}
	return n, nil
}

// readProbes reads n probes and compares the sum of what it got with the sum of what it should have got.
func readProbes(reader Reader, p *probes, n int) (int, error) {
	var got, want uint64
	use := func(v []byte) { got += sum(v) }
	for i := range n {
		if _, err := reader.Get(p.key(i), use); err != nil {
			return i, err
		}
		want += p.sums[i]
	}
	if got != want {
		return n, errors.New("reads returned wrong values")
	}
	return n, nil
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

// scans measures walks of 10, 100 and all entries.
func (r *run) scans() error {
	reader, err := r.engine.Reader(true)
	if err != nil {
		return err
	}
	defer reader.Close()
	rows := r.data.sortedRows(r.Rows)
	for _, length := range []int{10, 100} {
		err := r.scanFrom(reader, fmt.Sprintf("scan%d", length), rows, length)
		if errors.Is(err, errUnsupported) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	var got uint64
	n := 0
	took, err := r.timed("scan_all", func() error {
		return reader.Scan(nil, -1, func(_, v []byte) { got += sum(v); n++ })
	})
	if err != nil {
		return err
	}
	var v []byte
	for _, i := range rows {
		v = r.data.value(v, uint64(i))
		got -= sum(v)
	}
	if got != 0 || n != r.Rows {
		return errors.New("the full scan returned wrong values")
	}
	r.results["scan_all"] = float64(n) / took.Seconds()
	return nil
}

func (r *run) scanFrom(reader Reader, name string, rows []uint32, length int) error {
	const starts = 20_000
	random := rand.New(rand.NewPCG(9, 9))
	sums := make([]uint64, len(rows)) // by position in key order
	var v []byte
	for at, i := range rows {
		v = r.data.value(v, uint64(i))
		sums[at] = sum(v)
	}
	places, at := make([]int, starts), 0
	p := r.data.probes(starts, func() uint64 {
		places[at] = random.IntN(len(rows))
		at++
		return uint64(rows[places[at-1]])
	})
	var got, want uint64
	n := 0
	took, err := r.timed(name, func() error {
		use := func(_, v []byte) { got += sum(v) }
		for deadline := time.Now().Add(r.Each); time.Now().Before(deadline); n++ {
			if err := reader.Scan(p.key(n%starts), length, use); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range n {
		place := places[i%starts]
		for _, s := range sums[place:min(place+length, len(sums))] {
			want += s
		}
	}
	if got != want {
		return fmt.Errorf("%s returned wrong values", name)
	}
	r.results[name] = float64(n) / took.Seconds()
	return nil
}

// writes measures commits of size new rows by goroutines. What they wrote is read back by verify.
func (r *run) writes(name string, goroutines, size int, sync bool) error {
	const reserve = 1 << 24 // rows that one goroutine may write
	counts := make([]int, goroutines)
	took, err := r.timed(name, func() error {
		return parallel(goroutines, func(g int) error {
			b := newBatch(size)
			from := r.firstOf(name, g)
			deadline := time.Now().Add(r.Each)
			for n := 0; time.Now().Before(deadline) && n+size < reserve; n += size {
				b.fill(r.data, from+uint64(n), size)
				if err := r.engine.Write(b.keys, b.values, sync); err != nil {
					return err
				}
				counts[g] = n + size
			}
			return nil
		})
	})
	if errors.Is(err, errUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	total := 0
	for g, n := range counts {
		total += n
		if err := r.readBack(r.firstOf(name, g), n); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	r.results[name] = float64(total) / took.Seconds()
	return r.engine.Settle()
}

// firstOf is the first row number of goroutine g in the write workload name: each has a range of its own.
func (r *run) firstOf(name string, g int) uint64 {
	space := uint64(1)
	for _, c := range []byte(name) {
		space = space*31 + uint64(c)
	}
	return 1<<32 + (space%64)<<32 + uint64(g)<<24
}

// verify reads every loaded row once more.
func (r *run) verify() error { return r.readBack(0, r.Rows) }

// readBack reads n rows from row first on and compares every byte.
func (r *run) readBack(first uint64, n int) error {
	reader, err := r.engine.Reader(true)
	if err != nil {
		return err
	}
	defer reader.Close()
	var k, want []byte
	for i := range uint64(n) {
		k, want = r.data.key(k, first+i), r.data.value(want, first+i)
		same := false
		found, err := reader.Get(k, func(v []byte) { same = string(v) == string(want) })
		if err != nil {
			return err
		}
		if !found || !same {
			return fmt.Errorf("row %d (%x): found %v, equal %v", first+i, binary.BigEndian.Uint64(k), found, same)
		}
	}
	return nil
}

// memory notes the highest resident memory of the process so far, in MiB.
func (r *run) memory(name string) func() error {
	return func() error {
		bytes, err := peakMemory()
		r.results[name] = float64(bytes) / (1 << 20)
		return err
	}
}
