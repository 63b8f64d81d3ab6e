package calls

import "context"

// Turn is a mutex that can be waited for until a context is done. NewTurn makes one.
type Turn chan struct{}

// NewTurn returns a turn that nobody has.
func NewTurn() Turn { return make(Turn, 1) }

// TryTake reports whether nobody had the turn, which the caller has then.
func (t Turn) TryTake() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

// Take waits for the turn, or returns the error of ctx.
func (t Turn) Take(ctx context.Context) error {
	if t.TryTake() {
		return nil
	}
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// End gives the turn back.
func (t Turn) End() { <-t }
