package typed

import (
	"errors"
	"fmt"
)

// Errors that callers branch on, with errors.Is. What is returned adds the table, and the key where there is one. What
// the database returns, such as lightningdb.ErrNotFound, comes through as it is.
var (
	// ErrTable: a table cannot be as New was told: the name is empty or not UTF-8, a codec is missing, or the version is
	// not within 0 and MaxVersion. Mend the call.
	ErrTable = errors.New("there can be no such table")

	// ErrExists: Insert found a row. Use Put to write over it, Update to change it.
	ErrExists = errors.New("the row exists")

	// ErrRow: what is stored is damaged, or is no row of this table: it does not begin as a row does, or a codec cannot
	// read it. errors.As finds a *RowError with the stored key. Repair the row with Put, or delete that key.
	ErrRow = errors.New("the row is damaged or foreign")

	// ErrNewer: the row was written in a version that this program does not know. Nothing was written. Let a newer
	// program read it.
	ErrNewer = errors.New("the row is of a newer version")

	// ErrOlder: the row was written in an older version, and Options.Migrate is nil.
	ErrOlder = errors.New("the row is of an older version")

	// ErrCodec: a codec returned something else than what it was given and more behind it. Nothing was written: it would
	// not have been a row of this table. Mend the codec: it appends to dst.
	ErrCodec = errors.New("the codec does not append to what it is given")

	// ErrToken: the token was not made by Page for a table of this name and secret, the same bounds and the same
	// direction, or it was altered. Begin again at the first page.
	ErrToken = errors.New("not a token of these rows")

	// ErrPage: a page of less than one row was asked for.
	ErrPage = errors.New("a page has at least one row")
)

// RowError says which row could not be read, and why.
type RowError struct {
	Table   string
	Key     []byte // as stored, with the name of the table: for DB.Delete; a copy
	Version int    // in which the row was written; -1 if that is not known
	Err     error  // ErrRow, ErrNewer or ErrOlder, or that of Options.Migrate or of writing what it returned
}

// Error implements error.
func (e *RowError) Error() string {
	if e.Version < 0 {
		return fmt.Sprintf("table %q, key %q: %v", e.Table, e.Key, e.Err)
	}
	return fmt.Sprintf("table %q, key %q, version %d: %v", e.Table, e.Key, e.Version, e.Err)
}

// Unwrap returns e.Err.
func (e *RowError) Unwrap() error { return e.Err }
