package engine

import "time"

// instant is a moment by the monotonic clock, in nanoseconds since the engine was made. The zero value is no moment.
//
// Everything that the engine waits for, or holds against an age, is measured between instants. A time.Time would not do:
// what it says of the wall clock, which people and time servers set forward and back, is also what remains of it when it is
// kept as a number.
type instant int64

// now is the present instant. It never comes before one that was asked for earlier.
func (e *Engine) now() instant { return 1 + instant(e.opts.Elapsed()) }

// plus is the instant d later, or earlier if d is negative.
func (i instant) plus(d time.Duration) instant { return i + instant(d) }

// since is the time from earlier to i.
func (i instant) since(earlier instant) time.Duration { return time.Duration(i - earlier) }

// stopwatch returns a monotonic clock that begins at 0 now.
func stopwatch() func() time.Duration {
	start := time.Now() // with a monotonic reading, which is all that Since looks at
	return func() time.Duration { return time.Since(start) }
}
