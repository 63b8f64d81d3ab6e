package engine

import (
	"errors"
	"fmt"

	"lightningdb/internal/system/owner"
)

// What callers branch on. The root package publishes them under the same names.
var (
	ErrClosed        = errors.New("database is closed")
	ErrReadOnly      = errors.New("database accepts no writes")
	ErrCommitUnknown = errors.New("fate of the commit is unknown until the database is reopened")
	ErrNoDatabase    = errors.New("there is no database here")
	ErrOpenReaders   = errors.New("iterators or snapshots were still open at Close")

	ErrTakenOver = owner.ErrTakenOver

	ErrSnapshotExpired = errors.New("state of the database is no longer kept")
	ErrFutureSequence  = errors.New("no commit has this sequence number yet")
)

// failure is why the engine stopped accepting writes.
type failure struct{ cause error }

// fail stops all writes of this handle because of cause. The first cause stays.
func (e *Engine) fail(operation string, cause error) error {
	err := fmt.Errorf("%s: %w", operation, e.takenOver(cause))
	if e.noteFailure(err) {
		e.opts.Logger.Error("database stopped accepting writes; reopen it after the cause is mended", "cause", err)
		e.wakeAll()
	}
	return err
}

// noteFailure stops all writes because of err, and reports whether nothing had before. It waits for changes of files that
// are in progress.
func (e *Engine) noteFailure(err error) bool {
	e.filesMu.Lock()
	defer e.filesMu.Unlock()
	return e.failed.CompareAndSwap(nil, &failure{err})
}

// changeFiles calls do, which changes what counts in the directory: it appends to the manifest or begins the next one,
// renames, removes, or goes on in another log segment. From the first failure on it does not, and gives ErrReadOnly: what a
// failed sync has lost may be there a second time, in files that nothing needs any more if all is well. Once fail has
// returned, no change is in progress, and none begins. do must not call fail.
func (e *Engine) changeFiles(do func() error) error {
	e.filesMu.RLock()
	defer e.filesMu.RUnlock()
	if err := e.intact(); err != nil {
		return err
	}
	return do()
}

// intact is nil until the first failure, and then ErrReadOnly with its cause.
func (e *Engine) intact() error {
	if f := e.failed.Load(); f != nil {
		return fmt.Errorf("%w since a failure; reopen it after the cause is mended: %w", ErrReadOnly, f.cause)
	}
	return nil
}

// writable is nil while commits are accepted.
func (e *Engine) writable() error {
	if e.closed.Load() {
		return ErrClosed
	}
	if e.opts.ReadOnly {
		return fmt.Errorf("%w: it was opened read-only", ErrReadOnly)
	}
	return e.intact()
}
