package main

import (
	"fmt"
	"time"
)

const (
	largeFactor = 10 // times the memory
	largeBatch  = 10_000
	rowSize     = keySize + valueSize
)

// large measures a data set that is much larger than the memory that the engine may take: fill until all is quiet, then
// reads and scans.
func (r *run) large() error {
	r.data.hot = 0 // all values have the same size
	r.opened.memory = r.LargeMemory
	if err := r.open(r.unsynced(1)); err != nil {
		return err
	}
	n, err := r.fill()
	if err != nil {
		return err
	}
	if !r.kind.volatile {
		if err := r.amplification(n); err != nil {
			return err
		}
	}
	const probed = 200_000
	p := r.data.probes(probed, below(n))
	return steps(
		func() error { return r.warm(p) },
		func() error { return r.readWith("large1", p, 1, false) },
		func() error { return r.readWith("large2", p, 2, false) },
		r.memory("rss_large"),
		func() error { return r.scans("large_", n) },
		r.close)
}

// fill writes batches until the data set is complete or its time is over, then waits until all is synced and quiet.
func (r *run) fill() (n int, err error) {
	want := int(largeFactor * r.LargeMemory / rowSize)
	b := newBatch(largeBatch)
	start := time.Now()
	quiet := false
	took, err := r.timed("large_fill", func() error {
		for n < want && time.Since(start) < r.FillLimit {
			b.fill(r.data, uint64(n), min(largeBatch, want-n))
			if err := r.engine.Write(b.keys, b.values); err != nil {
				return err
			}
			n += len(b.keys)
		}
		r.Values["large_write"] = float64(n) / time.Since(start).Seconds()
		if err := r.engine.Sync(); err != nil {
			return err
		}
		_, quiet, err = r.settle()
		return err
	})
	r.present.add(rowRange{to: uint64(n)})
	r.Values["large_rows"] = float64(n)
	r.Values["large_fill"] = float64(n) / took.Seconds()
	if n < want {
		r.Notes = append(r.Notes, fmt.Sprintf("large data set: %s of %s rows after %v, reads and scans are of these",
			number(float64(n)), number(float64(want)), r.FillLimit))
	}
	if !quiet {
		r.Notes = append(r.Notes, fmt.Sprintf("large data set: background work was not done %v after the fill", r.FillLimit))
	}
	return n, err
}

// amplification notes what n rows have cost: bytes written, and bytes on disk, for each byte of keys and values.
func (r *run) amplification(n int) error {
	disk, err := stillSize(r.dir)
	if err != nil {
		return err
	}
	r.Values["large_disk"] = float64(disk) / (1 << 20)
	r.Values["large_space"] = float64(disk) / float64(n*rowSize)
	if written, ok := bytesWritten(); ok {
		r.Values["large_amplification"] = float64(written) / float64(n*rowSize)
	}
	return nil
}
