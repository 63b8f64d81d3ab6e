package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// People is an open table of people with two indexes, of addresses, which are unique, and of years. It is used by one
// goroutine. What it calls use with is borrowed for the call.
type People interface {
	// Put commits a person, or replaces the one with that id.
	Put(p *person) error
	// Get calls use with the rest of the person with that id, and reports whether there is one.
	Get(id []byte, use func(rest []byte)) (bool, error)
	// Find is Get by the address.
	Find(address []byte, use func(rest []byte)) (bool, error)
	// Scan calls use with up to limit people in the order of years, from year on.
	Scan(year uint16, limit int, use func(rest []byte)) error
	Close() error
}

// openPeople opens an empty table in dir.
type openPeople func(dir string, o options) (People, error)

// person is a row of the table.
type person struct {
	id, address, rest []byte
	year              uint16
}

const (
	peopleShare = 10     // of the rows of other sets: each is a commit
	years       = 10_000 // so that a scan of ten people crosses several
	scanned     = 10     // people in a scan
	sampled     = 10_000 // people that are made before they are asked for, lest that be timed
)

// fill makes p the person i.
func (p *person) fill(d *data, i uint64) {
	p.id = d.key(p.id, i)
	p.address = append(binary.BigEndian.AppendUint64(p.address[:0], (i+1)*golden), "@example.org"...)
	p.year = uint16((i + 1) * golden >> 32 % years)
	p.rest = d.value(p.rest, i)
}

// model measures a table with two indexes, and, of this database, what its parts cost next to bytes alone.
func (r *run) model() (err error) {
	dir := filepath.Join(r.dir, "people")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	t, err := r.kind.people(dir, options{writers: 1, memory: r.Memory, compress: r.Compress})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	n := uint64(r.Rows / peopleShare)
	if err := r.putPeople(t, n); err != nil {
		return err
	}
	if err := r.readPeople(t, n); err != nil {
		return err
	}
	if r.kind.costs == nil {
		return nil
	}
	return r.kind.costs(r)
}

// putPeople puts n people, one by one.
func (r *run) putPeople(t People, n uint64) error {
	var p person
	took, err := r.timed("model_put", func() error {
		for i := range n {
			p.fill(r.data, i)
			if err := t.Put(&p); err != nil {
				return err
			}
		}
		return nil
	})
	r.Values["model_put"] = float64(n) / took.Seconds()
	return err
}

// sample returns random ones of the first n people, again and again.
func (r *run) sample(n uint64) func() *person {
	row := below(int(n))
	people := make([]person, min(sampled, n))
	for i := range people {
		people[i].fill(r.data, row())
	}
	next := 0
	return func() *person {
		next = (next + 1) % len(people)
		return &people[next]
	}
}

// readPeople reads people by id, by address, and in the order of years, and compares what they return.
func (r *run) readPeople(t People, n uint64) error {
	for _, read := range []struct {
		name string
		call func(p *person, use func(rest []byte)) (bool, error)
	}{
		{"model_get", func(p *person, use func([]byte)) (bool, error) { return t.Get(p.id, use) }},
		{"model_find", func(p *person, use func([]byte)) (bool, error) { return t.Find(p.address, use) }},
	} {
		var got, want uint64
		draw := r.sample(n)
		each, err := r.each(read.name, func() error {
			p := draw()
			want += sum(p.rest)
			found, err := read.call(p, func(rest []byte) { got += sum(rest) })
			if err == nil && !found {
				err = fmt.Errorf("%s did not find a person", read.name)
			}
			return err
		})
		if err == nil && got != want {
			err = fmt.Errorf("%s returned other people", read.name)
		}
		if err != nil {
			return err
		}
		r.Values[read.name] = float64(time.Second) / float64(each)
	}
	return r.scanPeople(t, n)
}

// scanPeople times scans, and looks at what some others show.
func (r *run) scanPeople(t People, n uint64) error {
	draw, total := r.sample(n), uint64(0)
	each, err := r.each("model_scan", func() error {
		return t.Scan(draw().year, scanned, func(rest []byte) { total += sum(rest) })
	})
	for range 100 {
		if err == nil {
			err = r.checkScan(t, draw().year)
		}
	}
	if err == nil && total == 0 {
		err = errors.New("scans showed nobody")
	}
	r.Values["model_scan"] = float64(time.Second) / float64(each)
	return err
}

// checkScan compares the years of what a scan shows with each other, and with that from which it begins.
func (r *run) checkScan(t People, from uint16) error {
	var other person
	last, shown, ordered := from, 0, true
	err := t.Scan(from, scanned, func(rest []byte) {
		other.fill(r.data, numberIn(rest))
		ordered = ordered && other.year >= last
		last = other.year
		shown++
	})
	if err == nil && (shown == 0 || !ordered) {
		err = errors.New("a scan showed people in another order")
	}
	return err
}

// each calls op for as long as a row takes, some dozens of times at least, and returns how long one took on average:
// first once without a look at the time.
func (r *run) each(name string, op func() error) (each time.Duration, err error) {
	calls := 0
	work := func(limit time.Duration) error {
		calls = 0
		for deadline := time.Now().Add(limit); calls < 32 || time.Now().Before(deadline); calls += 32 {
			for range 32 {
				if err := op(); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := work(r.Each / 4); err != nil {
		return 0, err
	}
	took, err := r.timed(name, func() error { return work(r.Each) })
	return took / time.Duration(max(calls, 1)), err
}

func modelRows() []row {
	return []row{
		{name: "model_put", title: "a row with two indexes put, one by one (commits/s)"},
		{name: "model_get", title: "a row by its key (reads/s)"},
		{name: "model_find", title: "a row by a key of a unique index (reads/s)"},
		{name: "model_scan", title: "ten rows in the order of an index (scans/s)"},
		{name: "model_put_cost", title: "a put with two indexes, in plain puts", less: true, plain: true},
		{name: "model_find_cost", title: "a row by an index key, in plain gets", less: true, plain: true},
		{name: "model_bucket_cost", title: "a get in a bucket, in plain gets", less: true, plain: true},
		{name: "model_typed_cost", title: "a typed get, over a get and its codec (ns)", less: true, plain: true},
		{name: "model_range_few", title: "delete of a range of 100 keys (µs)", less: true, plain: true},
		{name: "model_range_many", title: "delete of a range of all keys (µs)", less: true, plain: true},
		{name: "model_range_scan", title: "… the scan over it, in scans that never had them", less: true, plain: true},
		{name: "model_drop", title: "drop of a bucket of all rows (µs)", less: true, plain: true},
	}
}
