package lightningdb

import (
	"context"
	"errors"
	"fmt"

	"lightningdb/internal/salvage"
	"lightningdb/internal/tree/manifest"
)

// SalvageOptions configures Salvage. SalvageReport says what was written, and what is missing: SalvageLosses.
type (
	SalvageOptions = salvage.Choices
	SalvageReport  = salvage.Report
	SalvageLoss    = salvage.Loss
)

// Salvage writes a new database, in directory dst, with everything that can be read of the damaged one in src, which it
// does not change: of each key the newest value that is whole. What is missing, or may be older than it was, the report
// says, by keys. o may be nil. dst must be absent or empty, else the error is fs.ErrExist; it is ErrLocked if a writer
// has src open. What cannot be read is no error. After an error dst is no database.
func Salvage(ctx context.Context, src, dst string, o *SalvageOptions) (*SalvageReport, error) {
	r, err := salvage.Directories(orBackground(ctx), src, dst, o)
	if errors.Is(err, manifest.ErrNoDatabase) {
		err = fmt.Errorf("salvage %s: %w", src, ErrNoDatabase)
	}
	return r, err
}
