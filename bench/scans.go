package main

import (
	"errors"
	"fmt"
	"time"
)

// directions by the suffix of the row's name.
var directions = []struct {
	suffix, title string
	direction     direction
}{
	{"", "", forward},
	{"_back", ", backward", backward},
}

var scanLengths = []int{10, 100}

// scans measures walks of 10, 100 and all entries in both directions, on a database of the rows [0, n) only.
func (r *run) scans(prefix string, n int) error {
	if err := r.warmScans(n); err != nil {
		return ignoreUnsupported(err)
	}
	reader, err := r.engine.Reader(true)
	if err != nil {
		return err
	}
	defer reader.Close()
	o := r.data.ordered(n)
	for _, d := range directions {
		for _, length := range scanLengths {
			name := fmt.Sprintf("%sscan%d%s", prefix, length, d.suffix)
			if err := r.scanFrom(reader, name, o, d.direction, length); err != nil {
				return ignoreUnsupported(err)
			}
		}
		if err := r.scanAll(reader, prefix+"scan_all"+d.suffix, o, d.direction); err != nil {
			return ignoreUnsupported(err)
		}
	}
	return nil
}

// warmScans walks before the clock runs.
func (r *run) warmScans(n int) error {
	reader, err := r.engine.Reader(true)
	if err != nil {
		return err
	}
	defer reader.Close()
	random := seeded(8)
	p := r.data.probes(1000, func() uint64 { return random.Uint64N(uint64(n)) })
	return r.warmUp(func(each time.Duration) error {
		for i, deadline := 0, time.Now().Add(each); time.Now().Before(deadline); i++ {
			if err := reader.Scan(p.key(i%len(p.sums)), forward, 100, func(_, _ []byte) {}); err != nil {
				return err
			}
		}
		return nil
	})
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, errUnsupported) {
		return nil
	}
	return err
}

func (r *run) scanFrom(reader Reader, name string, o *ordered, d direction, length int) error {
	const starts = 20_000
	random := seeded(9)
	places := make([]int, 0, starts)
	p := r.data.probes(starts, func() uint64 {
		place := random.IntN(len(o.rows))
		places = append(places, place)
		return uint64(o.rows[place])
	})
	var got, want uint64
	n := 0
	took, err := r.timed(name, func() error {
		use := func(_, v []byte) { got += sum(v) }
		for deadline := time.Now().Add(r.Each); n == 0 || time.Now().Before(deadline); n++ {
			if err := reader.Scan(p.key(n%starts), d, length, use); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range n {
		want += o.scanned(places[i%starts], d, length)
	}
	if got != want {
		return fmt.Errorf("%s returned wrong values", name)
	}
	r.Values[name] = float64(n) / took.Seconds()
	return nil
}

// scanAll walks through everything, as often as the time allows, once at least.
func (r *run) scanAll(reader Reader, name string, o *ordered, d direction) error {
	var got, walks uint64
	n := 0
	took, err := r.timed(name, func() error {
		use := func(_, v []byte) { got += sum(v); n++ }
		for deadline := time.Now().Add(r.Each); walks == 0 || time.Now().Before(deadline); walks++ {
			if err := reader.Scan(nil, d, -1, use); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if got != walks*o.before[len(o.rows)] || n != int(walks)*len(o.rows) {
		return fmt.Errorf("%s returned wrong values", name)
	}
	r.Values[name] = float64(n) / took.Seconds()
	return nil
}
