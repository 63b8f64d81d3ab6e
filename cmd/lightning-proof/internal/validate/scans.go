package validate

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"lightningdb/cmd/internal/units"
	"lightningdb/cmd/lightning-proof/internal/content"
	"lightningdb/internal/proof/latency"
)

// Sizes of the test of scans.
const (
	scanFiller  = 40_000 // entries that never change, so that a scan takes long
	scanMarkers = 9      // entries spread evenly among them that every transaction reads and changes
	scanMarking = 2      // goroutines that do so
	scanReaders = 2
)

// scanned is the state of the test of scans. The markers of a moment all hold the same number.
type scanned struct {
	*stress
	begun, acked atomic.Uint64 // transactions that mark: every one that commits adds 1

	mu        sync.Mutex
	latencies latency.Histogram // of commits
	scans     int64
}

func fillerKey(i int) []byte { return fmt.Appendf(nil, "%06d", i) }

// markerKey is behind the filler of that number.
func markerKey(m int) []byte { return fmt.Appendf(nil, "%06d!", m*(scanFiller/(scanMarkers-1))) }

// runScans adds 1 to all markers, transaction after transaction, while scans read everything. A check is one scan; the
// last one must find in the markers as many as were committed.
func runScans(ctx context.Context, s *stress) error {
	t := &scanned{stress: s}
	if err := t.prepare(); err != nil {
		return err
	}
	c := newCrew(ctx, s.Each)
	for range scanMarking {
		c.start(t.mark)
	}
	for range scanReaders {
		c.start(t.scan)
	}
	if err := c.wait(); err != nil {
		return err
	}
	if err := t.scan(); err != nil {
		return err
	}
	s.figures["scans"], s.figures["entries_per_scan"] = t.scans, scanFiller+scanMarkers
	p50, p99 := t.latencies.Quantile(500), t.latencies.Quantile(990)
	s.figures["commit_p50_us"], s.figures["commit_p99_us"] = p50.Microseconds(), p99.Microseconds()
	s.say.line("%s of %s entries each; commits beside them took %s (p50), %s (p99)", units.Plural(t.scans, "scan"),
		units.Count(scanFiller+scanMarkers), units.Duration(p50), units.Duration(p99))
	return nil
}

func (t *scanned) fillerValue(i int) []byte { return content.Append(nil, 60, t.Seed, uint64(i)) }

func (t *scanned) prepare() error {
	const perCommit = 1000
	var entries []entry
	for i := range scanFiller {
		entries = append(entries, entry{fillerKey(i), t.fillerValue(i)})
		if len(entries) == perCommit || i == scanFiller-1 {
			if err := t.commit(entries...); err != nil {
				return err
			}
			entries = entries[:0]
		}
	}
	return t.mark()
}

// mark adds 1 to all markers in a transaction.
func (t *scanned) mark() error {
	t.begun.Add(1)
	var reads [][]byte
	for m := range scanMarkers {
		reads = append(reads, markerKey(m))
	}
	start := time.Now()
	if err := t.transact(reads, func(values [][]byte) ([]entry, error) { return nextMoment(reads, values) }); err != nil {
		return err
	}
	t.acked.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latencies.Add(time.Since(start))
	return nil
}

// nextMoment writes one more than all markers hold. Absent ones hold 0.
func nextMoment(markers, values [][]byte) (entries []entry, err error) {
	var n uint64
	for i, value := range values {
		if !bytes.Equal(value, values[0]) {
			return nil, broken("a transaction saw two moments: %x at its first marker, %x at marker %d", values[0], value, i)
		}
	}
	if len(values[0]) == 8 {
		n = binary.BigEndian.Uint64(values[0])
	}
	for _, key := range markers {
		entries = append(entries, entry{key, binary.BigEndian.AppendUint64(nil, n+1)})
	}
	return entries, nil
}

// scan reads everything, forward, in one loop.
func (t *scanned) scan() error {
	floor := t.acked.Load()
	all := t.db.Range(nil, nil)
	var moment uint64
	fillers, markers := 0, 0
	for key, value := range all.All() {
		if len(key) == len("000000") {
			if !bytes.Equal(key, fillerKey(fillers)) || !bytes.Equal(value, t.fillerValue(fillers)) {
				return broken("entry %q of a scan is not filler %d", key, fillers)
			}
			fillers++
			continue
		}
		if len(value) != 8 || !bytes.Equal(key, markerKey(markers)) {
			return broken("entry %q of a scan is not marker %d", key, markers)
		}
		n := binary.BigEndian.Uint64(value)
		if markers == 0 {
			moment = n
		}
		if n != moment {
			return broken("a scan saw two moments: %d at its first marker, %d at marker %d", moment, n, markers)
		}
		markers++
	}
	if err := all.Err(); err != nil {
		return err
	}
	if fillers != scanFiller || markers != scanMarkers || moment < floor || moment > t.begun.Load() {
		return broken("a scan has %d fillers and %d markers of moment %d; %d was acknowledged before", fillers, markers,
			moment, floor)
	}
	t.checks.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scans++
	return nil
}
