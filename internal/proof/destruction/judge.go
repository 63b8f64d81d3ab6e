package destruction

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"lightningdb/internal/engine"
	"lightningdb/internal/format/key"
	"lightningdb/internal/proof/oracle"
	"lightningdb/internal/proof/torture"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/vfs"
	"lightningdb/internal/system/vfs/memfs"
)

// Salvage salvages source, and returns the report and what the new database holds. o says how.
func Salvage(source vfs.FS, o salvage.Options) (*salvage.Report, []oracle.Entry, error) {
	target := memfs.New()
	report, err := into(target, source, o)
	if err != nil {
		return nil, nil, err
	}
	entries, err := read(target)
	if err != nil {
		return nil, nil, fmt.Errorf("read what was salvaged: %w", err)
	}
	if uint64(len(entries)) != report.Keys {
		return nil, nil, fmt.Errorf("the report says %d keys and there are %d", report.Keys, len(entries))
	}
	return report, entries, nil
}

// into salvages source into target.
func into(target, source vfs.FS, o salvage.Options) (*salvage.Report, error) {
	o.Source, o.Target, o.Random = source, target, NumbersFrom(7)
	return salvage.Run(context.Background(), o)
}

// read opens the database in fs, which must be there, and returns all that it holds. It is verified.
func read(fs *memfs.FS) ([]oracle.Entry, error) {
	e, err := engine.Open(engine.Options{FS: fs, MustExist: true, Manual: true, Random: NumbersFrom(8),
		MemoryLimit: engine.MinMemoryLimit})
	if err != nil {
		return nil, err
	}
	entries, err := torture.Content(e, nil)
	if err == nil {
		err = e.Verify(context.Background(), nil)
	}
	return entries, errors.Join(err, e.Close())
}

// Judge compares what was salvaged with what was written. The counts are of violations, the error describes the first
// one: an entry that its key never had is wrong data; what is missing, or older than it was, without a loss that says
// so, is lost.
func (v *Victim) Judge(report *salvage.Report, entries []oracle.Entry) (n oracle.Counts, first error) {
	note := func(counter *int64, format string, args ...any) {
		*counter++
		if first == nil {
			first = fmt.Errorf(format, args...)
		}
	}
	got := map[string][]byte{}
	for _, e := range entries {
		got[string(e.Key)] = e.Value
		if !v.hadOnce(e) {
			note(&n.WrongData, "key %q has %.40q, which it never had", e.Key, e.Value)
		}
	}
	for _, k := range v.History.Keys() {
		value, there := got[k]
		if v.isNewest(report, k, value, there) {
			continue
		}
		want, exists := v.History.Get([]byte(k), v.History.Last())
		if !v.mayBeLost(report, k) {
			note(&n.AckedLost, "key %q has %.40q (%v) instead of %.40q (%v), and no loss says so", k, value, there, want,
				exists)
		}
	}
	return n, first
}

// hadOnce reports whether the key of e had that value at some time.
func (v *Victim) hadOnce(e oracle.Entry) bool {
	for seq := v.History.Last(); seq > 0; seq-- {
		if value, found := v.History.Get(e.Key, seq); found && bytes.Equal(value, e.Value) {
			return true
		}
	}
	return false
}

// isNewest reports whether k is as it was in the end. Where no clean close is noted, that may be the end that the
// report knows of: commits behind it are cut off.
func (v *Victim) isNewest(report *salvage.Report, k string, value []byte, there bool) bool {
	want, exists := v.History.Get([]byte(k), v.History.Last())
	if there == exists && bytes.Equal(value, want) {
		return true
	}
	want, exists = v.History.Get([]byte(k), key.SeqNum(report.LastSequence))
	return !report.Closed && there == exists && bytes.Equal(value, want)
}

// mayBeLost reports whether the losses say that the newest version of k may be missing. That of a key which was put
// last is missing only if a loss covers its sequence number: others of that key are no excuse. An operand may also be
// left out because of a loss below it, and what was removed last may be back whatever was lost of the key.
func (v *Victim) mayBeLost(report *salvage.Report, k string) bool {
	end := v.History.Last()
	if !report.Closed {
		end = min(end, key.SeqNum(report.LastSequence))
	}
	newest, kind := v.History.Newest([]byte(k), end)
	for _, l := range report.Losses {
		newer, older := l.First > uint64(newest), l.Last < uint64(newest)
		switch {
		case !l.Spans([]byte(k)):
		case kind == key.KindDelete, kind == key.KindMerge && !newer, !newer && !older:
			return true
		}
	}
	return false
}
