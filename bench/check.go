package main

import (
	"errors"
	"fmt"
	"slices"
)

// rowRange is the rows [from, to), or every step-th of them.
type rowRange struct{ from, to, step uint64 }

func (x rowRange) contains(i uint64) bool {
	return i >= x.from && i < x.to && (x.step < 2 || (i-x.from)%x.step == 0)
}

func (x rowRange) count() int {
	step := max(1, x.step)
	return int((x.to - x.from + step - 1) / step)
}

// rowSet is disjoint ranges of rows.
type rowSet []rowRange

func (s *rowSet) add(x rowRange) { *s = append(*s, x) }

func (s rowSet) contains(i uint64) bool {
	return slices.ContainsFunc(s, func(x rowRange) bool { return x.contains(i) })
}

func (s rowSet) count() (n int) {
	for _, x := range s {
		n += x.count()
	}
	return n
}

// check reads the whole database, in order, and compares every byte: it must hold the rows that were written, in any
// version, and nothing else.
func (r *run) check() error {
	return r.checkVersions(func(uint64) bool { return true })
}

// checkVersions is check that also asks of each number with its version.
func (r *run) checkVersions(version func(i uint64) bool) error {
	reader, err := r.engine.Reader(true)
	if err != nil {
		return err
	}
	defer reader.Close()
	var last []byte
	var wrong error
	memory, n := newBatch(1), 0
	err = reader.Scan(nil, forward, -1, func(k, v []byte) {
		i, ok := r.data.isRow(k, v, memory)
		if !ok || !r.present.contains(rowOf(i)) || string(k) <= string(last) || !version(i) {
			wrong = fmt.Errorf("entry %d, %x: %x is not what was written", n, k, v)
		}
		last = append(last[:0], k...)
		n++
	})
	if errors.Is(err, errUnsupported) {
		return r.checkOneByOne(reader)
	}
	if want := r.present.count(); wrong == nil && n != want {
		wrong = fmt.Errorf("the database has %d of %d entries", n, want)
	}
	return errors.Join(err, wrong)
}

// checkOneByOne is for engines that do not scan.
func (r *run) checkOneByOne(reader Reader) error {
	var k []byte
	memory := newBatch(1)
	for _, x := range r.present {
		for i := x.from; i < x.to; i += max(1, x.step) {
			k = r.data.key(k, i)
			same := false
			if _, err := reader.Get(k, func(v []byte) { _, same = r.data.isRow(k, v, memory) }); err != nil || !same {
				return errors.Join(err, fmt.Errorf("row %d (%x) is not what was written", i, k))
			}
		}
	}
	return nil
}
