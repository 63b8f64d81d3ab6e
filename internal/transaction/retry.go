package transaction

import (
	"context"
	"math/rand/v2"
	"time"

	"lightningdb/internal/system/calls"
)

// Pause waits before the next attempt of a transaction that has lost: longer after each attempt, and for a random part
// of that time, so that two transactions that met once do not meet again.
func Pause(ctx context.Context, attempt int) error {
	const shortest, longest = 20 * time.Microsecond, 5 * time.Millisecond
	if attempt == 1 {
		return ctx.Err() // what it lost against has been published
	}
	return calls.Sleep(ctx, rand.N(min(shortest<<min(attempt, 10), longest)))
}
