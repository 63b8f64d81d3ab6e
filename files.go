package lightningdb

import (
	"context"
	"errors"
	"fmt"

	"lightningdb/internal/format/record"
	"lightningdb/internal/salvage"
	"lightningdb/internal/tree/manifest"
)

// FormatVersion is the version of files that this package writes, and the newest that it reads: see ErrVersionTooNew.
const FormatVersion = record.Version

// SalvageOptions and InspectOptions say what is wanted, SalvageReport and InspectReport what was found.
type (
	SalvageOptions = salvage.Choices
	SalvageReport  = salvage.Report
	InspectOptions = salvage.View
	InspectReport  = salvage.Contents
)

// Salvage writes a new database, in dst, with everything that can be read of the damaged one in src, which it leaves as
// it is: of each key the newest value that is whole. What may be missing, or older than it was, the report says. o may
// be nil. The error is fs.ErrExist if dst is not empty, ErrLocked if a writer has src open; then dst is no database.
func Salvage(ctx context.Context, src, dst string, o *SalvageOptions) (*SalvageReport, error) {
	r, err := salvage.Directories(orBackground(ctx), src, dst, o)
	if errors.Is(err, manifest.ErrNoDatabase) {
		err = fmt.Errorf("salvage %s: %w", src, ErrNoDatabase)
	}
	return r, err
}

// Inspect returns what is in one file of a database, as far as it is whole, for people and tools that look into files.
func Inspect(f string, o InspectOptions) (*InspectReport, error) { return salvage.Inspect(f, o) }
