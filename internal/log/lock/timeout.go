package lock

import (
	"errors"
	"fmt"
	"time"

	"lightningdb/internal/format/space"
)

// ErrTimeout matches every *TimeoutError by errors.Is.
var ErrTimeout = errors.New("lock timeout")

// TimeoutError says that a call has waited for a lock for as long as it may. The call has changed nothing.
type TimeoutError struct {
	Key    []byte        // the locked key; nil if the wait was for precedence, which one transaction at a time has
	Age    time.Duration // how long the holder has had the lock
	Waited time.Duration // how long the call was allowed to wait
	Holder string        // the holder: its number and, if that is traced, when and by which line it was begun
}

func (e *TimeoutError) Error() string {
	what := "precedence over other transactions"
	if e.Key != nil {
		what = "key " + quote(e.Key)
	}
	return fmt.Sprintf("lock timeout: waited %v for %s, held for %v by %s; end that transaction, or begin it with a "+
		"context that ends (Options.LockTimeout bounds the wait, Options.TraceReaders tells where the holder was begun)",
		e.Waited, what, e.Age.Round(time.Millisecond), e.Holder)
}

// Is makes errors.Is(err, ErrTimeout) hold.
func (e *TimeoutError) Is(target error) bool { return target == ErrTimeout }

// timeoutLocked returns the error for w, which has waited for limit.
func (t *Table) timeoutLocked(w *wait, limit time.Duration) *TimeoutError {
	e := &TimeoutError{Waited: limit}
	if w.lock != &t.priority {
		e.Key = space.Shown([]byte(w.lock.key))
	}
	for _, s := range t.stepsLocked(w) {
		if s.holder == nil || s.holder == w.owner {
			continue
		}
		since := w.lock.since
		if s.obstacle == ProtectedRange {
			since = t.priority.since // no range is older than the priority of its owner
		}
		e.Age, e.Holder = t.now()-since, s.holder.describe()
		break
	}
	return e
}

// describe names o in the errors of those that wait for it.
func (o *Owner) describe() string {
	if o.Origin == nil {
		return fmt.Sprintf("transaction %d", o.number)
	}
	return fmt.Sprintf("%s %d, %v", o.Origin.Kind, o.number, o.Origin)
}
