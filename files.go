package lightningdb

import (
	"context"
	"errors"
	"fmt"

	"lightningdb/internal/format/record"
	"lightningdb/internal/salvage"
	"lightningdb/internal/system/calls"
	"lightningdb/internal/tree/manifest"
)

// FormatVersion is the version of files that this package writes, and the newest that it reads: see ErrVersionTooNew.
const FormatVersion = record.Version

type (
	// SalvageOptions configures Salvage; its zero value is good. MemoryLimit (int64) is how many bytes the work takes,
	// apart from single large values and commits: 64 MiB if it is 0, at least 10 MiB. Uncommitted (bool) takes in what
	// large transactions wrote of which nothing says whether it was committed. Progress (func(done, total int64)), which
	// may be nil, is told how many bytes have been read, and of how many.
	SalvageOptions = salvage.Choices

	// SalvageReport is what Salvage did, in numbers: Files and Bytes in them that were read, Tables and log Segments that
	// something was taken from, Keys in the new database, Older of them that may have had newer values or been removed,
	// Operands of merges that were left out. Manifest (string) was believed, "" if none is whole. LastSequence (uint64) is
	// the newest commit that is known of; Closed (bool) says that there was none behind it.
	//
	// Damage ([]*CorruptionError) is what is damaged, and MoreDamage how many places are not listed. Losses is what may be
	// missing, each with File ("" if it is not of one), Offset and Length in bytes (-1 if not known), the keys From and
	// To, both included (nil if open), the sequence numbers First to Last, What, and the methods String and Spans(key)
	// bool. LeftOut is what is whole and was not used: File, how many Entries, From and To, and Why.
	SalvageReport = salvage.Report

	// InspectOptions configures Inspect. Part (int) is the number of the only page or record to show, from 1, which must
	// be there; 0 for all. Keys (bool) has their entries shown.
	InspectOptions = salvage.View

	// InspectReport is what is in a file: the name File, its Kind in a word, how many Bytes it has, Fields that it says of
	// itself (each with Name and Value, as text), Parts, and Damage ([]string). A part is a page or record: its Number
	// from 1, What it is, its Offset in the file, its Fields, and its Keys, each with Key ([]byte), Sequence (uint64),
	// Kind, Bytes of the value, and Value, which is nil unless that is in another file: File, Offset and Bytes there.
	InspectReport = salvage.Contents
)

// Salvage writes a new database, in dst, with everything that can be read of the damaged one in src, which it leaves as
// it is: of each key the newest value that is whole. What may be missing, or older than it was, the report says. o may
// be nil. The error is fs.ErrExist if dst is not empty, ErrLocked if a writer has src open; then dst is no database.
func Salvage(ctx context.Context, src, dst string, o *SalvageOptions) (*SalvageReport, error) {
	r, err := salvage.Directories(calls.OrBackground(ctx), src, dst, o)
	if errors.Is(err, manifest.ErrNoDatabase) {
		err = fmt.Errorf("salvage %s: %w", src, ErrNoDatabase)
	}
	return r, err
}

// Inspect returns what is in one file of a database, as far as it is whole, for people and tools that look into files.
func Inspect(f string, o InspectOptions) (*InspectReport, error) { return salvage.Inspect(f, o) }
