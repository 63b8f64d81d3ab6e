// Package clock is the monotonic clock of an open database. Everything that the database waits for, or compares with
// an age, is measured between its instants. A time.Time would not do: what is left of it in a number is a moment of
// the wall clock, which people and time servers set forward and back.
package clock

import "time"

// Instant is a moment of a monotonic clock, in nanoseconds since some fixed moment. The zero value is no moment.
type Instant int64

// Plus returns the instant d later, or earlier if d is negative.
func (i Instant) Plus(d time.Duration) Instant { return i + Instant(d) }

// Since returns the time from earlier to i.
func (i Instant) Since(earlier Instant) time.Duration { return time.Duration(i - earlier) }

// Monotonic returns how much time has passed since some fixed moment. It never returns less than before.
type Monotonic func() time.Duration

// Now returns the present instant.
func (m Monotonic) Now() Instant { return 1 + Instant(m()) }

// Stopwatch returns a clock that begins at 0 now.
func Stopwatch() Monotonic {
	start := time.Now() // with a monotonic reading, which is all that Since looks at
	return func() time.Duration { return time.Since(start) }
}
