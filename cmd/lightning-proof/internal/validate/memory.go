package validate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"lightningdb"
	"lightningdb/cmd/internal/child"
	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning-proof/internal/content"
)

// Sizes of the test of memory.
const (
	memoryValues    = 10_000
	memoryValueSize = 10_000
	memoryLimit     = 10 << 20
	memoryAllowance = 32 << 20 // what the process may take beyond the limit
	memoryWriters   = 4
)

// runMemory lets a process of its own fill a database, because the resident set of this process also holds what other
// tests took. A check is one value that the process read back.
func runMemory(ctx context.Context, s *stress) error {
	command, err := s.Child(s.dir, s.Seed)
	if err != nil {
		return err
	}
	var got filled
	_, err = child.Run(ctx, command, func(line string, _ func()) error { return got.read(line) })
	if err != nil {
		return err
	}
	s.commits.Store(got.Commits)
	s.checks.Store(got.Checks)
	s.figures["memory_limit"], s.figures["peak_rss"] = memoryLimit, got.PeakBytes
	s.figures["memory_used"], s.figures["disk_bytes"] = got.MemoryUsed, got.OnDisk
	s.say.line("limit %s: the process took %s at its peak, the database says %s; %s on disk", units.Bytes(memoryLimit),
		units.Bytes(got.PeakBytes), units.Bytes(got.MemoryUsed), units.Bytes(got.OnDisk))
	return got.judge()
}

func (f filled) judge() error {
	switch {
	case f.PeakBytes == 0:
		return broken("the resident set could not be measured on this platform")
	case f.PeakBytes > memoryLimit+memoryAllowance:
		return broken("the process took %s, more than %s", units.Bytes(f.PeakBytes),
			units.Bytes(memoryLimit+memoryAllowance))
	case f.MemoryUsed > memoryLimit:
		return broken("the database took %s of %s", units.Bytes(f.MemoryUsed), units.Bytes(memoryLimit))
	case f.Commits != memoryValues:
		return broken("%d of %d commits were acknowledged", f.Commits, memoryValues)
	}
	return nil
}

// Fill runs in the process of the test of memory: it fills the database in dir, reads everything back by key and by a
// scan, and reports on out.
func Fill(ctx context.Context, dir string, seed uint64, out io.Writer) (err error) {
	db, err := lightningdb.Open(dir, &lightningdb.Options{MemoryLimit: memoryLimit, Durability: lightningdb.Process})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var report filled
	if report.Commits, err = fill(ctx, db, seed); err != nil {
		return err
	}
	if report.Checks, err = readFilled(ctx, db, seed); err != nil {
		return err
	}
	metrics := db.Metrics()
	report.MemoryUsed, report.OnDisk = metrics.MemoryUsed, metrics.DiskBytes
	report.PeakBytes = peakResidentBytes()
	return report.write(out)
}

func memoryKey(dst []byte, i int) []byte { return fmt.Appendf(dst, "value%06d", i) }

// fill puts the values, from several goroutines.
func fill(ctx context.Context, db *lightningdb.DB, seed uint64) (commits int64, err error) {
	var next, done atomic.Int64
	c := newCrew(ctx, 0)
	for range memoryWriters {
		var key, value []byte
		c.start(func() error {
			i := int(next.Add(1)) - 1
			if i >= memoryValues {
				return errTimeUp
			}
			key, value = memoryKey(key[:0], i), content.Append(value[:0], memoryValueSize, seed, uint64(i))
			if err := db.Put(key, value); err != nil {
				return err
			}
			done.Add(1)
			return nil
		})
	}
	err = c.wait()
	return done.Load(), err
}

// readFilled compares every value, once read by its key and once in order.
func readFilled(ctx context.Context, db *lightningdb.DB, seed uint64) (checks int64, err error) {
	var key, got, want []byte
	for i := 0; i < memoryValues && ctx.Err() == nil; i++ {
		key, want = memoryKey(key[:0], i), content.Append(want[:0], memoryValueSize, seed, uint64(i))
		if got, err = db.GetAppend(got[:0], key); err != nil || !bytes.Equal(got, want) {
			return checks, broken("value %d is not what was put: %v", i, err)
		}
		checks++
	}
	i := 0
	all := db.Range(nil, nil)
	for k, v := range all.All() {
		key, want = memoryKey(key[:0], i), content.Append(want[:0], memoryValueSize, seed, uint64(i))
		if !bytes.Equal(k, key) || !bytes.Equal(v, want) {
			return checks, broken("entry %d of the scan is not what was put", i)
		}
		i++
		checks++
	}
	switch {
	case all.Err() != nil:
		return checks, all.Err()
	case i != memoryValues:
		return checks, broken("the scan has %d of %d values", i, memoryValues)
	}
	return checks, context.Cause(ctx)
}

// peakResidentBytes is the highest resident set size of this process so far, or 0 where the platform does not tell.
func peakResidentBytes() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if field, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(field), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
