package main

import (
	"errors"
	"time"
)

// table goes through a database's life: load, reading, removal, and writing.
func (r *run) table() error {
	return steps(
		r.load, r.memory("rss_load"), r.settleAfterLoad, r.restart,
		r.reads,
		func() error { return r.scans("", r.Rows) },
		r.remove, r.compact,
		r.memory("rss_read"),
		func() error { return r.writes() }, r.check,
		r.memory("rss_write"), r.close)
}

func (r *run) settleAfterLoad() error {
	took, _, err := r.settle()
	r.Values["settle"] = took.Seconds()
	return err
}

// restart measures close, the size on disk, and open with a first read.
func (r *run) restart() error {
	if r.kind.volatile {
		return nil
	}
	start := time.Now()
	if err := r.close(); err != nil {
		return err
	}
	r.Values["close"] = time.Since(start).Seconds() * 1e3
	if err := r.size("disk")(); err != nil {
		return err
	}
	return r.openAndRead("open")
}

// openAndRead measures open and one read, of the first row.
func (r *run) openAndRead(name string) error {
	probe := r.data.probes(1, func() uint64 { return 0 })
	took, err := r.timed(name, func() error {
		if err := r.open(r.unsynced(1)); err != nil {
			return err
		}
		reader, err := r.engine.Reader(false)
		if err != nil {
			return err
		}
		return errors.Join(readProbes(reader, probe), reader.Close())
	})
	r.Values[name] = took.Seconds() * 1e3
	return err
}

// remove measures the removal of every other row, until synced, and the size when that has settled.
func (r *run) remove() error {
	b, half := newBatch(loadBatch), (r.Rows+1)/2
	took, err := r.timed("remove", func() error {
		for from := 0; from < half; from += loadBatch {
			b.keys = b.keys[:min(loadBatch, half-from)]
			for i := range b.keys {
				b.keys[i] = r.data.key(b.keys[i], uint64(2*(from+i)))
			}
			if err := r.engine.Write(b.keys, nil); err != nil {
				return err
			}
		}
		return r.engine.Sync()
	})
	if err != nil {
		return err
	}
	r.present = rowSet{{from: 1, to: uint64(r.Rows), step: 2}}
	r.Values["remove"] = float64(half) / took.Seconds()
	if err := r.calm(); err != nil || r.kind.volatile {
		return err
	}
	return r.size("disk_removed")()
}

// compact measures how long compaction takes and what is left, and looks at all of it.
func (r *run) compact() error {
	took, err := r.timed("compact", r.engine.Compact)
	if errors.Is(err, errUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	r.Values["compact"] = took.Seconds()
	return steps(r.calm, r.size("disk_compacted"), r.check)
}
