package transaction

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"lightningdb/internal/engine"
	"lightningdb/internal/log/lock"
	"lightningdb/internal/system/calls"
)

// Repeat calls attempt, with its number from 1, until it has not lost against another transaction, or ctx ends.
func Repeat(ctx context.Context, attempt func(n int) error) error {
	for n := 1; ; n++ {
		err := attempt(n)
		if !errors.Is(err, engine.ErrConflict) && !errors.Is(err, lock.ErrDeadlock) {
			return err
		}
		if stopped := pause(ctx, n); stopped != nil {
			return errors.Join(stopped, err)
		}
	}
}

// pause waits before the next attempt of a transaction that has lost: longer after each attempt, and for a random part
// of that time, so that two transactions that met once do not meet again.
func pause(ctx context.Context, attempt int) error {
	const shortest, longest = 20 * time.Microsecond, 5 * time.Millisecond
	if attempt == 1 {
		return ctx.Err() // what it lost against has been published
	}
	return calls.Sleep(ctx, rand.N(min(shortest<<min(attempt, 10), longest)))
}
