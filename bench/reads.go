package main

import (
	"cmp"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// fewHot is how many rows the hottest reads touch.
const fewHot = 1000

// readKind is point reads by how their rows are chosen.
type readKind struct {
	name, title string
	row         func(r *run) func() uint64
	probes      int // before they begin anew; 0: as many as there are rows, within limits
}

var readKinds = []readKind{
	{name: "uniform", title: "uniform", row: func(r *run) func() uint64 { return below(r.Rows) }},
	{name: "zipf", title: "zipfian", row: func(r *run) func() uint64 {
		draw := zipfian(seeded(7), r.Rows)
		return func() uint64 { return scattered(draw(), r.Rows) }
	}},
	{name: "hot", title: "hot tenth of the rows", row: func(r *run) func() uint64 { return below(r.Rows / hotShare) }},
	// Few probes, so that what is asked for is as hot as what is there.
	{name: "hot1000_", title: "hot 1,000 rows", row: func(*run) func() uint64 { return below(fewHot) },
		probes: 8 * fewHot},
	{name: "absent", title: "absent keys", row: func(r *run) func() uint64 {
		row := below(r.Rows)
		return func() uint64 { return absentRows + row() }
	}},
}

func below(n int) func() uint64 {
	random := seeded(7)
	return func() uint64 { return random.Uint64N(uint64(n)) }
}

// readModes are ways to read; the suffix is that of the row's name.
var readModes = []struct {
	suffix, title string
	shared        bool
}{
	{"", "one snapshot", true},
	{"_own", "one Get each", false},
}

// reads measures point reads by one and two goroutines.
func (r *run) reads() error {
	for _, k := range readKinds {
		p := r.data.probes(cmp.Or(k.probes, min(r.Rows, 1<<20)), k.row(r))
		if err := r.warm(p); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		for _, mode := range readModes {
			for goroutines := 1; goroutines <= 2; goroutines++ {
				name := fmt.Sprintf("%s%s%d", k.name, mode.suffix, goroutines)
				if err := r.readWith(name, p, goroutines, mode.shared); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	}
	return nil
}

// warm reads the probes before the clock runs, so that the first row of a kind is not that of a cold cache.
func (r *run) warm(p *probes) error {
	const goroutines = 2
	readers, end, err := r.readers(goroutines, true /* shared */)
	if err != nil {
		return err
	}
	return errors.Join(r.warmUp(func(each time.Duration) error {
		_, err := readAll(readers, p, each)
		return err
	}), end())
}

// readWith measures reads of the probes by a number of goroutines.
func (r *run) readWith(name string, p *probes, goroutines int, shared bool) error {
	readers, end, err := r.readers(goroutines, shared)
	if err != nil {
		return err
	}
	total := 0
	took, err := r.timed(name, func() (err error) {
		total, err = readAll(readers, p, r.Each)
		return err
	})
	r.Values[name] = float64(total) / took.Seconds()
	return errors.Join(err, end())
}

// readAll has a goroutine for each reader read the probes, from a place of its own on, until the time is up.
func readAll(readers []Reader, p *probes, each time.Duration) (int, error) {
	var total atomic.Int64
	err := parallel(len(readers), func(g int) error {
		n, err := readFor(readers[g], p, g*len(p.sums)/len(readers), each)
		total.Add(int64(n))
		return err
	})
	return int(total.Load()), err
}

// readFor reads from probe start on until the time is up, and checks each batch by its sum.
func readFor(reader Reader, p *probes, start int, each time.Duration) (n int, err error) {
	const batch = 1000
	deadline := time.Now().Add(each)
	for at := start; n == 0 || time.Now().Before(deadline); {
		end := min(at+batch, len(p.sums))
		if err := readProbes(reader, p.part(at, end)); err != nil {
			return n, err
		}
		n += end - at
		at = end % len(p.sums)
	}
	return n, nil
}

// readProbes reads probes and compares the sum of what it got with the sum of what it should have got.
func readProbes(reader Reader, p *probes) error {
	var got, want uint64
	use := func(v []byte) { got += sum(v) }
	for i := range p.sums {
		if _, err := reader.Get(p.key(i), use); err != nil {
			return err
		}
		want += p.sums[i]
	}
	if got != want {
		return errors.New("reads returned wrong values")
	}
	return nil
}
