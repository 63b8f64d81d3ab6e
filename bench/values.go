package main

import (
	"errors"
	"fmt"
	"time"
)

// Large values are written in commits of about valueCommit bytes, and then each is overwritten valueOverwrites times,
// on average.
const (
	valueCommit     = 100_000
	valueOverwrites = 3
)

// valuesApart is from how many bytes on an engine that can keeps values apart from their keys.
const valuesApart = 4 << 10

// largeValue is a size of values, with a set of workloads for it.
type largeValue struct {
	name  string // of the set, and what its rows begin with
	title string
	size  int // bytes
}

var largeValues = []largeValue{
	{"values1", "1 KB", 1_000},
	{"values10", "10 KB", 10_000},
	{"values100", "100 KB", 100_000},
}

// valueCollector is an engine whose users have to ask for the space of values that were overwritten.
type valueCollector interface {
	CollectValues() error
}

func (v largeValue) set() set {
	return set{
		name: v.name, once: true, measures: persists,
		run:  func(r *run) error { return r.values(v) },
		plan: func(s settings) time.Duration { return s.FillLimit + 15*s.Each },
	}
}

// values writes large values under random keys, overwrites them, and reads what is left of that: from files that
// nobody has in memory, from the caches, and the keys alone. At the end every row must have its last value.
func (r *run) values(v largeValue) error {
	r.data = newData(0, v.size, r.Compress)
	r.opened.memory, r.opened.apart = r.LargeMemory, true
	if err := r.open(r.unsynced(1)); err != nil {
		return err
	}
	versions := make([]uint32, r.ValueBytes/int64(v.size))
	n, next := len(versions), uint64(0)
	all := func() uint64 { next++; return next - 1 }
	row := below(n)
	newer := func() uint64 {
		i := row()
		versions[i]++
		return i | uint64(versions[i])<<versionShift
	}
	r.present.add(rowRange{to: uint64(n)})
	return steps(
		func() error { return r.putValues(v, "_write", n, all) },
		func() error { return r.putValues(v, "_overwrite", valueOverwrites*n, newer) },
		func() error { return r.valuesSize(v, n) },
		func() error { return r.readValues(v, versions) },
		func() error { return r.scanKeys(v.name+"_keys", n) },
		func() error {
			return r.checkVersions(func(i uint64) bool { return versions[rowOf(i)] == uint32(i>>versionShift) })
		},
		r.close)
}

// putValues writes n values, of the rows and versions that row returns, and waits until all is synced and quiet. What
// is not written within FillLimit is left out, but for the first values of all rows.
func (r *run) putValues(v largeValue, name string, n int, row func() uint64) error {
	written, ok := bytesWritten()
	b := newBatch(max(1, valueCommit/v.size))
	put := 0
	start := time.Now()
	took, err := r.timed(v.name+name, func() error {
		for put < n && (name == "_write" || time.Since(start) < r.FillLimit) {
			b.keys, b.values = b.keys[:min(cap(b.keys), n-put)], b.values[:min(cap(b.values), n-put)]
			for at := range b.keys {
				b.set(r.data, at, row())
			}
			if err := r.engine.Write(b.keys, b.values); err != nil {
				return err
			}
			put += len(b.keys)
		}
		r.Values[v.name+name+"_busy"] = mib(put*v.size) / time.Since(start).Seconds()
		return steps(r.engine.Sync, r.collect, func() error { return r.untilQuiet(v) })
	})
	if put < n {
		r.Notes = append(r.Notes, fmt.Sprintf("values of %s: %s of %s overwrites after %v", v.title,
			number(float64(put)), number(float64(n)), r.FillLimit))
	}
	r.Values[v.name+name] = mib(put*v.size) / took.Seconds()
	if now, _ := bytesWritten(); ok {
		r.Values[v.name+name+"_amplification"] = float64(now-written) / float64(put*(keySize+v.size))
	}
	return err
}

func mib(bytes int) float64 { return float64(bytes) / (1 << 20) }

// collect has the engine give back the space of values that were overwritten, if it has to be asked.
func (r *run) collect() error {
	if e, ok := r.engine.(valueCollector); ok {
		return errors.Join(r.calm(), e.CollectValues())
	}
	return nil
}

func (r *run) untilQuiet(v largeValue) error {
	_, quiet, err := r.settle()
	if !quiet && err == nil {
		r.Notes = append(r.Notes, fmt.Sprintf("values of %s: background work was not done after %v", v.title, r.FillLimit))
	}
	return err
}

// valuesSize notes the space that n values take.
func (r *run) valuesSize(v largeValue, n int) error {
	disk, err := stillSize(r.dir)
	r.Values[v.name+"_disk"] = float64(disk) / (1 << 20)
	r.Values[v.name+"_space"] = float64(disk) / float64(n*(keySize+v.size))
	return err
}

// readValues measures reads of random rows: after the system has dropped what it had of the files, and when the caches
// have what they hold.
func (r *run) readValues(v largeValue, versions []uint32) error {
	row := below(len(versions))
	p := r.data.probes(len(versions), func() uint64 {
		i := row()
		return i | uint64(versions[i])<<versionShift
	})
	return steps(r.close,
		func() error { return dropFromMemory(r.dir) },
		func() error { return r.open(r.unsynced(1)) },
		func() error { return r.readWith(v.name+"_cold", p, 1, false) },
		func() error { return r.warm(p) },
		func() error { return r.readWith(v.name+"_warm1", p, 1, false) },
		func() error { return r.readWith(v.name+"_warm2", p, 2, false) })
}

// scanKeys walks through the keys of the rows [0, n), as often as the time allows, once at least.
func (r *run) scanKeys(name string, n int) error {
	reader, err := r.engine.Reader(true)
	if err != nil {
		return err
	}
	defer reader.Close()
	var got, want, walks uint64
	took, err := r.timed(name, func() error {
		for deadline := time.Now().Add(r.Each); walks == 0 || time.Now().Before(deadline); walks++ {
			if err := reader.ScanKeys(func(k []byte) { got += sum(k) }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var k []byte
	for i := range n {
		k = r.data.key(k, uint64(i))
		want += sum(k)
	}
	if got != walks*want {
		return fmt.Errorf("%s returned wrong keys", name)
	}
	r.Values[name] = float64(walks) * float64(n) / took.Seconds()
	return nil
}

func valueRows() (lines []row) {
	for _, v := range largeValues {
		title := v.title + ", "
		lines = append(lines,
			row{name: v.name + "_write", title: title + "write until synced and quiet (MiB/s)"},
			row{name: v.name + "_write_busy", title: "… while writing (MiB/s)"},
			row{name: v.name + "_write_amplification", title: "… bytes written for each byte put", less: true},
			row{name: v.name + "_overwrite", title: title + "overwrite until synced and quiet (MiB/s)"},
			row{name: v.name + "_overwrite_busy", title: "… while writing (MiB/s)"},
			row{name: v.name + "_overwrite_amplification", title: "… bytes written for each byte put", less: true},
			row{name: v.name + "_space", title: "… bytes on disk for each byte of data", less: true},
			row{name: v.name + "_disk", title: "… on disk (MiB)", plain: true},
			row{name: v.name + "_cold", title: title + "read after open, files not in memory, 1 goroutine (reads/s)"},
			row{name: v.name + "_warm1", title: title + "read, 1 goroutine (reads/s)"},
			row{name: v.name + "_warm2", title: title + "read, 2 goroutines (reads/s)"},
			row{name: v.name + "_keys", title: title + "scan of all keys without values (keys/s)"})
	}
	return lines
}
