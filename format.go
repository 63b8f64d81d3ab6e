package lightningdb

import "lightningdb/internal/format/record"

// FormatVersion is the version of the files that this package writes, and the newest that it reads: Open refuses a
// newer one with ErrVersionTooNew.
const FormatVersion = record.Version
