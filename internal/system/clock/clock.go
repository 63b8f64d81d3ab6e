// Package clock is the monotonic clock of an open database. Everything that the database waits for, or holds against
// an age, is measured between instants of it. A time.Time would not do: what it says of the wall clock, which people
// and time servers set forward and back, is also what remains of it when it is kept as a number.
package clock

import "time"

// Instant is a moment by a monotonic clock, in nanoseconds since some fixed moment. The zero value is no moment.
type Instant int64

// Plus is the instant d later, or earlier if d is negative.
func (i Instant) Plus(d time.Duration) Instant { return i + Instant(d) }

// Since is the time from earlier to i.
func (i Instant) Since(earlier Instant) time.Duration { return time.Duration(i - earlier) }

// Monotonic returns how much time has passed since some fixed moment. It never returns less than it has returned
// before.
type Monotonic func() time.Duration

// Now is the present instant.
func (m Monotonic) Now() Instant { return 1 + Instant(m()) }

// Stopwatch returns a clock that begins at 0 now.
func Stopwatch() Monotonic {
	start := time.Now() // with a monotonic reading, which is all that Since looks at
	return func() time.Duration { return time.Since(start) }
}
